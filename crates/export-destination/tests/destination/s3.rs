//! What only a bucket promises: encryption, and errors that tell whether a retry may help.

use bytes::Bytes;
use export_destination::{Destination, DestinationError, S3Destination};

use crate::fake_s3::{FakeS3, KEY_ID, client};

#[tokio::test]
async fn a_disabled_key_is_a_refusal() {
    let s3 = FakeS3::start().await;
    s3.fail(|_| Some((400, "KMS.DisabledException")));
    let error = s3.destination().put("task/x", Bytes::new()).await.unwrap_err();
    assert!(matches!(error, DestinationError::Denied(_)), "{error}");
}

#[tokio::test]
async fn a_document_is_one_encrypted_request() {
    let s3 = FakeS3::start().await;
    s3.destination().put("task/_SUCCESS", Bytes::new()).await.unwrap();
    let bucket = s3.lock();
    assert_eq!(bucket.calls.len(), 1);
    let call = &bucket.calls[0];
    assert_eq!(call.header("x-amz-server-side-encryption"), "aws:kms");
    assert_eq!(call.header("x-amz-server-side-encryption-aws-kms-key-id"), KEY_ID);
    assert_eq!(call.header("x-amz-server-side-encryption-bucket-key-enabled"), "true");
    assert_eq!(bucket.objects["task/_SUCCESS"], "");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_worth_a_retry() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let destination = Destination::S3(S3Destination {
        client: client(&address),
        bucket: "exports".to_owned(),
        kms_key_id: KEY_ID.to_owned(),
    });
    let error = destination.put("x", "y".into()).await.unwrap_err();
    assert!(matches!(error, DestinationError::Throttled(_)), "{error}");
    assert_eq!(error.code(), None);
}
