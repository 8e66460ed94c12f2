//! One partition: rows in, part files out. And one count, which those rows are compared with.

use std::time::Duration;

use cluster_source::{BatchOptions, Connection, Source, SourceError, arrow_schema};
use export_aws::{StepError, now_millis};
use export_task::object_key::TaskPath;
use export_task::options::Options;
use export_task::plan::{Count, CountResult, Counted, PartFile, Partition, PartitionResult};
use export_task::table::Table;
use export_task::warning::SkippedTable;
use futures_util::StreamExt;
use parquet_sink::{Destination, PartWriter, Settings};

/// Looks at an extraction from outside.
pub trait Watch: Send + Sync {
    /// Called after every batch, of that many rows.
    fn batch(&self, rows: usize);

    /// Ends with the reason when the extraction must stop, whatever it is waiting for.
    fn stop(&self) -> impl Future<Output = StepError> + Send;
}

/// Extracts partitions one after the other over one connection.
pub struct Extractor<W> {
    path: TaskPath,
    files: Options,
    reader: Reader,
    destination: Destination,
    threads: usize,
    watch: W,
}

/// What of an extractor reads.
struct Reader {
    source: Source,
    batches: BatchOptions,
    connection: Option<(String, Connection)>,
}

/// What came of a partition.
enum Outcome {
    /// Every row was written; bytes received.
    Whole(Vec<PartFile>, u64),
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
        let reader = Reader { source, batches, connection: None };
        Self { path, files, reader, destination, threads, watch }
    }

    /// Extracts one partition. A table that can't be exported is an answer, not an error.
    ///
    /// # Errors
    /// As the handler's.
    pub async fn partition(&mut self, table: &Table, partition: &Partition) -> Result<PartitionResult, StepError> {
        let started_at = now_millis();
        let (path, files) = (self.path.clone(), self.files);
        let (named, batch_index, partition_index) = (table.clone(), partition.batch_index, partition.partition_index);
        // One file always tells the schema; other empty ranges leave nothing.
        let settings = Settings {
            write_empty: batch_index == 1 && partition_index == 0,
            target_file_bytes: files.target_file_bytes(),
            compression: files.compression,
            threads: self.threads,
        };
        let mut writer = PartWriter::new(
            self.destination.clone(),
            arrow_schema(table),
            move |file| path.part(&named, batch_index, partition_index, file, files.compression),
            settings,
        );
        let Self { reader, watch, .. } = self;
        let outcome = tokio::select! {
            outcome = reader.extract(table, partition, &mut writer, watch) => outcome,
            reason = watch.stop() => Err(reason),
        };
        let (files, source_bytes, skip) = match outcome {
            Ok(Outcome::Whole(files, bytes)) => (files, bytes, None),
            Ok(Outcome::Skip(skipped)) => {
                abort(writer).await;
                (Vec::new(), 0, Some(skipped))
            }
            Err(error) => {
                abort(writer).await;
                return Err(error);
            }
        };
        let rows = files.iter().map(|f| f.rows).sum();
        let ended_at = now_millis();
        Ok(PartitionResult {
            table: table.id,
            batch_index,
            partition_index,
            files,
            skip,
            rows,
            source_bytes,
            started_at,
            ended_at,
        })
    }

    /// Has the server count a relation of the table, for no longer than `within`.
    ///
    /// # Errors
    /// As the handler's.
    pub async fn count(
        &mut self,
        table: &Table,
        count: &Count,
        within: Option<Duration>,
    ) -> Result<CountResult, StepError> {
        let Self { reader, watch, .. } = self;
        let counted = tokio::select! {
            counted = reader.count(table, count, within) => counted?,
            reason = watch.stop() => return Err(reason),
        };
        Ok(CountResult { table: table.id, batch_index: count.batch_index, counted })
    }
}

impl Reader {
    /// The connection of the partition before, if it serves this database, too.
    async fn connect(&mut self, database: &str) -> Result<Connection, SourceError> {
        match self.connection.take() {
            Some((connected, connection)) if connection.serves_all() || connected == database => Ok(connection),
            _ => self.source.reader(database).await,
        }
    }

    fn keep(&mut self, database: &str, connection: Connection) {
        self.connection = Some((database.to_owned(), connection));
    }

    async fn extract(
        &mut self,
        table: &Table,
        partition: &Partition,
        writer: &mut PartWriter,
        watch: &impl Watch,
    ) -> Result<Outcome, StepError> {
        let mut connection = self.connect(&table.database).await?;
        let read = copy(&mut connection, table, partition, self.batches, watch, writer).await?;
        if matches!(read, Read::Whole(_)) || connection.serves_all() {
            self.keep(&table.database, connection);
        }
        Ok(match read {
            Read::Whole(bytes) => Outcome::Whole(writer.finish().await?, bytes),
            Read::Skip(skipped) => Outcome::Skip(skipped),
        })
    }

    async fn count(&mut self, table: &Table, count: &Count, within: Option<Duration>) -> Result<Counted, StepError> {
        let mut connection = self.connect(&table.database).await?;
        let counted = match connection.count(&count.relation, within).await {
            Ok(Some(rows)) => Counted::Rows(rows),
            Ok(None) => Counted::TooLong,
            Err(error) => Counted::Skip(skip_or_fail(table, error)?),
        };
        if !matches!(counted, Counted::Skip(_)) || connection.serves_all() {
            self.keep(&table.database, connection);
        }
        Ok(counted)
    }
}

/// How reading a partition ended.
enum Read {
    /// Every row was handed on; bytes received.
    Whole(u64),
    /// The table must be left out.
    Skip(SkippedTable),
}

/// Writes the rows of a partition.
async fn copy(
    connection: &mut Connection,
    table: &Table,
    partition: &Partition,
    options: BatchOptions,
    watch: &impl Watch,
    writer: &mut PartWriter,
) -> Result<Read, StepError> {
    let mut batches = match connection.read(table, partition, options).await {
        Ok(batches) => batches,
        Err(error) => return skip_or_fail(table, error).map(Read::Skip),
    };
    while let Some(batch) = batches.next().await {
        match batch {
            Ok(batch) => {
                writer.write(&batch).await?;
                watch.batch(batch.num_rows());
            }
            Err(error) => return skip_or_fail(table, error).map(Read::Skip),
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
fn skip_or_fail(table: &Table, error: SourceError) -> Result<SkippedTable, StepError> {
    match error.skips(table) {
        Some(skipped) => Ok(skipped),
        None => Err(StepError::from(error).about(&table.target())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::TcpListener;
    use std::time::Instant;

    use cluster_source::Endpoint;
    use export_task::engine::Engine;
    use export_task::plan::Relation;
    use export_task::range::Range;

    use super::*;

    struct StopsSoon;

    impl Watch for StopsSoon {
        fn batch(&self, _: usize) {}

        async fn stop(&self) -> StepError {
            tokio::time::sleep(Duration::from_millis(50)).await;
            StepError::canceled()
        }
    }

    /// Nothing that is waited for hides that a task was canceled: here, a database that never answers.
    #[tokio::test]
    async fn a_silent_database_does_not_keep_a_canceled_task() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = String::new;
        let (host, port) = ("127.0.0.1".to_owned(), silent.local_addr().unwrap().port());
        let table =
            Table { id: 0, database: text(), schema: text(), name: text(), directory_suffix: None, columns: vec![] };
        let relation = Relation { schema: text(), name: text() };
        let partition = Partition {
            table: 0,
            relation: relation.clone(),
            batch_index: 1,
            partition_index: 0,
            range: Range::All,
            bytes: 0,
        };
        let count = Count { table: 0, batch_index: 1, relation, bytes: 0 };
        for engine in [Engine::Postgresql, Engine::Mysql] {
            let endpoint = Endpoint { host: host.clone(), port, user: text(), password: text() };
            let source = Source::new(engine, endpoint, None);
            let destination = Destination::Directory("/nowhere".into());
            let (path, options) = (TaskPath::new("", "t"), Options::default());
            let mut extractor =
                Extractor::new(path, options, source, destination, BatchOptions::default(), 1, StopsSoon);
            let began = Instant::now();
            let extracted = extractor.partition(&table, &partition).await.unwrap_err();
            let counted = extractor.count(&table, &count, None).await.unwrap_err();
            assert_eq!([extracted.kind, counted.kind], [export_aws::ErrorKind::ExportCanceled; 2]);
            assert!(began.elapsed() < Duration::from_secs(5));
        }
    }
}
