//! What an export does not hold, and the `WarningMessage` document that `DescribeExportTasks`
//! returns about it.

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::table::{Table, TableName};

/// Why a table was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SkipReason {
    /// The master user may not read the table (guide, Troubleshooting PostgreSQL permissions
    /// errors).
    PermissionsDoNotExist,
    /// A column name holds one of `, ; { } ( ) \n \t =` or a space (guide, Limitations).
    UnsupportedColumnName,
    /// The table's name holds a slash (guide, Limitations).
    UnsupportedTableName,
    /// The table is unlogged, so a clone doesn't hold its rows (guide, Limitations).
    UnloggedTable,
    /// The table uses MySQL's MEMORY engine, so a clone doesn't hold its rows.
    MemoryTable,
    /// The table is temporary (guide, Limitations).
    TemporaryTable,
    /// A row is close to 2 GB or larger (guide, Limitations).
    RowTooLarge,
    /// The table holds bytes that are not valid text in the database's encoding.
    InvalidText,
    /// The server can't compute a value, because a function that it calls to read a column fails.
    UnreadableValue,
    /// The server reports that its data of the table is damaged.
    DataCorrupted,
    /// The table has no columns. Parquet can't represent such a table.
    NoColumns,
    /// A partition of the table is a foreign table, whose rows the cluster doesn't hold.
    ForeignPartition,
    /// A `DATETIME` or `TIMESTAMP` holds a zero or impossible date, which is not a point in time.
    /// The same applies to a `DATE` that is exported as Parquet's DATE.
    InvalidDatetime,
    /// The table's storage engine doesn't store the table's rows in the cluster.
    UnsupportedEngine,
    /// The requested Parquet type can't represent a value.
    UnrepresentableValue,
    /// The number of rows in the files differs from the server's count.
    RowCountDiffers,
    /// Reading the table would call an ordinary user's function with the privileges of the
    /// exporting user.
    UntrustedCode,
    /// The table was altered, renamed or dropped during the export.
    TableChanged,
}

impl SkipReason {
    /// Returns the spelling in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PermissionsDoNotExist => "PERMISSIONS_DO_NOT_EXIST",
            Self::UnsupportedColumnName => "UNSUPPORTED_COLUMN_NAME",
            Self::UnsupportedTableName => "UNSUPPORTED_TABLE_NAME",
            Self::UnloggedTable => "UNLOGGED_TABLE",
            Self::MemoryTable => "MEMORY_TABLE",
            Self::TemporaryTable => "TEMPORARY_TABLE",
            Self::RowTooLarge => "ROW_TOO_LARGE",
            Self::InvalidText => "INVALID_TEXT",
            Self::UnreadableValue => "UNREADABLE_VALUE",
            Self::DataCorrupted => "DATA_CORRUPTED",
            Self::NoColumns => "NO_COLUMNS",
            Self::ForeignPartition => "FOREIGN_PARTITION",
            Self::InvalidDatetime => "INVALID_DATETIME",
            Self::UnsupportedEngine => "UNSUPPORTED_ENGINE",
            Self::UnrepresentableValue => "UNREPRESENTABLE_VALUE",
            Self::RowCountDiffers => "ROW_COUNT_DIFFERS",
            Self::UntrustedCode => "UNTRUSTED_CODE",
            Self::TableChanged => "TABLE_CHANGED",
        }
    }
}

/// A table that is not in the export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SkippedTable {
    /// The table.
    pub table: TableName,
    /// Why it is not in the export.
    pub reason: SkipReason,
    /// One sentence that tells a person what to do.
    pub message: String,
}

impl SkippedTable {
    /// Returns the entry of a table that is left out.
    pub fn new(table: &Table, reason: SkipReason, mut message: String) -> Self {
        // A server's message can have any length.
        message.truncate(message.floor_char_boundary(limits::SKIP_MESSAGE_BYTES));
        Self { table: table.into(), reason, message }
    }
}

/// The parts of a cluster that an export does not hold or could not verify, as far as a task's
/// record names them. `WarningMessage` and the events
/// of single tables are made from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Warnings {
    /// Tables that are not in the export.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped_tables: Vec<SkippedTable>,
    /// Databases whose list of tables could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable_databases: Vec<String>,
    /// Exported tables whose rows the server could not count in time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncounted_tables: Vec<TableName>,
}

/// Bytes of a skipped table beside its names and its message: the names of attributes and the
/// reason.
const SKIPPED_TABLE_BYTES: usize = 60;

/// Bytes of another warning beside its names: the names of attributes and the reason.
const GENERAL_BYTES: usize = 80;

impl Warnings {
    /// Returns the warnings that fit into a task record ([`limits::WARNINGS_BYTES`]).
    /// `export_tables_info` names every table.
    pub fn new(skipped: &[SkippedTable], unreadable_databases: &[String], uncounted: &[TableName]) -> Self {
        let mut left = limits::WARNINGS_BYTES;
        let mut fits = |bytes: usize| {
            left = left.saturating_sub(bytes);
            left > 0
        };
        Self {
            skipped_tables: skipped
                .iter()
                .take_while(|s| fits(s.table.to_string().len() + s.message.len() + SKIPPED_TABLE_BYTES))
                .cloned()
                .collect(),
            unreadable_databases: unreadable_databases
                .iter()
                .take_while(|database| fits(database.len() + GENERAL_BYTES))
                .cloned()
                .collect(),
            uncounted_tables: uncounted
                .iter()
                .take_while(|table| fits(table.to_string().len() + GENERAL_BYTES))
                .cloned()
                .collect(),
        }
    }

    /// Returns whether there is nothing to warn about.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the `WarningMessage` document, or `None` if there is nothing to warn about.
    pub fn to_message(&self) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let databases =
            self.unreadable_databases.iter().map(|d| ("FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE", d.clone()));
        let tables = self.uncounted_tables.iter().map(|table| ("ROWS_NOT_COUNTED", table.to_string()));
        let document = Document {
            skipped_tables: self
                .skipped_tables
                .iter()
                .map(|s| Entry { target: s.table.to_string(), reason: s.reason, message: &s.message })
                .collect(),
            skipped_objectives: [],
            general: databases.chain(tables).map(|(reason, target)| General { reason, target }).collect(),
        };
        serde_json::to_string(&document).ok()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    skipped_tables: Vec<Entry<'a>>,
    skipped_objectives: [(); 0],
    general: Vec<General>,
}

#[derive(Serialize)]
struct Entry<'a> {
    target: String,
    reason: SkipReason,
    message: &'a str,
}

#[derive(Serialize)]
struct General {
    reason: &'static str,
    target: String,
}
