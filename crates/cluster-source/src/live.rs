//! Reads a server as it was at one moment while others write to it. On PostgreSQL, connections
//! share a snapshot. On MySQL, writers are stopped while the reading connections begin their
//! transactions. A clone needs none of this, because nobody writes to it.

use export_task::export_only::ExportOnly;

use crate::error::SourceError;
use crate::source::Source;
use crate::{mysql, postgres};

/// A live server, pinned at one moment until this is dropped. All connections from
/// [`Source::reader`] of [`Live::source`] see the same rows. Where the server can prevent it,
/// nobody rewrites or alters the tables meanwhile.
pub struct Live {
    source: Source,
    notes: Vec<String>,
    pin: Pin,
}

enum Pin {
    Postgres(postgres::Pin),
    /// The connection keeps others from altering tables until it is dropped.
    Mysql(#[allow(dead_code, reason = "kept open, not used")] Box<mysql::Connection>),
}

impl Live {
    /// Locks the tables of every selected database against all changes except those of rows, and
    /// takes a snapshot. On MySQL, also opens `readers` connections that will read.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn pin(source: Source, only: &ExportOnly, readers: u32) -> Result<Self, SourceError> {
        Ok(match source {
            Source::Postgres(source) => {
                let (source, pin) = postgres::Pin::take(source, only).await?;
                Self { source: Source::Postgres(source), notes: Vec::new(), pin: Pin::Postgres(pin) }
            }
            Source::Mysql(source) => {
                let mysql::Pinned { source, lock, notes } = mysql::pin(source, only, readers).await?;
                Self { source: Source::Mysql(source), notes, pin: Pin::Mysql(Box::new(lock)) }
            }
        })
    }

    /// Returns an error if the server is not pinned any more. Rows that were read are consistent
    /// only if it still is. On MySQL there is nothing to check: a lost connection is never
    /// replaced, so reading from it fails.
    ///
    /// # Errors
    /// [`SourceError::PinLost`] if a transaction has ended.
    pub async fn check(&self) -> Result<(), SourceError> {
        match &self.pin {
            Pin::Postgres(pin) => pin.check().await,
            Pin::Mysql(_) => Ok(()),
        }
    }

    /// Returns notes for a person: sentences on data that is not read as of that moment.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the server as it was at that moment.
    pub fn source(&self) -> &Source {
        &self.source
    }
}
