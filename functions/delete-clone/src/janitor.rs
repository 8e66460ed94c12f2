//! The janitor: tasks whose execution was aborted, timed out or died.

use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use export_aws::task_store::Ending;
use export_aws::{ErrorKind, StepError, now_millis};
use export_task::failure::Failure;
use export_task::filter::Describe;
use export_task::task::{ExportTask, Status};

use crate::{Deps, cleanup};

/// An admitted task whose execution doesn't exist is left alone this long: it may be about to start.
const GRACE_MILLIS: i64 = 60_000;

/// Steps of a clean-up taken in one sweep, and the time between them: together well within one invocation.
const STEPS: u32 = 10;
const WAIT: Duration = Duration::from_secs(3);

/// Looks after every task that is not cleaned up and whose execution is not running. One task's error doesn't keep the others
/// waiting; the first is answered at the end, so that it shows.
///
/// # Errors
/// `ServiceUnavailable`, `InternalFailure`.
pub async fn sweep(deps: &Deps) -> Result<(), StepError> {
    let mut query = Describe { max_records: 100, ..Describe::default() };
    let mut first_error = None;
    loop {
        let (tasks, more) = deps.store.describe(&query).await?;
        for task in tasks.iter().filter(|t| t.cleaned_up_at.is_none()) {
            if let Err(error) = look_after(deps, task).await {
                tracing::error!(task = task.request.export_task_identifier, error = error.chain(), "clean-up failed");
                first_error.get_or_insert(error);
            }
        }
        query.after = more;
        if query.after.is_none() {
            return first_error.map_or(Ok(()), Err);
        }
    }
}

async fn look_after(deps: &Deps, task: &ExportTask) -> Result<(), StepError> {
    if is_running(deps, task).await? {
        return Ok(());
    }
    let mut ended = task.clone();
    if !task.status.is_final() {
        let canceled = task.status == Status::Canceling;
        let failure = (ErrorKind::InternalFailure.name().to_owned(), Failure::Internal.to_string());
        let ending = Ending {
            status: if canceled { Status::Canceled } else { Status::Failed },
            at: now_millis(),
            extracted_bytes: None,
            failure: (!canceled).then_some(failure),
            warning: None,
        };
        ended = deps.store.end(task, &ending).await?;
    }
    deps.publisher.publish_end(&deps.store, &ended).await?;
    for _ in 0..STEPS {
        if cleanup::step(deps, &ended).await? {
            return Ok(());
        }
        tokio::time::sleep(WAIT).await;
    }
    // RDS takes longer than an invocation may: the next sweep goes on.
    Ok(())
}

async fn is_running(deps: &Deps, task: &ExportTask) -> Result<bool, StepError> {
    match deps.step_functions.describe_execution().execution_arn(&task.execution_arn).send().await {
        Ok(execution) => Ok(*execution.status() == ExecutionStatus::Running),
        Err(e) if e.as_service_error().is_some_and(|e| e.is_execution_does_not_exist()) => {
            Ok(now_millis() - task.created_at < GRACE_MILLIS)
        }
        Err(e) => Err(StepError::aws("an execution can't be looked up", e)),
    }
}
