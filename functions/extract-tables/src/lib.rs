//! The worker: one work unit of the Distributed Map. Streams the rows of each partition from the clone into Parquet part
//! files in the user's bucket, has it count the rows of what was cut, and goes on in another invocation when time runs short.
//!
//! # Layout
//!
//! * [`handle`]: one invocation on one unit.

use std::time::{Duration, Instant, SystemTime};

use aws_config::SdkConfig;
use cluster_source::BatchOptions;
use export_aws::export_role;
use export_aws::task_store::{CANCEL_CHECK, TaskStore};
use export_aws::work_bucket::WorkBucket;
use export_aws::{ErrorKind, StepError, clients, config};
use export_task::limits;
use export_task::object_key::TaskPath;
use export_task::plan::{Counted, Cursor, Results, UnitRef, WorkUnit};
use export_task::task::{CloneEndpoint, TaskRef};
use parquet_sink::SinkError;
use partition_extractor::{ExtractError, Extractor, Watch};
use serde::{Deserialize, Serialize};

/// Time kept back for writing the result, besides what the slowest partition so far took.
const RESERVE: Duration = Duration::from_secs(20);

/// How quickly a worker reads, until it has read enough to know: less than any worker was seen to.
const SLOW_BYTES_PER_SECOND: u64 = 8 << 20;

/// That much read tells how quickly a worker reads.
const TELLING: u64 = 16 << 20;

/// Lambda's own variable: the function's memory in MiB.
const MEMORY: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";

/// Memory that comes with the time of one processor (AWS Lambda Developer Guide, Configure Lambda function memory).
const MEMORY_PER_CPU: usize = 1769;

/// What the step needs.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// Reads the clone's password.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// For the work bucket.
    pub s3: aws_sdk_s3::Client,
    /// Name of the work bucket.
    pub work_bucket: String,
    /// For assuming the export role.
    pub aws: SdkConfig,
    /// Batches as the reader likes them, values and rows within AWS's limits.
    pub options: BatchOptions,
    /// How many threads encode and compress.
    pub threads: usize,
}

impl Deps {
    /// Reads the environment and makes the clients.
    ///
    /// # Errors
    /// `InternalFailure` naming a variable.
    pub async fn from_env() -> Result<Self, StepError> {
        let aws = clients::config().await;
        Ok(Self {
            store: TaskStore::new(aws_sdk_dynamodb::Client::new(&aws), config::required(config::TASK_TABLE)?),
            secrets: aws_sdk_secretsmanager::Client::new(&aws),
            s3: clients::s3(&aws),
            work_bucket: config::required(config::WORK_BUCKET)?,
            aws,
            options: BatchOptions {
                // The limits are the first size that is too large, the reader's the last that is not.
                max_value_bytes: Some(config::number(config::MAX_VALUE_BYTES, limits::VALUE_BYTES)?.saturating_sub(1)),
                max_row_bytes: Some(config::number(config::MAX_ROW_BYTES, limits::ROW_BYTES)?.saturating_sub(1)),
                ..BatchOptions::default()
            },
            threads: config::number(MEMORY, MEMORY_PER_CPU)?.div_ceil(MEMORY_PER_CPU),
        })
    }
}

/// The step's input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The task.
    pub task: TaskRef,
    /// The clone.
    pub clone: CloneEndpoint,
    /// Which unit.
    pub unit: UnitRef,
    /// Where to go on.
    #[serde(default)]
    pub cursor: Option<Cursor>,
}

/// The step's output.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// Whether the unit is finished.
    pub done: bool,
    /// Where the next invocation goes on.
    pub cursor: Cursor,
}

/// Works on a unit until it is finished or `deadline` is near.
///
/// # Errors
/// `ExportCanceled`, `SourceUnavailable`, `SourceThrottled`, `SourceAccessDenied`, `DestinationThrottled`,
/// `DestinationDenied`, `DataUnsupported`, `ServiceUnavailable`, `InternalFailure`.
pub async fn handle(deps: &Deps, input: Input, deadline: SystemTime) -> Result<Output, StepError> {
    let result = work(deps, &input, deadline).await;
    if let Err(error) = &result {
        // The map answers its parent with one error for all its children, so the reason is left where the end of the
        // workflow finds it, should this be the last attempt.
        if error.kind != ErrorKind::ExportCanceled {
            let id = &input.task.export_task_identifier;
            if let Err(unnoted) = deps.store.note_failure(id, error.kind.name(), &error.to_string()).await {
                tracing::warn!(error = unnoted.chain(), "a failure was not noted");
            }
        }
    }
    result
}

async fn work(deps: &Deps, input: &Input, deadline: SystemTime) -> Result<Output, StepError> {
    let id = &input.task.export_task_identifier;
    deps.store.check_not_canceled(id).await?;
    let bucket = WorkBucket::new(deps.s3.clone(), deps.work_bucket.clone(), id);
    let unit = bucket.unit(&input.unit).await?;
    let from = input.cursor.unwrap_or_default().next;
    if let Some(results) = bucket.result(unit.unit, from).await? {
        return Ok(after(&unit, from, &results));
    }
    let results = extract(deps, input, &unit, from, deadline).await?;
    if bucket.put_result(unit.unit, from, &results).await? {
        let done = unit.partitions.iter().skip(from as usize).take(results.partitions.len());
        let finished = done.map(|p| p.bytes).sum();
        deps.store.add_progress(id, finished, results.partitions.iter().map(|r| r.source_bytes).sum()).await?;
        return Ok(after(&unit, from, &results));
    }
    // Another attempt was first: what it finished counts, wherever it stopped.
    let first = bucket.result(unit.unit, from).await?;
    first.map(|results| after(&unit, from, &results)).ok_or_else(|| StepError::internal("a result disappeared"))
}

/// Ends the extraction of a canceled task.
struct CancelCheck<'a> {
    store: &'a TaskStore,
    task: &'a str,
}

impl Watch for CancelCheck<'_> {
    type Reason = StepError;

    fn record_batch(&self, _: usize) {}

    async fn stop(&self) -> StepError {
        loop {
            tokio::time::sleep(CANCEL_CHECK).await;
            match self.store.check_not_canceled(self.task).await {
                Err(error) if !error.kind.is_retryable() => return error,
                // What can't be known now is asked again.
                _ => {}
            }
        }
    }
}

fn after(unit: &WorkUnit, from: u32, results: &Results) -> Output {
    let next = from.saturating_add(u32::try_from(results.len()).unwrap_or(u32::MAX));
    Output { done: next as usize >= unit.len(), cursor: Cursor { next } }
}

/// Whether there is time for what comes next, by what an invocation has done so far.
struct Pace {
    slowest: Duration,
    read: u64,
    reading: Duration,
}

impl Pace {
    fn new() -> Self {
        Self { slowest: Duration::ZERO, read: 0, reading: Duration::ZERO }
    }

    fn done(&mut self, bytes: u64, took: Duration) {
        self.slowest = self.slowest.max(took);
        self.read += bytes;
        self.reading += took;
    }

    /// Whether `bytes` more of a table are likely to be done before `left` has passed. What is begun too late is killed, and was
    /// for nothing.
    fn has_time_for(&self, bytes: u64, left: Duration) -> bool {
        // Little that was read says more of tables than of bytes.
        let (read, reading) =
            if self.read >= TELLING { (self.read, self.reading.as_secs_f64()) } else { (SLOW_BYTES_PER_SECOND, 1.0) };
        let expected = Duration::try_from_secs_f64(bytes as f64 / read as f64 * reading).unwrap_or(Duration::MAX);
        let longest = expected.max(self.slowest);
        left >= RESERVE.saturating_add(longest).saturating_add(longest / 2)
    }
}

/// Does what the unit holds from `from` on, at least one thing, until the unit or the time is at its end.
async fn extract(
    deps: &Deps,
    input: &Input,
    unit: &WorkUnit,
    from: u32,
    deadline: SystemTime,
) -> Result<Results, StepError> {
    let source = clone_database::source(&deps.secrets, &input.clone).await?;
    let s3 = export_role::assume_again(&deps.aws, &input.task).await?;
    let task = &input.task;
    let path = TaskPath::new(&task.s3_prefix, &task.export_task_identifier);
    let cancel = CancelCheck { store: &deps.store, task: &task.export_task_identifier };
    let destination = export_role::destination(s3, task);
    let mut extractor = Extractor::new(path, task.options, source, destination, deps.options, deps.threads, cancel);
    let mut results = Results::default();
    let mut pace = Pace::new();
    let left = || deadline.duration_since(SystemTime::now()).unwrap_or_default();
    let table = |id| unit.tables.iter().find(|table| table.id == id);
    let unknown = || StepError::internal("a unit names a table it doesn't describe");
    let from = from as usize;
    for partition in unit.partitions.iter().skip(from) {
        if !results.is_empty() && !pace.has_time_for(partition.bytes, left()) {
            return Ok(results);
        }
        let began = Instant::now();
        let table = table(partition.table).ok_or_else(unknown)?;
        results.partitions.push(extractor.partition(table, partition).await.map_err(failed)?);
        pace.done(partition.bytes, began.elapsed());
    }
    for count in unit.counts.iter().skip(from.saturating_sub(unit.partitions.len())) {
        if !results.is_empty() && !pace.has_time_for(count.bytes, left()) {
            return Ok(results);
        }
        let began = Instant::now();
        let table = table(count.table).ok_or_else(unknown)?;
        let counted = extractor.count(table, count, Some(left().saturating_sub(RESERVE))).await.map_err(failed)?;
        // In an invocation of its own there is more time.
        if counted.counted == Counted::TooLong && !results.is_empty() {
            return Ok(results);
        }
        results.counts.push(counted);
        pace.done(count.bytes, began.elapsed());
    }
    Ok(results)
}

/// Translates a failure of the extraction into the step's error, whose name decides about a retry.
fn failed(error: ExtractError<StepError>) -> StepError {
    match error {
        ExtractError::Connect(error) => clone_database::failed(error),
        ExtractError::Read { table, source } => clone_database::failed(source).about(&table),
        ExtractError::Write(SinkError::Destination(error)) => error.into(),
        ExtractError::Write(error) => StepError::caused(ErrorKind::InternalFailure, error.to_string(), error),
        ExtractError::Stopped(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_partition_does_not_begin_late_behind_small_ones() {
        let seconds = Duration::from_secs;
        let mut pace = Pace::new();
        for _ in 0..100 {
            pace.done(10_000, Duration::from_millis(20));
        }
        // A second of table, and half as long again, and the reserve.
        assert!(pace.has_time_for(SLOW_BYTES_PER_SECOND, seconds(22)));
        assert!(!pace.has_time_for(SLOW_BYTES_PER_SECOND, seconds(21)));
        assert!(!pace.has_time_for(1 << 30, seconds(180)));
        // What has been read says how quickly this worker reads.
        pace.done(1 << 30, seconds(10));
        assert!(pace.has_time_for(1 << 30, seconds(40)));
        assert!(!pace.has_time_for(1, seconds(34)));
        assert!(!pace.has_time_for(u64::MAX, seconds(900)));
    }
}
