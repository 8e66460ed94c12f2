//! Where an export is written: an S3 bucket (SSE-KMS, multipart) or a local directory.
//!
//! Both behave alike, and one suite of tests (`tests/destination/contract.rs`) checks that they do:
//!
//! * An object appears under its key only when it is complete. An aborted object never appears.
//! * Writing a key again replaces its object, so that a retry repairs what an earlier attempt left.
//! * Of two exports that claim one directory at the same moment, exactly one gets it. Only S3 keeps
//!   the name of the owner.
//! * A list holds every complete object below the prefix and nothing else.
//! * Removing a missing object succeeds.
//! * Aborting unfinished parts touches only those that the caller names.
//!
//! ```no_run
//! # async fn example() -> Result<(), export_destination::DestinationError> {
//! use export_destination::Destination;
//!
//! let destination = Destination::Directory("/tmp/exports".into());
//! let mut file = destination.open("nightly/shop/public.orders/1/part-00000.gz.parquet").await?;
//! file.write("PAR1".into()).await?;
//! file.complete().await?;
//! assert_eq!(destination.list("nightly/").await?.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! * [`Destination`]: the operations, for either kind.
//! * [`closing`]: checks a finished export and writes the documents beside its data.
//! * [`error`]: the errors, and the only classification of S3's errors.
//! * `s3`: objects written in one request, listing and removal in a bucket.
//! * `multipart`: one S3 object that is written while its size is still unknown.
//! * `directory`: files in a local directory.

pub mod closing;
mod directory;
pub mod error;
mod multipart;
mod s3;

use std::path::PathBuf;

use bytes::Bytes;
use export_task::object_key::Parts;

use directory::DirectoryFile;
pub use error::{DestinationError, S3Failure};
use multipart::MultipartObject;
pub use s3::S3Destination;

/// Where part files and metadata documents are written.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A bucket. Keys are object keys.
    S3(S3Destination),
    /// A local directory. Keys are paths below it.
    Directory(PathBuf),
}

/// The owner of an export's directory after [`Destination::claim`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The caller owns it.
    Own,
    /// Another export owns it. Holds the owner's name where the destination keeps it.
    Taken(Option<String>),
}

impl Destination {
    /// Writes a small object, such as `export_info` or an empty `_SUCCESS`, in one request.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<(), DestinationError> {
        match self {
            Self::S3(s3) => s3.put(key, bytes).await,
            Self::Directory(root) => directory::put(root, key, bytes).await,
        }
    }

    /// Writes the first object of an export's directory, unless another export has done so. Of two
    /// exports that begin at the same moment, exactly one gets the directory.
    ///
    /// S3 keeps `owner` with the object. So a refusal names the owner, and a repeated call by the
    /// same owner succeeds. A directory keeps no owner: there, a repeated call is refused.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub async fn claim(&self, key: &str, bytes: Bytes, owner: &str) -> Result<Claim, DestinationError> {
        match self {
            Self::S3(s3) => s3.claim(key, bytes, owner).await,
            Self::Directory(root) => directory::claim(root, key, bytes).await,
        }
    }

    /// Returns whether anything is below `prefix`, which ends with a slash.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub async fn exists(&self, prefix: &str) -> Result<bool, DestinationError> {
        match self {
            Self::S3(s3) => s3.exists(prefix).await,
            Self::Directory(root) => directory::exists(root, prefix).await,
        }
    }

    /// Returns the keys of all complete objects below `prefix`, which ends with a slash.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, DestinationError> {
        match self {
            Self::S3(s3) => s3.list(prefix).await,
            Self::Directory(root) => directory::list(root, prefix).await,
        }
    }

    /// Returns whether a complete object has this key.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub async fn contains(&self, key: &str) -> Result<bool, DestinationError> {
        match self {
            Self::S3(s3) => s3.contains(key).await,
            Self::Directory(root) => directory::exists(root, key).await,
        }
    }

    /// Removes an object, if it is there.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub async fn remove(&self, key: &str) -> Result<(), DestinationError> {
        match self {
            Self::S3(s3) => s3.remove(key).await,
            Self::Directory(root) => directory::remove(root, key).await,
        }
    }

    /// Removes the unfinished part files below `prefix` that `parts` names. Killed workers leave
    /// such files. Returns their number.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub async fn abort_unfinished(&self, prefix: &str, parts: &Parts) -> Result<usize, DestinationError> {
        match self {
            Self::S3(s3) => s3.abort_uploads(prefix, parts).await,
            Self::Directory(root) => directory::remove_partial(root, prefix, parts).await,
        }
    }

    /// Opens an object whose size is not known yet.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub async fn open(&self, key: &str) -> Result<File, DestinationError> {
        Ok(match self {
            Self::S3(s3) => File(Open::S3(MultipartObject::new(s3.clone(), key.to_owned()))),
            Self::Directory(root) => File(Open::Directory(DirectoryFile::create(root, key).await?)),
        })
    }
}

/// An object that is being written. It appears under its key when [`File::complete`] returns.
///
/// A dropped file is removed as a best effort. [`File::abort`] waits for the removal and reports a
/// failure.
#[derive(Debug)]
pub struct File(Open);

#[derive(Debug)]
enum Open {
    S3(MultipartObject),
    Directory(DirectoryFile),
}

impl File {
    /// Appends bytes. Waits while too many parts are being uploaded.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), DestinationError> {
        match &mut self.0 {
            Open::S3(object) => object.write(bytes).await,
            Open::Directory(file) => file.write(bytes).await,
        }
    }

    /// Makes the object appear under its key.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub async fn complete(&mut self) -> Result<(), DestinationError> {
        match &mut self.0 {
            Open::S3(object) => object.complete().await,
            Open::Directory(file) => file.complete().await,
        }
    }

    /// Removes what was written so far.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub async fn abort(self) -> Result<(), DestinationError> {
        match self.0 {
            Open::S3(object) => object.abort().await,
            Open::Directory(file) => file.abort().await,
        }
    }
}
