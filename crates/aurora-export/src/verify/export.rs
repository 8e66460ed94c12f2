//! Reads the files of an export from a directory or a bucket.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek};
use std::path::{Path, PathBuf};

use aws_sdk_s3::Client;
use export_aws::{StepError, clients};
use tokio::io::AsyncWriteExt;

use crate::error::CommandError;

/// The location of an export.
#[derive(Clone)]
pub(super) enum Export {
    Directory(PathBuf),
    S3 {
        client: Client,
        bucket: String,
        /// Ends with a slash.
        prefix: String,
    },
}

impl Export {
    /// Returns the export at an address: a directory, or `s3://bucket/prefix/task`.
    pub(super) async fn open(address: &str) -> Self {
        match address.strip_prefix("s3://") {
            None => Self::Directory(PathBuf::from(address)),
            Some(address) => {
                let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
                let client = clients::s3(&clients::config().await);
                let prefix = format!("{}/", prefix.trim_end_matches('/'));
                Self::S3 { client, bucket: bucket.to_owned(), prefix }
            }
        }
    }

    /// Returns the size of every file by its path below the export's directory.
    pub(super) async fn files(&self) -> Result<BTreeMap<String, u64>, CommandError> {
        let mut files = BTreeMap::new();
        match self {
            Self::Directory(root) => walk(root, "", &mut files).map_err(|e| unreadable(&root.display(), e))?,
            Self::S3 { client, bucket, prefix } => {
                let mut pages = client.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
                while let Some(page) = pages.next().await {
                    let page = page.map_err(|e| StepError::aws("the bucket can't be listed", e))?;
                    for object in page.contents() {
                        let path = object.key().and_then(|key| key.strip_prefix(prefix.as_str())).unwrap_or_default();
                        files.insert(path.to_owned(), u64::try_from(object.size().unwrap_or(0)).unwrap_or(0));
                    }
                }
            }
        }
        Ok(files)
    }

    /// Returns the bytes of a small file.
    pub(super) async fn bytes(&self, path: &str) -> Result<Vec<u8>, CommandError> {
        match self {
            Self::Directory(root) => fs::read(root.join(path)).map_err(|e| unreadable(&path, e)),
            Self::S3 { client, bucket, prefix } => {
                let get = client.get_object().bucket(bucket).key(format!("{prefix}{path}"));
                let object = get.send().await.map_err(|e| StepError::aws(path, e))?;
                let body = object.body.collect().await.map_err(|e| unreadable(&path, e))?;
                Ok(body.to_vec())
            }
        }
    }

    /// Returns a file that can be read at any offset. An object of S3 is first copied to a
    /// temporary file.
    pub(super) async fn file(&self, path: &str) -> Result<File, CommandError> {
        match self {
            Self::Directory(root) => File::open(root.join(path)).map_err(|e| unreadable(&path, e)),
            Self::S3 { client, bucket, prefix } => {
                let get = client.get_object().bucket(bucket).key(format!("{prefix}{path}"));
                let mut body = get.send().await.map_err(|e| StepError::aws(path, e))?.body;
                let mut copy = tokio::fs::File::from_std(tempfile::tempfile().map_err(|e| unreadable(&path, e))?);
                while let Some(bytes) = body.try_next().await.map_err(|e| unreadable(&path, e))? {
                    copy.write_all(&bytes).await.map_err(|e| unreadable(&path, e))?;
                }
                copy.flush().await.map_err(|e| unreadable(&path, e))?;
                let mut copy = copy.into_std().await;
                copy.rewind().map_err(|e| unreadable(&path, e))?;
                Ok(copy)
            }
        }
    }
}

fn unreadable(path: &dyn std::fmt::Display, error: impl std::error::Error + Send + Sync + 'static) -> CommandError {
    CommandError::caused(format!("{path} can't be read"), error)
}

fn walk(directory: &Path, below: &str, files: &mut BTreeMap<String, u64>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        let metadata = fs::metadata(entry.path())?;
        if metadata.is_dir() {
            walk(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.insert(path, metadata.len());
        }
    }
    Ok(())
}
