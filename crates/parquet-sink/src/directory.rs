//! One local file that appears under its name only when it is complete: a process that dies leaves no half file that
//! looks like a whole one. Files are not forced to the disk; a power failure may lose finished ones.

use std::io;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use tokio::fs;
use tokio::io::AsyncWriteExt;

use crate::destination::Claim;
use crate::error::SinkError;

#[derive(Debug)]
pub(crate) struct DirectoryFile {
    file: fs::File,
    temporary: PathBuf,
    path: PathBuf,
    complete: bool,
}

impl DirectoryFile {
    pub(crate) async fn create(root: &Path, key: &str) -> Result<Self, SinkError> {
        let path = path_of(root, key)?;
        // Named after the file, so that a retry overwrites what a dead attempt left.
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".partial");
        let temporary = path.with_file_name(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).await.map_err(|e| failed(parent, e))?;
        }
        let file = fs::File::create(&temporary).await.map_err(|e| failed(&temporary, e))?;
        Ok(Self { file, temporary, path, complete: false })
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), SinkError> {
        self.file.write_all(&bytes).await.map_err(|e| failed(&self.temporary, e))
    }

    pub(crate) async fn complete(&mut self) -> Result<(), SinkError> {
        self.file.flush().await.map_err(|e| failed(&self.temporary, e))?;
        fs::rename(&self.temporary, &self.path).await.map_err(|e| failed(&self.path, e))?;
        self.complete = true;
        Ok(())
    }

    /// `Drop` removes the file.
    pub(crate) async fn abort(mut self) -> Result<(), SinkError> {
        // A write still running on tokio's blocking threads must not outlive the file; its error no longer matters.
        let _ = self.file.flush().await;
        Ok(())
    }
}

impl Drop for DirectoryFile {
    fn drop(&mut self) {
        if !self.complete {
            // Best effort: the name says what it is, and a retry overwrites it.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// Writes a small file at once.
pub(crate) async fn put(root: &Path, key: &str, bytes: Bytes) -> Result<(), SinkError> {
    let mut file = DirectoryFile::create(root, key).await?;
    file.write(bytes).await?;
    file.complete().await
}

/// Makes the directory of the file, which must not be there yet, and writes it.
pub(crate) async fn claim(root: &Path, key: &str, bytes: Bytes) -> Result<Claim, SinkError> {
    let path = path_of(root, key)?;
    let parent = path.parent().unwrap_or(root);
    let above = parent.parent().unwrap_or(root);
    fs::create_dir_all(above).await.map_err(|e| failed(above, e))?;
    match fs::create_dir(parent).await {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(Claim::Taken(None)),
        made => made.map_err(|e| failed(parent, e))?,
    }
    put(root, key, bytes).await?;
    Ok(Claim::Own)
}

/// Removes a file, which need not be there.
pub(crate) async fn remove(root: &Path, key: &str) -> Result<(), SinkError> {
    let path = path_of(root, key)?;
    match fs::remove_file(&path).await {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed(&path, e)),
        _ => Ok(()),
    }
}

/// Database and table names are part of a key: none of them may lead out of the directory.
fn path_of(root: &Path, key: &str) -> Result<PathBuf, SinkError> {
    let relative = Path::new(key);
    let plain = relative.components().all(|c| matches!(c, Component::Normal(_)));
    if key.is_empty() || !plain {
        let reason = io::Error::new(io::ErrorKind::InvalidInput, "not a path below the directory");
        return Err(failed(relative, reason));
    }
    Ok(root.join(relative))
}

fn failed(path: &Path, source: io::Error) -> SinkError {
    SinkError::Directory { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn keys_stay_below_the_directory() {
        let root = Path::new("/out");
        assert_eq!(path_of(root, "a/b.c/1/x").unwrap(), root.join("a/b.c/1/x"));
        for key in ["", "/etc/x", "../x", "a/../../x", "./x"] {
            assert!(path_of(root, key).is_err(), "{key:?}");
        }
    }
}
