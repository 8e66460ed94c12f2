//! Open tasks: tasks that must still be ended, published or cleaned up.

use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem, Update};
use export_task::task::ExportTask;

use super::{OPEN, TASK, TaskStore, admission::built, key, number, text, update::is_refused};
use crate::error::StepError;

/// How long a claim to publish the end of a task keeps others from publishing it.
const PUBLISHING_MILLIS: i64 = 30_000;

impl TaskStore {
    /// Returns the write that opens a task or keeps it open.
    pub(super) fn open(&self, id: &str) -> Result<TransactWriteItem, StepError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(key(OPEN, id))).build();
        Ok(TransactWriteItem::builder().put(put.map_err(built)?).build())
    }

    /// Returns all open tasks. The number of items read does not depend on the number of ended
    /// tasks.
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
                // One invalid record must not hide all others.
                Err(error) if !error.kind.is_retryable() => {
                    tracing::error!(
                        export_task_identifier = id,
                        error = error.chain(),
                        "an open task with an invalid record was skipped"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Records the ARN of the key, and the grant once there is one, so that the grant can be
    /// revoked at the end of the task. Opens the task again: a step that was running when its
    /// execution was stopped may create a grant after the clean-up.
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

    /// Claims the publication of the end of a task. Returns false if the end is published already,
    /// or if another caller holds the claim.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub(crate) async fn claim_publication(&self, id: &str, now: i64) -> Result<bool, StepError> {
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

    /// Gives up the claim of [`claim_publication`](Self::claim_publication).
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub(crate) async fn release_publication(&self, id: &str) -> Result<(), StepError> {
        self.set(id, "PublishingUntil", number(0)).await
    }

    /// Records that the end of a task is published.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub(crate) async fn set_published(&self, id: &str, at: i64) -> Result<(), StepError> {
        self.set(id, "PublishedAt", number(at)).await?;
        self.close(id).await
    }

    /// Records that the clone, the secret and the grant of a task are gone.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn set_cleaned_up(&self, id: &str, at: i64) -> Result<(), StepError> {
        self.set(id, "CleanedUpAt", number(at)).await?;
        self.close(id).await
    }

    /// Closes a task if its end is published and it is cleaned up.
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
