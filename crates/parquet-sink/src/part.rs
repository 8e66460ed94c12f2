//! Writes the rows of one partition as part files and begins a new file at the target size.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use export_destination::{Destination, DestinationError, File};
use export_task::options::Compression;
use export_task::plan::PartFile;
use parquet::errors::ParquetError;
use tokio::task::{self, JoinHandle};

use crate::codec::Codec;
use crate::encoder::{Encoder, is_large};
use crate::error::SinkError;
use crate::schema::optional;

/// How the rows of a partition are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A file ends with the row group that brings it to this size in bytes.
    pub target_file_bytes: u64,
    /// Whether a partition without rows leaves a file that holds only the schema.
    pub write_empty: bool,
    /// How pages are compressed.
    pub compression: Compression,
    /// Number of threads that encode and compress the columns of a batch.
    pub threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { target_file_bytes: 1 << 30, write_empty: false, compression: Compression::Gzip, threads: 1 }
    }
}

type KeyOf = Box<dyn Fn(u32) -> String + Send + Sync>;

/// Writes the rows of one partition as one or more files.
///
/// The first batch opens the first file. Batches are encoded on blocking threads and uploaded by
/// tasks. While a batch is encoded, the caller can read the next one, so the next call reports an
/// error of this batch. A batch that holds a very large value is encoded before the call returns,
/// because two such batches would take too much memory.
///
/// A failed write aborts the open file and makes the writer unusable. Finished files stay, and a
/// retry overwrites them.
///
/// A dropped writer removes its open file as a best effort. [`abort`](Self::abort) waits for the
/// removal and reports a failure.
pub struct PartWriter {
    destination: Destination,
    schema: SchemaRef,
    key_of: KeyOf,
    settings: Settings,
    codec: Arc<Codec>,
    open: Option<OpenFile>,
    finished: Vec<PartFile>,
    /// Set while a write is running. It stays set when the write fails, when its future is dropped
    /// half-way, and after [`finish`](Self::finish).
    incomplete: bool,
}

struct OpenFile {
    key: String,
    file: File,
    /// `None` before the first batch and while the file is being closed.
    work: Option<Work>,
}

enum Work {
    /// The encoder encodes a batch on another thread.
    Encoding(JoinHandle<(Encoder, Result<Vec<Bytes>, ParquetError>)>),
    /// The pages of the last batch were written to the file.
    Done(Box<Encoder>),
}

impl PartWriter {
    /// Returns a writer for rows of `schema`. `key_of` returns the key of a file by its number,
    /// from 0.
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
            codec: Arc::new(Codec::new(settings.compression)),
            settings,
            open: None,
            finished: Vec::new(),
            incomplete: false,
        }
    }

    /// Adds rows. Returns when the previous batch is encoded and only a few upload parts are
    /// waiting.
    ///
    /// # Errors
    /// [`SinkError`], of this batch or of the previous one.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        if self.incomplete {
            return Err(SinkError::Incomplete);
        }
        self.incomplete = true;
        let result = self.encode(batch).await;
        self.settle(result).await?;
        self.incomplete = false;
        Ok(())
    }

    /// Completes the last file and returns all files in order. The writer then takes no more rows.
    ///
    /// # Errors
    /// [`SinkError`].
    pub async fn finish(&mut self) -> Result<Vec<PartFile>, SinkError> {
        if self.incomplete {
            return Err(SinkError::Incomplete);
        }
        self.incomplete = true;
        let result = self.close_last().await;
        self.settle(result).await?;
        Ok(std::mem::take(&mut self.finished))
    }

    /// Removes the open file. Finished files stay.
    ///
    /// # Errors
    /// [`SinkError`].
    pub async fn abort(mut self) -> Result<(), SinkError> {
        self.abort_open().await
    }

    async fn encode(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let types = |schema: &SchemaRef| schema.fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
        if types(batch.schema_ref()) != types(&self.schema) {
            return Err(ParquetError::ArrowError("the batch has another schema".into()).into());
        }
        let mut encoder = match self.encoder().await? {
            Some(encoder) if encoder.bytes() < self.settings.target_file_bytes => encoder,
            Some(encoder) => {
                self.close(encoder).await?;
                self.open().await?
            }
            None => self.open().await?,
        };
        let large = is_large(batch);
        let batch = batch.clone();
        let work = task::spawn_blocking(move || {
            let pages = encoder.write(&batch);
            (encoder, pages)
        });
        self.set(Work::Encoding(work));
        if large && let Some(encoder) = self.encoder().await? {
            self.set(Work::Done(Box::new(encoder)));
        }
        Ok(())
    }

    fn set(&mut self, work: Work) {
        if let Some(open) = &mut self.open {
            open.work = Some(work);
        }
    }

    async fn close_last(&mut self) -> Result<(), SinkError> {
        let encoder = match self.encoder().await? {
            None if self.finished.is_empty() && self.settings.write_empty => Some(self.open().await?),
            encoder => encoder,
        };
        match encoder {
            Some(encoder) => self.close(encoder).await,
            None => Ok(()),
        }
    }

    /// Waits for the open file's encoder, writes its pages to the file, and returns it.
    async fn encoder(&mut self) -> Result<Option<Encoder>, SinkError> {
        let Some(OpenFile { file, work, .. }) = &mut self.open else { return Ok(None) };
        match work.take() {
            None => Ok(None),
            Some(Work::Done(encoder)) => Ok(Some(*encoder)),
            Some(Work::Encoding(work)) => {
                let (encoder, pages) = work.await.map_err(DestinationError::from)?;
                append(file, pages?).await?;
                Ok(Some(encoder))
            }
        }
    }

    async fn open(&mut self) -> Result<Encoder, SinkError> {
        let number = u32::try_from(self.finished.len()).unwrap_or(u32::MAX);
        let key = (self.key_of)(number);
        let file = self.destination.open(&key).await?;
        self.open = Some(OpenFile { key, file, work: None });
        Ok(Encoder::new(Arc::clone(&self.schema), Arc::clone(&self.codec), self.settings.threads)?)
    }

    async fn close(&mut self, encoder: Encoder) -> Result<(), SinkError> {
        let (rest, bytes, rows) =
            task::spawn_blocking(move || encoder.finish()).await.map_err(DestinationError::from)??;
        if let Some(OpenFile { key, file, .. }) = &mut self.open {
            append(file, rest).await?;
            file.complete().await?;
            self.finished.push(PartFile { key: std::mem::take(key), rows, bytes });
        }
        self.open = None;
        Ok(())
    }

    /// Aborts the open file if `result` is an error. Returns `result`: a failure of the abort is
    /// only logged, because the first error matters more.
    async fn settle(&mut self, result: Result<(), SinkError>) -> Result<(), SinkError> {
        if result.is_err()
            && let Err(error) = self.abort_open().await
        {
            tracing::warn!(%error, "an unfinished part file could not be removed");
        }
        result
    }

    async fn abort_open(&mut self) -> Result<(), SinkError> {
        match self.open.take() {
            Some(file) => Ok(file.file.abort().await?),
            None => Ok(()),
        }
    }
}

async fn append(file: &mut File, pages: Vec<Bytes>) -> Result<(), SinkError> {
    // Writing one page at a time frees each page as soon as it is copied.
    for page in pages {
        file.write(page).await?;
    }
    Ok(())
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
