//! Tells the world about tasks, in the shape of RDS's own event notifications: on the stack's SNS topic and on the default event
//! bus. Called by the workflow when extraction begins and when a task has ended, and by a schedule for the progress of all tasks
//! that are under way.
//!
//! # Layout
//!
//! * [`handle`]: the three ways in.
//! * [`progress`]: the schedule's.

pub mod progress;

use export_aws::publish::Publisher;
use export_aws::task_store::TaskStore;
use export_aws::work_bucket::WorkBucket;
use export_aws::{ErrorKind, StepError, clients, config, now_millis};
use export_task::event;
use export_task::task::{Status, TaskRef};
use serde::{Deserialize, Serialize};

/// What the step needs.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// Topic and bus.
    pub publisher: Publisher,
    /// For the work bucket.
    pub s3: aws_sdk_s3::Client,
    /// Name of the work bucket.
    pub work_bucket: String,
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
            publisher: Publisher::from_env(&aws)?,
            s3: clients::s3(&aws),
            work_bucket: config::required(config::WORK_BUCKET)?,
        })
    }

    fn work(&self, task: &str) -> WorkBucket {
        WorkBucket::new(self.s3.clone(), self.work_bucket.clone(), task)
    }
}

/// The step's input; any other event is the schedule's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The task.
    #[serde(default)]
    pub task: Option<TaskRef>,
    /// What there is to tell of it.
    #[serde(default)]
    pub what: What,
}

/// What there is to tell of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum What {
    /// It has ended.
    #[default]
    End,
    /// It begins to extract.
    Extraction,
}

/// The step's output.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// The events that were published.
    pub event_ids: Vec<&'static str>,
}

/// Publishes.
///
/// # Errors
/// `ServiceUnavailable`; `InternalFailure` for the end of a task that hasn't ended.
pub async fn handle(deps: &Deps, input: Input) -> Result<Output, StepError> {
    let Some(reference) = input.task else {
        return Ok(Output { event_ids: progress::publish(deps, now_millis()).await? });
    };
    let task = deps.store.get(&reference.export_task_identifier).await?;
    if input.what == What::Extraction {
        return Ok(Output { event_ids: extraction(deps, &task).await? });
    }
    if !deps.publisher.publish_end(&deps.store, &task).await? {
        return Err(StepError::new(ErrorKind::ServiceUnavailable, "somebody else is publishing the end of the task"));
    }
    Ok(Output { event_ids: event::task_ended(&task).map(|e| e.id).into_iter().collect() })
}

async fn extraction(deps: &Deps, task: &export_task::task::ExportTask) -> Result<Vec<&'static str>, StepError> {
    // Told late, it would only confuse whoever has heard of the end.
    if task.status != Status::InProgress {
        return Ok(Vec::new());
    }
    let plan = deps.work(&task.request.export_task_identifier).summary().await?;
    deps.publisher.publish_state(task).await?;
    let events = event::planned(task, &plan, now_millis());
    for event in &events {
        deps.publisher.publish(event).await?;
    }
    Ok(events.iter().map(|e| e.id).collect())
}
