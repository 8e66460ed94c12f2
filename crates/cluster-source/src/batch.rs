//! What every engine's batches look like, when one is full, and what is too large for any.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::extension::EXTENSION_TYPE_NAME_KEY;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use export_task::table::{Column, ParquetType, Table};

use crate::error::SourceError;

/// More bytes than this in one batch could, with one more value of [`MOST_VALUE_BYTES`], pass what 32-bit offsets can express.
const MOST_BATCH_BYTES: usize = 512 * 1024 * 1024;

/// More than a server can send as one value.
const MOST_VALUE_BYTES: usize = 1024 * 1024 * 1024;

/// When a batch is full, and what is too large to be exported at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// The most rows in a batch.
    pub max_rows: usize,
    /// A batch ends with the row that takes its values to this many bytes.
    pub max_bytes: usize,
    /// A larger value, as the server sends it (a bit string: as it is printed), is `ValueTooLarge`.
    pub max_value_bytes: Option<usize>,
    /// A larger row, as the server sends it, is `RowTooLarge`.
    pub max_row_bytes: Option<usize>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self { max_rows: 8192, max_bytes: 8 * 1024 * 1024, max_value_bytes: None, max_row_bytes: None }
    }
}

/// Counts the rows that are gathered for a batch, and makes the batch of their columns.
pub(crate) struct Gathering {
    options: BatchOptions,
    schema: SchemaRef,
    rows: usize,
    bytes: usize,
}

impl Gathering {
    pub fn new(table: &Table, options: BatchOptions) -> Self {
        let options = BatchOptions {
            max_rows: options.max_rows.max(1),
            max_bytes: options.max_bytes.clamp(1, MOST_BATCH_BYTES),
            ..options
        };
        Self { options, schema: arrow_schema(table), rows: 0, bytes: 0 }
    }

    /// The largest value there may be.
    pub fn max_value_bytes(&self) -> usize {
        self.options.max_value_bytes.unwrap_or(MOST_VALUE_BYTES).min(MOST_VALUE_BYTES)
    }

    /// Whether a row of that many bytes may be.
    #[inline]
    pub fn check_row(&self, bytes: usize) -> Result<(), SourceError> {
        match self.options.max_row_bytes {
            Some(limit) if bytes > limit => Err(SourceError::RowTooLarge { bytes: bytes as u64, limit: limit as u64 }),
            _ => Ok(()),
        }
    }

    /// Adds a row whose values take that many bytes. True when the batch is full.
    #[inline]
    pub fn add(&mut self, bytes: usize) -> bool {
        self.rows += 1;
        self.bytes += bytes;
        self.rows >= self.options.max_rows || self.bytes >= self.options.max_bytes
    }

    /// The rows added since the last time, `None` when there are none. `finish` makes a column's array and keeps buffers of
    /// up to so many bytes for the next one.
    pub fn take<C>(
        &mut self,
        columns: &mut [C],
        finish: impl Fn(&mut C, usize) -> Result<ArrayRef, SourceError>,
    ) -> Result<Option<RecordBatch>, SourceError> {
        if self.rows == 0 {
            return Ok(None);
        }
        let keep = self.options.max_bytes;
        let arrays = columns.iter_mut().map(|column| finish(column, keep)).collect::<Result<_, _>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        self.bytes = 0;
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &rows)
            .map(Some)
            .map_err(|error| SourceError::Plan(error.to_string()))
    }
}

/// Length of a UUID.
pub(crate) const UUID_BYTES: i32 = 16;

/// The Arrow schema of a table's batches. Every column is nullable, as in AWS's files.
pub fn arrow_schema(table: &Table) -> SchemaRef {
    let of_column = |column: &Column| {
        let values = field(if column.list { ELEMENT } else { &column.name }, column.parquet);
        if column.list { Field::new_list(&column.name, values, true) } else { values }
    };
    Arc::new(Schema::new(table.columns.iter().map(of_column).collect::<Vec<_>>()))
}

/// The name of a list's elements in Parquet's own specification.
const ELEMENT: &str = "element";

/// The elements of a list.
pub(crate) fn element(parquet: ParquetType) -> FieldRef {
    Arc::new(field(ELEMENT, parquet))
}

fn field(name: &str, parquet: ParquetType) -> Field {
    let field = Field::new(name, data_type(parquet), true);
    match extension(parquet) {
        Some(name) => field.with_metadata(HashMap::from([(EXTENSION_TYPE_NAME_KEY.to_owned(), name.to_owned())])),
        None => field,
    }
}

/// Arrow's name of a type that is more than how it is stored.
fn extension(parquet: ParquetType) -> Option<&'static str> {
    match parquet {
        ParquetType::Uuid => Some("arrow.uuid"),
        ParquetType::Json => Some("arrow.json"),
        _ => None,
    }
}

pub(crate) fn data_type(parquet: ParquetType) -> DataType {
    match parquet {
        ParquetType::Boolean => DataType::Boolean,
        ParquetType::Int8 => DataType::Int8,
        ParquetType::Int16 => DataType::Int16,
        ParquetType::Int32 => DataType::Int32,
        ParquetType::Int64 => DataType::Int64,
        ParquetType::UInt8 => DataType::UInt8,
        ParquetType::UInt16 => DataType::UInt16,
        ParquetType::UInt32 => DataType::UInt32,
        ParquetType::UInt64 => DataType::UInt64,
        ParquetType::Float => DataType::Float32,
        ParquetType::Double => DataType::Float64,
        ParquetType::String | ParquetType::Json => DataType::Utf8,
        ParquetType::Binary => DataType::Binary,
        ParquetType::Decimal { precision, scale } => match precision {
            ..=9 => DataType::Decimal32(precision, scale.cast_signed()),
            10..=18 => DataType::Decimal64(precision, scale.cast_signed()),
            _ => DataType::Decimal128(precision, scale.cast_signed()),
        },
        ParquetType::TimestampMicros => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ParquetType::LocalTimestampMicros => DataType::Timestamp(TimeUnit::Microsecond, None),
        ParquetType::Date => DataType::Date32,
        ParquetType::TimeMicros => DataType::Time64(TimeUnit::Microsecond),
        ParquetType::Uuid => DataType::FixedSizeBinary(UUID_BYTES),
    }
}
