//! What a task left out: the `WarningMessage` document of `DescribeExportTasks`.

use serde::{Deserialize, Serialize};

/// Why a table was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SkipReason {
    /// The master user may not read the table (guide, Troubleshooting PostgreSQL permissions errors).
    PermissionsDoNotExist,
    /// A column name holds one of `, ; { } ( ) \n \t =` or a space (guide, Limitations).
    UnsupportedColumnName,
    /// The table's name holds a slash (guide, Limitations).
    UnsupportedTableName,
    /// The table is unlogged, so a clone doesn't hold its rows (guide, Limitations).
    UnloggedTable,
    /// The table is in MySQL's MEMORY engine, so a clone doesn't hold its rows.
    MemoryTable,
    /// The table is temporary (guide, Limitations).
    TemporaryTable,
    /// A row is close to 2 GB or larger (guide, Limitations).
    RowTooLarge,
    /// The table holds bytes that are no valid text in the database's encoding.
    InvalidText,
    /// The server can't compute a value: a function that a column's reading calls fails.
    UnreadableValue,
    /// The server finds its own copy of the table damaged.
    DataCorrupted,
    /// The table has no columns, which Parquet can't express.
    NoColumns,
    /// A partition of the table is a foreign table, whose rows the cluster doesn't hold.
    ForeignPartition,
    /// A `DATETIME` or `TIMESTAMP` holds a zero or impossible date, which is no instant; or a `DATE` that is to be a day of
    /// Parquet's.
    InvalidDatetime,
    /// The table's storage engine doesn't keep rows of its own in the cluster.
    UnsupportedEngine,
    /// A value has no equal in the Parquet type that was asked for.
    UnrepresentableValue,
    /// The files don't hold as many rows as the server counts.
    RowCountDiffers,
    /// Reading the table would run a function of an ordinary user with the exporting user's rights.
    UntrustedCode,
    /// The table was altered, renamed or dropped while it was exported.
    TableChanged,
}

impl SkipReason {
    /// The spelling used in documents.
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
    /// `database.schema.table`.
    pub target: String,
    /// Why.
    pub reason: SkipReason,
    /// One sentence a person can act on.
    pub message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    skipped_tables: Vec<Entry<'a>>,
    skipped_objectives: [(); 0],
    general: Vec<General<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    target: &'a str,
    reason: SkipReason,
    message: &'a str,
}

#[derive(Serialize)]
struct General<'a> {
    reason: &'a str,
    target: &'a str,
}

/// The most bytes of names and reasons a `WarningMessage` holds, so that a task's record stays far below what the task store
/// takes. `export_tables_info` names every table.
pub const MESSAGE_BYTES: usize = 64 * 1024;

/// The skipped tables a `WarningMessage` names.
pub fn skipped(message: &str) -> Vec<SkippedTable> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Document {
        skipped_tables: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        target: String,
        reason: SkipReason,
        message: String,
    }
    let document = serde_json::from_str(message).unwrap_or(Document { skipped_tables: Vec::new() });
    let table = |e: Entry| SkippedTable { target: e.target, reason: e.reason, message: e.message };
    document.skipped_tables.into_iter().map(table).collect()
}

/// The `WarningMessage` document, or `None` when nothing was left out, and every count of rows that was to be made was made.
pub fn message(skipped: &[SkippedTable], unreadable_databases: &[String], uncounted: &[String]) -> Option<String> {
    if skipped.is_empty() && unreadable_databases.is_empty() && uncounted.is_empty() {
        return None;
    }
    let mut left = MESSAGE_BYTES;
    let mut fits = |bytes: usize| {
        left = left.saturating_sub(bytes);
        left > 0
    };
    let databases = unreadable_databases.iter().map(|d| ("FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE", d));
    let tables = uncounted.iter().map(|table| ("ROWS_NOT_COUNTED", table));
    let document = Document {
        skipped_tables: skipped
            .iter()
            .take_while(|s| fits(s.target.len() + s.message.len() + 60))
            .map(|s| Entry { target: &s.target, reason: s.reason, message: &s.message })
            .collect(),
        skipped_objectives: [],
        general: databases
            .chain(tables)
            .take_while(|(_, target)| fits(target.len() + 80))
            .map(|(reason, target)| General { reason, target })
            .collect(),
    };
    serde_json::to_string(&document).ok()
}
