//! Extracts one partition of a table from the database to Parquet part files. It also lets the
//! server count the rows, so that the rows of the files can be compared with the count.
//!
//! ```no_run
//! # async fn example(
//! #     source: cluster_source::Source,
//! #     table: export_task::table::Table,
//! #     partition: export_task::plan::Partition,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use cluster_source::BatchOptions;
//! use export_destination::Destination;
//! use export_task::object_key::TaskPath;
//! use export_task::options::Options;
//! use partition_extractor::{Extractor, Watch};
//!
//! struct NeverStops;
//!
//! impl Watch for NeverStops {
//!     type Reason = std::convert::Infallible;
//!
//!     fn record_batch(&self, rows: usize) {
//!         println!("{rows} rows");
//!     }
//!
//!     async fn stop(&self) -> Self::Reason {
//!         std::future::pending().await
//!     }
//! }
//!
//! let (path, watch) = (TaskPath::new("", "nightly"), NeverStops);
//! let destination = Destination::Directory("/tmp/exports".into());
//! let (options, batches, threads) = (Options::default(), BatchOptions::default(), 1);
//! let mut extractor =
//!     Extractor::new(path, options, source, destination, batches, threads, watch);
//! let result = extractor.partition(&table, &partition).await?;
//! println!("{} rows in {} files", result.rows, result.files.len());
//! # Ok(())
//! # }
//! ```

use std::error::Error;
use std::time::Duration;

use cluster_source::{BatchOptions, Connection, Source, SourceError, arrow_schema};
use export_destination::Destination;
use export_task::object_key::TaskPath;
use export_task::options::Options;
use export_task::plan::{Count, CountResult, Counted, PartFile, Partition, PartitionResult};
use export_task::table::Table;
use export_task::warning::SkippedTable;
use futures_util::StreamExt;
use parquet_sink::{PartWriter, Settings, SinkError};

/// Observes an extraction and may end it.
pub trait Watch: Send + Sync {
    /// Why an extraction was ended.
    type Reason: Error + Send + Sync + 'static;

    /// Called after every record batch with its number of rows.
    fn record_batch(&self, rows: usize);

    /// Returns the reason as soon as the extraction must stop, whatever it is waiting for.
    fn stop(&self) -> impl Future<Output = Self::Reason> + Send;
}

/// A partition could not be extracted, or a relation could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError<R: Error + Send + Sync + 'static> {
    /// The extractor cannot connect to the database.
    #[error(transparent)]
    Connect(SourceError),
    /// The table can't be read.
    #[error("{table}: {source}")]
    Read {
        /// `database.schema.table`.
        table: String,
        /// The cause.
        source: SourceError,
    },
    /// The part files can't be written.
    #[error(transparent)]
    Write(#[from] SinkError),
    /// [`Watch::stop`] ended the extraction.
    #[error(transparent)]
    Stopped(R),
}

type Result<T, W> = std::result::Result<T, ExtractError<<W as Watch>::Reason>>;

/// Extracts partitions, one after the other, over one connection.
pub struct Extractor<W> {
    path: TaskPath,
    options: Options,
    reader: Reader,
    destination: Destination,
    threads: usize,
    watch: W,
}

/// The reading half of an extractor.
struct Reader {
    source: Source,
    batches: BatchOptions,
    connection: Option<(String, Connection)>,
}

/// How the extraction of a partition ended.
enum Outcome {
    /// Every row was written. Holds the files and the number of bytes received from the database.
    Whole(Vec<PartFile>, u64),
    /// The table must be left out.
    Skip(SkippedTable),
}

impl<W: Watch> Extractor<W> {
    /// Returns an extractor that has not connected yet. It writes below `path` with the settings in
    /// `options` and encodes with up to `threads` threads.
    pub fn new(
        path: TaskPath,
        options: Options,
        source: Source,
        destination: Destination,
        batches: BatchOptions,
        threads: usize,
        watch: W,
    ) -> Self {
        let reader = Reader { source, batches, connection: None };
        Self { path, options, reader, destination, threads, watch }
    }

    /// Extracts one partition. A table that can't be exported is a result, not an error.
    ///
    /// # Errors
    /// [`ExtractError`].
    pub async fn partition(&mut self, table: &Table, partition: &Partition) -> Result<PartitionResult, W> {
        let started_at = now_millis();
        let (path, options) = (self.path.clone(), self.options);
        let (target, batch_index, partition_index) = (table.clone(), partition.batch_index, partition.partition_index);
        // One file always exists and holds the schema. Other empty ranges leave no file.
        let settings = Settings {
            write_empty: batch_index == 1 && partition_index == 0,
            target_file_bytes: options.target_file_bytes(),
            compression: options.compression,
            threads: self.threads,
        };
        let mut writer = PartWriter::new(
            self.destination.clone(),
            arrow_schema(table),
            move |file| path.part(&target, batch_index, partition_index, file, options.compression),
            settings,
        );
        let Self { reader, watch, .. } = self;
        // The future nests so deeply that a caller which awaits it would exceed the compiler's
        // recursion limit. The box ends the nesting.
        let extraction = Box::pin(reader.extract(table, partition, &mut writer, watch));
        let outcome = tokio::select! {
            outcome = extraction => outcome,
            reason = watch.stop() => Err(ExtractError::Stopped(reason)),
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

    /// Lets the server count the rows of a relation of the table, for at most `within`.
    ///
    /// # Errors
    /// [`ExtractError`].
    pub async fn count(&mut self, table: &Table, count: &Count, within: Option<Duration>) -> Result<CountResult, W> {
        let Self { reader, watch, .. } = self;
        let counted = tokio::select! {
            counted = reader.count::<W>(table, count, within) => counted?,
            reason = watch.stop() => return Err(ExtractError::Stopped(reason)),
        };
        Ok(CountResult { table: table.id, batch_index: count.batch_index, counted })
    }
}

impl Reader {
    /// Returns the previous partition's connection if it serves this database too, else a new one.
    async fn connect<W: Watch>(&mut self, database: &str) -> Result<Connection, W> {
        match self.connection.take() {
            Some((connected, connection)) if connection.serves_all() || connected == database => Ok(connection),
            _ => self.source.reader(database).await.map_err(ExtractError::Connect),
        }
    }

    fn keep(&mut self, database: &str, connection: Connection) {
        self.connection = Some((database.to_owned(), connection));
    }

    async fn extract<W: Watch>(
        &mut self,
        table: &Table,
        partition: &Partition,
        writer: &mut PartWriter,
        watch: &W,
    ) -> Result<Outcome, W> {
        let mut connection = self.connect::<W>(&table.database).await?;
        let read = copy(&mut connection, table, partition, self.batches, watch, writer).await?;
        if matches!(read, Read::Whole(_)) || connection.serves_all() {
            self.keep(&table.database, connection);
        }
        Ok(match read {
            Read::Whole(bytes) => Outcome::Whole(writer.finish().await?, bytes),
            Read::Skip(skipped) => Outcome::Skip(skipped),
        })
    }

    async fn count<W: Watch>(&mut self, table: &Table, count: &Count, within: Option<Duration>) -> Result<Counted, W> {
        let mut connection = self.connect::<W>(&table.database).await?;
        let counted = match connection.count(&count.relation, within).await {
            Ok(Some(rows)) => Counted::Rows(rows),
            Ok(None) => Counted::TooLong,
            Err(error) => Counted::Skip(skip_or_fail::<W>(table, error)?),
        };
        if !matches!(counted, Counted::Skip(_)) || connection.serves_all() {
            self.keep(&table.database, connection);
        }
        Ok(counted)
    }
}

/// How the reading of a partition ended.
enum Read {
    /// The writer got every row. Holds the number of bytes received.
    Whole(u64),
    /// The table must be left out.
    Skip(SkippedTable),
}

/// Reads the rows of a partition and hands them to the writer.
async fn copy<W: Watch>(
    connection: &mut Connection,
    table: &Table,
    partition: &Partition,
    options: BatchOptions,
    watch: &W,
    writer: &mut PartWriter,
) -> Result<Read, W> {
    let mut batches = match connection.read(table, partition, options).await {
        Ok(batches) => batches,
        Err(error) => return skip_or_fail::<W>(table, error).map(Read::Skip),
    };
    while let Some(batch) = batches.next().await {
        match batch {
            Ok(batch) => {
                writer.write(&batch).await?;
                watch.record_batch(batch.num_rows());
            }
            Err(error) => return skip_or_fail::<W>(table, error).map(Read::Skip),
        }
    }
    Ok(Read::Whole(batches.bytes_read()))
}

/// Removes the open file. A failure is only logged: the error that ended the extraction matters
/// more, and the end of the task removes unfinished files again.
async fn abort(writer: PartWriter) {
    if let Err(error) = writer.abort().await {
        tracing::warn!(%error, "an unfinished part file could not be removed");
    }
}

/// Returns the skipped table if the error leaves the table out, else the error with the table's
/// name.
fn skip_or_fail<W: Watch>(table: &Table, error: SourceError) -> Result<SkippedTable, W> {
    error.skips(table).ok_or_else(|| ExtractError::Read { table: table.target(), source: error })
}

/// Returns the time in milliseconds since the epoch.
fn now_millis() -> i64 {
    jiff::Timestamp::now().as_millisecond()
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

    #[derive(Debug, thiserror::Error)]
    #[error("canceled")]
    struct Canceled;

    struct StopsSoon;

    impl Watch for StopsSoon {
        type Reason = Canceled;

        fn record_batch(&self, _: usize) {}

        async fn stop(&self) -> Canceled {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Canceled
        }
    }

    /// A wait never hides that a task was canceled. Here, the database never answers.
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
            assert!(matches!([extracted, counted], [ExtractError::Stopped(Canceled), ExtractError::Stopped(Canceled)]));
            assert!(began.elapsed() < Duration::from_secs(5));
        }
    }
}
