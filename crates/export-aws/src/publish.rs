//! Telling the world about a task: the stack's SNS topic and the account's default event bus hear of every event.

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sns::types::MessageAttributeValue;
use export_task::event::{self, Event};
use export_task::limits;
use export_task::task::ExportTask;

use crate::error::{ErrorKind, StepError};
use crate::task_store::TaskStore;
use crate::{config, now_millis};

/// The stack's topic and the default bus.
#[derive(Clone, Debug)]
pub struct Publisher {
    sns: aws_sdk_sns::Client,
    bus: aws_sdk_eventbridge::Client,
    topic_arn: String,
}

impl Publisher {
    /// The topic the environment names.
    ///
    /// # Errors
    /// `InternalFailure` naming a variable.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, StepError> {
        Ok(Self::new(aws, config::required(config::TOPIC_ARN)?))
    }

    /// A topic.
    pub fn new(aws: &aws_config::SdkConfig, topic_arn: String) -> Self {
        Self { sns: aws_sdk_sns::Client::new(aws), bus: aws_sdk_eventbridge::Client::new(aws), topic_arn }
    }

    /// Publishes one event.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn publish(&self, event: &Event) -> Result<(), StepError> {
        let mut publish =
            self.sns.publish().topic_arn(&self.topic_arn).subject(event::SUBJECT).message(event.document.to_string());
        for (name, value) in &event.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            publish = publish.message_attributes(*name, value.map_err(|e| StepError::internal(e.to_string()))?);
        }
        publish.send().await.map_err(|e| StepError::aws("the event can't be published", e))?;
        self.put(event::BUS_EVENT, &event.resource, event.detail.to_string()).await
    }

    /// Tells the bus what has become of a task.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn publish_state(&self, task: &ExportTask) -> Result<(), StepError> {
        let source = task.request.source_arn.to_string();
        self.put(event::BUS_STATE_CHANGE, &source, event::state_change(task)).await
    }

    async fn put(&self, detail_type: &str, resource: &str, detail: String) -> Result<(), StepError> {
        let entry = PutEventsRequestEntry::builder()
            .source(event::BUS_SOURCE)
            .detail_type(detail_type)
            .resources(resource)
            .detail(detail)
            .build();
        let put = self.bus.put_events().entries(entry).send().await;
        let answer = put.map_err(|e| StepError::aws("the event can't be put on the bus", e))?;
        match answer.entries().iter().find_map(|e| e.error_code()) {
            None => Ok(()),
            // An entry is refused on its own when the bus is throttled or fails.
            Some(code) => {
                Err(StepError::new(ErrorKind::ServiceUnavailable, format!("the event can't be put on the bus: {code}")))
            }
        }
    }

    /// Publishes the end of a task, with the tables that are missing from it, and notes that. A task whose end was published is
    /// left alone. False when somebody else is publishing it at this moment. (A call that dies on the way publishes again: at
    /// least once, never lost.)
    ///
    /// # Errors
    /// `ServiceUnavailable`; `InternalFailure` for a task that hasn't ended.
    pub async fn publish_end(&self, store: &TaskStore, task: &ExportTask) -> Result<bool, StepError> {
        let id = &task.request.export_task_identifier;
        let ended = event::task_ended(task).ok_or_else(|| StepError::internal("the task has not ended"))?;
        if task.published_at.is_some() {
            return Ok(true);
        }
        if !store.claim_publication(id, now_millis()).await? {
            return Ok(false);
        }
        if let Err(error) = self.tell_end(task, &ended).await {
            // The next try need not wait for the claim to run out.
            store.release_publication(id).await?;
            return Err(error);
        }
        store.set_published(id, now_millis()).await?;
        tracing::info!(export_task_identifier = id, event_id = ended.id, "published");
        Ok(true)
    }

    async fn tell_end(&self, task: &ExportTask, ended: &Event) -> Result<(), StepError> {
        for table in task.warnings.skipped_tables.iter().take(limits::TABLE_EVENTS_PER_KIND) {
            self.publish(&event::table_failed(task, table, now_millis())).await?;
        }
        self.publish_state(task).await?;
        self.publish(ended).await
    }
}
