//! Tells the world how a task ended: one message to the stack's SNS topic in the shape of RDS's own event notifications.
//!
//! # Layout
//!
//! One handler, [`handle`].

use aws_sdk_sns::types::MessageAttributeValue;
use export_aws::task_store::TaskStore;
use export_aws::{StepError, clients, config, now_millis};
use export_task::event;
use export_task::task::TaskRef;
use serde::{Deserialize, Serialize};

/// What the step needs.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// SNS.
    pub sns: aws_sdk_sns::Client,
    /// The stack's topic.
    pub topic_arn: String,
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
            sns: aws_sdk_sns::Client::new(&aws),
            topic_arn: config::required(config::TOPIC_ARN)?,
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

/// Publishes the end of a task, once: a repeated call finds that it was published. (A call that dies between the two writes
/// publishes again: at least once, never lost.)
///
/// # Errors
/// `ServiceUnavailable`; `InternalFailure` for a task that hasn't ended.
pub async fn handle(deps: &Deps, input: Input) -> Result<Output, StepError> {
    let id = &input.task.export_task_identifier;
    let task = deps.store.get(id).await?;
    let event = event::task_ended(&task).ok_or_else(|| StepError::internal("the task has not ended"))?;
    if task.published_at.is_some() {
        return Ok(Output { event_id: event.id });
    }
    let mut publish =
        deps.sns.publish().topic_arn(&deps.topic_arn).subject(event.subject).message(event.document.to_string());
    for (name, value) in event.attributes {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
        publish = publish.message_attributes(name, value.map_err(|e| StepError::internal(e.to_string()))?);
    }
    publish.send().await.map_err(|e| StepError::aws("the event can't be published", e))?;
    deps.store.set_published(id, now_millis()).await?;
    tracing::info!(export_task_identifier = id, event_id = event.id, "published");
    Ok(Output { event_id: event.id })
}
