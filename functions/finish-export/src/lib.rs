//! The end of a task, good or bad. For a good end: every planned partition has a result, nothing else is in the task's
//! directory, every batch has its `_SUCCESS`, the metadata documents are written. Then the final status is set, which frees
//! the cluster and the account's slot.
//!
//! # Layout
//!
//! * [`handle`]: the step.
//! * [`complete`]: checks and closing documents of a complete export.

pub mod complete;

use aws_config::SdkConfig;
use export_aws::export_role::{self, ExportBucket};
use export_aws::task_store::{Ending, TaskStore};
use export_aws::work_bucket::WorkBucket;
use export_aws::{ErrorKind, StepError, clients, config, now_millis};
use export_task::failure::Failure;
use export_task::metadata;
use export_task::object_key::TaskPath;
use export_task::task::{ExportTask, Status, TaskRef};
use export_task::warning::Warnings;
use serde::{Deserialize, Serialize};

/// What the step needs.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// For the work bucket.
    pub s3: aws_sdk_s3::Client,
    /// Name of the work bucket.
    pub work_bucket: String,
    /// For assuming the export role.
    pub aws: SdkConfig,
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
            s3: clients::s3(&aws),
            work_bucket: config::required(config::WORK_BUCKET)?,
            aws,
        })
    }
}

/// The step's input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The task.
    pub task: TaskRef,
    /// What the workflow came to.
    pub outcome: Outcome,
    /// What the workflow caught.
    #[serde(default)]
    pub error: Option<Caught>,
}

/// What the workflow came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// Every unit is done.
    Complete,
    /// A step failed, or the task was canceled.
    Failed,
}

/// An error as Step Functions hands it to a catcher.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Caught {
    /// The error's name.
    pub error: String,
    /// For a Lambda's error, its JSON document.
    #[serde(default)]
    pub cause: String,
}

/// The step's output.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// `COMPLETE`, `CANCELED` or `FAILED`.
    pub status: &'static str,
    /// Name of the failure, empty without one.
    pub error: String,
    /// Message of the failure, empty without one.
    pub cause: String,
}

/// Ends the task.
///
/// # Errors
/// `ExportCanceled` and `PlanIncomplete` instead of a good end; `DestinationDenied`, `ServiceUnavailable`.
pub async fn handle(deps: &Deps, input: Input) -> Result<Output, StepError> {
    let task = deps.store.get(&input.task.export_task_identifier).await?;
    let ended = if task.status.is_final() {
        task
    } else {
        match input.outcome {
            Outcome::Complete => complete(deps, &input.task, task).await?,
            Outcome::Failed => fail(deps, &input, task).await?,
        }
    };
    let failed = ended.status == Status::Failed;
    Ok(Output {
        status: ended.status.as_str(),
        error: ended.failure_code.filter(|_| failed).unwrap_or_default(),
        cause: ended.failure_cause.filter(|_| failed).unwrap_or_default(),
    })
}

async fn complete(deps: &Deps, reference: &TaskRef, task: ExportTask) -> Result<ExportTask, StepError> {
    let id = &reference.export_task_identifier;
    let work = WorkBucket::new(deps.s3.clone(), deps.work_bucket.clone(), id);
    let close = async {
        let bucket = ExportBucket::new(export_role::assume_again(&deps.aws, reference).await?, reference);
        let closed = complete::close(&work, &bucket, reference).await?;
        Ok((bucket, closed))
    };
    let (bucket, closed) = deps.store.unless_canceled(id, close).await?;
    let ending = Ending {
        status: Status::Complete,
        at: now_millis(),
        extracted_bytes: Some(closed.source_bytes),
        failure: None,
        warnings: closed.warnings,
    };
    // The document says COMPLETE only a moment before the task does: readers that wait for it find everything in place.
    let mut last = task.clone();
    last.status = Status::Complete;
    last.task_end_time = Some(ending.at);
    last.extracted_bytes = closed.source_bytes;
    last.warnings.clone_from(&ending.warnings);
    last.failure_cause = None;
    let path = TaskPath::new(&reference.s3_prefix, id);
    deps.store.check_not_canceled(id).await?;
    bucket.put(&path.export_info(), metadata::export_info(&last)?).await?;
    let ended = deps.store.end(&task, &ending).await?;
    if ended.status != Status::Complete {
        return Err(StepError::canceled());
    }
    Ok(ended)
}

async fn fail(deps: &Deps, input: &Input, task: ExportTask) -> Result<ExportTask, StepError> {
    let canceled = task.status == Status::Canceling;
    let status = if canceled { Status::Canceled } else { Status::Failed };
    let failure = (!canceled).then(|| reason(&task, input.error.as_ref()));
    if let Some(Caught { error, cause }) = &input.error {
        tracing::warn!(
            export_task_identifier = task.request.export_task_identifier,
            error,
            cause,
            "the workflow failed"
        );
    }
    let ending = Ending { status, at: now_millis(), extracted_bytes: None, failure, warnings: Warnings::default() };
    // What is in a directory that isn't the task's own is somebody else's.
    if task.directory_at.is_some() {
        // The role may be gone by now; the task must end either way.
        if let Err(error) = close_directory(deps, &input.task, &task, &ending).await {
            tracing::warn!(error = error.chain(), "the task's directory could not be closed");
        }
    }
    deps.store.end(&task, &ending).await
}

/// Writes the closing `export_info` and removes the uploads of killed workers.
async fn close_directory(
    deps: &Deps,
    reference: &TaskRef,
    task: &ExportTask,
    ending: &Ending,
) -> Result<(), StepError> {
    let bucket = ExportBucket::new(export_role::assume_again(&deps.aws, reference).await?, reference);
    let path = TaskPath::new(&reference.s3_prefix, &reference.export_task_identifier);
    let mut last = task.clone();
    last.status = ending.status;
    last.task_end_time = Some(ending.at);
    last.failure_cause = ending.failure.as_ref().map(|(_, cause)| cause.clone());
    bucket.put(&path.export_info(), metadata::export_info(&last)?).await?;
    let work = WorkBucket::new(deps.s3.clone(), deps.work_bucket.clone(), &reference.export_task_identifier);
    // Without a plan nothing was extracted.
    match work.find_summary().await? {
        Some(summary) => {
            bucket.abort_uploads(&path.listing_prefix(), &complete::parts(&path, &summary)).await.map(drop)
        }
        None => Ok(()),
    }
}

/// Code and message of the failure: what the workflow caught or, if that is workers' errors, what they noted. Only our own
/// errors carry a message meant for the user; anything else is the guide's "unknown internal error", with the details in the logs.
fn reason(task: &ExportTask, caught: Option<&Caught>) -> (String, String) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct LambdaError {
        error_message: String,
    }
    let told = caught.and_then(|Caught { error, cause }| match error.as_str() {
        WORKERS_FAILED => task.failure_code.clone().zip(task.failure_cause.clone()),
        _ => Some((error.clone(), serde_json::from_str::<LambdaError>(cause).ok()?.error_message)),
    });
    told.filter(|(code, _)| TOLD.contains(&code.as_str()))
        .unwrap_or_else(|| (ErrorKind::InternalFailure.name().into(), Failure::Internal.to_string()))
}

/// All that a Distributed Map tells of its children's errors. A note of one that was overcome must not explain another end.
const WORKERS_FAILED: &str = "States.ExceedToleratedFailureThreshold";

/// Errors whose message is meant for the user.
const TOLD: &[&str] = &[
    "PreconditionFailed",
    "CloneFailed",
    "InvalidExportOnly",
    "SourceUnavailable",
    "SourceThrottled",
    "SourceAccessDenied",
    "DestinationThrottled",
    "DestinationDenied",
    "DataUnsupported",
    "PlanIncomplete",
];
