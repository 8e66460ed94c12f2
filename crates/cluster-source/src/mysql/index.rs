//! The indexes of a database's tables, and the one that a table can be partitioned by.

use std::collections::{HashMap, HashSet};

use export_task::range::{KeyColumn, KeyKind};

use super::columns::ColumnDescription;
use super::connect::Connection;
use super::sql::literal;
use crate::error::SourceError;

/// The primary key, or another unique index that is never NULL.
#[derive(Clone, Debug)]
pub struct Key {
    /// The name of the index.
    pub index: String,
    /// As many of its first columns as can be compared with a bound.
    pub columns: Vec<KeyColumn>,
}

/// One part of an index.
struct IndexPart {
    /// The names of the table and the index.
    index: (String, String),
    /// The position in the index, from 1.
    number: u64,
    is_expression: bool,
    /// The column, if it can be compared with a bound. A prefix of a column can't, nor can a
    /// descending part.
    column: Option<KeyColumn>,
}

/// Returns the key of each table that has one: the primary key, or else the first unique index by
/// name.
pub(super) async fn keys(
    connection: &mut Connection,
    database: &str,
    tables: &HashMap<String, Vec<ColumnDescription>>,
) -> Result<HashMap<String, Key>, SourceError> {
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME, SEQ_IN_INDEX, COLLATION, SUB_PART \
         FROM information_schema.STATISTICS \
         WHERE TABLE_SCHEMA = {} AND NON_UNIQUE = 0 AND INDEX_TYPE = 'BTREE' {} \
         ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX",
        literal(database),
        connection.product.usable_indexes()
    );
    let key_partitioned = tables_partitioned_by_key(connection, database).await?;
    let mut parts: Vec<IndexPart> = Vec::new();
    connection
        .query(&sql, |row| {
            let (table, name) = (row.name(1)?, row.text(3)?);
            let column = tables.get(table).zip(name).and_then(|(c, name)| c.iter().find(|c| c.name == name));
            let is_comparable = row.text(5)? == Some("A") && row.text(6)?.is_none();
            let kind = column.filter(|_| is_comparable).and_then(|c| Some((c.name.clone(), c.key_kind()?)));
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
        // An index with an expression may have no entry for a row, or several entries.
        if parts.iter().any(|part| part.is_expression) {
            continue;
        }
        let (table, index) = &parts[0].index;
        let is_usable =
            |column: &KeyColumn| !(key_partitioned.contains(table) && matches!(column.kind, KeyKind::Text { .. }));
        // The list of columns ends at the first part that can't be compared with a bound, or is
        // missing.
        let first_columns = parts.iter().zip(1..).map_while(|(p, nth)| p.column.clone().filter(|_| p.number == nth));
        let columns: Vec<KeyColumn> = first_columns.take_while(is_usable).collect();
        if !columns.is_empty() && !keys.contains_key(table) {
            keys.insert(table.clone(), Key { index: index.clone(), columns });
        }
    }
    Ok(keys)
}

/// Returns the tables that are `PARTITION BY KEY`, which assigns rows by a hash. Two texts that are
/// equal in a collation may have different hashes. The server then looks for one of them in the
/// wrong partition and misses it, so text can't be a bound in such a table.
async fn tables_partitioned_by_key(
    connection: &mut Connection,
    database: &str,
) -> Result<HashSet<String>, SourceError> {
    let sql = format!(
        "SELECT DISTINCT TABLE_NAME FROM information_schema.PARTITIONS \
         WHERE TABLE_SCHEMA = {} AND (PARTITION_METHOD LIKE '%KEY' OR SUBPARTITION_METHOD LIKE '%KEY')",
        literal(database)
    );
    connection.first_column(&sql).await
}
