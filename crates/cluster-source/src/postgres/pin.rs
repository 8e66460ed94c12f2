//! Pins a server at one moment while others write to it.

use std::collections::{BTreeMap, HashSet};
use std::slice;

use export_task::engine::Engine;
use export_task::export_only::ExportOnly;
use export_task::options::Types;
use export_task::plan::Relation;
use futures_util::future::try_join_all;
use tokio_postgres::error::SqlState;

use super::catalog::catalog;
use super::connect::{Connection, Source, databases};
use super::sql::qualified;
use crate::error::{ErrorKind, SourceError};

/// Maximum number of times snapshots are taken until all tables in them were locked before.
const MAX_ROUNDS: usize = 5;

/// The errors of locking a table if it or its schema is gone, or the user may no longer read it.
/// The survey finds that too.
const GONE: [SqlState; 3] =
    [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME, SqlState::INSUFFICIENT_PRIVILEGE];

/// Keeps tables from being rewritten, truncated, altered or dropped, until this is dropped.
pub struct Pin {
    databases: Vec<PinnedDatabase>,
}

/// A connection whose transaction locks the tables of its database and exports snapshots of it.
struct PinnedDatabase {
    connection: Connection,
    name: String,
    /// When the transaction began, as the server prints it.
    transaction_start: String,
    locked: HashSet<Relation>,
}

impl Pin {
    /// Locks the tables of every selected database, and then takes the snapshots of all databases
    /// at once.
    ///
    /// A table looks empty in a snapshot if a transaction that ends after the snapshot rewrites or
    /// truncates it. So if a snapshot shows tables that are not locked yet, they are locked and the
    /// snapshots are taken again.
    ///
    /// Returns the source whose connections share the snapshots.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn take(source: Source, only: &ExportOnly) -> Result<(Source, Self), SourceError> {
        let mut pinned = Vec::new();
        for database in databases(&source.connect_first().await?).await? {
            if !only.selects_database(&database) {
                continue;
            }
            match PinnedDatabase::begin(&source, database, only).await {
                Ok(database) => pinned.push(database),
                // The survey gets the same error, and reports that the database can't be read.
                Err(error) if matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::Skip(_)) => {}
                Err(error) => return Err(error),
            }
        }
        for _ in 0..MAX_ROUNDS {
            let snapshots: BTreeMap<_, _> =
                try_join_all(pinned.iter().map(PinnedDatabase::snapshot)).await?.into_iter().collect();
            let at_snapshots = source.clone().with_snapshots(snapshots);
            let mut complete = true;
            for database in &mut pinned {
                let connection = at_snapshots.connect(&database.name).await?;
                let visible = relations(&connection, &database.name, only).await?;
                complete &= database.lock(visible).await?;
            }
            if complete {
                return Ok((at_snapshots, Self { databases: pinned }));
            }
        }
        Err(SourceError::TablesKeepChanging)
    }

    /// Returns an error if a table is not locked any more.
    ///
    /// # Errors
    /// [`SourceError::PinLost`] if a transaction has ended, because of a lost connection or an
    /// administrator.
    pub async fn check(&self) -> Result<(), SourceError> {
        for database in &self.databases {
            let start = database.connection.transaction_start().await;
            if start.ok().as_ref() != Some(&database.transaction_start) {
                return Err(SourceError::PinLost { database: database.name.clone() });
            }
        }
        Ok(())
    }
}

impl PinnedDatabase {
    async fn begin(source: &Source, name: String, only: &ExportOnly) -> Result<Self, SourceError> {
        let connection = source.connect(&name).await?;
        let relations = relations(&connection, &name, only).await?;
        connection.client().batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY").await?;
        let transaction_start = connection.transaction_start().await?;
        let mut pinned = Self { connection, name, transaction_start, locked: HashSet::new() };
        pinned.lock(relations).await?;
        Ok(pinned)
    }

    /// Exports a snapshot of the current state. Returns the name of the database and that of the
    /// snapshot.
    async fn snapshot(&self) -> Result<(String, String), SourceError> {
        let row = self.connection.client().query_one("SELECT pg_catalog.pg_export_snapshot()", &[]).await?;
        Ok((self.name.clone(), row.try_get(0)?))
    }

    /// Locks those of `relations` that are not locked yet and still exist. Returns whether all were
    /// locked before.
    async fn lock(&mut self, relations: Vec<Relation>) -> Result<bool, SourceError> {
        let new: Vec<Relation> = relations.into_iter().filter(|relation| !self.locked.contains(relation)).collect();
        for chunk in new.chunks(100) {
            if !self.lock_at_once(chunk).await? {
                for one in chunk {
                    self.lock_at_once(slice::from_ref(one)).await?;
                }
            }
        }
        Ok(new.is_empty())
    }

    /// Locks relations in one statement. Returns false, and locks nothing, if one of them is gone.
    ///
    /// Preparing a query locks its tables until the transaction ends, as reading them does. `LOCK
    /// TABLE` is no alternative: it refuses tables where the user may read only the columns. The
    /// query is never planned or run.
    async fn lock_at_once(&mut self, relations: &[Relation]) -> Result<bool, SourceError> {
        let client = self.connection.client();
        let names: Vec<String> = relations.iter().map(|relation| format!("ONLY {}", qualified(relation))).collect();
        client.batch_execute("SAVEPOINT locks").await?;
        match client.prepare(&format!("SELECT FROM {}", names.join(", "))).await {
            Ok(_) => {
                client.batch_execute("RELEASE locks").await?;
                self.locked.extend(relations.iter().cloned());
                Ok(true)
            }
            Err(error) if error.code().is_some_and(|state| GONE.contains(state)) => {
                client.batch_execute("ROLLBACK TO locks; RELEASE locks").await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the relations that hold the rows of selected tables.
async fn relations(connection: &Connection, database: &str, only: &ExportOnly) -> Result<Vec<Relation>, SourceError> {
    let selects = |schema: &str, table: &str| only.selects_table(Engine::Postgresql, database, schema, table);
    let found = catalog(connection, database, Types::Aurora, selects).await?.tables;
    Ok(found.into_iter().flat_map(|table| table.relations).map(|found| found.relation).collect())
}
