//! Publishes events about tasks on the stack's SNS topic and on the default event bus, in the
//! format of RDS's own event notifications. The workflow calls it when extraction begins and when a
//! task has ended. A schedule calls it for the progress of all tasks that are being extracted.
//!
//! # Layout
//!
//! * [`handle`]: the three kinds of calls.
//! * [`progress`]: the call of the schedule.

pub mod progress;

use export_aws::publish::Publisher;
use export_aws::task_store::TaskStore;
use export_aws::work_bucket::StackWorkBucket;
use export_aws::{ErrorKind, StepError, clients, now_millis};
use export_task::event;
use export_task::task::{ExportTask, Status, TaskRef};
use serde::{Deserialize, Serialize};

/// The dependencies of the step.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// Publishes on the topic and on the bus.
    pub publisher: Publisher,
    /// The work bucket.
    pub work_bucket: StackWorkBucket,
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
            publisher: Publisher::from_env(&aws)?,
            work_bucket: StackWorkBucket::from_env(&aws)?,
        })
    }
}

/// The input of the step. The schedule's event has no task.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The task.
    #[serde(default)]
    pub task: Option<TaskRef>,
    /// The milestone that the task has reached.
    #[serde(default)]
    pub milestone: Milestone,
}

/// A milestone of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Milestone {
    /// The task has ended.
    #[default]
    End,
    /// The extraction begins.
    Extraction,
}

/// The output of the step.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// The IDs of the published events.
    pub event_ids: Vec<&'static str>,
}

/// Publishes the events of a task or, for the schedule, the progress of all tasks.
///
/// # Errors
/// `ServiceUnavailable`; `InternalFailure` for the end of a task that has not ended.
pub async fn handle(deps: &Deps, input: Input) -> Result<Output, StepError> {
    let Some(reference) = input.task else {
        return Ok(Output { event_ids: progress::publish(deps, now_millis()).await? });
    };
    let task = deps.store.get(&reference.export_task_identifier).await?;
    if input.milestone == Milestone::Extraction {
        return Ok(Output { event_ids: extraction(deps, &task).await? });
    }
    if !deps.publisher.publish_end(&deps.store, &task).await? {
        return Err(StepError::new(ErrorKind::ServiceUnavailable, "another call is publishing the end of the task"));
    }
    Ok(Output { event_ids: event::task_ended(&task).map(|e| e.id).into_iter().collect() })
}

async fn extraction(deps: &Deps, task: &ExportTask) -> Result<Vec<&'static str>, StepError> {
    // After the end of the task, this event would be misleading.
    if task.status != Status::InProgress {
        return Ok(Vec::new());
    }
    let plan = deps.work_bucket.for_task(&task.request.export_task_identifier).summary().await?;
    deps.publisher.publish_state(task).await?;
    let events = event::planned(task, &plan, now_millis());
    for event in &events {
        deps.publisher.publish(event).await?;
    }
    Ok(events.iter().map(|e| e.id).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_replay::{Answer, Replay, task, task_table};
    use serde_json::json;

    use super::*;

    /// Calls the handler for a task. The task table and `PutEvents` are the only services that
    /// answer, so any other call fails the test.
    async fn publish(task: ExportTask, input: serde_json::Value) -> (Result<Output, StepError>, Replay) {
        let replay = Replay::new(move |call| match call.operation.as_str() {
            "UpdateItem" => Answer::Error(400, "ConditionalCheckFailedException"),
            _ => task_table(call, &task),
        });
        let aws = replay.config();
        let deps = Deps {
            store: TaskStore::new(&aws, "tasks".into()),
            publisher: Publisher::new(&aws, "arn:topic".into()),
            work_bucket: StackWorkBucket::new(&aws, "work".into()),
        };
        (handle(&deps, serde_json::from_value(input).unwrap()).await, replay)
    }

    #[tokio::test]
    async fn an_extraction_that_is_over_is_not_announced() {
        for status in [Status::Canceling, Status::Failed, Status::Complete] {
            let mut task = task();
            task.status = status;
            let input = json!({"Task": TaskRef::from(&task), "Milestone": "EXTRACTION"});
            let (output, replay) = publish(task, input).await;
            assert!(output.unwrap().event_ids.is_empty());
            assert_eq!(replay.operations(), ["GetItem"]);
        }
    }

    #[tokio::test]
    async fn the_end_is_retried_while_another_call_publishes_it() {
        let mut task = task();
        (task.status, task.task_end_time) = (Status::Failed, Some(1));
        let input = json!({"Task": TaskRef::from(&task)});
        let (output, _) = publish(task, input).await;
        assert_eq!(output.unwrap_err().kind, ErrorKind::ServiceUnavailable);
    }

    #[tokio::test]
    async fn an_end_that_was_published_is_reported_again_without_a_second_event() {
        let mut task = task();
        (task.status, task.task_end_time, task.published_at) = (Status::Canceled, Some(1), Some(2));
        let input = json!({"Task": TaskRef::from(&task)});
        let (output, replay) = publish(task, input).await;
        assert_eq!(output.unwrap().event_ids, ["RDS-EVENT-0235"]);
        assert_eq!(replay.operations(), ["GetItem"]);
    }

    #[tokio::test]
    async fn the_schedule_publishes_nothing_about_short_extractions() {
        for (status, began) in [(Status::Starting, None), (Status::InProgress, Some(now_millis() - 60_000))] {
            let mut task = task();
            (task.status, task.task_start_time) = (status, began);
            let (output, replay) = publish(task, json!({"source": "aws.events"})).await;
            assert!(output.unwrap().event_ids.is_empty());
            assert_eq!(replay.operations(), ["Query", "GetItem"]);
        }
    }

    #[tokio::test]
    async fn the_schedule_reads_the_plan_of_a_long_extraction() {
        let mut task = task();
        (task.status, task.task_start_time) = (Status::InProgress, Some(now_millis() - 1_000_000));
        let replay = Replay::new(move |call| match call.operation.as_str() {
            "GET /work/t/plan.json" => Answer::Error(404, "NoSuchKey"),
            _ => task_table(call, &task),
        });
        let deps = Deps {
            store: TaskStore::new(&replay.config(), "tasks".into()),
            publisher: Publisher::new(&replay.config(), "arn:topic".into()),
            work_bucket: StackWorkBucket::new(&replay.config(), "work".into()),
        };
        // A missing plan is an error of this task, which the invocation reports.
        let error = progress::publish(&deps, now_millis()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InternalFailure);
        assert_eq!(replay.operations(), ["Query", "GetItem", "GET /work/t/plan.json"]);
    }
}
