//! Tables, columns and Parquet types.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A table as the catalog describes it, with everything that a worker needs to read it and to name
/// its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Table {
    /// Number of the table in the plan, from 0. Results refer to it.
    pub id: u32,
    /// Database of the table.
    pub database: String,
    /// Schema of the table (for MySQL the database again).
    pub schema: String,
    /// Name of the table. For a natively partitioned table it is the name of the root.
    pub name: String,
    /// Makes the table's directory distinct, if another table's directory would have the same name
    /// after characters are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_suffix: Option<String>,
    /// Columns, in the order of the files.
    pub columns: Vec<Column>,
}

impl Table {
    /// Returns `database.schema.table`, the name in metadata and messages.
    pub fn target(&self) -> String {
        TableName::from(self).to_string()
    }
}

/// A table's qualified name, unquoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TableName {
    /// Database.
    pub database: String,
    /// Schema (for MySQL the database again).
    pub schema: String,
    /// Name of the table.
    pub name: String,
}

impl From<&Table> for TableName {
    fn from(table: &Table) -> Self {
        Self { database: table.database.clone(), schema: table.schema.clone(), name: table.name.clone() }
    }
}

/// Writes `database.schema.table`, the name in metadata and messages. Names may hold dots, so it
/// can't be parsed back.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.database, self.schema, self.name)
    }
}

/// A column: its type in the database, how it is read, and its type in Parquet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Column {
    /// Name of the column, in the database and in the files.
    pub name: String,
    /// `information_schema.columns.data_type`, such as `character varying`, `ARRAY` or
    /// `USER-DEFINED`.
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
    /// How the reader decodes the column, or the elements of a list. Only the engine's reader
    /// interprets this name, such as `int4`, `numeric` or `text`.
    pub decode: String,
    /// The Parquet type of the column, or of the elements of a list.
    pub parquet: ParquetType,
    /// Whether the column is a Parquet LIST. Elements may be NULL.
    #[serde(default, skip_serializing_if = "is_false")]
    pub list: bool,
}

impl Column {
    /// Returns the column's `expectedExportedType` in `export_tables_info`. AWS exports no lists.
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

/// The Parquet types in AWS's conversion tables (guide, Data conversion when exporting to an Amazon
/// S3 bucket), and the types that only [`Types::Native`](crate::options::Types::Native) uses.
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
    /// DECIMAL: INT32 up to 9 digits, INT64 up to 18, FIXED_LEN_BYTE_ARRAY of the smallest width up
    /// to 38.
    Decimal {
        /// Digits, 1 to 38.
        precision: u8,
        /// Digits after the point, no more than `precision`.
        scale: u8,
    },
    /// INT64 annotated TIMESTAMP_MICROS, as if in UTC.
    TimestampMicros,
    /// INT64 annotated TIMESTAMP(MICROS), without time zone.
    LocalTimestampMicros,
    /// INT32 annotated DATE.
    Date,
    /// INT64 annotated TIME(MICROS), without time zone.
    TimeMicros,
    /// FIXED_LEN_BYTE_ARRAY(16) annotated UUID.
    Uuid,
    /// BYTE_ARRAY annotated JSON.
    Json,
}

impl ParquetType {
    /// Returns the type's `expectedExportedType` in `export_tables_info`. AWS doesn't publish
    /// `float`, `binary` and `fixed_len_byte_array`; these follow the pattern of the published
    /// ones.
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

/// Returns the smallest number of bytes that holds every number of `precision` digits and its
/// negative.
fn decimal_width(precision: u8) -> u32 {
    // One bit for the sign, and log2(10) bits for each digit.
    ((f64::from(precision) * std::f64::consts::LOG2_10 + 1.0) / 8.0).ceil() as u32
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
