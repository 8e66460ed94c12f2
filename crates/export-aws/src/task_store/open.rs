//! Tasks that are not done with yet: to be ended, told of, or cleaned up after.

use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem, Update};
use export_task::task::ExportTask;

use super::{OPEN, TASK, TaskStore, admission::built, key, number, text, update::is_refused};
use crate::error::StepError;

/// How long whoever publishes the end of a task keeps others from doing so too.
const PUBLISHING_MILLIS: i64 = 30_000;

impl TaskStore {
    /// The write that opens a task, or keeps it open.
    pub(super) fn open(&self, id: &str) -> Result<TransactWriteItem, StepError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(key(OPEN, id))).build();
        Ok(TransactWriteItem::builder().put(put.map_err(built)?).build())
    }

    /// Every open task. As many items are read as there are, however many tasks there were.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn unfinished(&self) -> Result<Vec<ExportTask>, StepError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("Kind = :kind")
            .expression_attribute_values(":kind", text(OPEN))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| StepError::aws("the open tasks can't be listed", e))?;
            let Some(id) = item.get("Id").and_then(|id| id.as_s().ok()) else { continue };
            match self.get(id).await {
                Ok(task) => found.push(task),
                // One record nobody can read must not hide all others.
                Err(error) if !error.kind.is_retryable() => {
                    tracing::error!(export_task_identifier = id, error = error.chain(), "an open task was passed over");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Keeps the key's ARN, and the grant once there is one, so that the end of the task can take it back. Opens the task
    /// again: a step that was under way when its execution was stopped may grant after everything was cleaned up.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn set_key(&self, id: &str, key_arn: &str, grant_id: Option<&str>) -> Result<(), StepError> {
        let mut set = "SET KmsKeyArn = :key".to_owned();
        let mut update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(TASK, id)))
            .condition_expression("attribute_exists(Kind)")
            .expression_attribute_values(":key", text(key_arn));
        if let Some(grant) = grant_id {
            set.push_str(", GrantId = :grant");
            update = update.expression_attribute_values(":grant", text(grant));
        }
        let update = update.update_expression(format!("{set} REMOVE CleanedUpAt")).build().map_err(built)?;
        self.transact(vec![TransactWriteItem::builder().update(update).build(), self.open(id)?]).await.map(drop)
    }

    /// Takes it upon the caller to publish the end of a task. False when it was published, or somebody else is at it.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn claim_publication(&self, id: &str, now: i64) -> Result<bool, StepError> {
        let claimed = self
            .update(id)
            .update_expression("SET PublishingUntil = :until")
            .condition_expression(
                "attribute_not_exists(PublishedAt) AND (attribute_not_exists(PublishingUntil) OR PublishingUntil < :now)",
            )
            .expression_attribute_values(":until", number(now + PUBLISHING_MILLIS))
            .expression_attribute_values(":now", number(now))
            .send()
            .await;
        match claimed {
            Ok(_) => Ok(true),
            Err(e) if is_refused(e.as_service_error()) => Ok(false),
            Err(e) => Err(StepError::aws("the task can't be updated", e)),
        }
    }

    /// Gives back what [`claim_publication`](Self::claim_publication) took.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn release_publication(&self, id: &str) -> Result<(), StepError> {
        self.set(id, "PublishingUntil", number(0)).await
    }

    /// Marks the end of a task as published.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn set_published(&self, id: &str, at: i64) -> Result<(), StepError> {
        self.set(id, "PublishedAt", number(at)).await?;
        self.close(id).await
    }

    /// Marks clone, secret and grant of a task as gone.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn set_cleaned_up(&self, id: &str, at: i64) -> Result<(), StepError> {
        self.set(id, "CleanedUpAt", number(at)).await?;
        self.close(id).await
    }

    /// Closes a task that is told of and cleaned up after.
    async fn close(&self, id: &str) -> Result<(), StepError> {
        let done = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(key(TASK, id)))
            .condition_expression("attribute_exists(PublishedAt) AND attribute_exists(CleanedUpAt)")
            .build();
        let open = Delete::builder().table_name(&self.table).set_key(Some(key(OPEN, id))).build();
        let writes = vec![
            TransactWriteItem::builder().condition_check(done.map_err(built)?).build(),
            TransactWriteItem::builder().delete(open.map_err(built)?).build(),
        ];
        self.transact(writes).await.map(drop)
    }
}
