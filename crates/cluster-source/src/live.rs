//! A server that others write to, read as it was at one moment. PostgreSQL's connections share a snapshot; MySQL's writers are
//! stopped while the connections that will read begin. A clone needs nothing of this: nobody writes to it.

use std::collections::BTreeMap;

use export_task::engine::Engine;
use export_task::export_only::ExportOnly;
use export_task::options::Types;

use crate::error::{ErrorKind, SourceError};
use crate::source::{Connection, Source};
use crate::{mysql, postgres};

/// Holds a server still until it is dropped: all connections of [`Source::reader`] of [`Live::source`] see the same rows. The
/// tables are neither rewritten nor altered meanwhile, where the server can keep others from it.
pub struct Live {
    source: Source,
    notes: Vec<String>,
    _holders: Vec<Connection>,
}

impl Live {
    /// Takes a snapshot of every selected database and locks its tables against changes other than of rows. On MySQL, opens the
    /// connections that `readers` will read with.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn hold(source: Source, only: &ExportOnly, readers: u32) -> Result<Self, SourceError> {
        let source = match source {
            Source::Postgres(source) => source,
            Source::Mysql(source) => {
                let mysql::Held { source, lock, notes } = mysql::hold(source, only, readers).await?;
                return Ok(Self { source: Source::Mysql(source), notes, _holders: vec![Connection::Mysql(lock)] });
            }
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
            holders.push(Connection::Postgres(connection));
        }
        Ok(Self { source: Source::Postgres(source.at(snapshots)), notes: Vec::new(), _holders: holders })
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

/// Whether the survey, which meets the same error, reports the database as one that can't be read.
fn is_reported(error: &SourceError) -> bool {
    matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::Skip(_))
}
