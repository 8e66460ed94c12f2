//! Finds the tables of a database: those that can be exported, and those that can't with the
//! reason.
//!
//! Ordinary tables (including those of extensions) and natively partitioned tables are exported.
//! Views, materialized views, foreign tables, sequences and everything in a system schema are not.

use std::collections::HashMap;
use std::pin::pin;

use export_task::options::Types;
use export_task::plan::Relation;
use export_task::table::Table;
use export_task::warning::{SkipReason, SkippedTable};
use futures_util::TryStreamExt;
use serde::Deserialize;
use tokio_postgres::types::ToSql;

use super::columns::DescribedColumn;
use super::connect::Connection;
use super::types::Decode;
use crate::error::SourceError;
use crate::names;

const QUERY: &str = include_str!("catalog.sql");

const UNTRUSTED: &str = include_str!("untrusted.sql");

/// The tables of a database.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Tables that can be exported, by schema and name.
    pub tables: Vec<FoundTable>,
    /// Selected tables that can't be exported, with the reason.
    pub skipped: Vec<SkippedTable>,
}

/// A table with the relations that hold its rows.
#[derive(Clone, Debug)]
pub struct FoundTable {
    /// The table. Its id is 0, because the planner numbers tables.
    pub table: Table,
    /// The table itself, or the leaves of a natively partitioned table by name. A partitioned table
    /// without leaves is its own relation: reading it returns no rows.
    pub relations: Vec<FoundRelation>,
}

/// The first column of an index, which is never NULL. A unique integer key is preferred, then the
/// primary key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Key {
    /// The column's name, unquoted.
    pub column: String,
    /// The column's type, a built-in one, by its name in `pg_type.typname`: `int8`, `uuid`,
    /// `bpchar`.
    pub type_name: String,
    /// Whether the column alone is a unique key of integers. Then the server's histogram of it
    /// leaves out no values.
    pub unique_integer: bool,
}

/// A relation that holds rows, with what is known about dividing it.
#[derive(Clone, Debug)]
pub struct FoundRelation {
    /// The relation's name.
    pub relation: Relation,
    /// The number of its directory below the table's, from 1.
    pub batch_index: u32,
    /// Size of the heap on disk, in blocks.
    pub blocks: u32,
    /// Size of the heap and of out-of-line values on disk, in bytes.
    pub bytes: u64,
    /// Whether the server can send the whole relation without planning a query: no column is
    /// computed.
    pub plain: bool,
    /// Whether planning a query of it calls no function that an ordinary user wrote. A relation
    /// that is not trusted is read as a whole without a plan, or its table is left out.
    pub trusted: bool,
    /// Whether block ranges can select its rows: it is a heap, and the role may read system
    /// columns.
    pub ctid: bool,
    /// The key that divides it where blocks can't.
    pub key: Option<Key>,
    /// Number of blocks at the server's last analysis, 0 if there was none.
    pub analyzed_blocks: u32,
    /// Number of rows at the server's last analysis.
    pub analyzed_rows: f64,
}

/// What the catalog says about a relation.
#[derive(Deserialize)]
struct DescribedRelation {
    oid: u32,
    schema_name: String,
    name: String,
    /// `pg_class.relkind`.
    kind: String,
    /// `pg_class.relpersistence`.
    persistence: String,
    ctid: bool,
    readable: bool,
    row_security: bool,
    /// Whether a column is generated.
    generated: bool,
    heap_bytes: u64,
    toast_bytes: u64,
    analyzed_blocks: i32,
    analyzed_rows: f64,
    key: Option<Key>,
}

/// A relation of a table.
struct Member {
    described: DescribedRelation,
    plain: bool,
    untrusted: Option<Call>,
}

/// Reads the catalog of the connection's database in two queries. `selects` takes a schema and a
/// table name and returns whether the table is wanted. Other tables are neither returned nor
/// reported. `types` determines the Parquet types of columns.
///
/// # Errors
/// [`SourceError`].
pub async fn catalog(
    connection: &Connection,
    database: &str,
    types: Types,
    selects: impl Fn(&str, &str) -> bool,
) -> Result<Catalog, SourceError> {
    let none: [&(dyn ToSql + Sync); 0] = [];
    let mut untrusted: HashMap<u32, Call> = HashMap::new();
    for row in connection.client().query(UNTRUSTED, &[]).await? {
        untrusted.insert(row.try_get(0)?, Call { function: row.try_get(1)?, owner: row.try_get(2)? });
    }
    let rows = connection.client().query_raw(QUERY, none).await?;
    let mut rows = pin!(rows);
    let mut catalog = Catalog::default();
    while let Some(row) = rows.try_next().await? {
        let schema: String = row.try_get("schema_name")?;
        let name: String = row.try_get("table_name")?;
        if !selects(&schema, &name) {
            continue;
        }
        let columns: Vec<DescribedColumn> = parse(row.try_get("columns")?)?;
        let columns = columns.into_iter().map(|column| column.column(types)).collect();
        let table = Table { id: 0, database: database.to_owned(), schema, name, directory_suffix: None, columns };
        let cast = table.columns.iter().any(|column| column.decode == Decode::Cast.name());
        let relations: Vec<DescribedRelation> = parse(row.try_get("relations")?)?;
        let member = |described: DescribedRelation| Member {
            plain: described.kind == "r" && !described.generated && !cast,
            untrusted: untrusted.get(&described.oid).cloned(),
            described,
        };
        let members: Vec<Member> = relations.into_iter().map(member).collect();
        match skip(&table, &members) {
            Some((reason, message)) => catalog.skipped.push(SkippedTable::new(&table, reason, message)),
            None => catalog.tables.push(found(table, members, connection.block_size())),
        }
    }
    Ok(catalog)
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, SourceError> {
    serde_json::from_str(json).map_err(|_| SourceError::Protocol("unexpected JSON in the catalog"))
}

fn found(table: Table, members: Vec<Member>, block_size: u64) -> FoundTable {
    let relation = |(Member { described, plain, untrusted }, batch_index)| FoundRelation {
        relation: Relation { schema: described.schema_name, name: described.name },
        batch_index,
        blocks: u32::try_from(described.heap_bytes.div_ceil(block_size)).unwrap_or(u32::MAX),
        bytes: described.heap_bytes + described.toast_bytes,
        plain,
        trusted: untrusted.is_none(),
        ctid: described.ctid,
        key: described.key,
        analyzed_blocks: described.analyzed_blocks.unsigned_abs(),
        analyzed_rows: described.analyzed_rows,
    };
    FoundTable { table, relations: members.into_iter().zip(1..).map(relation).collect() }
}

/// A function and its owner, who can change what it does.
#[derive(Clone)]
struct Call {
    function: String,
    owner: String,
}

/// Returns why a table can't be exported, or `None` if it can.
fn skip(table: &Table, members: &[Member]) -> Option<(SkipReason, String)> {
    let any = |test: fn(&Member) -> bool| {
        members.iter().find(|member| test(member)).map(|member| {
            let DescribedRelation { schema_name, name, .. } = &member.described;
            format!("{schema_name}.{name}")
        })
    };
    // The schema is checked, because a partitioned table may have no leaves whose persistence could
    // be checked.
    if table.schema.starts_with("pg_temp_") {
        return Some((SkipReason::TemporaryTable, "The table is temporary: it belongs to one session.".to_owned()));
    }
    if let Some(name) = any(|m| m.described.persistence == "u") {
        let message = format!("{name} is unlogged, so a clone doesn't hold its rows. Use ALTER TABLE ... SET LOGGED.");
        return Some((SkipReason::UnloggedTable, message));
    }
    if let Some(skip) = names::skip(table) {
        return Some(skip);
    }
    if let Some(name) = any(|m| m.described.kind == "f") {
        let message = format!("The partition {name} is a foreign table, whose rows are not in the cluster. Detach it.");
        return Some((SkipReason::ForeignPartition, message));
    }
    if let Some(name) = any(|m| !m.described.readable) {
        let message = format!("The user can't read {name}. Grant SELECT on the table and USAGE on its schema.");
        return Some((SkipReason::PermissionsDoNotExist, message));
    }
    if let Some(name) = any(|m| m.described.row_security) {
        let message = format!("Row-level security hides rows of {name} from the user. Grant BYPASSRLS or ownership.");
        return Some((SkipReason::PermissionsDoNotExist, message));
    }
    let called = |m: &Member| (!m.plain).then(|| m.untrusted.clone()).flatten();
    if let Some(Call { function, owner }) = members.iter().find_map(called) {
        let message = format!(
            "To read the table, the exporting user would have to call {function}, which belongs to {owner}. Drop the \
             index, statistics or generated column that calls it, or use ALTER FUNCTION ... OWNER TO the exporting user."
        );
        return Some((SkipReason::UntrustedCode, message));
    }
    None
}
