//! The tables of a database, and those that can't be exported with the reason.
//!
//! Exported are base tables of the engines that keep rows, and the current rows of system-versioned ones. Views and sequences
//! are not, nor is anything in a system schema. Columns are exported whether they are generated or invisible.

use std::collections::{HashMap, HashSet};

use export_task::options::Types;
use export_task::plan::Relation;
use export_task::range::{KeyColumn, KeyKind};
use export_task::table::Table;
use export_task::warning::{SkipReason, SkippedTable};

use super::columns::Described;
use super::connect::Connection;
use super::size::{self, Size, Statistics};
use super::sql::{literal, qualified};
use crate::error::{ErrorKind, SourceError};
use crate::names;

/// Engines whose tables hold rows of their own.
const ENGINES: &[&str] = &["InnoDB", "MyISAM", MEMORY, "CSV", "ARCHIVE", "Aria", "ROCKSDB"];

/// Those of which a transaction reads what was there when it began.
pub(super) const SNAPSHOTS: &[&str] = &["InnoDB", "ROCKSDB"];

/// The engine whose rows are lost when the server stops, and so are in no clone.
const MEMORY: &str = "MEMORY";

/// What a database holds.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Tables that can be exported, by name.
    pub tables: Vec<FoundTable>,
    /// Selected tables that can't, with the reason.
    pub skipped: Vec<SkippedTable>,
}

/// A table with what is known about cutting it.
#[derive(Clone, Debug)]
pub struct FoundTable {
    /// The table. Its id is 0; the planner numbers tables.
    pub table: Table,
    /// Size in bytes, about.
    pub bytes: u64,
    /// Number of rows, about.
    pub rows: u64,
    /// Whether it has grown much since the server counted, so that it doesn't know how many rows are in a range.
    pub outgrown: bool,
    /// What it can be cut by.
    pub key: Option<Key>,
}

impl FoundTable {
    /// The table's own name.
    pub fn relation(&self) -> Relation {
        Relation { schema: self.table.schema.clone(), name: self.table.name.clone() }
    }
}

/// The primary key, or another unique index that is never NULL.
#[derive(Clone, Debug)]
pub struct Key {
    /// The index.
    pub index: String,
    /// As many of its first columns as can be compared to a bound.
    pub columns: Vec<KeyColumn>,
}

/// Reads the catalog of a database in six queries. `selects` says by schema (which is the database) and table name what is
/// wanted; anything else is neither returned nor reported; `types` what columns become. Tables on which the user has no
/// privilege at all are unknown to it.
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
        // What the server misses is its own: the statements are about its tables.
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
    let mut columns = columns(connection, database).await?;
    let mut keys = keys(connection, database, &columns).await?;
    let partly = partly_granted(connection, database).await?;
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
                let described = columns.remove(name).unwrap_or_default();
                let engine = row.text(2)?.unwrap_or_default().to_owned();
                let table = Table {
                    id: 0,
                    database: database.to_owned(),
                    schema: database.to_owned(),
                    name: name.to_owned(),
                    directory_suffix: None,
                    columns: described.iter().map(|column| column.column(types)).collect(),
                };
                // Only in InnoDB are ranges of the primary key ranges of the table.
                let key = keys.remove(name).filter(|_| engine.eq_ignore_ascii_case("InnoDB"));
                let number = |column| Ok::<_, SourceError>(row.number(column)?.unwrap_or_default());
                let known = Statistics { rows: number(3)?, data: number(4)?, indexes: number(5)?, free: number(6)? };
                let Size { rows, bytes, outgrown } = known.size(files.get(name).copied());
                let readable = described.iter().all(|column| column.readable) && !described.is_empty();
                found.push((FoundTable { table, bytes, rows, outgrown, key }, engine, readable));
            }
            Ok(())
        })
        .await?;
    let mut catalog = Catalog::default();
    for (found, engine, mut readable) in found {
        if readable && partly.contains(&found.table.name) {
            readable = match reads_everything(connection, &found).await {
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

/// The columns of every table, in order.
async fn columns(connection: &mut Connection, database: &str) -> Result<HashMap<String, Vec<Described>>, SourceError> {
    let mut tables: HashMap<String, Vec<Described>> = HashMap::new();
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, {} FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = {} ORDER BY TABLE_NAME, ORDINAL_POSITION",
        Described::COLUMNS,
        literal(database)
    );
    connection
        .query(&sql, |row| {
            if row.name(0)? == database {
                tables.entry(row.name(1)?.to_owned()).or_default().push(Described::of_row(&row, 2)?);
            }
            Ok(())
        })
        .await?;
    Ok(tables)
}

/// A key of each table that has one: the primary key, else the unique index that comes first by name.
async fn keys(
    connection: &mut Connection,
    database: &str,
    tables: &HashMap<String, Vec<Described>>,
) -> Result<HashMap<String, Key>, SourceError> {
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME, SEQ_IN_INDEX, COLLATION, SUB_PART \
         FROM information_schema.STATISTICS \
         WHERE TABLE_SCHEMA = {} AND NON_UNIQUE = 0 AND INDEX_TYPE = 'BTREE' {} \
         ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX",
        literal(database),
        connection.usable_indexes()
    );
    let hashed = partitioned_by_key(connection, database).await?;
    let mut parts: Vec<IndexPart> = Vec::new();
    connection
        .query(&sql, |row| {
            let (table, name) = (row.name(1)?, row.text(3)?);
            let column = tables.get(table).zip(name).and_then(|(c, name)| c.iter().find(|c| c.name == name));
            let ascending = row.text(5)? == Some("A") && row.text(6)?.is_none();
            let kind = column.filter(|_| ascending).and_then(|c| Some((c.name.clone(), c.key_kind()?)));
            if row.name(0)? == database {
                parts.push(IndexPart {
                    index: (table.to_owned(), row.name(2)?.to_owned()),
                    number: row.number(4)?.unwrap_or_default(),
                    is_expression: name.is_none(),
                    column: kind.map(|(name, kind)| KeyColumn { name, kind }),
                });
            }
            Ok(())
        })
        .await?;
    let mut keys: HashMap<String, Key> = HashMap::new();
    for parts in parts.chunk_by(|a, b| a.index == b.index) {
        // Such an index need not have an entry of every row, or has several of one.
        if parts.iter().any(|part| part.is_expression) {
            continue;
        }
        let (table, index) = &parts[0].index;
        let is_usable = |column: &KeyColumn| !(hashed.contains(table) && matches!(column.kind, KeyKind::Text { .. }));
        // Only without a gap.
        let numbered = parts.iter().zip(1..).map_while(|(p, nth)| p.column.clone().filter(|_| p.number == nth));
        let columns: Vec<KeyColumn> = numbered.take_while(is_usable).collect();
        if !columns.is_empty() && !keys.contains_key(table) {
            keys.insert(table.clone(), Key { index: index.clone(), columns });
        }
    }
    Ok(keys)
}

/// What the server says of one part of an index.
struct IndexPart {
    /// The table and the index.
    index: (String, String),
    /// From 1.
    number: u64,
    is_expression: bool,
    /// What is compared to a bound. A part of a column can't be, nor what is in descending order.
    column: Option<KeyColumn>,
}

/// Tables whose rows are in partitions by a hash of a key. Texts that are equal in some collations have other hashes, so the
/// server looks for one of them in the wrong partition and misses it: such a table can't be cut by text.
async fn partitioned_by_key(connection: &mut Connection, database: &str) -> Result<HashSet<String>, SourceError> {
    let sql = format!(
        "SELECT DISTINCT TABLE_NAME FROM information_schema.PARTITIONS \
         WHERE TABLE_SCHEMA = {} AND (PARTITION_METHOD LIKE '%KEY' OR SUBPARTITION_METHOD LIKE '%KEY')",
        literal(database)
    );
    first_column(connection, &sql).await
}

/// Tables some of whose columns are granted by name: there may be others, which the user doesn't see.
async fn partly_granted(connection: &mut Connection, database: &str) -> Result<HashSet<String>, SourceError> {
    let sql = format!(
        "SELECT DISTINCT TABLE_NAME FROM information_schema.COLUMN_PRIVILEGES WHERE TABLE_SCHEMA = {}",
        literal(database)
    );
    first_column(connection, &sql).await
}

/// The names in the first column of what a query gives.
async fn first_column(connection: &mut Connection, sql: &str) -> Result<HashSet<String>, SourceError> {
    let mut names = HashSet::new();
    connection
        .query(sql, |row| {
            names.insert(row.name(0)?.to_owned());
            Ok(())
        })
        .await?;
    Ok(names)
}

async fn reads_everything(connection: &mut Connection, found: &FoundTable) -> Result<bool, SourceError> {
    match connection.execute(&format!("SELECT * FROM {} LIMIT 0", qualified(&found.relation()))).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AccessDenied => Ok(false),
        Err(error) => Err(error),
    }
}

/// Why a table can't be exported.
fn skip(table: &Table, engine: &str, readable: bool, live: bool) -> Option<(SkipReason, String)> {
    if !readable {
        let message = format!("The user can't read every column of {}. Grant SELECT on the table.", table.name);
        return Some((SkipReason::PermissionsDoNotExist, message));
    }
    if !ENGINES.iter().any(|known| known.eq_ignore_ascii_case(engine)) {
        let engine = if engine.is_empty() { "its engine" } else { engine };
        let message = format!("The rows of a table in {engine} are not kept in the table. Use ALTER TABLE ... ENGINE.");
        return Some((SkipReason::UnsupportedEngine, message));
    }
    if engine.eq_ignore_ascii_case(MEMORY) && !live {
        let message =
            format!("{} is in memory, so a clone doesn't hold its rows. Use ALTER TABLE ... ENGINE.", table.name);
        return Some((SkipReason::MemoryTable, message));
    }
    names::skip(table)
}
