//! Tells the world how a task ended: one message to the stack's SNS topic in the shape of RDS's own event notifications.
//!
//! # Layout
//!
//! One handler, [`handle`].

use export_aws::publish::Publisher;
use export_aws::task_store::TaskStore;
use export_aws::{StepError, clients, config};
use export_task::task::TaskRef;
use serde::{Deserialize, Serialize};

/// What the step needs.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// The stack's topic.
    pub publisher: Publisher,
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
        })
    }
}

/// The step's input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The task.
    pub task: TaskRef,
}

/// The step's output.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// The event that was published.
    pub event_id: &'static str,
}

/// Publishes the end of a task, once.
///
/// # Errors
/// `ServiceUnavailable`; `InternalFailure` for a task that hasn't ended.
pub async fn handle(deps: &Deps, input: Input) -> Result<Output, StepError> {
    let task = deps.store.get(&input.task.export_task_identifier).await?;
    Ok(Output { event_id: deps.publisher.publish_end(&deps.store, &task).await? })
}
