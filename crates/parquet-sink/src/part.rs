//! One part: batches in, finished files out, rolling at the target size.

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

/// How a part is cut into files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A file ends with the row group that brings it to this size.
    pub target_file_bytes: u64,
    /// Whether a part without rows leaves a file that holds only the schema.
    pub write_empty: bool,
    /// How pages are compressed.
    pub compression: Compression,
    /// How many threads encode and compress the columns of a batch.
    pub threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { target_file_bytes: 1 << 30, write_empty: false, compression: Compression::Gzip, threads: 1 }
    }
}

type KeyOf = Box<dyn Fn(u32) -> String + Send + Sync>;

/// Writes the rows of one part as one or more files.
///
/// The first file is opened by the first batch. Batches are encoded on blocking threads and uploaded by tasks: while one
/// is encoded, the caller reads the next (unless it holds a value so large that there should not be two of them), and an error
/// is told by the call after. A failed write aborts the open file and leaves the writer unusable; finished files stay, and a
/// retry overwrites them.
///
/// A dropped writer removes its open file as far as it can; [`abort`](Self::abort) waits for it and says if it failed.
pub struct PartWriter {
    destination: Destination,
    schema: SchemaRef,
    key_of: KeyOf,
    settings: Settings,
    codec: Arc<Codec>,
    open: Option<OpenFile>,
    finished: Vec<PartFile>,
    /// Set while a write is running, so that it stays set when one fails or its future is dropped half-way; and in the end.
    incomplete: bool,
}

struct OpenFile {
    key: String,
    file: File,
    /// What the encoder does; `None` before the first batch and while the last is being finished.
    work: Option<Work>,
}

enum Work {
    /// It is at work on a batch.
    Encoding(JoinHandle<(Encoder, Result<Vec<Bytes>, ParquetError>)>),
    /// What it made of the last batch is handed on.
    Done(Box<Encoder>),
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
            codec: Arc::new(Codec::new(settings.compression)),
            settings,
            open: None,
            finished: Vec::new(),
            incomplete: false,
        }
    }

    /// Adds rows. Returns when the batch before is encoded and no more than a few parts are waiting to be uploaded.
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

    /// Completes the last file and returns all of them in order. Takes no more rows after that.
    pub async fn finish(&mut self) -> Result<Vec<PartFile>, SinkError> {
        if self.incomplete {
            return Err(SinkError::Incomplete);
        }
        self.incomplete = true;
        let result = self.close_last().await;
        self.settle(result).await?;
        Ok(std::mem::take(&mut self.finished))
    }

    /// Gives the part up: the open file disappears, finished ones stay.
    pub async fn abort(mut self) -> Result<(), SinkError> {
        self.abort_open().await
    }

    async fn encode(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let types = |schema: &SchemaRef| schema.fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
        if types(batch.schema_ref()) != types(&self.schema) {
            return Err(ParquetError::ArrowError("a batch of another schema".into()).into());
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

    /// The open file's encoder, once what it made of the last batch is handed on.
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
            Some(file) => Ok(file.file.abort().await?),
            None => Ok(()),
        }
    }
}

async fn append(file: &mut File, pages: Vec<Bytes>) -> Result<(), SinkError> {
    // Page by page, so that each is freed as soon as it is copied.
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
