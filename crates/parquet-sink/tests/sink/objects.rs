//! Objects in S3: which requests are made, how they are encrypted, and what is left when one fails.

use std::time::Duration;

use export_destination::DestinationError;
use parquet_sink::{PartWriter, Settings, SinkError};

use crate::fake_s3::{Call, FakeS3, KEY_ID};
use crate::rows::{batch, noise, noise_schema, read, same_rows, schema};

const MIB: usize = 1 << 20;

fn writer(s3: &FakeS3, schema: arrow_schema::SchemaRef) -> PartWriter {
    let key_of = |n| format!("task/part-{n}.gz.parquet");
    PartWriter::new(s3.destination(), schema, key_of, Settings::default())
}

fn assert_encrypted(call: &Call) {
    assert_eq!(call.header("x-amz-server-side-encryption"), "aws:kms");
    let key_id = call.header("x-amz-server-side-encryption-aws-kms-key-id");
    assert_eq!(key_id, KEY_ID);
    let bucket_key = call.header("x-amz-server-side-encryption-bucket-key-enabled");
    assert_eq!(bucket_key, "true");
}

#[tokio::test]
async fn a_small_file_is_one_encrypted_request() {
    let s3 = FakeS3::start().await;
    let mut writer = writer(&s3, schema());
    writer.write(&batch(0, 1_000)).await.unwrap();
    assert_eq!(s3.operations(), [""; 0]);
    let files = writer.finish().await.unwrap();

    assert_eq!(s3.operations(), ["PutObject"]);
    let bucket = s3.lock();
    assert_encrypted(&bucket.calls[0]);
    assert!(!bucket.calls[0].header("x-amz-checksum-crc32").is_empty());
    let object = bucket.objects[&files[0].key].clone();
    assert_eq!(files[0].bytes, object.len() as u64);
    assert!(same_rows(&read(object), &[batch(0, 1_000)]));
}

/// On one thread and on several: uploads must get on while rows are encoded, and never more than four at once.
async fn large_file() {
    let s3 = FakeS3::start().await;
    let mut writer = writer(&s3, noise_schema());
    let batches: Vec<_> = (0..5).map(|seed| noise(8, seed)).collect();
    for batch in &batches {
        writer.write(batch).await.unwrap();
    }
    let files = writer.finish().await.unwrap();
    assert_eq!(files.len(), 1);

    let bucket = s3.lock();
    assert_eq!(bucket.calls[0].operation, "CreateMultipartUpload");
    assert_encrypted(&bucket.calls[0]);
    assert_eq!(bucket.calls[0].header("x-amz-checksum-algorithm"), "CRC32");
    let last = bucket.calls.last().unwrap();
    assert_eq!(last.operation, "CompleteMultipartUpload");
    let mut parts: Vec<_> = bucket.calls[1..bucket.calls.len() - 1].iter().collect();
    parts.sort_by_key(|c| c.part);
    for (n, part) in parts.iter().enumerate() {
        assert_eq!(part.operation, "UploadPart");
        assert_eq!(part.part, Some(n as u32 + 1));
        assert!(!part.header("x-amz-checksum-crc32").is_empty());
        assert!(part.bytes == 8 * MIB || n == parts.len() - 1 && part.bytes > 0);
    }
    assert!((2..=4).contains(&bucket.parts_at_once), "{}", bucket.parts_at_once);
    let object = bucket.objects[&files[0].key].clone();
    assert_eq!(files[0].bytes, object.len() as u64);
    assert!(same_rows(&read(object), &batches));
}

#[tokio::test]
async fn a_large_file_is_sent_in_parts_on_one_thread() {
    large_file().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_is_sent_in_parts_on_several_threads() {
    large_file().await;
}

#[tokio::test]
async fn a_refused_part_aborts_the_upload() {
    let s3 = FakeS3::start().await;
    s3.fail(|call| (call.part == Some(2)).then_some((403, "AccessDenied")));
    let mut writer = writer(&s3, noise_schema());
    let mut result = Ok(());
    for seed in 0..20 {
        result = writer.write(&noise(8, seed)).await;
        if result.is_err() {
            break;
        }
    }
    let error = result.unwrap_err();
    assert!(matches!(error, SinkError::Destination(DestinationError::Denied(_))), "{error}");
    assert_eq!(error.to_string(), "UploadPart s3://exports/task/part-0.gz.parquet: AccessDenied: as the test asked");
    assert_eq!(s3.operations().last(), Some(&"AbortMultipartUpload"));
    assert_eq!((s3.open_uploads(), s3.lock().objects.len()), (0, 0));
    assert!(matches!(writer.finish().await, Err(SinkError::Incomplete)));
}

#[tokio::test]
async fn a_failed_completion_aborts_and_a_retry_overwrites() {
    let s3 = FakeS3::start().await;
    s3.fail(|call| (call.operation == "CompleteMultipartUpload").then_some((503, "SlowDown")));
    let mut first = writer(&s3, noise_schema());
    first.write(&noise(34, 1)).await.unwrap();
    let error = first.finish().await.unwrap_err();
    assert!(matches!(error, SinkError::Destination(DestinationError::Throttled(_))), "{error}");
    assert!(error.to_string().contains(": SlowDown: "), "{error}");
    assert_eq!((s3.open_uploads(), s3.lock().objects.len()), (0, 0));

    s3.fail(|_| None);
    for seed in [2, 3] {
        let mut retry = writer(&s3, noise_schema());
        retry.write(&noise(10, seed)).await.unwrap();
        let files = retry.finish().await.unwrap();
        let object = s3.lock().objects[&files[0].key].clone();
        assert!(same_rows(&read(object), &[noise(10, seed)]));
    }
    assert_eq!(s3.lock().objects.len(), 1);
}

#[tokio::test]
async fn an_aborted_upload_is_gone_when_abort_returns() {
    let s3 = FakeS3::start().await;
    let mut writer = writer(&s3, noise_schema());
    writer.write(&noise(34, 1)).await.unwrap();
    // What a batch was encoded to is handed over when the next one comes.
    writer.write(&noise(1, 2)).await.unwrap();
    assert_eq!(s3.open_uploads(), 1);
    writer.abort().await.unwrap();
    assert_eq!((s3.open_uploads(), s3.lock().objects.len()), (0, 0));
}

#[tokio::test]
async fn a_dropped_writer_aborts_its_upload_in_the_background() {
    let s3 = FakeS3::start().await;
    let mut writer = writer(&s3, noise_schema());
    writer.write(&noise(34, 1)).await.unwrap();
    // What a batch was encoded to is handed over when the next one comes.
    writer.write(&noise(1, 2)).await.unwrap();
    assert_eq!(s3.open_uploads(), 1);
    drop(writer);
    let gone = async {
        while s3.open_uploads() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    let aborts = s3.operations().into_iter().filter(|o| *o == "AbortMultipartUpload");
    assert_eq!(aborts.count(), 1);
}
