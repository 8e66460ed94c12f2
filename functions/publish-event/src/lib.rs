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

/// The input of the step. An event without a task is one of the schedule.
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
