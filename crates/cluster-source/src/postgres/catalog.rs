//! The tables of a database, and those that can't be exported with the reason.
//!
//! Exported are ordinary tables (those of extensions too) and natively partitioned tables. Views, materialized views,
//! foreign tables and sequences are not, nor is anything in a system schema.

use std::collections::HashMap;
use std::pin::pin;

use export_task::options::Types;
use export_task::plan::Relation;
use export_task::table::{Column, Table};
use export_task::warning::{SkipReason, SkippedTable};
use futures_util::TryStreamExt;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::columns::Described;
use super::connect::Connection;
use super::types::Decode;
use crate::error::SourceError;
use crate::names;

const QUERY: &str = include_str!("catalog.sql");

const UNTRUSTED: &str = include_str!("untrusted.sql");

/// What a database holds.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Tables that can be exported, by schema and name.
    pub tables: Vec<FoundTable>,
    /// Selected tables that can't, with the reason.
    pub skipped: Vec<SkippedTable>,
}

/// A table with the relations that hold its rows.
#[derive(Clone, Debug)]
pub struct FoundTable {
    /// The table. Its id is 0; the planner numbers tables.
    pub table: Table,
    /// The table itself, or the leaves of a natively partitioned table by name. A partitioned table without leaves stands
    /// here itself: reading it gives no rows.
    pub relations: Vec<FoundRelation>,
}

/// A column that is never NULL and leads an index: of a unique integer key where there is one, else of the primary key where
/// it can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The column, unquoted.
    pub column: String,
    /// Its type, one of the server's own, as `pg_type.typname` has it: `int8`, `uuid`, `bpchar`.
    pub type_name: String,
    /// It alone is a unique key of integers, so the server's histogram of it leaves no values out.
    pub unique_integer: bool,
}

/// A relation that holds rows, with what is known about cutting it.
#[derive(Clone, Debug)]
pub struct FoundRelation {
    /// Its name.
    pub relation: Relation,
    /// Directory number below the table, from 1.
    pub batch: u32,
    /// Size of the heap in blocks, as it is on disk.
    pub blocks: u32,
    /// Size of heap and out-of-line values in bytes, as they are on disk.
    pub bytes: u64,
    /// The server can send the whole relation without planning a query: no column is computed.
    pub plain: bool,
    /// Planning a query of it calls no function that an ordinary user wrote. Where one would be called, the relation is read
    /// plainly, or its table is left out.
    pub trusted: bool,
    /// Block ranges can select its rows: it is a heap, and the role may read system columns.
    pub ctid: bool,
    /// What it can be cut by where it can't be by blocks.
    pub key: Option<Key>,
    /// Blocks when the server last counted, 0 for never.
    pub analyzed_blocks: u32,
    /// Rows when the server last counted.
    pub analyzed_rows: f64,
}

/// Reads the catalog of the connection's database in two queries. `selects` says by schema and table name what is wanted;
/// anything else is neither returned nor reported; `types` what columns become.
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
    let mut untrusted = HashMap::new();
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
        let columns = columns(&row, types)?;
        let table = Table { id: 0, database: database.to_owned(), schema, name, directory_suffix: None, columns };
        let members = members(&row, &table, &untrusted, connection.block_size())?;
        match skip(&table, &members) {
            Some((reason, message)) => catalog.skipped.push(SkippedTable::new(&table, reason, message)),
            None => catalog.tables.push(found(table, members)),
        }
    }
    Ok(catalog)
}

fn found(table: Table, members: Vec<Member>) -> FoundTable {
    let mut relations: Vec<FoundRelation> = members.into_iter().map(|member| member.relation).collect();
    for (relation, batch) in relations.iter_mut().zip(1..) {
        relation.batch = batch;
    }
    FoundTable { table, relations }
}

/// A relation of a table with what may forbid reading it.
struct Member {
    relation: FoundRelation,
    kind: String,
    persistence: String,
    readable: bool,
    row_security: bool,
    untrusted: Option<Call>,
}

/// A function, and who can change what it does.
#[derive(Clone)]
struct Call {
    function: String,
    owner: String,
}

/// Why a table can't be exported.
fn skip(table: &Table, members: &[Member]) -> Option<(SkipReason, String)> {
    let any = |test: fn(&Member) -> bool| {
        members.iter().find(|member| test(member)).map(|member| {
            let Relation { schema, name } = &member.relation.relation;
            format!("{schema}.{name}")
        })
    };
    // A partitioned table may have no leaves that would say so.
    if table.schema.starts_with("pg_temp_") {
        return Some((SkipReason::TemporaryTable, "The table is temporary, it belongs to one session.".to_owned()));
    }
    if let Some(name) = any(|m| m.persistence == "u") {
        let message = format!("{name} is unlogged, so a clone doesn't hold its rows. Use ALTER TABLE ... SET LOGGED.");
        return Some((SkipReason::UnloggedTable, message));
    }
    if let Some(skip) = names::skip(table) {
        return Some(skip);
    }
    if let Some(name) = any(|m| m.kind == "f") {
        let message = format!("The partition {name} is a foreign table, whose rows are not in the cluster. Detach it.");
        return Some((SkipReason::ForeignPartition, message));
    }
    if let Some(name) = any(|m| !m.readable) {
        let message = format!("The user can't read {name}. Grant SELECT on the table and USAGE on its schema.");
        return Some((SkipReason::PermissionsDoNotExist, message));
    }
    if let Some(name) = any(|m| m.row_security) {
        let message = format!("Row-level security hides rows of {name} from the user. Grant BYPASSRLS or ownership.");
        return Some((SkipReason::PermissionsDoNotExist, message));
    }
    let called = |m: &Member| (!m.relation.plain).then(|| m.untrusted.clone()).flatten();
    if let Some(Call { function, owner }) = members.iter().find_map(called) {
        let message = format!(
            "To read the table the exporting user would call {function}, which {owner} owns. Drop the index, statistics \
             or generated column that calls it, or use ALTER FUNCTION ... OWNER TO the exporting user."
        );
        return Some((SkipReason::UntrustedCode, message));
    }
    None
}

/// A list that is absent when its table has no columns or no relations.
fn list<'r, T>(row: &'r Row, name: &str) -> Result<Vec<T>, SourceError>
where
    Vec<T>: tokio_postgres::types::FromSql<'r>,
{
    Ok(row.try_get::<_, Option<Vec<T>>>(name)?.unwrap_or_default())
}

fn columns(row: &Row, types: Types) -> Result<Vec<Column>, SourceError> {
    let (names, originals) = (list::<String>(row, "names")?, list::<String>(row, "original_types")?);
    let (domains, arrays) = (list::<bool>(row, "domains")?, list::<bool>(row, "arrays")?);
    let enums = list::<bool>(row, "enums")?;
    let (sent_as, type_oids) = (list::<i64>(row, "sent_as")?, list::<i64>(row, "type_oids")?);
    let (typmods, sent_typmods) = (list::<i32>(row, "typmods")?, list::<i32>(row, "sent_typmods")?);
    let describe = |(i, (name, original_type)): (usize, (String, String))| {
        let described = Described {
            name,
            is_domain: domains[i],
            is_array: arrays[i],
            sent_as: sent_as[i],
            sent_typmod: sent_typmods[i],
            is_enum: enums[i],
            original_type,
            type_oid: type_oids[i],
            typmod: typmods[i],
        };
        described.column(types)
    };
    Ok(names.into_iter().zip(originals).enumerate().map(describe).collect())
}

fn members(
    row: &Row,
    table: &Table,
    untrusted: &HashMap<i64, Call>,
    block_size: u64,
) -> Result<Vec<Member>, SourceError> {
    let oids = list::<i64>(row, "oids")?;
    let schemas = list::<String>(row, "relation_schemas")?;
    let names = list::<String>(row, "relation_names")?;
    let kinds = list::<String>(row, "kinds")?;
    let persistences = list::<String>(row, "persistences")?;
    let ctids = list::<bool>(row, "ctids")?;
    let readables = list::<bool>(row, "readables")?;
    let row_securities = list::<bool>(row, "row_securities")?;
    let generated = list::<bool>(row, "generated")?;
    let heaps = list::<i64>(row, "heap_bytes")?;
    let toasts = list::<i64>(row, "toast_bytes")?;
    let analyzed_blocks = list::<i32>(row, "analyzed_blocks")?;
    let analyzed_rows = list::<f32>(row, "analyzed_rows")?;
    let keys = list::<Option<String>>(row, "keys")?;
    let key_types = list::<Option<String>>(row, "key_types")?;
    let unique_integers = list::<bool>(row, "unique_integers")?;
    let cast = table.columns.iter().any(|column| column.decode == Decode::Cast.name());
    let mut members = Vec::with_capacity(names.len());
    for (i, (schema, name)) in schemas.into_iter().zip(names).enumerate() {
        let heap = heaps[i].unsigned_abs();
        let relation = FoundRelation {
            relation: Relation { schema, name },
            batch: 0,
            blocks: u32::try_from(heap.div_ceil(block_size)).unwrap_or(u32::MAX),
            bytes: heap + toasts[i].unsigned_abs(),
            plain: kinds[i] == "r" && !generated[i] && !cast,
            trusted: !untrusted.contains_key(&oids[i]),
            ctid: ctids[i],
            key: keys[i].clone().zip(key_types[i].clone()).map(|(column, type_name)| Key {
                column,
                type_name,
                unique_integer: unique_integers[i],
            }),
            analyzed_blocks: analyzed_blocks[i].unsigned_abs(),
            analyzed_rows: f64::from(analyzed_rows[i]),
        };
        members.push(Member {
            relation,
            kind: kinds[i].clone(),
            persistence: persistences[i].clone(),
            readable: readables[i],
            row_security: row_securities[i],
            untrusted: untrusted.get(&oids[i]).cloned(),
        });
    }
    Ok(members)
}
