//! The progress of long extractions.

use export_aws::StepError;
use export_task::event;
use export_task::limits;
use export_task::task::{ExportTask, Status};

use crate::Deps;

/// Publishes the progress of every task whose extraction has lasted a quarter of an hour or longer.
/// The error of one task does not stop the work on the others. The first error is returned at the
/// end, so that the invocation fails visibly.
///
/// # Errors
/// `ServiceUnavailable`, `InternalFailure`.
pub async fn publish(deps: &Deps, now: i64) -> Result<Vec<&'static str>, StepError> {
    let is_long = |t: &ExportTask| {
        t.status == Status::InProgress && t.task_start_time.is_some_and(|began| now - began >= limits::QUIET_MILLIS)
    };
    let (mut published, mut first_error) = (Vec::new(), None);
    for task in deps.store.unfinished().await?.into_iter().filter(is_long) {
        match publish_task(deps, &task, now).await {
            Ok(events) => published.extend(events),
            Err(error) => {
                let id = task.request.export_task_identifier;
                tracing::error!(export_task_identifier = id, error = error.chain(), "progress was not published");
                first_error.get_or_insert(error);
            }
        }
    }
    first_error.map_or(Ok(published), Err)
}

async fn publish_task(deps: &Deps, task: &ExportTask, now: i64) -> Result<Vec<&'static str>, StepError> {
    let work = deps.work_bucket.for_task(&task.request.export_task_identifier);
    let events = event::progress(task, &work.summary().await?, &work.results().await?.partitions, now);
    for event in &events {
        deps.publisher.publish(event).await?;
    }
    Ok(events.iter().map(|e| e.id).collect())
}
