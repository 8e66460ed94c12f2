//! The tables of a database, and the reasons why some of them can't be exported.
//!
//! The export includes the base tables of all storage engines that keep rows, and the current rows
//! of system-versioned tables. It does not include views, sequences and anything in a system
//! schema. It includes generated and invisible columns.

use std::collections::{HashMap, HashSet};

use export_task::options::Types;
use export_task::plan::Relation;
use export_task::table::Table;
use export_task::warning::{SkipReason, SkippedTable};

use super::columns::ColumnDescription;
use super::connect::Connection;
use super::index::{self, Key};
use super::size::{self, Size, Statistics};
use super::sql::{literal, qualified};
use crate::error::{ErrorKind, SourceError};
use crate::names;

/// Storage engines that keep the rows of their tables.
const EXPORTED_ENGINES: &[&str] = &["InnoDB", "MyISAM", MEMORY, "CSV", "ARCHIVE", "Aria", "ROCKSDB"];

/// Storage engines whose tables a transaction reads as they were when it began.
pub(super) const SNAPSHOT_ENGINES: &[&str] = &["InnoDB", "ROCKSDB"];

/// The storage engine whose rows are lost when the server stops, so no clone has them.
const MEMORY: &str = "MEMORY";

/// The tables of a database.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Tables that can be exported, by name.
    pub tables: Vec<FoundTable>,
    /// Selected tables that can't be exported, with the reason.
    pub skipped: Vec<SkippedTable>,
}

/// A table that can be exported, with what its partitioning needs.
#[derive(Clone, Debug)]
pub struct FoundTable {
    /// The table. Its id is 0; the planner numbers tables.
    pub table: Table,
    /// Approximate size in bytes.
    pub bytes: u64,
    /// Approximate number of rows.
    pub rows: u64,
    /// Whether the table has grown so much that the server can't estimate how many rows a range
    /// has.
    pub has_stale_statistics: bool,
    /// The key to partition the table by.
    pub key: Option<Key>,
}

impl FoundTable {
    /// Returns the table's name.
    pub fn relation(&self) -> Relation {
        Relation { schema: self.table.schema.clone(), name: self.table.name.clone() }
    }
}

/// Reads the catalog of a database in six queries. `selects` returns whether the export includes a
/// table, by schema (which is the database) and table name. Other tables are neither returned nor
/// reported. `types` decides which types columns become. The catalog does not list tables on which
/// the user has no privilege.
///
/// # Errors
/// [`SourceError`].
pub async fn catalog(
    connection: &mut Connection,
    database: &str,
    types: Types,
    selects: impl Fn(&str, &str) -> bool,
) -> Result<Catalog, SourceError> {
    read(connection, database, types, selects).await.map_err(|error| match error {
        // These statements read the server's own tables, so no table of the export has changed.
        SourceError::Changed { source } => SourceError::Query { source },
        error => error,
    })
}

async fn read(
    connection: &mut Connection,
    database: &str,
    types: Types,
    selects: impl Fn(&str, &str) -> bool,
) -> Result<Catalog, SourceError> {
    let mut descriptions = columns(connection, database).await?;
    let mut keys = index::keys(connection, database, &descriptions).await?;
    let granted_by_column = tables_granted_by_column(connection, database).await?;
    let files = size::files(connection, database).await?;
    let mut found = Vec::new();
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE, TABLE_ROWS, DATA_LENGTH, INDEX_LENGTH, DATA_FREE \
         FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = {} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_NAME",
        literal(database)
    );
    connection
        .query(&sql, |row| {
            let name = row.name(1)?;
            if row.name(0)? == database && selects(database, name) {
                let columns = descriptions.remove(name).unwrap_or_default();
                let engine = row.text(2)?.unwrap_or_default().to_owned();
                let table = Table {
                    id: 0,
                    database: database.to_owned(),
                    schema: database.to_owned(),
                    name: name.to_owned(),
                    directory_suffix: None,
                    columns: columns.iter().map(|column| column.column(types)).collect(),
                };
                // Only in InnoDB a range of the primary key is a range of the table.
                let key = keys.remove(name).filter(|_| engine.eq_ignore_ascii_case("InnoDB"));
                let number = |column| Ok::<_, SourceError>(row.number(column)?.unwrap_or_default());
                let statistics =
                    Statistics { rows: number(3)?, data: number(4)?, indexes: number(5)?, free: number(6)? };
                let Size { rows, bytes, has_stale_statistics } = statistics.size(files.get(name).copied());
                let readable = columns.iter().all(|column| column.readable) && !columns.is_empty();
                found.push((FoundTable { table, bytes, rows, has_stale_statistics, key }, engine, readable));
            }
            Ok(())
        })
        .await?;
    let mut catalog = Catalog::default();
    for (found, engine, mut readable) in found {
        if readable && granted_by_column.contains(&found.table.name) {
            readable = match can_read_all_columns(connection, &found).await {
                Ok(readable) => readable,
                Err(error) => {
                    catalog.skipped.push(error.skips(&found.table).ok_or(error)?);
                    continue;
                }
            };
        }
        match skip(&found.table, &engine, readable, connection.is_live()) {
            Some((reason, message)) => {
                catalog.skipped.push(SkippedTable::new(&found.table, reason, message));
            }
            None => catalog.tables.push(found),
        }
    }
    Ok(catalog)
}

/// Returns the columns of each table, in order.
async fn columns(
    connection: &mut Connection,
    database: &str,
) -> Result<HashMap<String, Vec<ColumnDescription>>, SourceError> {
    let mut tables: HashMap<String, Vec<ColumnDescription>> = HashMap::new();
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, {} FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = {} ORDER BY TABLE_NAME, ORDINAL_POSITION",
        ColumnDescription::COLUMNS,
        literal(database)
    );
    connection
        .query(&sql, |row| {
            if row.name(0)? == database {
                tables.entry(row.name(1)?.to_owned()).or_default().push(ColumnDescription::from_row(&row, 2)?);
            }
            Ok(())
        })
        .await?;
    Ok(tables)
}

/// Returns the tables that have privileges on single columns. The user may not see their other
/// columns.
async fn tables_granted_by_column(connection: &mut Connection, database: &str) -> Result<HashSet<String>, SourceError> {
    let sql = format!(
        "SELECT DISTINCT TABLE_NAME FROM information_schema.COLUMN_PRIVILEGES WHERE TABLE_SCHEMA = {}",
        literal(database)
    );
    connection.first_column(&sql).await
}

/// Returns whether the user can read each column of a table.
async fn can_read_all_columns(connection: &mut Connection, found: &FoundTable) -> Result<bool, SourceError> {
    match connection.execute(&format!("SELECT * FROM {} LIMIT 0", qualified(&found.relation()))).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AccessDenied => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns why a table can't be exported, if it can't.
fn skip(table: &Table, engine: &str, readable: bool, live: bool) -> Option<(SkipReason, String)> {
    if !readable {
        let message = format!("The user can't read every column of {}. Grant SELECT on the table.", table.name);
        return Some((SkipReason::PermissionsDoNotExist, message));
    }
    if !EXPORTED_ENGINES.iter().any(|known| known.eq_ignore_ascii_case(engine)) {
        let engine = if engine.is_empty() { "of the table" } else { engine };
        let message =
            format!("The storage engine {engine} doesn't keep rows in the table. Use ALTER TABLE ... ENGINE.");
        return Some((SkipReason::UnsupportedEngine, message));
    }
    if engine.eq_ignore_ascii_case(MEMORY) && !live {
        let message =
            format!("{} is in memory, so a clone doesn't have its rows. Use ALTER TABLE ... ENGINE.", table.name);
        return Some((SkipReason::MemoryTable, message));
    }
    names::skip(table)
}
