//! A server that others write to, read as it was at one moment: connections whose transactions began while nobody could write.

use std::sync::{Arc, Mutex};

use export_task::engine::Engine;
use export_task::export_only::ExportOnly;
use futures_util::future::try_join_all;

use super::catalog::SNAPSHOTS;
use super::connect::{Connection, Source, databases};
use crate::error::{ErrorKind, SourceError};

/// Writers wait while the lock waits for a statement that runs already: not longer than this many seconds.
const LOCK_WAIT: &str = "SET SESSION lock_wait_timeout = 5";

const LOCK: &str = "FLUSH TABLES WITH READ LOCK";

const UNLOCK: &str = "UNLOCK TABLES";

/// Keeps everybody from creating, altering, truncating and dropping tables until the connection ends.
const LOCK_DEFINITIONS: &str = "LOCK INSTANCE FOR BACKUP";

const BEGIN: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

/// What was held, and what wasn't.
pub(crate) struct Held {
    /// The server, of which each reader sees the same moment.
    pub source: Source,
    /// Keeps tables from being altered, where the server can.
    pub lock: Connection,
    /// What the readers don't see as it was at that moment, in sentences.
    pub notes: Vec<String>,
}

/// Opens the connections of `readers`, which all see the same moment.
pub(crate) async fn hold(source: Source, only: &ExportOnly, readers: u32) -> Result<Held, SourceError> {
    let mut source = source.live();
    let mut lock = source.connect(None).await?;
    let mut connections = Vec::new();
    for _ in 0..readers.max(1) {
        connections.push(source.connect(None).await?);
    }
    let mut notes = Vec::new();
    lock.execute(LOCK_WAIT).await?;
    if lock.locks_definitions() {
        allowed(lock.execute(LOCK_DEFINITIONS).await)?;
    }
    let refused = allowed(lock.execute(LOCK).await)?;
    let began = try_join_all(connections.iter_mut().map(|connection| connection.execute(BEGIN))).await;
    lock.execute(UNLOCK).await?;
    began?;
    if let Some(why) = refused.filter(|_| readers > 1) {
        notes.push(format!(
            "The server's writers could not be stopped for a moment ({why}). Each of {readers} connections reads what was there \
             when its own transaction began, some milliseconds apart: a row that moved meanwhile can be missing or be there \
             twice. One connection (--jobs 1) always reads one moment. Several do when the user has the RELOAD privilege and \
             no statement of others runs for long."
        ));
    }
    let others = without_snapshots(&mut lock, only).await?;
    if !others.is_empty() {
        let tables = others.join(", ");
        notes.push(format!(
            "The engines of these tables keep no snapshots, so each is read as it is in its turn: {tables}"
        ));
    }
    source.readers = Some(Arc::new(Mutex::new(connections)));
    Ok(Held { source, lock, notes })
}

/// Why a lock was refused, when it was for want of a privilege or for somebody's long statement.
fn allowed(locked: Result<(), SourceError>) -> Result<Option<String>, SourceError> {
    match locked {
        Ok(()) => Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::Unavailable) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            Ok(Some(cause.unwrap_or_else(|| error.to_string())))
        }
        Err(error) => Err(error),
    }
}

/// The selected tables a transaction doesn't read as they were when it began.
async fn without_snapshots(connection: &mut Connection, only: &ExportOnly) -> Result<Vec<String>, SourceError> {
    let databases = databases(connection).await?;
    let mut tables = Vec::new();
    let sql = "SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE FROM information_schema.TABLES \
               WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE IS NOT NULL ORDER BY TABLE_SCHEMA, TABLE_NAME";
    connection
        .query(sql, |row| {
            let (database, table, engine) = (row.name(0)?, row.name(1)?, row.name(2)?);
            if !SNAPSHOTS.iter().any(|known| known.eq_ignore_ascii_case(engine))
                && databases.iter().any(|known| known == database)
                && only.selects_table(Engine::Mysql, database, database, table)
            {
                tables.push(format!("{database}.{table}"));
            }
            Ok(())
        })
        .await?;
    Ok(tables)
}
