//! An export where it lies: a directory or a part of a bucket.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek};
use std::path::{Path, PathBuf};

use aws_sdk_s3::Client;
use export_aws::{StepError, clients};
use tokio::io::AsyncWriteExt;

use crate::error::CommandError;

/// Where an export is.
#[derive(Clone)]
pub(super) enum Export {
    Directory(PathBuf),
    S3 {
        client: Client,
        bucket: String,
        /// With a slash at its end.
        prefix: String,
    },
}

impl Export {
    /// By its address: a directory, or `s3://bucket/prefix/task`.
    pub async fn open(address: &str) -> Self {
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

    /// Every file, by its path below the export's directory, with its size.
    pub async fn files(&self) -> Result<BTreeMap<String, u64>, CommandError> {
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

    /// A small file.
    pub async fn bytes(&self, path: &str) -> Result<Vec<u8>, CommandError> {
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

    /// A file to read any part of. An object becomes a file without a name first.
    pub async fn file(&self, path: &str) -> Result<File, CommandError> {
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

fn unreadable(what: &dyn std::fmt::Display, error: impl std::error::Error + Send + Sync + 'static) -> CommandError {
    CommandError::caused(format!("{what} can't be read"), error)
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
