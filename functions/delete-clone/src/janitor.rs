//! The janitor: tasks whose execution was aborted, timed out or died, and clones that outlived their task.

use std::time::{Duration, Instant};

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_sfn::types::ExecutionStatus;
use export_aws::{StepError, now_millis};
use export_task::task::{CLONE_PREFIX, ExportTask, TASK_TAG, TaskRef};
use serde_json::json;

use crate::{Deps, cleanup};

/// An admitted task whose execution doesn't exist is left alone this long: it may be about to start.
const GRACE_MILLIS: i64 = 60_000;

/// How long one sweep goes on with clean-ups, and the time between their steps: well within one invocation. What is not gone
/// by then is the next sweep's.
const PATIENCE: Duration = Duration::from_secs(60);
const WAIT: Duration = Duration::from_secs(3);

/// Looks after every task whose execution is not running: ends it if nobody did, tells the world, and cleans up. One task's
/// error doesn't keep the others waiting; the first is answered at the end, so that it shows.
///
/// # Errors
/// `ServiceUnavailable`, `InternalFailure`.
pub async fn sweep(deps: &Deps) -> Result<(), StepError> {
    let began = Instant::now();
    let mut first_error = None;
    let mut note = |task: &str, result: Result<(), StepError>| {
        if let Err(error) = result {
            tracing::error!(task, error = error.chain(), "the janitor could not finish");
            first_error.get_or_insert(error);
        }
    };
    let mut dirty = Vec::new();
    for task in deps.store.unfinished().await? {
        match is_running(deps, &task).await {
            Ok(true) => {}
            Ok(false) => dirty.push(task),
            Err(error) => note(&task.request.export_task_identifier, Err(error)),
        }
    }
    for task in &mut dirty {
        let result = end(deps, task).await;
        note(&task.request.export_task_identifier, result);
    }
    match owners_of_clones(deps, &dirty).await {
        Ok(owners) => dirty.extend(owners),
        Err(error) => note("clones", Err(error)),
    }
    loop {
        let mut left = Vec::new();
        for task in dirty {
            match cleanup::step(deps, &task).await {
                Ok(true) => {}
                Ok(false) => left.push(task),
                Err(error) => note(&task.request.export_task_identifier, Err(error)),
            }
        }
        dirty = left;
        if dirty.is_empty() || began.elapsed() > PATIENCE {
            return first_error.map_or(Ok(()), Err);
        }
        tokio::time::sleep(WAIT).await;
    }
}

/// Ends a task, by the step that does so in the workflow, and publishes its end.
async fn end(deps: &Deps, task: &mut ExportTask) -> Result<(), StepError> {
    if !task.status.is_final() {
        let cause = "The execution ended before the task did.";
        let event = json!({"Task": TaskRef::from(&*task), "Outcome": "FAILED", "Error": {"Error": "States.Aborted", "Cause": cause}});
        let call = deps.lambda.invoke().function_name(&deps.finish_function).payload(Blob::new(event.to_string()));
        let called = call.send().await.map_err(|e| StepError::aws("the task can't be ended", e))?;
        if called.function_error.is_some() {
            return Err(StepError::internal("the task can't be ended: finish-export failed"));
        }
        *task = deps.store.get(&task.request.export_task_identifier).await?;
    }
    // Somebody else may be at it; should they die over it, the task stays open for the next sweep.
    deps.publisher.publish_end(&deps.store, task).await.map(drop)
}

/// Tasks beyond `known` that own a clone although nobody works on them: a step that was under way when its execution was
/// stopped may have made one after everything was cleaned up.
async fn owners_of_clones(deps: &Deps, known: &[ExportTask]) -> Result<Vec<ExportTask>, StepError> {
    let mut owners = Vec::new();
    let mut pages = deps.rds.describe_db_clusters().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| StepError::aws("the clones can't be listed", e))?;
        for cluster in page.db_clusters() {
            let tag = cluster.tag_list().iter().find(|t| t.key() == Some(TASK_TAG)).and_then(|t| t.value());
            let (Some(id), Some(clone)) = (tag, cluster.db_cluster_identifier()) else { continue };
            if !clone.starts_with(CLONE_PREFIX) || known.iter().any(|t| t.clone_identifier == clone) {
                continue;
            }
            // A clone of another stack's task is that stack's.
            let Ok(task) = deps.store.get(id).await else { continue };
            if task.clone_identifier == clone && !is_running(deps, &task).await? {
                owners.push(task);
            }
        }
    }
    Ok(owners)
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
