//! The database that an export is compared with: its tables and the measures that the server
//! computes.

use std::collections::BTreeMap;

use cluster_source::profile::{Asked, Form, ListedColumn, ListedTable, Profile};
use cluster_source::{Connection, ErrorKind, Source, SourceError};
use export_task::engine::Engine;
use export_task::export_only::ExportOnly;

use super::Compared;
use super::contents::{Column, Contents};
use super::report::Difference;
use super::tally::Comparison;

/// A server and those of its tables that the export should hold.
pub(super) struct Database {
    pub source: Source,
    /// Tables with their databases. The key is `database.schema.table` and the number of earlier
    /// tables with the same one. Tables are in the order of schemas and names, like those of the
    /// metadata.
    pub tables: BTreeMap<(String, usize), (String, ListedTable)>,
    /// Databases that can't be read, unless the export reports them too.
    pub unreadable: Vec<String>,
}

impl Database {
    /// Lists the tables that an export selects. If the address names a database, lists only its
    /// tables.
    pub(super) async fn list(source: Source, named: Option<&str>, contents: &Contents) -> Result<Self, SourceError> {
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
                Err(error) if is_difference(&error) => {
                    let reported = format!("\"target\":{}", serde_json::Value::from(database.as_str()));
                    if !contents.warning_message.contains(&reported) {
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

    /// Returns a table with its database.
    pub(super) fn table(&self, target: &str, namesakes: usize) -> Option<&(String, ListedTable)> {
        self.tables.get(&(target.to_owned(), namesakes))
    }

    async fn tables_of(&self, database: &str) -> Result<Vec<ListedTable>, SourceError> {
        self.source.connect(Some(database)).await?.listed(database).await
    }
}

/// Returns whether an error is a difference to report, and not a reason to stop.
pub(super) fn is_difference(error: &SourceError) -> bool {
    matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::Skip(_))
}

/// Maximum number of distinct values that are counted in a column. It is lower in tables with many
/// columns.
const MAX_DISTINCT: usize = 100_000;
/// Maximum number of distinct values in all columns of a table, because they are held in memory.
const MAX_DISTINCT_OF_TABLE: usize = 6_400_000;

/// Profiles tables one after another. It keeps its connection as long as the database stays the
/// same.
pub(super) struct Profiler {
    source: Source,
    connection: Option<(String, Connection)>,
}

impl Profiler {
    pub(super) fn new(source: Source) -> Self {
        Self { source, connection: None }
    }

    /// Returns the columns that both sides have and how they are compared. A type in the files that
    /// the column's type on the server can't become is a difference.
    pub(super) fn compared<'a>(
        &self,
        columns: &[Column],
        listed: &'a [ListedColumn],
        differences: &mut Vec<Difference>,
    ) -> Vec<Compared<'a>> {
        let printed = self.source.engine() == Engine::Mysql;
        let max_distinct = MAX_DISTINCT.min(MAX_DISTINCT_OF_TABLE / columns.len().max(1));
        let mut compared = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let Some(listed) = listed.iter().find(|listed| listed.name == column.column_name) else { continue };
            let form = parse_type(&column.expected_exported_type)
                .and_then(|(form, list)| Some((self.source.form(listed, form, list)?, list)));
            match form {
                Some((form, list)) => {
                    let comparison = Comparison { form, list, printed, max_distinct };
                    compared.push(Compared { index, column: listed, comparison });
                }
                None => differences.push(Difference::from_column(column, "type")),
            }
        }
        compared
    }

    /// Lets the server compute the measures of a table.
    pub(super) async fn profile(
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

/// Parses the metadata's name of a type. Returns how its values are compared and whether they are
/// in lists.
fn parse_type(exported: &str) -> Option<(Form, bool)> {
    let element = exported.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>'));
    let name = element.unwrap_or(exported);
    let (physical, annotation) = name.split_once(" (").unwrap_or((name, ""));
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
