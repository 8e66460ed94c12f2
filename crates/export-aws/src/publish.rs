//! Publishes events about tasks on the stack's SNS topic and on the account's default event bus.

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sns::types::MessageAttributeValue;
use export_task::event::{self, Event};
use export_task::limits;
use export_task::task::ExportTask;

use crate::error::{ErrorKind, StepError};
use crate::task_store::TaskStore;
use crate::{config, now_millis};

/// The stack's topic and the default event bus.
#[derive(Clone, Debug)]
pub struct Publisher {
    sns: aws_sdk_sns::Client,
    bus: aws_sdk_eventbridge::Client,
    topic_arn: String,
}

impl Publisher {
    /// Returns a publisher on the topic that the environment names.
    ///
    /// # Errors
    /// `InternalFailure` naming a variable.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, StepError> {
        Ok(Self::new(aws, config::required(config::TOPIC_ARN)?))
    }

    /// Returns a publisher on this topic.
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

    /// Publishes the state of a task on the event bus.
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
            // A throttled or failing bus refuses single entries of a successful call.
            Some(code) => {
                Err(StepError::new(ErrorKind::ServiceUnavailable, format!("the event can't be put on the bus: {code}")))
            }
        }
    }

    /// Publishes the end of a task and the tables that were left out, and records that. Does
    /// nothing if the end was published before. Returns false if another caller is publishing it
    /// right now.
    ///
    /// Events are delivered at least once: if a call stops before it is finished, the next one
    /// publishes again.
    ///
    /// # Errors
    /// `ServiceUnavailable`; `InternalFailure` for a task that has not ended.
    pub async fn publish_end(&self, store: &TaskStore, task: &ExportTask) -> Result<bool, StepError> {
        let id = &task.request.export_task_identifier;
        let ended = event::task_ended(task).ok_or_else(|| StepError::internal("the task has not ended"))?;
        if task.published_at.is_some() {
            return Ok(true);
        }
        if !store.claim_publication(id, now_millis()).await? {
            return Ok(false);
        }
        if let Err(error) = self.send_end(task, &ended).await {
            // The next attempt need not wait until the claim expires.
            store.release_publication(id).await?;
            return Err(error);
        }
        store.set_published(id, now_millis()).await?;
        tracing::info!(export_task_identifier = id, event_id = ended.id, "the end was published");
        Ok(true)
    }

    async fn send_end(&self, task: &ExportTask, ended: &Event) -> Result<(), StepError> {
        for table in task.warnings.skipped_tables.iter().take(limits::TABLE_EVENTS_PER_KIND) {
            self.publish(&event::table_failed(task, table, now_millis())).await?;
        }
        self.publish_state(task).await?;
        self.publish(ended).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_replay::{Answer, Replay, task, task_table};
    use export_task::task::Status;
    use serde_json::json;

    use super::*;

    /// Publishes the end of a task. `answer` replaces the answer to one operation.
    async fn publish_end(task: ExportTask, answer: Option<(&str, Answer)>) -> (Result<bool, StepError>, Replay) {
        let answer = answer.map(|(operation, answer)| (operation.to_owned(), answer));
        let stored = task.clone();
        let replay = Replay::new(move |call| match (&answer, call.operation.as_str()) {
            (Some((operation, answer)), called) if operation == called => answer.clone(),
            (_, "Publish") => Answer::Body("<PublishResponse><PublishResult/></PublishResponse>".into()),
            (_, "PutEvents") => json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}).into(),
            _ => task_table(call, &stored),
        });
        let aws = replay.config();
        let store = TaskStore::new(&aws, "tasks".into());
        (Publisher::new(&aws, "arn:topic".into()).publish_end(&store, &task).await, replay)
    }

    fn ended() -> ExportTask {
        let mut task = task();
        (task.status, task.task_end_time) = (Status::Complete, Some(1));
        task
    }

    #[tokio::test]
    async fn the_end_is_claimed_then_published_then_recorded() {
        let (result, replay) = publish_end(ended(), None).await;
        assert!(result.unwrap());
        // Two events on the bus: the state change and the event of the topic.
        assert_eq!(
            replay.operations(),
            ["UpdateItem", "PutEvents", "Publish", "PutEvents", "UpdateItem", "TransactWriteItems"]
        );
        assert!(replay.calls("Publish")[0].body.contains("RDS-EVENT-0236"));
        assert_eq!(replay.calls("UpdateItem")[1].json()["ExpressionAttributeNames"]["#name"], "PublishedAt");
    }

    #[tokio::test]
    async fn an_end_that_is_published_is_not_published_again() {
        let mut task = ended();
        task.published_at = Some(2);
        let (result, replay) = publish_end(task, None).await;
        assert!(result.unwrap());
        assert!(replay.operations().is_empty());
    }

    #[tokio::test]
    async fn the_claim_of_another_caller_is_respected() {
        let refused = Answer::Error(400, "ConditionalCheckFailedException");
        let (result, replay) = publish_end(ended(), Some(("UpdateItem", refused))).await;
        assert!(!result.unwrap());
        assert_eq!(replay.operations(), ["UpdateItem"]);
    }

    #[tokio::test]
    async fn after_an_error_the_claim_is_released_and_nothing_is_recorded() {
        for failing in ["Publish", "PutEvents"] {
            let (result, replay) = publish_end(ended(), Some((failing, Answer::Error(500, "InternalError")))).await;
            assert_eq!(result.unwrap_err().kind, ErrorKind::ServiceUnavailable);
            let updates = replay.calls("UpdateItem");
            let released = updates[1].json();
            assert_eq!(updates.len(), 2);
            assert_eq!(released["ExpressionAttributeNames"]["#name"], "PublishingUntil");
            assert_eq!(released["ExpressionAttributeValues"][":value"]["N"], "0");
        }
    }

    #[tokio::test]
    async fn an_entry_that_the_bus_refuses_is_an_error_of_a_successful_call() {
        let refused = json!({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]});
        let (result, _) = publish_end(ended(), Some(("PutEvents", refused.into()))).await;
        assert_eq!(result.unwrap_err().kind, ErrorKind::ServiceUnavailable);
    }

    #[tokio::test]
    async fn a_task_that_has_not_ended_has_no_end_to_publish() {
        let (result, replay) = publish_end(task(), None).await;
        assert_eq!(result.unwrap_err().kind, ErrorKind::InternalFailure);
        assert!(replay.operations().is_empty());
    }
}
