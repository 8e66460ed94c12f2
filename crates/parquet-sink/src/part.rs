//! One part: batches in, finished files out, rolling at the target size.

use std::fmt;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use export_task::plan::PartFile;
use parquet::arrow::AsyncArrowWriter;

use crate::destination::{Destination, File};
use crate::error::SinkError;
use crate::properties::{optional, writer_options};

/// How a part is cut into files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A file ends with the row group that brings it to this size.
    pub target_file_bytes: u64,
    /// Whether a part without rows leaves a file that holds only the schema.
    pub write_empty: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { target_file_bytes: 1 << 30, write_empty: false }
    }
}

type KeyOf = Box<dyn Fn(u32) -> String + Send + Sync>;

/// Writes the rows of one part as one or more files.
///
/// The first file is opened by the first batch. Encoding runs on the task that calls [`write`](Self::write), uploads on
/// tasks of their own; every write yields once, so that they get on even where the runtime has a single thread. A failed
/// write aborts the open file and leaves the writer unusable; finished files stay, and a retry overwrites them.
///
/// A dropped writer removes its open file as far as it can; [`abort`](Self::abort) waits for it and says if it failed.
pub struct PartWriter {
    destination: Destination,
    schema: SchemaRef,
    key_of: KeyOf,
    settings: Settings,
    open: Option<OpenFile>,
    finished: Vec<PartFile>,
    /// Set while a write is running, so that it stays set when one fails or its future is dropped half-way.
    incomplete: bool,
}

struct OpenFile {
    key: String,
    writer: AsyncArrowWriter<File>,
}

impl PartWriter {
    /// A part of `schema`, whose files are named by `key_of(file number)`, counted from 0.
    pub fn new(
        destination: Destination,
        schema: SchemaRef,
        key_of: impl Fn(u32) -> String + Send + Sync + 'static,
        settings: Settings,
    ) -> Self {
        Self {
            destination,
            schema: optional(&schema),
            key_of: Box::new(key_of),
            settings,
            open: None,
            finished: Vec::new(),
            incomplete: false,
        }
    }

    /// Adds rows. Returns when they are encoded and no more than a few parts are waiting to be uploaded.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        if self.incomplete {
            return Err(SinkError::Incomplete);
        }
        self.incomplete = true;
        let result = self.encode(batch).await;
        self.settle(result).await?;
        tokio::task::yield_now().await;
        self.incomplete = false;
        Ok(())
    }

    /// Completes the last file and returns all of them in order.
    pub async fn finish(mut self) -> Result<Vec<PartFile>, SinkError> {
        if self.incomplete {
            return Err(SinkError::Incomplete);
        }
        let result = self.close_last().await;
        self.settle(result).await?;
        Ok(self.finished)
    }

    /// Gives the part up: the open file disappears, finished ones stay.
    pub async fn abort(mut self) -> Result<(), SinkError> {
        self.abort_open().await
    }

    async fn encode(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let target = self.settings.target_file_bytes;
        let file = self.open_file().await?;
        file.writer.write(batch).await?;
        if file.writer.bytes_written() as u64 >= target {
            self.close_file().await?;
        }
        Ok(())
    }

    async fn close_last(&mut self) -> Result<(), SinkError> {
        if self.finished.is_empty() && self.settings.write_empty {
            self.open_file().await?;
        }
        self.close_file().await
    }

    async fn open_file(&mut self) -> Result<&mut OpenFile, SinkError> {
        match &mut self.open {
            Some(file) => Ok(file),
            none => {
                let number = u32::try_from(self.finished.len()).unwrap_or(u32::MAX);
                let key = (self.key_of)(number);
                let file = self.destination.open(&key).await?;
                let options = writer_options(self.schema.fields().len())?;
                let schema = self.schema.clone();
                let writer = AsyncArrowWriter::try_new_with_options(file, schema, options)?;
                Ok(none.insert(OpenFile { key, writer }))
            }
        }
    }

    async fn close_file(&mut self) -> Result<(), SinkError> {
        let Some(file) = &mut self.open else {
            return Ok(());
        };
        let metadata = file.writer.finish().await?;
        self.finished.push(PartFile {
            key: file.key.clone(),
            rows: metadata.file_metadata().num_rows().unsigned_abs(),
            bytes: file.writer.bytes_written() as u64,
        });
        self.open = None;
        Ok(())
    }

    /// Aborts the open file if the result is an error, which stays the one that is reported.
    async fn settle(&mut self, result: Result<(), SinkError>) -> Result<(), SinkError> {
        if result.is_err()
            && let Err(error) = self.abort_open().await
        {
            tracing::warn!(%error, "cannot abort a part file");
        }
        result
    }

    async fn abort_open(&mut self) -> Result<(), SinkError> {
        match self.open.take() {
            Some(file) => file.writer.into_inner().abort().await,
            None => Ok(()),
        }
    }
}

impl fmt::Debug for PartWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartWriter")
            .field("destination", &self.destination)
            .field("open", &self.open.as_ref().map(|file| &file.key))
            .field("finished", &self.finished)
            .finish_non_exhaustive()
    }
}
