//! Where files go, and small objects written in one request.

use std::path::PathBuf;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ServerSideEncryption};
use bytes::Bytes;

use crate::directory::{self, DirectoryFile};
use crate::error::SinkError;
use crate::multipart::MultipartObject;

/// Where part files and metadata documents are written.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A bucket; keys are object keys.
    S3(S3Destination),
    /// A local directory; keys are paths below it.
    Directory(PathBuf),
}

/// A bucket, the client that may write to it, and the key everything is encrypted with.
#[derive(Clone, Debug)]
pub struct S3Destination {
    /// Client with the export role's credentials.
    pub client: Client,
    /// The bucket.
    pub bucket: String,
    /// KMS key id or ARN of the task.
    pub kms_key_id: String,
}

/// Whose a directory is after [`Destination::claim`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The caller's.
    Own,
    /// Another export's: its owner, where that is known.
    Taken(Option<String>),
}

/// The user-defined metadata that holds an object's owner.
const OWNER: &str = "aurora-export-owner";

impl S3Destination {
    async fn claim(&self, key: &str, bytes: Bytes, owner: &str) -> Result<Claim, SinkError> {
        let Self { client, bucket, kms_key_id } = self;
        let put = put(client, bucket, key, bytes, kms_key_id).metadata(OWNER, owner).if_none_match("*");
        match put.send().await {
            Ok(_) => return Ok(Claim::Own),
            Err(e) if e.raw_response().is_some_and(|response| response.status().as_u16() == 412) => {}
            Err(e) => return Err(SinkError::s3("PutObject", bucket, key, e)),
        }
        // The request may be a repetition of one whose answer was lost.
        let head = client.head_object().bucket(bucket).key(key).send().await;
        let head = head.map_err(|e| SinkError::s3("HeadObject", bucket, key, e))?;
        let holder = head.metadata.and_then(|mut metadata| metadata.remove(OWNER));
        Ok(if holder.as_deref() == Some(owner) { Claim::Own } else { Claim::Taken(holder) })
    }
}

impl Destination {
    /// Writes a small document, such as `export_info` or an empty `_SUCCESS`, at once.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<(), SinkError> {
        match self {
            Self::S3(s3) => put_object(&s3.client, &s3.bucket, key, bytes, &s3.kms_key_id).await,
            Self::Directory(root) => directory::put(root, key, bytes).await,
        }
    }

    /// Writes the first document of an export's directory, unless there is one: of two exports that begin at the same moment,
    /// one gets the directory. `owner` is kept with an object, so that whoever is refused can be told, and whoever comes again
    /// is let in.
    pub async fn claim(&self, key: &str, bytes: Bytes, owner: &str) -> Result<Claim, SinkError> {
        match self {
            Self::S3(s3) => s3.claim(key, bytes, owner).await,
            Self::Directory(root) => directory::claim(root, key, bytes).await,
        }
    }

    /// Removes a file, which need not be there.
    pub async fn remove(&self, key: &str) -> Result<(), SinkError> {
        match self {
            Self::S3(s3) => {
                let delete = s3.client.delete_object().bucket(&s3.bucket).key(key);
                let failed = |e| SinkError::s3("DeleteObject", &s3.bucket, key, e);
                delete.send().await.map(drop).map_err(failed)
            }
            Self::Directory(root) => directory::remove(root, key).await,
        }
    }

    pub(crate) async fn open(&self, key: &str) -> Result<File, SinkError> {
        Ok(match self {
            Self::S3(s3) => File::S3(MultipartObject::new(s3.clone(), key.to_owned())),
            Self::Directory(root) => File::Directory(DirectoryFile::create(root, key).await?),
        })
    }
}

/// Writes an object in one request, encrypted with the task's key. A retry overwrites.
pub async fn put_object(
    client: &Client,
    bucket: &str,
    key: &str,
    bytes: impl Into<Bytes>,
    kms_key_id: &str,
) -> Result<(), SinkError> {
    let put = put(client, bucket, key, bytes, kms_key_id);
    put.send().await.map(drop).map_err(|e| SinkError::s3("PutObject", bucket, key, e))
}

fn put(client: &Client, bucket: &str, key: &str, bytes: impl Into<Bytes>, kms_key_id: &str) -> PutObjectFluentBuilder {
    client
        .put_object()
        .bucket(bucket)
        .key(key)
        .server_side_encryption(ServerSideEncryption::AwsKms)
        .ssekms_key_id(kms_key_id)
        // One data key for many objects: an export of 50,000 tables must not meet the rate limit of KMS.
        .bucket_key_enabled(true)
        .checksum_algorithm(ChecksumAlgorithm::Crc32)
        .body(ByteStream::from(bytes.into()))
}

/// One open file in a destination.
#[derive(Debug)]
pub(crate) enum File {
    S3(MultipartObject),
    Directory(DirectoryFile),
}

impl File {
    /// Appends bytes.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), SinkError> {
        match self {
            Self::S3(object) => object.write(bytes).await,
            Self::Directory(file) => file.write(bytes).await,
        }
    }

    /// Makes the file appear under its name.
    pub(crate) async fn complete(&mut self) -> Result<(), SinkError> {
        match self {
            Self::S3(object) => object.complete().await,
            Self::Directory(file) => file.complete().await,
        }
    }

    /// Removes what was written so far.
    pub(crate) async fn abort(self) -> Result<(), SinkError> {
        match self {
            Self::S3(object) => object.abort().await,
            Self::Directory(file) => file.abort().await,
        }
    }
}
