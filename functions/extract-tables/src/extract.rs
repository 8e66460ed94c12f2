//! One partition: rows in, part files out.

use cluster_source::{BatchOptions, Connection, Source, SourceError, arrow_schema};
use export_aws::{StepError, now_millis};
use export_task::object_key::TaskPath;
use export_task::options::Options;
use export_task::plan::{Partition, PartitionResult};
use export_task::table::Table;
use export_task::warning::SkippedTable;
use futures_util::StreamExt;
use parquet_sink::{Destination, PartWriter, Settings};

/// Looks at an extraction from outside.
pub trait Watch: Send {
    /// Called after every batch, of that many rows. An error ends the extraction.
    fn batch(&mut self, rows: usize) -> impl Future<Output = Result<(), StepError>> + Send;
}

/// Extracts partitions one after the other over one connection.
pub struct Extractor<W> {
    path: TaskPath,
    files: Options,
    source: Source,
    destination: Destination,
    batches: BatchOptions,
    threads: usize,
    watch: W,
    connection: Option<(String, Connection)>,
}

/// How reading a partition ended.
enum Read {
    /// Every row was written; bytes received.
    Whole(u64),
    /// The table must be left out.
    Skip(SkippedTable),
}

impl<W: Watch> Extractor<W> {
    /// An extractor that has not connected yet. It writes below `path`, as `files` says, with up to `threads` threads.
    pub fn new(
        path: TaskPath,
        files: Options,
        source: Source,
        destination: Destination,
        batches: BatchOptions,
        threads: usize,
        watch: W,
    ) -> Self {
        Self { path, files, source, destination, batches, threads, watch, connection: None }
    }

    /// Extracts one partition. A table that can't be exported is an answer, not an error.
    ///
    /// # Errors
    /// As the handler's.
    pub async fn partition(&mut self, table: &Table, partition: &Partition) -> Result<PartitionResult, StepError> {
        let started_at = now_millis();
        let (path, files) = (self.path.clone(), self.files);
        let (named, batch, index) = (table.clone(), partition.batch, partition.index);
        // One file always tells the schema; other empty ranges leave nothing.
        let settings = Settings {
            write_empty: batch == 1 && index == 0,
            target_file_bytes: files.target_file_bytes(),
            compression: files.compression,
            threads: self.threads,
        };
        let mut writer = PartWriter::new(
            self.destination.clone(),
            arrow_schema(table),
            move |file| path.part(&named, batch, index, file, files.compression),
            settings,
        );
        let read = match self.rows(table, partition, &mut writer).await {
            Ok(read) => read,
            Err(error) => {
                abort(writer).await;
                return Err(error);
            }
        };
        let mut result = PartitionResult {
            table: table.id,
            batch,
            index,
            files: Vec::new(),
            skip: None,
            rows: 0,
            source_bytes: 0,
            started_at,
            ended_at: started_at,
        };
        match read {
            Read::Whole(bytes) => {
                result.files = writer.finish().await?;
                result.rows = result.files.iter().map(|f| f.rows).sum();
                result.source_bytes = bytes;
            }
            Read::Skip(skipped) => {
                abort(writer).await;
                result.skip = Some(skipped);
            }
        }
        result.ended_at = now_millis();
        Ok(result)
    }

    async fn rows(&mut self, table: &Table, partition: &Partition, writer: &mut PartWriter) -> Result<Read, StepError> {
        let (database, mut connection) = match self.connection.take() {
            Some((database, connection)) if connection.serves_all() || database == table.database => {
                (database, connection)
            }
            _ => (table.database.clone(), self.source.reader(&table.database).await?),
        };
        let read = copy(&mut connection, table, partition, self.batches, &mut self.watch, writer).await?;
        if matches!(read, Read::Whole(_)) || connection.serves_all() {
            self.connection = Some((database, connection));
        }
        Ok(read)
    }
}

/// Writes the rows of a partition.
async fn copy(
    connection: &mut Connection,
    table: &Table,
    partition: &Partition,
    options: BatchOptions,
    watch: &mut impl Watch,
    writer: &mut PartWriter,
) -> Result<Read, StepError> {
    let mut batches = match connection.read(table, partition, options).await {
        Ok(batches) => batches,
        Err(error) => return skip_or_fail(table, error),
    };
    while let Some(batch) = batches.next().await {
        match batch {
            Ok(batch) => {
                writer.write(&batch).await?;
                watch.batch(batch.num_rows()).await?;
            }
            Err(error) => return skip_or_fail(table, error),
        }
    }
    Ok(Read::Whole(batches.bytes_read()))
}

/// What was begun must not stay; but what ended it is what counts, so a failure to remove it is only logged. The end of the
/// task tries again.
async fn abort(writer: PartWriter) {
    if let Err(error) = writer.abort().await {
        tracing::warn!(%error, "an unfinished part file could not be removed");
    }
}

/// An error that leaves the table out is an answer; any other names the table it happened on.
fn skip_or_fail(table: &Table, error: SourceError) -> Result<Read, StepError> {
    match error.skips(table) {
        Some(skipped) => Ok(Read::Skip(skipped)),
        None => Err(StepError::from(error).about(&table.target())),
    }
}
