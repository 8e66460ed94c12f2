//! A server that others write to, read as it was at one moment, which PostgreSQL can and MySQL can't without stopping its
//! writers. A clone needs nothing of this: nobody writes to it.

use std::collections::BTreeMap;

use export_task::engine::Engine;
use export_task::export_only::ExportOnly;
use export_task::options::Types;

use crate::error::{ErrorKind, SourceError};
use crate::postgres;
use crate::source::Source;

/// Holds every selected database of PostgreSQL still until it is dropped: all connections of [`Live::source`] see the same rows, and the
/// tables are neither rewritten nor altered meanwhile.
pub struct Live {
    source: Source,
    _holders: Vec<postgres::Connection>,
}

impl Live {
    /// Takes a snapshot of every selected database and locks its tables against changes other than of rows.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn hold(source: Source, only: &ExportOnly) -> Result<Self, SourceError> {
        let source = match source {
            Source::Postgres(source) => source,
            Source::Mysql(source) => return Ok(Self { source: Source::Mysql(source.live()), _holders: Vec::new() }),
        };
        let first = source.connect(postgres::FIRST_DATABASE).await?;
        let (mut snapshots, mut holders) = (BTreeMap::new(), Vec::new());
        for database in postgres::databases(&first).await? {
            if !only.selects_database(&database) {
                continue;
            }
            let connection = match source.connect(&database).await {
                Ok(connection) => connection,
                Err(error) if is_reported(&error) => continue,
                Err(error) => return Err(error),
            };
            let snapshot = connection.export_snapshot().await?;
            let selects = |schema: &str, table: &str| only.selects_table(Engine::Postgresql, &database, schema, table);
            let catalog = match postgres::catalog(&connection, &database, Types::Aurora, selects).await {
                Ok(catalog) => catalog,
                Err(error) if is_reported(&error) => continue,
                Err(error) => return Err(error),
            };
            catalog.lock(&connection).await?;
            snapshots.insert(database, snapshot);
            holders.push(connection);
        }
        Ok(Self { source: Source::Postgres(source.at(snapshots)), _holders: holders })
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

/// Whether the survey, which meets the same error, reports the database as one that can't be read.
fn is_reported(error: &SourceError) -> bool {
    matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::Skip(_))
}
