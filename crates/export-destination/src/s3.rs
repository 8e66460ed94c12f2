//! Objects written in one request, listing and removal in a bucket.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ServerSideEncryption};
use bytes::Bytes;
use export_task::object_key::Parts;

use crate::Claim;
use crate::error::DestinationError;

/// A bucket, the client that may write to it, and the key that encrypts everything.
#[derive(Clone, Debug)]
pub struct S3Destination {
    /// Client with the export role's credentials.
    pub client: Client,
    /// Name of the bucket.
    pub bucket: String,
    /// KMS key id or ARN of the task.
    pub kms_key_id: String,
}

/// The user-defined metadata that holds an object's owner.
const OWNER: &str = "aurora-export-owner";

impl S3Destination {
    /// Writes an object in one request. A retry overwrites it.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), DestinationError> {
        let sent = self.put_request(key, bytes).send().await;
        sent.map(drop).map_err(|e| self.failed("PutObject", key, e))
    }

    pub(crate) async fn claim(&self, key: &str, bytes: Bytes, owner: &str) -> Result<Claim, DestinationError> {
        let put = self.put_request(key, bytes).metadata(OWNER, owner).if_none_match("*");
        match put.send().await {
            Ok(_) => return Ok(Claim::Own),
            Err(e) if e.raw_response().is_some_and(|response| response.status().as_u16() == 412) => {}
            Err(e) => return Err(self.failed("PutObject", key, e)),
        }
        // The request may repeat one whose answer was lost.
        let head = self.client.head_object().bucket(&self.bucket).key(key).send().await;
        let head = head.map_err(|e| self.failed("HeadObject", key, e))?;
        let holder = head.metadata.and_then(|mut metadata| metadata.remove(OWNER));
        Ok(if holder.as_deref() == Some(owner) { Claim::Own } else { Claim::Taken(holder) })
    }

    pub(crate) async fn exists(&self, prefix: &str) -> Result<bool, DestinationError> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).max_keys(1);
        let page = list.send().await.map_err(|e| self.failed("ListObjectsV2", prefix, e))?;
        Ok(!page.contents().is_empty())
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<String>, DestinationError> {
        let mut keys = Vec::new();
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| self.failed("ListObjectsV2", prefix, e))?;
            keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        Ok(keys)
    }

    pub(crate) async fn contains(&self, key: &str) -> Result<bool, DestinationError> {
        match self.client.head_object().bucket(&self.bucket).key(key).send().await {
            Ok(_) => Ok(true),
            Err(e) if e.as_service_error().is_some_and(HeadObjectError::is_not_found) => Ok(false),
            Err(e) => Err(self.failed("HeadObject", key, e)),
        }
    }

    pub(crate) async fn remove(&self, key: &str) -> Result<(), DestinationError> {
        let sent = self.client.delete_object().bucket(&self.bucket).key(key).send().await;
        sent.map(drop).map_err(|e| self.failed("DeleteObject", key, e))
    }

    pub(crate) async fn abort_uploads(&self, prefix: &str, parts: &Parts) -> Result<usize, DestinationError> {
        let mut uploads = Vec::new();
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let request = self.client.list_multipart_uploads().bucket(&self.bucket).prefix(prefix);
            let page = request
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker)
                .send()
                .await
                .map_err(|e| self.failed("ListMultipartUploads", prefix, e))?;
            let found = page.uploads().iter().filter_map(|u| Some((u.key()?.to_owned(), u.upload_id()?.to_owned())));
            uploads.extend(found.filter(|(key, _)| parts.contains(key)));
            if page.is_truncated() != Some(true) {
                break;
            }
            (key_marker, id_marker) = (page.next_key_marker, page.next_upload_id_marker);
        }
        for (key, id) in &uploads {
            self.abort_upload(key, id).await?;
        }
        Ok(uploads.len())
    }

    /// Aborts a multipart upload, if it is still there.
    pub(crate) async fn abort_upload(&self, key: &str, id: &str) -> Result<(), DestinationError> {
        let abort = self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(id);
        match abort.send().await.map_err(|e| self.failed("AbortMultipartUpload", key, e)) {
            Err(e) if e.code() != Some("NoSuchUpload") => Err(e),
            _ => Ok(()),
        }
    }

    fn put_request(&self, key: &str, bytes: Bytes) -> PutObjectFluentBuilder {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .server_side_encryption(ServerSideEncryption::AwsKms)
            .ssekms_key_id(&self.kms_key_id)
            // One data key serves many objects: an export of 50,000 tables must not meet the rate
            // limit of KMS.
            .bucket_key_enabled(true)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(ByteStream::from(bytes))
    }
}
