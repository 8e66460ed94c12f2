//! The worker: one work unit of the Distributed Map. Streams the rows of each partition from the
//! clone into Parquet part files in the user's bucket, and has the clone count the rows of
//! relations that were cut into partitions. Continues in another invocation when its time runs out.
//!
//! # Layout
//!
//! * [`handle`]: one invocation on one unit.

use std::time::{Duration, Instant, SystemTime};

use aws_config::SdkConfig;
use cluster_source::BatchOptions;
use export_aws::export_role;
use export_aws::task_store::{CANCEL_CHECK, TaskStore};
use export_aws::work_bucket::StackWorkBucket;
use export_aws::{ErrorKind, StepError, clients, config};
use export_task::limits;
use export_task::plan::{Counted, Cursor, Results, UnitRef, WorkUnit};
use export_task::task::{CloneEndpoint, TaskRef};
use parquet_sink::SinkError;
use partition_extractor::{ExtractError, Extractor, Watch};
use serde::{Deserialize, Serialize};

/// Time reserved for writing the result.
const RESERVE: Duration = Duration::from_secs(20);

/// Assumed speed of a worker until it has read enough to measure its own. Every observed worker was
/// faster.
const ASSUMED_BYTES_PER_SECOND: u64 = 8 << 20;

/// A worker that has read this many bytes uses its measured speed.
const MEASURED_BYTES: u64 = 16 << 20;

/// Memory in MiB that comes with the time of one processor (AWS Lambda Developer Guide, Configure
/// Lambda function memory).
const MEMORY_PER_CPU: usize = 1769;

/// The dependencies of the step.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// Reads the password of the clone.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// The work bucket.
    pub work_bucket: StackWorkBucket,
    /// Assumes the export role.
    pub aws: SdkConfig,
    /// Size of record batches and limits of values and rows.
    pub options: BatchOptions,
    /// Number of threads that encode and compress.
    pub threads: usize,
}

impl Deps {
    /// Reads the environment and creates the clients.
    ///
    /// # Errors
    /// `InternalFailure` naming a variable.
    pub async fn from_env() -> Result<Self, StepError> {
        let aws = clients::config().await;
        Ok(Self {
            store: TaskStore::from_env(&aws)?,
            secrets: aws_sdk_secretsmanager::Client::new(&aws),
            work_bucket: StackWorkBucket::from_env(&aws)?,
            aws,
            options: BatchOptions {
                // AWS's limits are the smallest size that is refused. The reader's limits are the
                // largest size that is allowed.
                max_value_bytes: Some(config::number(config::MAX_VALUE_BYTES, limits::VALUE_BYTES)?.saturating_sub(1)),
                max_row_bytes: Some(config::number(config::MAX_ROW_BYTES, limits::ROW_BYTES)?.saturating_sub(1)),
                ..BatchOptions::default()
            },
            threads: config::number(config::AWS_LAMBDA_FUNCTION_MEMORY_SIZE, MEMORY_PER_CPU)?.div_ceil(MEMORY_PER_CPU),
        })
    }
}

/// The input of the step.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The task.
    pub task: TaskRef,
    /// The clone.
    pub clone: CloneEndpoint,
    /// Reference to the work unit.
    pub unit: UnitRef,
    /// Where this invocation starts.
    #[serde(default)]
    pub cursor: Option<Cursor>,
}

/// The output of the step.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// Whether the unit is finished.
    pub done: bool,
    /// Where the next invocation starts.
    pub cursor: Cursor,
}

/// Works on a unit until it is finished or until `deadline` is near.
///
/// # Errors
/// `ExportCanceled`, `SourceUnavailable`, `SourceThrottled`, `SourceAccessDenied`,
/// `DestinationThrottled`, `DestinationDenied`, `DataUnsupported`, `ServiceUnavailable`,
/// `InternalFailure`.
pub async fn handle(deps: &Deps, input: Input, deadline: SystemTime) -> Result<Output, StepError> {
    let result = work(deps, &input, deadline).await;
    if let Err(error) = &result {
        // The map reports the same error for all failures of its children. So the reason is
        // recorded in the task, where finish-export finds it if this was the last attempt.
        if error.kind != ErrorKind::ExportCanceled {
            let id = &input.task.export_task_identifier;
            if let Err(error) = deps.store.note_failure(id, error.kind.name(), &error.to_string()).await {
                tracing::warn!(error = error.chain(), "the reason of a failure was not recorded");
            }
        }
    }
    result
}

async fn work(deps: &Deps, input: &Input, deadline: SystemTime) -> Result<Output, StepError> {
    let id = &input.task.export_task_identifier;
    deps.store.check_not_canceled(id).await?;
    let bucket = deps.work_bucket.for_task(id);
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
    // Another attempt wrote its result first. That result is valid, wherever the attempt stopped.
    let first = bucket.result(unit.unit, from).await?;
    first
        .map(|results| after(&unit, from, &results))
        .ok_or_else(|| StepError::internal("a result disappeared from the work bucket"))
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
                // A temporary error says nothing. The next check asks again.
                _ => {}
            }
        }
    }
}

fn after(unit: &WorkUnit, from: u32, results: &Results) -> Output {
    let next = from.saturating_add(u32::try_from(results.len()).unwrap_or(u32::MAX));
    Output { done: next as usize >= unit.len(), cursor: Cursor { next } }
}

/// Predicts whether the next partition fits into the time left, from the work of the invocation so
/// far.
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

    /// Returns whether `bytes` of table data are likely to be finished within `left`. Lambda kills
    /// an invocation at its deadline, and its unfinished work is lost.
    fn has_time_for(&self, bytes: u64, left: Duration) -> bool {
        // The time for small amounts depends on the number of tables more than on the bytes.
        let (read, reading) = if self.read >= MEASURED_BYTES {
            (self.read, self.reading.as_secs_f64())
        } else {
            (ASSUMED_BYTES_PER_SECOND, 1.0)
        };
        let expected = Duration::try_from_secs_f64(bytes as f64 / read as f64 * reading).unwrap_or(Duration::MAX);
        let longest = expected.max(self.slowest);
        left >= RESERVE.saturating_add(longest).saturating_add(longest / 2)
    }
}

/// Works on the items of the unit, its partitions and then its counts, from item `from` on. Stops
/// at the end of the unit or when the time runs out, but finishes at least one item.
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
    let cancel = CancelCheck { store: &deps.store, task: &task.export_task_identifier };
    let destination = export_role::destination(s3, task);
    let mut extractor =
        Extractor::new(task.path(), task.options, source, destination, deps.options, deps.threads, cancel);
    let mut results = Results::default();
    let mut pace = Pace::new();
    let left = || deadline.duration_since(SystemTime::now()).unwrap_or_default();
    let table = |id| unit.tables.iter().find(|table| table.id == id);
    let unknown = || StepError::internal("a work unit names a table that it does not describe");
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
        // A new invocation has more time for this count.
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
        ExtractError::Read { table, source } => clone_database::failed(source).context(&table),
        ExtractError::Write(SinkError::Destination(error)) => error.into(),
        ExtractError::Write(error) => StepError::caused(ErrorKind::InternalFailure, error.to_string(), error),
        ExtractError::Stopped(error) => error,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_replay::{Answer, Replay, task, task_table};
    use export_task::task::Status;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_large_partition_does_not_begin_late_behind_small_ones() {
        let seconds = Duration::from_secs;
        let mut pace = Pace::new();
        for _ in 0..100 {
            pace.done(10_000, Duration::from_millis(20));
        }
        // The reserve, and one and a half times the expected second.
        assert!(pace.has_time_for(ASSUMED_BYTES_PER_SECOND, seconds(22)));
        assert!(!pace.has_time_for(ASSUMED_BYTES_PER_SECOND, seconds(21)));
        assert!(!pace.has_time_for(1 << 30, seconds(180)));
        // From here on the measured speed counts.
        pace.done(1 << 30, seconds(10));
        assert!(pace.has_time_for(1 << 30, seconds(40)));
        assert!(!pace.has_time_for(1, seconds(34)));
        assert!(!pace.has_time_for(u64::MAX, seconds(900)));
    }

    /// Calls the handler for a unit of two partitions. `result` answers the lookup of the result
    /// that another attempt may have written. The clone has no endpoint, so an extraction fails.
    async fn extract_unit(status: Status, result: Answer) -> (Result<Output, StepError>, Replay) {
        let mut stored = task();
        stored.status = status;
        let partition = |index: u32| {
            json!({"Table": 0, "Relation": {"Schema": "s", "Name": "t"}, "BatchIndex": 1, "PartitionIndex": index, "Range": "All",
                "Bytes": 1})
        };
        let unit = json!({"Unit": 0, "Tables": [], "Partitions": [partition(0), partition(1)], "Counts": []});
        let replay = Replay::new(move |call| match call.operation.as_str() {
            "GET /work/t/plans/first/units.jsonl" => unit.clone().into(),
            "GET /work/t/results/00000000-00000000.json" => result.clone(),
            _ => task_table(call, &stored),
        });
        let aws = replay.config();
        let deps = Deps {
            store: TaskStore::new(&aws, "tasks".into()),
            secrets: aws_sdk_secretsmanager::Client::new(&aws),
            work_bucket: StackWorkBucket::new(&aws, "work".into()),
            aws,
            options: BatchOptions::default(),
            threads: 1,
        };
        let input = json!({"Task": TaskRef::from(&task()), "Clone": {"Status": "creating", "Engine": "aurora-mysql"},
            "Unit": {"Attempt": "first", "Unit": 0, "Offset": 0, "Length": 1}});
        let deadline = SystemTime::now() + Duration::from_secs(60);
        (handle(&deps, serde_json::from_value(input).unwrap(), deadline).await, replay)
    }

    #[tokio::test]
    async fn a_repeated_call_continues_after_the_result_of_the_first_one() {
        for (finished, done) in [(1, false), (2, true)] {
            let result = |index: u32| {
                json!({"Table": 0, "BatchIndex": 1, "PartitionIndex": index, "Files": [], "Rows": 0, "SourceBytes": 0, "StartedAt": 0,
                    "EndedAt": 0})
            };
            let results = json!({"Partitions": (0..finished).map(result).collect::<Vec<_>>()});
            let (output, replay) = extract_unit(Status::InProgress, results.into()).await;
            assert_eq!(output.unwrap(), Output { done, cursor: Cursor { next: finished } });
            // The progress was counted by the first attempt.
            assert!(replay.calls("UpdateItem").is_empty());
        }
    }

    #[tokio::test]
    async fn the_reason_of_a_failure_is_recorded_and_that_of_a_cancellation_is_not() {
        let missing = || Answer::Error(404, "NoSuchKey");
        let (output, replay) = extract_unit(Status::InProgress, missing()).await;
        assert_eq!(output.unwrap_err().kind, ErrorKind::InternalFailure);
        let recorded = replay.calls("UpdateItem")[0].json();
        assert_eq!(recorded["ExpressionAttributeValues"][":code"]["S"], "InternalFailure");

        let (output, replay) = extract_unit(Status::Canceling, missing()).await;
        assert_eq!(output.unwrap_err().kind, ErrorKind::ExportCanceled);
        assert_eq!(replay.operations(), ["GetItem"]);
    }
}
