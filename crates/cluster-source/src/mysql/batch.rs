//! Gathers binary rows into record batches. Does no input or output: rows go in, batches come out.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use export_task::plan::Table;

use super::query::Sent;
use super::types::ColumnBuilder;
use crate::batch::{BatchOptions, arrow_schema};
use crate::error::SourceError;

/// More bytes than this in one batch could, with one more value of [`MOST_VALUE_BYTES`], pass what 32-bit offsets can express.
const MOST_BATCH_BYTES: usize = 512 * 1024 * 1024;

/// More than the server can send as one value.
const MOST_VALUE_BYTES: usize = 1024 * 1024 * 1024;

/// Turns rows into batches.
pub(super) struct Batcher {
    options: BatchOptions,
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    rows: usize,
    bytes: usize,
}

impl Batcher {
    pub fn new(table: &Table, options: BatchOptions) -> Result<Self, SourceError> {
        let max_value_bytes = options.max_value_bytes.unwrap_or(MOST_VALUE_BYTES).min(MOST_VALUE_BYTES);
        let columns = table.columns.iter().map(|column| ColumnBuilder::new(column, max_value_bytes));
        let options = BatchOptions {
            max_rows: options.max_rows.max(1),
            max_bytes: options.max_bytes.clamp(1, MOST_BATCH_BYTES),
            ..options
        };
        Ok(Self {
            options,
            schema: arrow_schema(table),
            columns: columns.collect::<Result<_, _>>()?,
            rows: 0,
            bytes: 0,
        })
    }

    /// Whether columns that are sent so can be read as planned.
    pub fn check(&self, sent: &[Sent]) -> Result<(), SourceError> {
        if sent.len() != self.columns.len() {
            return Err(SourceError::Protocol("a result with another number of columns"));
        }
        match self.columns.iter().zip(sent).find(|(column, sent)| !column.decode().reads(**sent)) {
            None => Ok(()),
            Some((column, _)) => {
                let (name, decode) = (column.name(), column.decode().name());
                Err(SourceError::Plan(format!("column {name} is no longer sent as {decode}")))
            }
        }
    }

    /// Adds a row. True when the batch is full.
    #[inline]
    pub fn append(&mut self, payload: &[u8]) -> Result<bool, SourceError> {
        if let Some(limit) = self.options.max_row_bytes.filter(|limit| payload.len() > *limit) {
            return Err(SourceError::RowTooLarge { bytes: payload.len() as u64, limit: limit as u64 });
        }
        // One bit for each column, after two that are not used.
        let bitmap = (self.columns.len() + 2).div_ceil(8);
        let Some((nulls, mut row)) = payload.get(1..).and_then(|rest| rest.split_at_checked(bitmap)) else {
            return Err(SourceError::Protocol("a row without its end"));
        };
        for (bit, column) in (2..).zip(&mut self.columns) {
            let null = nulls[bit / 8] >> (bit % 8) & 1 == 1;
            self.bytes += if null { column.append_null() } else { column.append(&mut row)? };
        }
        if !row.is_empty() {
            return Err(SourceError::Protocol("a row that is too long"));
        }
        self.rows += 1;
        Ok(self.rows >= self.options.max_rows || self.bytes >= self.options.max_bytes)
    }

    /// The rows added since the last time, `None` when there are none.
    pub fn take(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        if self.rows == 0 {
            return Ok(None);
        }
        let keep = self.options.max_bytes;
        let arrays = self.columns.iter_mut().map(|column| column.finish(keep)).collect::<Result<_, _>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        self.bytes = 0;
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &rows)
            .map(Some)
            .map_err(|error| SourceError::Plan(error.to_string()))
    }
}
