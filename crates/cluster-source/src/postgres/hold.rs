//! A server that others write to, held as it is at one moment.

use std::collections::{BTreeMap, HashSet};
use std::slice;

use export_task::engine::Engine;
use export_task::export_only::ExportOnly;
use export_task::options::Types;
use export_task::plan::Relation;
use futures_util::future::try_join_all;

use super::catalog::catalog;
use super::connect::{Connection, Source, databases};
use super::sql::qualified;
use crate::error::{ErrorKind, SourceError};

/// How often snapshots are taken until every table in them was locked before.
const ROUNDS: usize = 5;

/// What locking a table says when it or its schema is gone, or the user may no longer read it: the survey sees that too.
const GONE: &[&str] = &["42P01", "3F000", "42501"];

/// Keeps the tables of databases from being rewritten, truncated, altered or dropped until it is dropped itself.
pub struct Hold {
    holders: Vec<Holder>,
}

/// A connection in a transaction that locks the tables of its database, and exports snapshots of it.
struct Holder {
    connection: Connection,
    database: String,
    /// When the transaction began, as the server tells it.
    began: String,
    locked: HashSet<Relation>,
}

impl Hold {
    /// Locks the tables of every selected database and only then takes the snapshots, of all databases at once. What is
    /// rewritten or truncated by a transaction that ends after a snapshot was taken looks empty in it, so a table that was
    /// not locked before is locked, and the snapshots are taken anew.
    ///
    /// Returns the source whose connections share those snapshots.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn take(source: Source, only: &ExportOnly) -> Result<(Source, Self), SourceError> {
        let mut holders = Vec::new();
        for database in databases(&source.connect_first().await?).await? {
            if !only.selects_database(&database) {
                continue;
            }
            match Holder::begin(&source, database, only).await {
                Ok(holder) => holders.push(holder),
                // The survey meets the same error, and reports the database as one that can't be read.
                Err(error) if matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::Skip(_)) => {}
                Err(error) => return Err(error),
            }
        }
        for _ in 0..ROUNDS {
            let snapshots: BTreeMap<_, _> =
                try_join_all(holders.iter().map(Holder::snapshot)).await?.into_iter().collect();
            let still = source.clone().at(snapshots);
            let mut complete = true;
            for holder in &mut holders {
                let seen = relations(&still.connect(&holder.database).await?, &holder.database, only).await?;
                complete &= holder.lock(seen).await?;
            }
            if complete {
                return Ok((still, Self { holders }));
            }
        }
        Err(SourceError::Restless)
    }

    /// Whether everything is held still.
    ///
    /// # Errors
    /// [`SourceError::Released`] when a transaction has ended, by a lost connection or an administrator.
    pub async fn check(&self) -> Result<(), SourceError> {
        for holder in &self.holders {
            if holder.connection.transaction_start().await.ok().as_ref() != Some(&holder.began) {
                return Err(SourceError::Released { database: holder.database.clone() });
            }
        }
        Ok(())
    }
}

impl Holder {
    async fn begin(source: &Source, database: String, only: &ExportOnly) -> Result<Self, SourceError> {
        let connection = source.connect(&database).await?;
        let there = relations(&connection, &database, only).await?;
        connection.client().batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY").await?;
        let began = connection.transaction_start().await?;
        let mut holder = Self { connection, database, began, locked: HashSet::new() };
        holder.lock(there).await?;
        Ok(holder)
    }

    /// The name of a snapshot of now, by database.
    async fn snapshot(&self) -> Result<(String, String), SourceError> {
        let row = self.connection.client().query_one("SELECT pg_catalog.pg_export_snapshot()", &[]).await?;
        Ok((self.database.clone(), row.try_get(0)?))
    }

    /// Locks those of `relations` that are not locked yet and still there. True when all were locked before.
    async fn lock(&mut self, relations: Vec<Relation>) -> Result<bool, SourceError> {
        let new: Vec<Relation> = relations.into_iter().filter(|relation| !self.locked.contains(relation)).collect();
        for some in new.chunks(100) {
            if !self.lock_at_once(some).await? {
                for one in some {
                    self.lock_at_once(slice::from_ref(one)).await?;
                }
            }
        }
        Ok(new.is_empty())
    }

    /// False when one of them is gone. Preparing a query locks its tables until the transaction ends, as reading them does;
    /// `LOCK TABLE` would refuse those of which the user may read the columns only. The query is never planned or run.
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
            Err(error) if error.code().is_some_and(|state| GONE.contains(&state.code())) => {
                client.batch_execute("ROLLBACK TO locks; RELEASE locks").await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The relations that hold the rows of selected tables.
async fn relations(connection: &Connection, database: &str, only: &ExportOnly) -> Result<Vec<Relation>, SourceError> {
    let selects = |schema: &str, table: &str| only.selects_table(Engine::Postgresql, database, schema, table);
    let found = catalog(connection, database, Types::Aurora, selects).await?.tables;
    Ok(found.into_iter().flat_map(|table| table.relations).map(|found| found.relation).collect())
}
