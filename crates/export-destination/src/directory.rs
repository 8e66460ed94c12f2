//! Files in a local directory. A file appears under its name only when it is complete, so a process
//! that stops early leaves no partial file that looks like a complete one. Files are not synced to
//! the disk: a power failure may lose finished ones.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use tokio::fs;
use tokio::io::AsyncWriteExt;

use export_task::object_key::Parts;

use crate::Claim;
use crate::error::DestinationError;

/// A file that is being written is called `.NAME.partial`.
const PARTIAL_PREFIX: &str = ".";
const PARTIAL_SUFFIX: &str = ".partial";

#[derive(Debug)]
pub(crate) struct DirectoryFile {
    file: fs::File,
    temporary: PathBuf,
    path: PathBuf,
    complete: bool,
}

impl DirectoryFile {
    pub(crate) async fn create(root: &Path, key: &str) -> Result<Self, DestinationError> {
        let path = path_of(root, key)?;
        // The name is a function of the file's, so a retry overwrites the file of a failed attempt.
        let mut name = OsString::from(PARTIAL_PREFIX);
        name.push(path.file_name().unwrap_or_default());
        name.push(PARTIAL_SUFFIX);
        let temporary = path.with_file_name(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).await.map_err(|e| failed(parent, e))?;
        }
        let file = fs::File::create(&temporary).await.map_err(|e| failed(&temporary, e))?;
        Ok(Self { file, temporary, path, complete: false })
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), DestinationError> {
        self.file.write_all(&bytes).await.map_err(|e| failed(&self.temporary, e))
    }

    pub(crate) async fn complete(&mut self) -> Result<(), DestinationError> {
        self.file.flush().await.map_err(|e| failed(&self.temporary, e))?;
        fs::rename(&self.temporary, &self.path).await.map_err(|e| failed(&self.path, e))?;
        self.complete = true;
        Ok(())
    }

    /// Ends the write. `Drop` then removes the file.
    pub(crate) async fn abort(mut self) -> Result<(), DestinationError> {
        // A write may still run on one of tokio's blocking threads and must not outlive the file.
        // Its error no longer matters.
        let _ = self.file.flush().await;
        Ok(())
    }
}

impl Drop for DirectoryFile {
    fn drop(&mut self) {
        if !self.complete {
            // Best effort: listings leave the name out, and a retry overwrites the file.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// Writes a small file.
pub(crate) async fn put(root: &Path, key: &str, bytes: Bytes) -> Result<(), DestinationError> {
    let mut file = DirectoryFile::create(root, key).await?;
    file.write(bytes).await?;
    file.complete().await
}

/// Creates the file's directory, which must not exist yet, and writes the file.
pub(crate) async fn claim(root: &Path, key: &str, bytes: Bytes) -> Result<Claim, DestinationError> {
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

/// Removes a file, if it is there.
pub(crate) async fn remove(root: &Path, key: &str) -> Result<(), DestinationError> {
    let path = path_of(root, key)?;
    match fs::remove_file(&path).await {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed(&path, e)),
        _ => Ok(()),
    }
}

/// Returns whether a file or a directory exists.
pub(crate) async fn exists(root: &Path, key: &str) -> Result<bool, DestinationError> {
    let path = path_of(root, key)?;
    fs::try_exists(&path).await.map_err(|e| failed(&path, e))
}

/// Returns the keys of all complete files below `prefix`.
pub(crate) async fn list(root: &Path, prefix: &str) -> Result<Vec<String>, DestinationError> {
    let keys = walk(root, prefix).await?.into_iter();
    Ok(keys.filter(|key| completed_key(key).is_none()).collect())
}

/// Removes the unfinished files below `prefix` that `parts` names. Returns their number.
pub(crate) async fn remove_partial(root: &Path, prefix: &str, parts: &Parts) -> Result<usize, DestinationError> {
    let mut removed = 0;
    for key in walk(root, prefix).await? {
        if completed_key(&key).is_some_and(|completed| parts.contains(&completed)) {
            remove(root, &key).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Returns the keys of all files below `prefix`, unfinished ones too.
async fn walk(root: &Path, prefix: &str) -> Result<Vec<String>, DestinationError> {
    let mut keys = Vec::new();
    let mut directories = vec![prefix.trim_end_matches('/').to_owned()];
    while let Some(directory) = directories.pop() {
        let path = path_of(root, &directory)?;
        let mut entries = match fs::read_dir(&path).await {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(|e| failed(&path, e))?,
        };
        while let Some(entry) = entries.next_entry().await.map_err(|e| failed(&path, e))? {
            // Only this crate's callers write below an export's prefix, and their keys are text.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let key = format!("{directory}/{name}");
            let kind = entry.file_type().await.map_err(|e| failed(&path, e))?;
            if kind.is_dir() { directories.push(key) } else { keys.push(key) }
        }
    }
    Ok(keys)
}

/// Returns the key that an unfinished file gets when it is completed, or `None` for a complete
/// file.
fn completed_key(key: &str) -> Option<String> {
    let (directory, name) = key.rsplit_once('/')?;
    let name = name.strip_prefix(PARTIAL_PREFIX)?.strip_suffix(PARTIAL_SUFFIX)?;
    Some(format!("{directory}/{name}"))
}

/// Returns the path of a key. Database and table names are part of keys: none of them may lead out
/// of the directory.
fn path_of(root: &Path, key: &str) -> Result<PathBuf, DestinationError> {
    let relative = Path::new(key);
    let plain = relative.components().all(|c| matches!(c, Component::Normal(_)));
    if key.is_empty() || !plain {
        let reason = io::Error::new(io::ErrorKind::InvalidInput, "not a path below the directory");
        return Err(failed(relative, reason));
    }
    Ok(root.join(relative))
}

fn failed(path: &Path, source: io::Error) -> DestinationError {
    DestinationError::Directory { path: path.to_owned(), source }
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
