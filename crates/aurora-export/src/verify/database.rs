//! The database beside an export: its tables, and what the server says of them.

use std::collections::BTreeMap;

use cluster_source::profile::{Asked, Form, ListedColumn, ListedTable, Profile};
use cluster_source::{Connection, ErrorKind, Source, SourceError};
use export_task::engine::Engine;
use export_task::export_only::ExportOnly;

use super::Compared;
use super::contents::{Column, Contents};
use super::report::Difference;
use super::tally::Look;

/// A server, and the tables of it that an export should hold.
pub(super) struct Database {
    pub source: Source,
    /// With their databases, by `database.schema.table` and how many before have the same: in the order of schemas and
    /// names, which is that of the metadata.
    pub tables: BTreeMap<(String, usize), (String, ListedTable)>,
    /// Databases that can't be read, which the export doesn't say of.
    pub unreadable: Vec<String>,
}

impl Database {
    /// Lists the tables that an export selects, of one database if the address names it.
    pub async fn list(source: Source, named: Option<&str>, contents: &Contents) -> Result<Self, SourceError> {
        let only: ExportOnly = contents.export_only.clone().into();
        let databases = source.connect(named).await?.databases().await?;
        let engine = source.engine();
        let mut listed = Self { source, tables: BTreeMap::new(), unreadable: Vec::new() };
        for database in databases {
            if named.is_some_and(|named| named != database) || !only.selects_database(&database) {
                continue;
            }
            let tables = match listed.tables_of(&database).await {
                Ok(tables) => tables,
                Err(error) if is_told(&error) => {
                    let told = format!("\"target\":{}", serde_json::Value::from(database.as_str()));
                    if !contents.warning_message.contains(&told) {
                        listed.unreadable.push(database);
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            for table in tables {
                if only.selects_table(engine, &database, &table.schema, &table.name) {
                    let target = format!("{database}.{}.{}", table.schema, table.name);
                    let namesakes = (0..).find(|n| !listed.tables.contains_key(&(target.clone(), *n))).unwrap_or(0);
                    listed.tables.insert((target, namesakes), (database.clone(), table));
                }
            }
        }
        Ok(listed)
    }

    /// A table with its database.
    pub fn table(&self, target: &str, namesakes: usize) -> Option<&(String, ListedTable)> {
        self.tables.get(&(target.to_owned(), namesakes))
    }

    async fn tables_of(&self, database: &str) -> Result<Vec<ListedTable>, SourceError> {
        self.source.connect(Some(database)).await?.listed(database).await
    }
}

/// Whether an error is a difference to tell, and no reason to stop.
pub(super) fn is_told(error: &SourceError) -> bool {
    matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::Skip(_))
}

/// As many distinct values are counted of a column, or fewer where a table has many columns.
const MOST_DISTINCT: usize = 100_000;
/// As many are counted in all columns of a table, because they are in memory.
const MOST_DISTINCT_OF_TABLE: usize = 6_400_000;

/// Asks for tables one after another, over a connection that stays while the database is the same.
pub(super) struct Asker {
    source: Source,
    connection: Option<(String, Connection)>,
}

impl Asker {
    pub fn new(source: Source) -> Self {
        Self { source, connection: None }
    }

    /// The columns that both sides have and how they are compared. A type of the server's that can't have become that of
    /// the files is a difference.
    pub fn compared<'a>(
        &self,
        columns: &[Column],
        listed: &'a [ListedColumn],
        differences: &mut Vec<Difference>,
    ) -> Vec<Compared<'a>> {
        let printed = self.source.engine() == Engine::Mysql;
        let most = MOST_DISTINCT.min(MOST_DISTINCT_OF_TABLE / columns.len().max(1));
        let mut compared = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            let Some(listed) = listed.iter().find(|listed| listed.name == column.column_name) else { continue };
            let looked_at = spelled(&column.expected_exported_type)
                .and_then(|(form, list)| Some((self.source.form(listed, form, list)?, list)));
            match looked_at {
                Some((form, list)) => {
                    compared.push(Compared { at, column: listed, look: Look { form, list, printed, most } });
                }
                None => differences.push(Difference::of_column(column, "type")),
            }
        }
        compared
    }

    /// What the server says of a table.
    pub async fn profile(
        &mut self,
        database: &str,
        table: &ListedTable,
        asked: &[Asked<'_>],
    ) -> Result<Profile, SourceError> {
        let connection = match self.connection.take() {
            Some((name, connection)) if name == database => connection,
            _ => self.source.connect(Some(database)).await?,
        };
        self.connection.insert((database.to_owned(), connection)).1.profile(table, asked).await
    }
}

/// How values are compared whose type the metadata spells so, and whether they are in lists.
fn spelled(exported: &str) -> Option<(Form, bool)> {
    let element = exported.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>'));
    let spelled = element.unwrap_or(exported);
    let (physical, annotation) = spelled.split_once(" (").unwrap_or((spelled, ""));
    let form = match (physical, annotation) {
        ("boolean", _) => Form::Boolean,
        ("float", _) => Form::Single,
        ("double", _) => Form::Double,
        ("binary", "") => Form::Bytes,
        (_, "UTF8)" | "JSON)") => Form::Text,
        (_, "DATE)") => Form::Date,
        (_, "TIME_MICRO)") => Form::Time,
        (_, "TIMESTAMP_MICRO)") => Form::Timestamp,
        (_, "UUID)") => Form::Uuid,
        ("int32" | "int64", _) => Form::Exact,
        _ if annotation.starts_with("DECIMAL(") => Form::Exact,
        _ => return None,
    };
    Some((form, element.is_some()))
}
