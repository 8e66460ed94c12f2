//! A server that others write to, read as it was at one moment. PostgreSQL's connections share a snapshot; MySQL's writers are
//! stopped while the connections that will read begin. A clone needs nothing of this: nobody writes to it.

use export_task::export_only::ExportOnly;

use crate::error::SourceError;
use crate::source::Source;
use crate::{mysql, postgres};

/// Holds a server still until it is dropped: all connections of [`Source::reader`] of [`Live::source`] see the same rows. The
/// tables are neither rewritten nor altered meanwhile, where the server can keep others from it.
pub struct Live {
    source: Source,
    notes: Vec<String>,
    hold: Hold,
}

enum Hold {
    Postgres(postgres::Hold),
    /// Nothing is asked of the connection: it keeps others from altering tables until it is dropped.
    Mysql(#[allow(dead_code, reason = "held, not used")] Box<mysql::Connection>),
}

impl Live {
    /// Locks the tables of every selected database against changes other than of rows, and takes a snapshot. On MySQL, opens the
    /// connections that `readers` will read with.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn hold(source: Source, only: &ExportOnly, readers: u32) -> Result<Self, SourceError> {
        Ok(match source {
            Source::Postgres(source) => {
                let (source, hold) = postgres::Hold::take(source, only).await?;
                Self { source: Source::Postgres(source), notes: Vec::new(), hold: Hold::Postgres(hold) }
            }
            Source::Mysql(source) => {
                let mysql::Pinned { source, lock, notes } = mysql::pin(source, only, readers).await?;
                Self { source: Source::Mysql(source), notes, hold: Hold::Mysql(Box::new(lock)) }
            }
        })
    }

    /// Whether everything has been held still since. What was read before is right only if it has. A connection of MySQL that
    /// is lost tells by itself, because no other can take its place.
    ///
    /// # Errors
    /// [`SourceError::Released`] when it hasn't.
    pub async fn check(&self) -> Result<(), SourceError> {
        match &self.hold {
            Hold::Postgres(hold) => hold.check().await,
            Hold::Mysql(_) => Ok(()),
        }
    }

    /// What is not read as it was at that moment, in sentences for a person.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The server as it was then.
    pub fn source(&self) -> &Source {
        &self.source
    }
}
