//! A server that others write to, read as it was at one moment, which PostgreSQL can and MySQL can't without stopping its
//! writers. A clone needs nothing of this: nobody writes to it.

use export_task::export_only::ExportOnly;

use crate::error::SourceError;
use crate::postgres;
use crate::source::Source;

/// Holds every selected database of PostgreSQL still until it is dropped: all connections of [`Live::source`] see the same
/// rows, and the tables are neither rewritten nor altered meanwhile.
pub struct Live {
    source: Source,
    hold: Option<postgres::Hold>,
}

impl Live {
    /// Locks the tables of every selected database against changes other than of rows, and takes a snapshot.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn hold(source: Source, only: &ExportOnly) -> Result<Self, SourceError> {
        Ok(match source {
            Source::Postgres(source) => {
                let (source, hold) = postgres::Hold::take(source, only).await?;
                Self { source: Source::Postgres(source), hold: Some(hold) }
            }
            Source::Mysql(source) => Self { source: Source::Mysql(source.live()), hold: None },
        })
    }

    /// Whether everything has been held still since. What was read before is right only if it has.
    ///
    /// # Errors
    /// [`SourceError::Released`] when it hasn't.
    pub async fn check(&self) -> Result<(), SourceError> {
        match &self.hold {
            Some(hold) => hold.check().await,
            None => Ok(()),
        }
    }

    /// Whether all rows are from one moment.
    pub fn is_one_moment(&self) -> bool {
        matches!(self.source, Source::Postgres(_))
    }

    /// The server as it was then.
    pub fn source(&self) -> &Source {
        &self.source
    }
}
