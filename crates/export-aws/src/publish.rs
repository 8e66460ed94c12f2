//! Telling the world how a task ended: one message to the stack's SNS topic in the shape of RDS's own notifications.

use aws_sdk_sns::types::MessageAttributeValue;
use export_task::event;
use export_task::task::ExportTask;

use crate::error::StepError;
use crate::task_store::TaskStore;
use crate::{config, now_millis};

/// The stack's topic.
#[derive(Clone, Debug)]
pub struct Publisher {
    sns: aws_sdk_sns::Client,
    topic_arn: String,
}

impl Publisher {
    /// The topic the environment names.
    ///
    /// # Errors
    /// `InternalFailure` naming a variable.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, StepError> {
        Ok(Self::new(aws_sdk_sns::Client::new(aws), config::required(config::TOPIC_ARN)?))
    }

    /// A topic.
    pub fn new(sns: aws_sdk_sns::Client, topic_arn: String) -> Self {
        Self { sns, topic_arn }
    }

    /// Publishes the end of a task and notes that; a task whose end was published is left alone. (A call that dies between the
    /// two publishes again: at least once, never lost.) Returns the event's id.
    ///
    /// # Errors
    /// `ServiceUnavailable`; `InternalFailure` for a task that hasn't ended.
    pub async fn publish_end(&self, store: &TaskStore, task: &ExportTask) -> Result<&'static str, StepError> {
        let id = &task.request.export_task_identifier;
        let event = event::task_ended(task).ok_or_else(|| StepError::internal("the task has not ended"))?;
        if task.published_at.is_some() {
            return Ok(event.id);
        }
        let mut publish =
            self.sns.publish().topic_arn(&self.topic_arn).subject(event.subject).message(event.document.to_string());
        for (name, value) in event.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            publish = publish.message_attributes(name, value.map_err(|e| StepError::internal(e.to_string()))?);
        }
        publish.send().await.map_err(|e| StepError::aws("the event can't be published", e))?;
        store.set_published(id, now_millis()).await?;
        tracing::info!(export_task_identifier = id, event_id = event.id, "published");
        Ok(event.id)
    }
}
