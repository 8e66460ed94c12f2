//! Pins a live server: opens connections that all see the server as it was at one moment. Their
//! transactions begin while a global lock stops all writers.

use std::sync::{Arc, Mutex};

use export_task::engine::Engine;
use export_task::export_only::ExportOnly;
use futures_util::future::try_join_all;

use super::catalog::SNAPSHOT_ENGINES;
use super::connect::{Connection, Source, databases};
use crate::error::{ErrorKind, SourceError};

/// The lock waits for running statements, and writers wait for the lock. This limits the wait to
/// five seconds.
const LIMIT_LOCK_WAIT: &str = "SET SESSION lock_wait_timeout = 5";

const LOCK: &str = "FLUSH TABLES WITH READ LOCK";

const UNLOCK: &str = "UNLOCK TABLES";

/// Keeps all other sessions from creating, altering, truncating and dropping tables until the
/// connection ends.
const LOCK_DEFINITIONS: &str = "LOCK INSTANCE FOR BACKUP";

const BEGIN: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

/// A pinned server.
pub(crate) struct Pinned {
    /// The server. All of its readers see the same moment.
    pub source: Source,
    /// Keeps other sessions from altering tables, if the server supports that.
    pub lock: Connection,
    /// Sentences about data that the readers do not see as of that moment.
    pub notes: Vec<String>,
}

/// Opens `readers` connections that all see the same moment.
pub(crate) async fn pin(source: Source, only: &ExportOnly, readers: u32) -> Result<Pinned, SourceError> {
    let mut source = source.live();
    let mut lock = source.connect(None).await?;
    let mut connections = Vec::new();
    for _ in 0..readers.max(1) {
        connections.push(source.connect(None).await?);
    }
    let mut notes = Vec::new();
    lock.execute(LIMIT_LOCK_WAIT).await?;
    if lock.product.has_backup_lock() {
        lock_refusal(lock.execute(LOCK_DEFINITIONS).await)?;
    }
    let refusal = lock_refusal(lock.execute(LOCK).await)?;
    let began = try_join_all(connections.iter_mut().map(|connection| connection.execute(BEGIN))).await;
    lock.execute(UNLOCK).await?;
    began?;
    if let Some(reason) = refusal.filter(|_| readers > 1) {
        notes.push(format!(
            "The export could not stop the server's writers for a moment ({reason}). Each of the {readers} connections \
             reads the data as it was when its own transaction began, and these moments are some milliseconds apart. A \
             row that moved between them can be missing or appear twice. To read one moment, use one connection \
             (--jobs 1), or give the user the RELOAD privilege and export while no other statement runs for long."
        ));
    }
    let tables = tables_without_snapshots(&mut lock, only).await?;
    if !tables.is_empty() {
        notes.push(format!(
            "The storage engines of these tables keep no snapshots, so each table is read as it is at the time of \
             reading: {}",
            tables.join(", ")
        ));
    }
    source.readers = Some(Arc::new(Mutex::new(connections)));
    Ok(Pinned { source, lock, notes })
}

/// Returns why the server refused a lock, if the user lacks a privilege or another session's
/// statement runs for too long. The export can go on without the lock.
fn lock_refusal(locked: Result<(), SourceError>) -> Result<Option<String>, SourceError> {
    match locked {
        Ok(()) => Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::Unavailable) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            Ok(Some(cause.unwrap_or_else(|| error.to_string())))
        }
        Err(error) => Err(error),
    }
}

/// Returns the selected tables that a transaction doesn't read as they were when it began.
async fn tables_without_snapshots(connection: &mut Connection, only: &ExportOnly) -> Result<Vec<String>, SourceError> {
    let databases = databases(connection).await?;
    let mut tables = Vec::new();
    let sql = "SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE FROM information_schema.TABLES \
               WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE IS NOT NULL ORDER BY TABLE_SCHEMA, TABLE_NAME";
    connection
        .query(sql, |row| {
            let (database, table, engine) = (row.name(0)?, row.name(1)?, row.name(2)?);
            if !SNAPSHOT_ENGINES.iter().any(|known| known.eq_ignore_ascii_case(engine))
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
