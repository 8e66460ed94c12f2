//! One S3 object that is written while its size is still unknown. A small object is one PutObject
//! request. A larger one is uploaded in parts, in the background, while the next part is filled.

use std::mem;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ServerSideEncryption};
use bytes::{Buf, Bytes};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::error::DestinationError;
use crate::s3::S3Destination;

/// Size of the first parts in bytes. With [`PARTS_IN_FLIGHT`] and the part being filled, an open
/// file takes 40 MiB of memory.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// Parts double in size after this many, so that 10,000 parts, S3's maximum, hold more than S3's
/// largest object.
const PARTS_PER_SIZE: i32 = 1_000;

/// How many parts are uploaded at once. The writer waits when it is further ahead.
const PARTS_IN_FLIGHT: usize = 4;

#[derive(Debug)]
pub(crate) struct MultipartObject {
    destination: S3Destination,
    key: String,
    /// Bytes not sent yet, at most one part.
    buffer: Vec<u8>,
    /// `None` while everything fits into one part.
    upload: Option<Upload>,
}

impl MultipartObject {
    pub(crate) fn new(destination: S3Destination, key: String) -> Self {
        Self { destination, key, buffer: Vec::new(), upload: None }
    }

    /// Takes the bytes. Waits while [`PARTS_IN_FLIGHT`] parts are being uploaded.
    pub(crate) async fn write(&mut self, mut bytes: Bytes) -> Result<(), DestinationError> {
        while bytes.has_remaining() {
            let limit = part_bytes(self.upload.as_ref().map_or(1, |u| u.next_part));
            // A full part is sent only when bytes for the next part arrive: so the last part is
            // never empty, and an object of exactly one part needs no multipart upload.
            if self.buffer.len() == limit {
                let upload = match &mut self.upload {
                    Some(upload) => upload,
                    none => none.insert(Upload::create(&self.destination, &self.key).await?),
                };
                upload.send(mem::take(&mut self.buffer)).await?;
                continue;
            }
            let take = bytes.len().min(limit - self.buffer.len());
            // Doubling would reserve more than a part can hold.
            self.buffer.reserve_exact(take);
            self.buffer.extend_from_slice(&bytes[..take]);
            bytes.advance(take);
        }
        Ok(())
    }

    /// Sends the rest and makes the object appear under its key.
    pub(crate) async fn complete(&mut self) -> Result<(), DestinationError> {
        let rest = mem::take(&mut self.buffer);
        match &mut self.upload {
            Some(upload) => {
                upload.send(rest).await?;
                upload.complete().await
            }
            None => self.destination.put(&self.key, rest.into()).await,
        }
    }

    /// Deletes the parts sent so far. Nothing has appeared under the key.
    pub(crate) async fn abort(mut self) -> Result<(), DestinationError> {
        match &mut self.upload {
            Some(upload) => upload.abort().await,
            None => Ok(()),
        }
    }
}

/// A multipart upload that S3 knows. Until it is completed or aborted, its parts cost money without
/// being visible.
#[derive(Debug)]
struct Upload {
    destination: S3Destination,
    key: String,
    id: String,
    next_part: i32,
    in_flight: JoinSet<Result<CompletedPart, DestinationError>>,
    done: Vec<CompletedPart>,
    open: bool,
}

impl Upload {
    async fn create(destination: &S3Destination, key: &str) -> Result<Self, DestinationError> {
        let output = destination
            .client
            .create_multipart_upload()
            .bucket(&destination.bucket)
            .key(key)
            .server_side_encryption(ServerSideEncryption::AwsKms)
            .ssekms_key_id(&destination.kms_key_id)
            .bucket_key_enabled(true)
            // S3 then expects the checksum that the SDK computes for every part.
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .send()
            .await
            .map_err(|e| destination.failed("CreateMultipartUpload", key, e))?;
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

    /// Starts the upload of the next part once fewer than [`PARTS_IN_FLIGHT`] are running.
    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), DestinationError> {
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
        let (destination, key) = (self.destination.clone(), self.key.clone());
        self.in_flight.spawn(async move {
            let output = request.send().await.map_err(|e| destination.failed("UploadPart", &key, e))?;
            Ok(CompletedPart::builder()
                .part_number(number)
                .set_e_tag(output.e_tag)
                .set_checksum_crc32(output.checksum_crc32)
                .build())
        });
        self.next_part += 1;
        Ok(())
    }

    async fn join_part(&mut self) -> Result<(), DestinationError> {
        if let Some(joined) = self.in_flight.join_next().await {
            self.done.push(joined??);
        }
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), DestinationError> {
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
            .map_err(|e| self.destination.failed("CompleteMultipartUpload", &self.key, e))?;
        self.open = false;
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), DestinationError> {
        // A part that arrives after the abort would stay, so no upload may be running.
        self.in_flight.shutdown().await;
        self.destination.abort_upload(&self.key, &self.id).await?;
        self.open = false;
        Ok(())
    }
}

/// Aborts in the background, as a best effort: a writer is dropped half-way when its future is
/// canceled, and then nobody is left to wait for the abort.
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
            // Dropping this value must not start another attempt.
            open: false,
        };
        runtime.spawn(async move {
            if let Err(error) = upload.abort().await {
                tracing::warn!(%error, "a multipart upload was left behind");
            }
        });
    }
}

/// Returns the size in bytes of part `number`, counted from 1.
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
