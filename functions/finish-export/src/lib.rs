//! Ends a task. For a complete export it checks that every planned partition has a result, removes
//! part files that no result names, writes the `_SUCCESS` object of every `batch_index` and writes
//! the metadata documents. Then it sets the final status, which frees the cluster and the account's
//! slot.
//!
//! # Layout
//!
//! * [`handle`]: the step.
//! * [`complete`]: checks and closing documents of a complete export.

pub mod complete;

use aws_config::SdkConfig;
use export_aws::export_role;
use export_aws::task_store::{Ending, TaskStore};
use export_aws::work_bucket::StackWorkBucket;
use export_aws::{ErrorKind, StepError, clients, now_millis};
use export_destination::closing;
use export_task::failure::Failure;
use export_task::metadata;
use export_task::task::{ExportTask, Status, TaskRef};
use export_task::warning::Warnings;
use serde::{Deserialize, Serialize};

/// The dependencies of the step.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// The work bucket.
    pub work_bucket: StackWorkBucket,
    /// Assumes the export role.
    pub aws: SdkConfig,
}

impl Deps {
    /// Reads the environment and creates the clients.
    ///
    /// # Errors
    /// `InternalFailure` naming a variable.
    pub async fn from_env() -> Result<Self, StepError> {
        let aws = clients::config().await;
        Ok(Self { store: TaskStore::from_env(&aws)?, work_bucket: StackWorkBucket::from_env(&aws)?, aws })
    }
}

/// The input of the step.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The task.
    pub task: TaskRef,
    /// How the workflow ended.
    pub outcome: Outcome,
    /// The error that the workflow caught.
    #[serde(default)]
    pub error: Option<Caught>,
}

/// How the workflow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// Every unit is done.
    Complete,
    /// A step failed, or the task was canceled.
    Failed,
}

/// An error as Step Functions hands it to a catcher.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Caught {
    /// The error's name.
    pub error: String,
    /// For the error of a Lambda, its JSON document.
    #[serde(default)]
    pub cause: String,
}

/// The output of the step.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// `COMPLETE`, `CANCELED` or `FAILED`.
    pub status: &'static str,
    /// Name of the failure; empty if there is none.
    pub error: String,
    /// Message of the failure; empty if there is none.
    pub cause: String,
}

/// Ends the task.
///
/// # Errors
/// `ExportCanceled` and `PlanIncomplete` if the export is not complete; `DestinationDenied`,
/// `ServiceUnavailable`.
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
    let work = deps.work_bucket.for_task(id);
    let close = async {
        let bucket = export_role::destination(export_role::assume_again(&deps.aws, reference).await?, reference);
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
    // Write COMPLETE into the document just before the task gets this status. So readers that wait
    // for the document find all other objects in place.
    let mut last = task.clone();
    last.status = Status::Complete;
    last.task_end_time = Some(ending.at);
    last.extracted_bytes = closed.source_bytes;
    last.warnings.clone_from(&ending.warnings);
    last.failure_cause = None;
    deps.store.check_not_canceled(id).await?;
    bucket.put(&reference.path().export_info(), metadata::export_info(&last)?.into()).await?;
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
    // A directory that the task does not own belongs to another export.
    if task.directory_at.is_some() {
        // The role may be deleted by now. The task must still end.
        if let Err(error) = close_directory(deps, &input.task, &task, &ending).await {
            tracing::warn!(error = error.chain(), "the task's directory could not be closed");
        }
    }
    deps.store.end(&task, &ending).await
}

/// Writes the final `export_info` and aborts the uploads of killed workers.
async fn close_directory(
    deps: &Deps,
    reference: &TaskRef,
    task: &ExportTask,
    ending: &Ending,
) -> Result<(), StepError> {
    let bucket = export_role::destination(export_role::assume_again(&deps.aws, reference).await?, reference);
    let path = reference.path();
    let mut last = task.clone();
    last.status = ending.status;
    last.task_end_time = Some(ending.at);
    last.failure_cause = ending.failure.as_ref().map(|(_, cause)| cause.clone());
    bucket.put(&path.export_info(), metadata::export_info(&last)?.into()).await?;
    let work = deps.work_bucket.for_task(&reference.export_task_identifier);
    // Without a plan nothing was extracted.
    match work.find_summary().await? {
        Some(summary) => Ok(closing::abort_unfinished(&bucket, &path, &summary).await?),
        None => Ok(()),
    }
}

/// Returns code and message of the failure: those of the error that the workflow caught or, if
/// workers failed, those that a worker recorded. Only the errors in [`USER_FACING`] have a message
/// for the user. Any other error becomes the guide's "unknown internal error", with the details in
/// the logs.
fn reason(task: &ExportTask, caught: Option<&Caught>) -> (String, String) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct LambdaError {
        error_message: String,
    }
    let failure = caught.and_then(|Caught { error, cause }| match error.as_str() {
        WORKERS_FAILED => task.failure_code.clone().zip(task.failure_cause.clone()),
        _ => Some((error.clone(), serde_json::from_str::<LambdaError>(cause).ok()?.error_message)),
    });
    failure
        .filter(|(code, _)| USER_FACING.contains(&code.as_str()))
        .unwrap_or_else(|| (ErrorKind::InternalFailure.name().into(), Failure::Internal.to_string()))
}

/// The only error that a Distributed Map reports when its children fail. The recorded reason of a
/// worker counts only with this error: a retry may have overcome it, and then it must not explain
/// another failure.
const WORKERS_FAILED: &str = "States.ExceedToleratedFailureThreshold";

/// Errors whose message is written for the user.
const USER_FACING: &[&str] = &[
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_replay::{Replay, task, task_table};
    use serde_json::json;

    use super::*;

    fn lambda_error(error: &str, message: &str) -> Caught {
        let cause = json!({"errorType": error, "errorMessage": message, "stackTrace": []}).to_string();
        Caught { error: error.into(), cause }
    }

    fn internal() -> (String, String) {
        ("InternalFailure".into(), "An unknown internal error occurred.".into())
    }

    /// A task in which a worker recorded the reason of an error.
    fn recorded() -> ExportTask {
        let mut task = task();
        task.failure_code = Some("SourceThrottled".into());
        task.failure_cause = Some("The database is busy.".into());
        task
    }

    #[test]
    fn errors_for_the_user_keep_their_message() {
        for error in USER_FACING {
            let caught = lambda_error(error, "what the user can do");
            let expected = ((*error).to_owned(), "what the user can do".to_owned());
            // The recorded reason belongs to another error, which a retry overcame.
            assert_eq!(reason(&recorded(), Some(&caught)), expected);
        }
    }

    #[test]
    fn other_errors_become_the_unknown_internal_error() {
        let not_json = Caught { error: "PreconditionFailed".into(), cause: "not a document".into() };
        for caught in [
            lambda_error("InternalFailure", "a secret detail"),
            lambda_error("Runtime.ExitError", "a secret detail"),
            lambda_error("States.Timeout", ""),
            not_json,
        ] {
            assert_eq!(reason(&recorded(), Some(&caught)), internal(), "{caught:?}");
        }
        assert_eq!(reason(&recorded(), None), internal());
    }

    #[test]
    fn the_failure_of_workers_has_the_reason_that_a_worker_recorded() {
        let caught = Caught { error: WORKERS_FAILED.into(), cause: "{}".into() };
        assert_eq!(
            reason(&recorded(), Some(&caught)),
            ("SourceThrottled".to_owned(), "The database is busy.".to_owned())
        );
        assert_eq!(reason(&task(), Some(&caught)), internal());
        let mut internal_only = recorded();
        internal_only.failure_code = Some("InternalFailure".into());
        assert_eq!(reason(&internal_only, Some(&caught)), internal());
    }

    /// Calls the handler for a workflow that failed with `PreconditionFailed`. The task table is
    /// the only service, so any call of S3 or STS fails the test.
    async fn fail(task: ExportTask) -> (Output, Replay) {
        let input = Input {
            task: TaskRef::from(&task),
            outcome: Outcome::Failed,
            error: Some(lambda_error("PreconditionFailed", "KMS key check failed.")),
        };
        let mut stored = task;
        let replay = Replay::new(move |call| {
            if call.operation == "TransactWriteItems" {
                let update = &call.json()["TransactItems"][2]["Update"];
                let value = |name: &str| update["ExpressionAttributeValues"][name]["S"].as_str().map(str::to_owned);
                stored.status = serde_json::from_value(json!(value(":status"))).unwrap();
                (stored.failure_code, stored.failure_cause) = (value(":code"), value(":cause"));
            }
            task_table(call, &stored)
        });
        let aws = replay.config();
        let deps = Deps {
            store: TaskStore::new(&aws, "tasks".into()),
            work_bucket: StackWorkBucket::new(&aws, "work".into()),
            aws,
        };
        (handle(&deps, input).await.unwrap(), replay)
    }

    #[tokio::test]
    async fn a_task_fails_with_the_error_of_the_workflow() {
        let (output, replay) = fail(task()).await;
        let (error, cause) = ("PreconditionFailed".to_owned(), "KMS key check failed.".to_owned());
        assert_eq!(output, Output { status: "FAILED", error, cause });
        assert_eq!(replay.operations(), ["GetItem", "TransactWriteItems", "GetItem"]);
    }

    #[tokio::test]
    async fn a_canceled_task_ends_as_canceled_whatever_the_error_was() {
        let mut task = task();
        task.status = Status::Canceling;
        let (output, _) = fail(task).await;
        assert_eq!(output, Output { status: "CANCELED", error: String::new(), cause: String::new() });
    }

    #[tokio::test]
    async fn a_task_that_has_ended_is_not_changed_by_a_repeated_call() {
        for (status, error) in [(Status::Failed, "CloneFailed"), (Status::Complete, ""), (Status::Canceled, "")] {
            let mut task = task();
            (task.status, task.failure_code) = (status, Some("CloneFailed".into()));
            let (output, replay) = fail(task).await;
            assert_eq!((output.status, output.error.as_str()), (status.as_str(), error));
            assert_eq!(replay.operations(), ["GetItem"]);
        }
    }
}
