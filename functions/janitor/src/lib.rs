//! The janitor. It ends, publishes and cleans up tasks whose execution failed, was aborted or timed
//! out, and it deletes clones that outlived their task.
//!
//! A rule invokes it when an execution fails, is aborted or times out, and a schedule invokes it
//! every 15 minutes. It decides what must be done and has the functions of the workflow do it:
//! `finish-export` ends a task, `delete-clone` deletes a clone. So its own role can delete neither
//! clones nor objects.

use std::time::{Duration, Instant};

use aws_sdk_sfn::operation::describe_execution::DescribeExecutionError;
use aws_sdk_sfn::types::ExecutionStatus;
use delete_clone::Deletion;
use export_aws::error::found;
use export_aws::function::Function;
use export_aws::publish::Publisher;
use export_aws::task_store::TaskStore;
use export_aws::{StepError, clients, config, now_millis};
use export_task::task::{CLONE_PREFIX, ExportTask, TASK_TAG, TaskRef};
use finish_export::{Caught, Outcome};
use serde::de::IgnoredAny;

/// An admitted task without an execution is left alone this long, because its execution may be
/// about to start.
const GRACE_MILLIS: i64 = 60_000;

/// How long one sweep repeats its calls of `delete-clone`: well within one invocation. The next
/// sweep deletes what is left.
const MAX_SWEEP_TIME: Duration = Duration::from_secs(60);

/// Pause between two calls of `delete-clone` for the same task.
const DELETION_PAUSE: Duration = Duration::from_secs(3);

/// The dependencies of the janitor.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// Lists clones.
    pub rds: aws_sdk_rds::Client,
    /// Looks executions up.
    pub step_functions: aws_sdk_sfn::Client,
    /// Publishes the end of tasks.
    pub publisher: Publisher,
    /// Ends tasks.
    pub finish_export: Function,
    /// Deletes clones and revokes grants.
    pub delete_clone: Function,
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
            rds: aws_sdk_rds::Client::new(&aws),
            step_functions: aws_sdk_sfn::Client::new(&aws),
            publisher: Publisher::from_env(&aws)?,
            finish_export: Function::from_env(&aws, config::FINISH_EXPORT_FUNCTION)?,
            delete_clone: Function::from_env(&aws, config::DELETE_CLONE_FUNCTION)?,
        })
    }
}

/// Sweeps: ends, publishes and cleans up every open task whose execution is not running. The event
/// only starts the sweep, so its content does not matter.
///
/// The error of one task does not stop the work on the others. The first error is returned at the
/// end of the sweep, so that the invocation fails visibly.
///
/// # Errors
/// `ServiceUnavailable`, `InternalFailure`.
pub async fn handle(deps: &Deps, _event: IgnoredAny) -> Result<(), StepError> {
    let began = Instant::now();
    let mut first_error = None;
    let mut record = |task: &str, result: Result<(), StepError>| {
        if let Err(error) = result {
            tracing::error!(task, error = error.chain(), "the janitor could not finish a task");
            first_error.get_or_insert(error);
        }
    };
    let mut abandoned = Vec::new();
    for task in deps.store.unfinished().await? {
        match is_running(deps, &task).await {
            Ok(true) => {}
            Ok(false) => abandoned.push(task),
            Err(error) => record(&task.request.export_task_identifier, Err(error)),
        }
    }
    for task in &mut abandoned {
        let result = end(deps, task).await;
        record(&task.request.export_task_identifier, result);
    }
    match owners_of_clones(deps, &abandoned).await {
        Ok(owners) => abandoned.extend(owners),
        Err(error) => record("clones", Err(error)),
    }
    loop {
        let mut left = Vec::new();
        for task in abandoned {
            // Many tasks can take longer than the sweep may. The next sweep continues.
            if began.elapsed() > MAX_SWEEP_TIME {
                left.push(task);
                continue;
            }
            match delete_clone(deps, &task).await {
                Ok(Deletion::Deleted) => {}
                Ok(Deletion::Deleting) => left.push(task),
                Err(error) => record(&task.request.export_task_identifier, Err(error)),
            }
        }
        abandoned = left;
        if abandoned.is_empty() || began.elapsed() > MAX_SWEEP_TIME {
            return first_error.map_or(Ok(()), Err);
        }
        tokio::time::sleep(DELETION_PAUSE).await;
    }
}

/// Ends a task with `finish-export`, as the workflow would have done, and publishes its end.
async fn end(deps: &Deps, task: &mut ExportTask) -> Result<(), StepError> {
    if !task.status.is_final() {
        let input = finish_export::Input {
            task: TaskRef::from(&*task),
            outcome: Outcome::Failed,
            error: Some(Caught {
                error: "States.Aborted".into(),
                cause: "The execution ended before the task did.".into(),
            }),
        };
        let called = deps.finish_export.invoke::<IgnoredAny>(&input).await?;
        called.map_err(|e| StepError::internal(format!("finish-export failed: {e}")))?;
        *task = deps.store.get(&task.request.export_task_identifier).await?;
    }
    // False means that another caller is publishing the end. If that caller stops early, the
    // task stays open and the next sweep publishes.
    deps.publisher.publish_end(&deps.store, task).await.map(drop)
}

/// Calls `delete-clone` once for a task.
async fn delete_clone(deps: &Deps, task: &ExportTask) -> Result<Deletion, StepError> {
    let input = delete_clone::Input { task: TaskRef::from(task) };
    let called = deps.delete_clone.invoke::<delete_clone::Output>(&input).await?;
    called.map(|output| output.status).map_err(|e| StepError::internal(format!("delete-clone failed: {e}")))
}

/// Returns the tasks beyond `known` that have a clone although their execution is not running. A
/// step that was running when its execution was stopped may have created a clone after the
/// clean-up.
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
            // The clone may belong to a task of another stack, which is not in this store.
            let Ok(task) = deps.store.get(id).await else { continue };
            if task.clone_identifier == clone && !is_running(deps, &task).await? {
                owners.push(task);
            }
        }
    }
    Ok(owners)
}

async fn is_running(deps: &Deps, task: &ExportTask) -> Result<bool, StepError> {
    let answer = deps.step_functions.describe_execution().execution_arn(&task.execution_arn).send().await;
    let is_missing = DescribeExecutionError::is_execution_does_not_exist;
    Ok(match found(answer, is_missing, "an execution can't be looked up")? {
        Some(execution) => *execution.status() == ExecutionStatus::Running,
        None => now_millis() - task.created_at < GRACE_MILLIS,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{Arc, Mutex};

    use aws_replay::{Answer, Call, Replay, task, task_table};
    use export_aws::ErrorKind;
    use export_task::task::Status;
    use serde_json::{Value, json};

    use super::*;

    const FINISH_EXPORT: &str = "POST /2015-03-31/functions/finish-export/invocations";
    const DELETE_CLONE: &str = "POST /2015-03-31/functions/delete-clone/invocations";

    fn deps(replay: &Replay) -> Deps {
        let aws = replay.config();
        let function = |name: &str| Function::new(&aws, name.into());
        Deps {
            store: TaskStore::new(&aws, "tasks".into()),
            rds: aws_sdk_rds::Client::new(&aws),
            step_functions: aws_sdk_sfn::Client::new(&aws),
            publisher: Publisher::new(&aws, "arn:topic".into()),
            finish_export: function("finish-export"),
            delete_clone: function("delete-clone"),
        }
    }

    fn event() -> IgnoredAny {
        serde_json::from_value(json!({"source": "aws.states"})).unwrap()
    }

    fn execution(status: &str) -> Answer {
        json!({"executionArn": "arn:execution", "stateMachineArn": "arn:machine", "status": status, "startDate": 0})
            .into()
    }

    fn clones(clones: &[(&str, &str)]) -> Answer {
        let cluster = |(clone, task): &(&str, &str)| {
            format!(
                "<DBCluster><DBClusterIdentifier>{clone}</DBClusterIdentifier><TagList><Tag><Key>{TASK_TAG}</Key>\
                 <Value>{task}</Value></Tag></TagList></DBCluster>"
            )
        };
        Answer::Body(format!(
            "<DescribeDBClustersResponse><DescribeDBClustersResult><DBClusters>{}</DBClusters>\
             </DescribeDBClustersResult></DescribeDBClustersResponse>",
            clones.iter().map(cluster).collect::<String>()
        ))
    }

    /// Answers as the services do when everything goes well. `finish-export` ends the task.
    fn services(call: &Call, task: &mut ExportTask) -> Answer {
        match call.operation.as_str() {
            "DescribeExecution" => execution("ABORTED"),
            "DescribeDBClusters" => clones(&[]),
            "Publish" => Answer::Body("<PublishResponse><PublishResult/></PublishResponse>".into()),
            "PutEvents" => json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}).into(),
            FINISH_EXPORT => {
                task.status = Status::Failed;
                task.task_end_time = Some(1);
                json!({"Status": "FAILED", "Error": "InternalFailure", "Cause": "cause"}).into()
            }
            DELETE_CLONE => json!({"Status": "deleted", "Wait": 5}).into(),
            _ => task_table(call, task),
        }
    }

    /// Sweeps once. `script` may replace the answers of the services.
    async fn sweep(
        mut task: ExportTask,
        mut script: impl FnMut(&Call) -> Option<Answer> + Send + 'static,
    ) -> (Result<(), StepError>, Replay) {
        let replay = Replay::new(move |call| script(call).unwrap_or_else(|| services(call, &mut task)));
        (handle(&deps(&replay), event()).await, replay)
    }

    #[tokio::test]
    async fn a_task_whose_execution_failed_is_ended_published_and_cleaned_up() {
        let reference = serde_json::to_value(TaskRef::from(&task())).unwrap();
        let (result, replay) = sweep(task(), |_| None).await;
        result.unwrap();
        let finished = &replay.calls(FINISH_EXPORT)[0].json();
        assert_eq!(
            *finished,
            json!({"Task": reference, "Outcome": "FAILED",
                "Error": {"Error": "States.Aborted", "Cause": "The execution ended before the task did."}})
        );
        assert_eq!(replay.calls("Publish").len(), 1);
        assert_eq!(replay.calls(DELETE_CLONE)[0].json(), json!({"Task": reference}));
        let order: Vec<String> = replay.operations();
        let position = |operation: &str| order.iter().position(|o| o == operation).unwrap();
        assert!(position(FINISH_EXPORT) < position("Publish") && position("Publish") < position(DELETE_CLONE));
    }

    #[tokio::test]
    async fn a_task_with_a_running_execution_is_left_alone() {
        let (result, replay) =
            sweep(task(), |call| (call.operation == "DescribeExecution").then(|| execution("RUNNING"))).await;
        result.unwrap();
        assert_eq!(replay.operations(), ["Query", "GetItem", "DescribeExecution", "DescribeDBClusters"]);
    }

    #[tokio::test]
    async fn a_missing_execution_may_be_about_to_start() {
        for (age, calls) in [(0, 0), (GRACE_MILLIS + 1_000, 1)] {
            let mut task = task();
            task.created_at = now_millis() - age;
            let (result, replay) = sweep(task, |call| {
                (call.operation == "DescribeExecution").then_some(Answer::Error(400, "ExecutionDoesNotExist"))
            })
            .await;
            result.unwrap();
            assert_eq!(replay.calls(FINISH_EXPORT).len(), calls, "{age}");
        }
    }

    #[tokio::test]
    async fn a_task_that_has_ended_is_not_ended_again() {
        for published_at in [None, Some(2)] {
            let mut task = task();
            (task.status, task.task_end_time, task.published_at) = (Status::Complete, Some(1), published_at);
            let (result, replay) = sweep(task, |_| None).await;
            result.unwrap();
            assert!(replay.calls(FINISH_EXPORT).is_empty());
            assert_eq!(replay.calls("Publish").len(), usize::from(published_at.is_none()));
            assert_eq!(replay.calls(DELETE_CLONE).len(), 1);
        }
    }

    #[tokio::test]
    async fn a_clone_that_outlived_its_task_is_deleted_and_a_clone_of_another_stack_is_not() {
        let mut ended = task();
        ended.status = Status::Failed;
        let clone = ended.clone_identifier.clone();
        // Nothing is open. One cluster is the task's clone, one belongs to a task that is not in
        // the table, one has the tag of the task but another name, one is no clone at all.
        let (result, replay) = sweep(ended, move |call| match call.operation.as_str() {
            "Query" => Some(json!({"Items": [], "Count": 0}).into()),
            "DescribeDBClusters" => {
                Some(clones(&[(&clone, "t"), ("export-clone-a", "other"), ("export-clone-b", "t"), ("source", "t")]))
            }
            _ => None,
        })
        .await;
        result.unwrap();
        let deleted: Vec<Value> = replay.calls(DELETE_CLONE).iter().map(|call| call.json()["Task"].clone()).collect();
        assert_eq!(deleted.len(), 1);
        assert_eq!(deleted[0]["ExportTaskIdentifier"], "t");
        assert!(replay.calls(FINISH_EXPORT).is_empty() && replay.calls("Publish").is_empty());
    }

    #[tokio::test]
    async fn delete_clone_is_called_until_the_clone_is_gone() {
        let calls = Arc::new(Mutex::new(0));
        let (result, _) = sweep(task(), {
            let calls = Arc::clone(&calls);
            move |call| {
                let mut calls = calls.lock().unwrap();
                *calls += u32::from(call.operation == DELETE_CLONE);
                (call.operation == DELETE_CLONE && *calls == 1).then(|| json!({"Status": "deleting", "Wait": 5}).into())
            }
        })
        .await;
        result.unwrap();
        assert_eq!(*calls.lock().unwrap(), 2);
    }

    #[tokio::test]
    async fn an_error_on_the_way_does_not_keep_the_clone_and_is_returned() {
        for failing in [FINISH_EXPORT, "Publish", "DescribeDBClusters"] {
            let (result, replay) = sweep(task(), move |call| {
                (call.operation == failing).then(|| match failing {
                    FINISH_EXPORT => {
                        Answer::FunctionError(r#"{"errorType": "DestinationDenied", "errorMessage": "m"}"#.into())
                    }
                    _ => Answer::Error(503, "ServiceUnavailable"),
                })
            })
            .await;
            let error = result.unwrap_err();
            match failing {
                FINISH_EXPORT => assert_eq!(error.to_string(), "finish-export failed: DestinationDenied: m"),
                _ => assert_eq!(error.kind, ErrorKind::ServiceUnavailable, "{error}"),
            }
            assert_eq!(replay.calls(DELETE_CLONE).len(), 1, "{failing}");
        }
    }
}
