//! Admission of a task. One transaction checks that the identifier is new, that the account has a
//! free slot and that the cluster has no running task.

use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use aws_smithy_types::error::operation::BuildError;
use export_task::error::ApiError;
use export_task::task::{ExportTask, Status};

use super::{ACCOUNT, Item, LOCK, OPEN, SLOTS, TASK, TaskStore, key, text, write};
use crate::error::{ErrorKind, StepError};

/// Maximum number of attempts at a transaction that conflicts with others.
const ATTEMPTS: u32 = 12;

/// Positions of the task record and of the cluster's lock in the transaction of an admission.
const RECORD: usize = 0;
const CLUSTER_LOCK: usize = 1;

impl TaskStore {
    /// Admits a task. A repeated admission for the same execution succeeds and changes nothing.
    ///
    /// # Errors
    /// `ExportTaskAlreadyExists`, `InvalidExportSourceState`, `ExportTaskLimitReachedFault`,
    /// `ServiceUnavailable`.
    pub async fn admit(&self, task: &ExportTask, limit: u32) -> Result<ExportTask, StepError> {
        let id = &task.request.export_task_identifier;
        let cluster = task.request.source_arn.to_string();
        let mut lock: Item = key(LOCK, &cluster);
        lock.insert("Task".into(), text(id));
        let put = |item: Item| {
            Put::builder()
                .table_name(&self.table)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(Kind)")
                .build()
        };
        let slot = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(SLOTS, ACCOUNT)))
            .update_expression("ADD Running :task")
            .condition_expression("attribute_not_exists(Running) OR size(Running) < :limit")
            .expression_attribute_values(":task", AttributeValue::Ss(vec![id.clone()]))
            .expression_attribute_values(":limit", AttributeValue::N(limit.to_string()))
            .build();
        // In the order of the positions below.
        let writes = vec![
            TransactWriteItem::builder().put(put(write(task)?).map_err(built)?).build(),
            TransactWriteItem::builder().put(put(lock).map_err(built)?).build(),
            TransactWriteItem::builder().update(slot.map_err(built)?).build(),
            self.open(id)?,
        ];
        let failed = self.transact(writes).await?;
        if failed.is_empty() {
            return Ok(task.clone());
        }
        if failed.contains(&RECORD) {
            let admitted = self.get(id).await?;
            if admitted.execution_arn == task.execution_arn {
                return Ok(admitted);
            }
            return Err(ApiError::ExportTaskAlreadyExists(id.clone()).into());
        }
        if failed.contains(&CLUSTER_LOCK) {
            return Err(ApiError::InvalidExportSourceState(format!(
                "The DB cluster {} already has an export task in progress.",
                task.request.source_arn.cluster
            ))
            .into());
        }
        Err(ApiError::ExportTaskLimitReached(limit).into())
    }

    /// Withdraws the admission of a task whose execution could not be started.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn withdraw(&self, task: &ExportTask) -> Result<(), StepError> {
        let id = &task.request.export_task_identifier;
        let record = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key(TASK, id)))
            .condition_expression("ExecutionArn = :execution AND #status = :starting")
            .expression_attribute_names("#status", "Status")
            .expression_attribute_values(":execution", text(&task.execution_arn))
            .expression_attribute_values(":starting", text(Status::Starting.as_str()))
            .build();
        let open = Delete::builder().table_name(&self.table).set_key(Some(key(OPEN, id))).build();
        let mut writes = self.release(task)?;
        writes.push(TransactWriteItem::builder().delete(record.map_err(built)?).build());
        writes.push(TransactWriteItem::builder().delete(open.map_err(built)?).build());
        self.transact(writes).await.map(drop)
    }

    /// Returns the writes that free the lock and the slot of a task. They succeed if these are free
    /// already.
    pub(super) fn release(&self, task: &ExportTask) -> Result<Vec<TransactWriteItem>, StepError> {
        let id = &task.request.export_task_identifier;
        let lock = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key(LOCK, &task.request.source_arn.to_string())))
            .condition_expression("attribute_not_exists(Kind) OR Task = :task")
            .expression_attribute_values(":task", text(id))
            .build();
        let slot = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(SLOTS, ACCOUNT)))
            .update_expression("DELETE Running :tasks")
            .expression_attribute_values(":tasks", AttributeValue::Ss(vec![id.clone()]))
            .build();
        Ok(vec![
            TransactWriteItem::builder().delete(lock.map_err(built)?).build(),
            TransactWriteItem::builder().update(slot.map_err(built)?).build(),
        ])
    }

    /// Runs a transaction and retries it while it conflicts with others. Returns the positions of
    /// the writes whose conditions failed.
    pub(super) async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<Vec<usize>, StepError> {
        for attempt in 1..=ATTEMPTS {
            let sent = self.client.transact_write_items().set_transact_items(Some(writes.clone())).send().await;
            let error = match sent {
                Ok(_) => return Ok(Vec::new()),
                Err(error) => error,
            };
            let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error() else {
                return Err(StepError::aws("the task store can't be written", error));
            };
            let reasons = canceled.cancellation_reasons();
            let with = |code: &str| -> Vec<usize> {
                reasons.iter().enumerate().filter(|(_, r)| r.code() == Some(code)).map(|(i, _)| i).collect()
            };
            let failed = with("ConditionalCheckFailed");
            if !failed.is_empty() {
                return Ok(failed);
            }
            if with("TransactionConflict").is_empty() && with("ThrottlingError").is_empty() {
                return Err(StepError::aws("the task store can't be written", error));
            }
            // The clock is random enough for jitter: concurrent starts arrive microseconds apart.
            let jitter = crate::now_millis().unsigned_abs() % 50;
            tokio::time::sleep(Duration::from_millis(u64::from(attempt) * 20 + jitter)).await;
        }
        Err(StepError::new(ErrorKind::ServiceUnavailable, "the task store has too many conflicting writes"))
    }
}

/// Returns the error of a request that lacks a required member. The requests here have all of them;
/// an error is still better than a panic.
pub(super) fn built(error: BuildError) -> StepError {
    StepError::caused(ErrorKind::InternalFailure, "a task store request is incomplete", error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_replay::{Answer, Replay, task, task_table};
    use serde_json::json;

    use super::*;

    /// Admits the task of an execution. The table holds the task of `arn:execution`. `codes` are
    /// the reasons of a canceled transaction, one for each write.
    async fn admit(execution: &str, codes: [&str; 4]) -> (Result<ExportTask, StepError>, Replay) {
        let reasons = codes.map(|code| json!({"Code": code}));
        let replay = Replay::new(move |call| match call.operation.as_str() {
            "TransactWriteItems" => Answer::ErrorBody(
                json!({"__type": "TransactionCanceledException", "message": "canceled", "CancellationReasons": reasons}),
            ),
            _ => task_table(call, &task()),
        });
        let store = TaskStore::new(&replay.config(), "tasks".into());
        let mut task = task();
        task.execution_arn = execution.into();
        (store.admit(&task, 5).await, replay)
    }

    const FAILED: &str = "ConditionalCheckFailed";

    #[tokio::test]
    async fn a_repeated_admission_returns_the_first_one() {
        let (admitted, _) = admit("arn:execution", [FAILED, FAILED, FAILED, "None"]).await;
        assert_eq!(admitted.unwrap(), task());
    }

    #[tokio::test]
    async fn the_condition_that_failed_decides_the_error() {
        for (codes, error) in [
            ([FAILED, FAILED, FAILED, "None"], "ExportTaskAlreadyExists"),
            (["None", FAILED, FAILED, "None"], "InvalidExportSourceState"),
            (["None", "None", FAILED, "None"], "ExportTaskLimitReachedFault"),
        ] {
            let (admitted, _) = admit("arn:other", codes).await;
            assert_eq!(admitted.unwrap_err().kind, ErrorKind::Api(error));
        }
    }

    #[tokio::test]
    async fn conflicts_are_retried_and_other_reasons_are_not() {
        let (admitted, replay) = admit("arn:other", ["TransactionConflict", "None", "None", "None"]).await;
        assert_eq!(admitted.unwrap_err().kind, ErrorKind::ServiceUnavailable);
        assert_eq!(replay.operations().len(), ATTEMPTS as usize);
        let (admitted, replay) = admit("arn:other", ["ValidationError", "None", "None", "None"]).await;
        assert_eq!(admitted.unwrap_err().kind, ErrorKind::InternalFailure);
        assert_eq!(replay.operations().len(), 1);
    }
}
