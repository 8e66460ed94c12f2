//! What the planner finds and decides: tables with their columns, the partitions they are read in, the work units those
//! are packed into, and what each unit reports back. These documents travel through the stack's work bucket as JSON.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A table as the catalog describes it, with everything a worker needs to read it and name its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Table {
    /// Number of the table in the plan, from 0. Results refer to it.
    pub id: u32,
    /// Database the table is in.
    pub database: String,
    /// Schema the table is in (for MySQL the database again).
    pub schema: String,
    /// The table's name: that of the root for the leaves of a natively partitioned table.
    pub name: String,
    /// Set when another table's directory would have the same name after characters were replaced: it sets them apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_suffix: Option<String>,
    /// Columns in the order they are written.
    pub columns: Vec<Column>,
}

impl Table {
    /// `database.schema.table`, as metadata and warnings name it.
    pub fn target(&self) -> String {
        format!("{}.{}.{}", self.database, self.schema, self.name)
    }
}

/// One column: what it is in the database, how it is read, and what it becomes in Parquet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Column {
    /// The column's name, unchanged.
    pub name: String,
    /// `information_schema.columns.data_type`, such as `character varying`, `ARRAY` or `USER-DEFINED`.
    pub original_type: String,
    /// Declared length of character types, else 0 (as AWS writes it).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub char_max_length: i32,
    /// Declared or implied precision of numeric types, else 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub num_precision: i32,
    /// Fractional-second precision of date and time types, else 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub datetime_precision: i32,
    /// How the reader decodes the column, or the elements of a list: a name only the engine's reader interprets, such as
    /// `int4`, `numeric` or `text`.
    pub decode: String,
    /// The Parquet type it is written as, or that of a list's elements.
    pub parquet: ParquetType,
    /// Whether it is written as a LIST, whose elements may be NULL.
    #[serde(default, skip_serializing_if = "is_false")]
    pub list: bool,
}

impl Column {
    /// The spelling of `expectedExportedType` in `export_tables_info`. AWS exports no lists.
    pub fn exported_name(&self) -> Cow<'static, str> {
        let name = self.parquet.exported_name();
        if self.list { format!("list<{name}>").into() } else { name }
    }
}

fn is_zero(n: &i32) -> bool {
    *n == 0
}

fn is_false(b: &bool) -> bool {
    !*b
}

/// The Parquet types AWS's conversion tables use (facts: "Data conversion when exporting to an Amazon S3 bucket"), and
/// Parquet's own for what those have as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ParquetType {
    /// BOOLEAN.
    Boolean,
    /// INT32 annotated INT(8, true).
    Int8,
    /// INT32 annotated INT(16, true).
    Int16,
    /// INT32.
    Int32,
    /// INT64.
    Int64,
    /// INT32 annotated INT(8, false).
    UInt8,
    /// INT32 annotated INT(16, false).
    UInt16,
    /// INT32 annotated INT(32, false).
    UInt32,
    /// INT64 annotated INT(64, false).
    UInt64,
    /// FLOAT.
    Float,
    /// DOUBLE.
    Double,
    /// BYTE_ARRAY annotated STRING.
    String,
    /// BYTE_ARRAY.
    Binary,
    /// DECIMAL: INT32 up to 9 digits, INT64 up to 18, FIXED_LEN_BYTE_ARRAY of the least width up to 38.
    Decimal {
        /// Digits, 1 to 38.
        precision: u8,
        /// Digits after the point, no more than `precision`.
        scale: u8,
    },
    /// INT64 annotated TIMESTAMP_MICROS, as if in UTC.
    TimestampMicros,
    /// INT64 annotated TIMESTAMP(MICROS) of no time zone.
    LocalTimestampMicros,
    /// INT32 annotated DATE.
    Date,
    /// INT64 annotated TIME(MICROS) of no time zone.
    TimeMicros,
    /// FIXED_LEN_BYTE_ARRAY(16) annotated UUID.
    Uuid,
    /// BYTE_ARRAY annotated JSON.
    Json,
}

impl ParquetType {
    /// The spelling of `expectedExportedType` in `export_tables_info`. `float`, `binary` and `fixed_len_byte_array` are not
    /// published by AWS; they follow the pattern of those that are.
    pub fn exported_name(self) -> Cow<'static, str> {
        let name = match self {
            Self::Boolean => "boolean",
            Self::Int8 => "int32 (INT_8)",
            Self::Int16 => "int32 (INT_16)",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::UInt8 => "int32 (UINT_8)",
            Self::UInt16 => "int32 (UINT_16)",
            Self::UInt32 => "int32 (UINT_32)",
            Self::UInt64 => "int64 (UINT_64)",
            Self::Float => "float",
            Self::Double => "double",
            Self::String => "binary (UTF8)",
            Self::Binary => "binary",
            Self::TimestampMicros | Self::LocalTimestampMicros => "int64 (TIMESTAMP_MICRO)",
            Self::Date => "int32 (DATE)",
            Self::TimeMicros => "int64 (TIME_MICRO)",
            Self::Uuid => "fixed_len_byte_array(16) (UUID)",
            Self::Json => "binary (JSON)",
            Self::Decimal { precision, scale } => {
                let physical = match precision {
                    ..=9 => "int32".to_owned(),
                    10..=18 => "int64".to_owned(),
                    _ => format!("fixed_len_byte_array({})", decimal_width(precision)),
                };
                return format!("{physical} (DECIMAL({precision},{scale}))").into();
            }
        };
        name.into()
    }
}

/// The fewest bytes that hold every number of `precision` digits and its negative.
fn decimal_width(precision: u8) -> u32 {
    // The sign bit, and log2(10) bits a digit.
    ((f64::from(precision) * std::f64::consts::LOG2_10 + 1.0) / 8.0).ceil() as u32
}

/// One range of one relation: what one reader reads in one go and writes as one or more part files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Partition {
    /// The [`Table::id`] it belongs to.
    pub table: u32,
    /// The relation the rows are read from: the table itself, or one leaf of a natively partitioned table.
    pub relation: Relation,
    /// Directory number below the table, from 1: one per leaf of a natively partitioned table, else 1.
    pub batch: u32,
    /// Part number within the batch, from 0.
    pub index: u32,
    /// Which rows.
    pub range: Range,
    /// Estimated size in the database, in bytes. Progress and balance only; never what is read.
    pub bytes: u64,
}

/// A relation's qualified name, unquoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Relation {
    /// Schema.
    pub schema: String,
    /// Relation name.
    pub name: String,
}

/// The rows of a partition. The ranges of a relation are disjoint and together cover every row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Range {
    /// Every row.
    All,
    /// Heap blocks `from..to`; `None` is open, so that the last range also takes blocks added after planning.
    Blocks {
        /// First block.
        from: u32,
        /// First block that is not in the range, or `None` for no end.
        to: Option<u32>,
    },
    /// Values of a column that is never NULL: `from <= value < to`; `None` is open at that end.
    Key {
        /// The column, unquoted.
        column: String,
        /// Its type, unquoted: one of the server's own.
        type_name: String,
        /// Lower bound, inclusive, as the server prints it.
        from: Option<String>,
        /// Upper bound, exclusive.
        to: Option<String>,
    },
    /// Rows whose key in an index is `from` or above and below `to`, compared column by column as the server compares them;
    /// `None` is open at that end.
    Index {
        /// The index, unquoted.
        index: String,
        /// Its columns, never NULL: all of them or the first ones.
        columns: Vec<KeyColumn>,
        /// Lower bound, inclusive: values of the first columns, as their kind writes them.
        from: Option<Vec<String>>,
        /// Upper bound, exclusive.
        to: Option<Vec<String>>,
    },
}

impl Range {
    /// This range and `next`, which begins where this one ends; nothing when they are not ranges of the same kind.
    pub fn joined(&self, next: &Self) -> Option<Self> {
        match (self, next) {
            (Self::Blocks { from: 0, .. }, Self::Blocks { to: None, .. }) => Some(Self::All),
            (Self::Blocks { from, .. }, Self::Blocks { to, .. }) => Some(Self::Blocks { from: *from, to: *to }),
            (Self::Key { column, type_name, from, .. }, Self::Key { to, .. }) => Some(Self::Key {
                column: column.clone(),
                type_name: type_name.clone(),
                from: from.clone(),
                to: to.clone(),
            }),
            (Self::Index { index, columns, from, .. }, Self::Index { to, .. }) => {
                Some(Self::Index { index: index.clone(), columns: columns.clone(), from: from.clone(), to: to.clone() })
            }
            _ => None,
        }
    }
}

/// A column of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyColumn {
    /// The column, unquoted.
    pub name: String,
    /// What it holds.
    pub kind: KeyKind,
}

/// What a key holds, and so how a bound is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyKind {
    /// An integer, in digits.
    Integer,
    /// A number with a point, in digits.
    Decimal,
    /// A date, with or without a time, as the server prints it.
    Date,
    /// Bytes, in hexadecimal digits.
    Bytes,
    /// Text.
    Text {
        /// The column's character set.
        charset: String,
        /// The column's collation, which orders the index.
        collation: String,
    },
}

/// One item of the Distributed Map: where the unit's document lies in the plan's units object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnitRef {
    /// Number of the unit, from 0.
    pub unit: u32,
    /// First byte of the unit's JSON in the units object.
    pub offset: u64,
    /// Length of the unit's JSON in bytes.
    pub length: u64,
}

/// A work unit: what one child of the Distributed Map does, perhaps over several invocations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct WorkUnit {
    /// Number of the unit, from 0.
    pub unit: u32,
    /// The tables its partitions belong to.
    pub tables: Vec<Table>,
    /// The partitions, in the order they are done. A cursor counts them.
    pub partitions: Vec<Partition>,
}

/// Units as JSON, one a line, and where each of them is.
///
/// # Errors
/// None that a unit could cause.
pub fn lines(units: impl Iterator<Item = WorkUnit>) -> serde_json::Result<(Vec<u8>, Vec<UnitRef>)> {
    let (mut lines, mut items) = (Vec::new(), Vec::new());
    for unit in units {
        let offset = lines.len() as u64;
        serde_json::to_writer(&mut lines, &unit)?;
        items.push(UnitRef { unit: unit.unit, offset, length: lines.len() as u64 - offset });
        lines.push(b'\n');
    }
    Ok((lines, items))
}

/// What the plan step hands to the rest of the workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Plan {
    /// Key of the map's item list in the work bucket: a JSON array of [`UnitRef`].
    pub items_key: String,
    /// Prefix under which Step Functions may write the map's own results.
    pub results_prefix: String,
    /// How many children may run at once.
    pub max_concurrency: u32,
    /// Number of units.
    pub units: u32,
    /// Number of tables that will be exported.
    pub tables: u32,
    /// Estimated bytes in the database.
    pub bytes: u64,
}

/// The summary of a plan that `finish-export` checks results against: one object in the work bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PlanSummary {
    /// Every table to be exported, by id.
    pub tables: Vec<PlannedTable>,
    /// What was left out and why.
    pub skipped: Vec<crate::warning::SkippedTable>,
    /// Databases whose table list could not be read.
    pub unreadable_databases: Vec<String>,
}

/// A planned table with what must come back for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PlannedTable {
    /// The table.
    pub table: Table,
    /// `(batch, number of partitions)` in ascending order of batch.
    pub batches: Vec<(u32, u32)>,
    /// Estimated size in the database, in bytes.
    pub bytes: u64,
}

/// Where the result of a partition is kept and what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PartitionResult {
    /// [`Table::id`].
    pub table: u32,
    /// [`Partition::batch`].
    pub batch: u32,
    /// [`Partition::index`].
    pub index: u32,
    /// Files written, in order. Empty when the range held no rows and another partition holds the schema.
    pub files: Vec<PartFile>,
    /// Why the whole table must be left out, when this partition found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<crate::warning::SkippedTable>,
    /// Rows written.
    pub rows: u64,
    /// Bytes read from the database connection.
    pub source_bytes: u64,
    /// Milliseconds since the epoch.
    pub started_at: i64,
    /// Milliseconds since the epoch.
    pub ended_at: i64,
}

/// One finished part file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PartFile {
    /// Full object key.
    pub key: String,
    /// Rows in it.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// Where a unit goes on after an invocation ran out of time: the partitions before it are finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Cursor {
    /// Index into [`WorkUnit::partitions`] of the next partition.
    pub next: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_as_wide_as_their_digits_need() {
        let name = |precision, scale| ParquetType::Decimal { precision, scale }.exported_name().into_owned();
        assert_eq!(name(9, 2), "int32 (DECIMAL(9,2))");
        assert_eq!(name(12, 2), "int64 (DECIMAL(12,2))");
        assert_eq!(name(20, 0), "fixed_len_byte_array(9) (DECIMAL(20,0))");
        let widths = [(19, 9), (21, 9), (22, 10), (23, 10), (24, 11), (26, 11), (27, 12), (28, 12), (29, 13), (31, 13)];
        for (precision, width) in widths.into_iter().chain([(32, 14), (33, 14), (34, 15), (35, 15), (36, 16), (38, 16)])
        {
            assert_eq!(decimal_width(precision), width);
        }
    }
}
