//! The schema and the size limits of record batches, for every engine.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::extension::EXTENSION_TYPE_NAME_KEY;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use export_task::table::{Column, ParquetType, Table};

use crate::error::SourceError;

/// If a batch had more bytes than this, one more value of [`MAX_VALUE_BYTES`] could exceed 32-bit
/// offsets.
const MAX_BATCH_BYTES: usize = 512 * 1024 * 1024;

/// More than any server can send as one value.
const MAX_VALUE_BYTES: usize = 1024 * 1024 * 1024;

/// Determines when a record batch is full, and which values and rows are too large to be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// Maximum number of rows in a record batch.
    pub max_rows: usize,
    /// A record batch ends with the row that brings the size of its values to this many bytes.
    pub max_bytes: usize,
    /// A larger value is [`SourceError::ValueTooLarge`]. Its size is that of the sent bytes; for a
    /// bit string, that of the printed text.
    pub max_value_bytes: Option<usize>,
    /// A larger row is [`SourceError::RowTooLarge`]. Its size is that of the sent bytes.
    pub max_row_bytes: Option<usize>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self { max_rows: 8192, max_bytes: 8 * 1024 * 1024, max_value_bytes: None, max_row_bytes: None }
    }
}

/// Counts the rows of the next record batch, and builds it from the columns.
pub(crate) struct BatchBuilder {
    options: BatchOptions,
    schema: SchemaRef,
    rows: usize,
    bytes: usize,
}

impl BatchBuilder {
    pub(crate) fn new(table: &Table, options: BatchOptions) -> Self {
        let options = BatchOptions {
            max_rows: options.max_rows.max(1),
            max_bytes: options.max_bytes.clamp(1, MAX_BATCH_BYTES),
            ..options
        };
        Self { options, schema: arrow_schema(table), rows: 0, bytes: 0 }
    }

    /// Returns the maximum size of a value.
    pub(crate) fn max_value_bytes(&self) -> usize {
        self.options.max_value_bytes.unwrap_or(MAX_VALUE_BYTES).min(MAX_VALUE_BYTES)
    }

    /// Returns an error if a row of `bytes` exceeds the limit.
    #[inline]
    pub(crate) fn check_row(&self, bytes: usize) -> Result<(), SourceError> {
        match self.options.max_row_bytes {
            Some(limit) if bytes > limit => Err(SourceError::RowTooLarge { bytes: bytes as u64, limit: limit as u64 }),
            _ => Ok(()),
        }
    }

    /// Adds a row whose values take `bytes`. Returns whether the record batch is full.
    #[inline]
    pub(crate) fn add(&mut self, bytes: usize) -> bool {
        self.rows += 1;
        self.bytes += bytes;
        self.rows >= self.options.max_rows || self.bytes >= self.options.max_bytes
    }

    /// Returns the rows since the last call, or `None` if there are none. `finish` builds the array
    /// of a column. Its second argument limits the bytes of the buffers that it allocates for the
    /// next array.
    pub(crate) fn take<C>(
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

/// Length of a UUID in bytes.
pub(crate) const UUID_BYTES: i32 = 16;

/// Returns the Arrow schema of a table's record batches. Every column is nullable, as in AWS's
/// files.
pub fn arrow_schema(table: &Table) -> SchemaRef {
    let field_of = |column: &Column| {
        let values = field(if column.list { ELEMENT } else { &column.name }, column.parquet);
        if column.list { Field::new_list(&column.name, values, true) } else { values }
    };
    Arc::new(Schema::new(table.columns.iter().map(field_of).collect::<Vec<_>>()))
}

/// The name of a list's elements in Parquet's specification.
const ELEMENT: &str = "element";

/// Returns the field of a list's elements.
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

/// Returns the name of the Arrow extension type, if the storage type alone does not identify the
/// type.
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
