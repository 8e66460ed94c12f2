//! One S3 object written while its size is still unknown: small ones in a single PutObject, larger ones in parts that
//! are uploaded in the background while the next is being filled.

use std::mem;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ServerSideEncryption};
use bytes::{Buf, Bytes};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::destination::{S3Destination, put_object};
use crate::error::{SinkError, interrupted};

/// Size of the first parts. With [`PARTS_IN_FLIGHT`] and the one being filled: 40 MiB of memory for an open file.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// Parts double in size after this many, so that S3's 10,000 reach past the largest object it stores.
const PARTS_PER_SIZE: i32 = 1_000;

/// How many parts are uploaded at once; the writer waits when it is ahead by more.
const PARTS_IN_FLIGHT: usize = 4;

#[derive(Debug)]
pub(crate) struct MultipartObject {
    destination: S3Destination,
    key: String,
    /// What is not yet sent: never more than one part.
    buffer: Vec<u8>,
    /// `None` as long as everything fits into one part.
    upload: Option<Upload>,
}

impl MultipartObject {
    pub(crate) fn new(destination: S3Destination, key: String) -> Self {
        Self { destination, key, buffer: Vec::new(), upload: None }
    }

    /// Takes the bytes, and waits while [`PARTS_IN_FLIGHT`] parts are under way.
    pub(crate) async fn write(&mut self, mut bytes: Bytes) -> Result<(), SinkError> {
        while bytes.has_remaining() {
            let limit = part_bytes(self.upload.as_ref().map_or(1, |u| u.next_part));
            // Sent only now that there are bytes for the part after it: the last part is never empty, and an object of
            // exactly one part needs no multipart upload.
            if self.buffer.len() == limit {
                let upload = match &mut self.upload {
                    Some(upload) => upload,
                    none => none.insert(Upload::create(&self.destination, &self.key).await?),
                };
                upload.send(mem::take(&mut self.buffer)).await?;
                continue;
            }
            let take = bytes.len().min(limit - self.buffer.len());
            // Exact: a part never outgrows its size, and doubling would take more than that.
            self.buffer.reserve_exact(take);
            self.buffer.extend_from_slice(&bytes[..take]);
            bytes.advance(take);
        }
        Ok(())
    }

    /// Sends the rest and makes the object appear.
    pub(crate) async fn complete(&mut self) -> Result<(), SinkError> {
        let rest = mem::take(&mut self.buffer);
        match &mut self.upload {
            Some(upload) => {
                upload.send(rest).await?;
                upload.complete().await
            }
            None => {
                let S3Destination { client, bucket, kms_key_id } = &self.destination;
                put_object(client, bucket, &self.key, rest, kms_key_id).await
            }
        }
    }

    /// Deletes the parts sent so far; nothing has appeared under the key.
    pub(crate) async fn abort(mut self) -> Result<(), SinkError> {
        match &mut self.upload {
            Some(upload) => upload.abort().await,
            None => Ok(()),
        }
    }
}

/// A multipart upload S3 knows of. Until it is completed or aborted its parts cost money without being visible.
#[derive(Debug)]
struct Upload {
    destination: S3Destination,
    key: String,
    id: String,
    next_part: i32,
    in_flight: JoinSet<Result<CompletedPart, SinkError>>,
    done: Vec<CompletedPart>,
    open: bool,
}

impl Upload {
    async fn create(destination: &S3Destination, key: &str) -> Result<Self, SinkError> {
        let output = destination
            .client
            .create_multipart_upload()
            .bucket(&destination.bucket)
            .key(key)
            .server_side_encryption(ServerSideEncryption::AwsKms)
            .ssekms_key_id(&destination.kms_key_id)
            .bucket_key_enabled(true)
            // Named here so that S3 expects the checksum the SDK computes for every part.
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .send()
            .await
            .map_err(|e| SinkError::s3("CreateMultipartUpload", &destination.bucket, key, e))?;
        Ok(Self {
            destination: destination.clone(),
            key: key.to_owned(),
            id: output.upload_id.unwrap_or_default(),
            next_part: 1,
            in_flight: JoinSet::new(),
            done: Vec::new(),
            open: true,
        })
    }

    /// Starts the upload of the next part once fewer than [`PARTS_IN_FLIGHT`] are under way.
    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), SinkError> {
        while self.in_flight.len() >= PARTS_IN_FLIGHT {
            self.join_part().await?;
        }
        let number = self.next_part;
        let request = self
            .destination
            .client
            .upload_part()
            .bucket(&self.destination.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(ByteStream::from(bytes));
        let (bucket, key) = (self.destination.bucket.clone(), self.key.clone());
        self.in_flight.spawn(async move {
            let output = request.send().await.map_err(|e| SinkError::s3("UploadPart", &bucket, &key, e))?;
            Ok(CompletedPart::builder()
                .part_number(number)
                .set_e_tag(output.e_tag)
                .set_checksum_crc32(output.checksum_crc32)
                .build())
        });
        self.next_part += 1;
        Ok(())
    }

    async fn join_part(&mut self) -> Result<(), SinkError> {
        if let Some(joined) = self.in_flight.join_next().await {
            self.done.push(joined.map_err(interrupted)??);
        }
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), SinkError> {
        while !self.in_flight.is_empty() {
            self.join_part().await?;
        }
        let mut parts = mem::take(&mut self.done);
        parts.sort_unstable_by_key(CompletedPart::part_number);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let S3Destination { client, bucket, .. } = &self.destination;
        client
            .complete_multipart_upload()
            .bucket(bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .multipart_upload(parts)
            .send()
            .await
            .map_err(|e| SinkError::s3("CompleteMultipartUpload", bucket, &self.key, e))?;
        self.open = false;
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), SinkError> {
        // A part that arrives after the abort would stay; so none may be under way.
        self.in_flight.shutdown().await;
        let S3Destination { client, bucket, .. } = &self.destination;
        let aborted = client
            .abort_multipart_upload()
            .bucket(bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .send()
            .await
            .map_err(|e| SinkError::s3("AbortMultipartUpload", bucket, &self.key, e));
        match aborted {
            Err(e) if e.code() != Some("NoSuchUpload") => Err(e),
            _ => {
                self.open = false;
                Ok(())
            }
        }
    }
}

/// Best effort for a writer that is dropped in the middle, as a canceled future is: nobody is left to wait for it.
impl Drop for Upload {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut upload = Self {
            destination: self.destination.clone(),
            key: mem::take(&mut self.key),
            id: mem::take(&mut self.id),
            next_part: self.next_part,
            in_flight: mem::take(&mut self.in_flight),
            done: Vec::new(),
            // One attempt only: dropping this one must not start another.
            open: false,
        };
        runtime.spawn(async move {
            if let Err(error) = upload.abort().await {
                tracing::warn!(%error, "a multipart upload was left behind");
            }
        });
    }
}

/// Size of part `number`, from 1.
fn part_bytes(number: i32) -> usize {
    PART_BYTES << ((number - 1) / PARTS_PER_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_reach_past_the_largest_object() {
        let (mib, gib) = (1_usize << 20, 1_usize << 30);
        assert_eq!(part_bytes(1), 8 * mib);
        assert_eq!(part_bytes(1_000), 8 * mib);
        assert_eq!(part_bytes(1_001), 16 * mib);
        let total: usize = (1..=10_000).map(part_bytes).sum();
        assert!(total > 5 * 1024 * gib);
        assert!(part_bytes(10_000) <= 5 * gib, "S3 takes parts of up to 5 GiB");
    }
}
