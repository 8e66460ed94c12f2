//! Everything that happens to a task between admission and its end. Each write is conditional on the status machine, so that
//! a late step can't bring an ended task back.

use std::pin::pin;
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, TransactWriteItem, Update};
use export_task::error::{ApiError, truncate_for_message};
use export_task::request::is_identifier;
use export_task::task::{ExportTask, Status};
use export_task::warning::Warnings;

use serde_dynamo::to_attribute_value;

use super::{TASK, TaskStore, admission::built, key, number, read, text, unwritable};
use crate::error::StepError;

/// How often whoever works on a task looks whether it was canceled.
pub const CANCEL_CHECK: Duration = Duration::from_secs(3);

/// How a task ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// `Complete`, `Canceled` or `Failed`.
    pub status: Status,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// Bytes read in all, when that is known better than by counting.
    pub extracted_bytes: Option<u64>,
    /// Code and message of the failure.
    pub failure: Option<(String, String)>,
    /// What was left out.
    pub warnings: Warnings,
}

impl TaskStore {
    /// Sets one attribute of a task that exists.
    pub(super) async fn set(&self, id: &str, name: &str, value: AttributeValue) -> Result<(), StepError> {
        self.update(id)
            .update_expression("SET #name = :value")
            .condition_expression("attribute_exists(Kind)")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", value)
            .send()
            .await
            .map_err(|e| StepError::aws("the task can't be updated", e))?;
        Ok(())
    }

    /// Keeps when the clone was first asked for: rows are as of that moment or a little later.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn set_snapshot_time(&self, id: &str, at: i64) -> Result<(), StepError> {
        self.update(id)
            .update_expression("SET SnapshotTime = if_not_exists(SnapshotTime, :at)")
            .condition_expression("attribute_exists(Kind)")
            .expression_attribute_values(":at", number(at))
            .send()
            .await
            .map_err(|e| StepError::aws("the task can't be updated", e))?;
        Ok(())
    }

    /// Notes that the task's directory in the bucket is its own.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn set_directory_at(&self, id: &str, at: i64) -> Result<(), StepError> {
        self.set(id, "DirectoryAt", number(at)).await
    }

    /// Notes that subscribers were told how the clone is made.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn set_announced(&self, id: &str, at: i64) -> Result<(), StepError> {
        self.set(id, "AnnouncedAt", number(at)).await
    }

    /// `STARTING` → `IN_PROGRESS`, with what there is to do. Repeatable.
    ///
    /// # Errors
    /// `ExportCanceled` when the task is not starting any more, `ServiceUnavailable`.
    pub async fn begin_extraction(&self, id: &str, planned_bytes: u64, at: i64) -> Result<(), StepError> {
        let update = self
            .update(id)
            .update_expression(
                "SET #status = :next, PlannedBytes = :bytes, TaskStartTime = if_not_exists(TaskStartTime, :at)",
            )
            .condition_expression("#status IN (:starting, :next)")
            .expression_attribute_names("#status", "Status")
            .expression_attribute_values(":starting", text(Status::Starting.as_str()))
            .expression_attribute_values(":next", text(Status::InProgress.as_str()))
            .expression_attribute_values(":bytes", number(planned_bytes))
            .expression_attribute_values(":at", number(at));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(e) if is_refused(e.as_service_error()) => Err(StepError::canceled()),
            Err(e) => Err(StepError::aws("the task can't be updated", e)),
        }
    }

    /// Counts what an invocation finished.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn add_progress(&self, id: &str, finished_bytes: u64, extracted_bytes: u64) -> Result<(), StepError> {
        self.update(id)
            .update_expression("ADD FinishedBytes :finished, ExtractedBytes :extracted")
            .condition_expression("attribute_exists(Kind)")
            .expression_attribute_values(":finished", number(finished_bytes))
            .expression_attribute_values(":extracted", number(extracted_bytes))
            .send()
            .await
            .map_err(|e| StepError::aws("progress can't be counted", e))?;
        Ok(())
    }

    /// Notes why a task may be about to fail, for steps whose own error doesn't reach the end of the workflow. The last note
    /// stands, unless the task has ended; it counts only if the task fails.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn note_failure(&self, id: &str, code: &str, cause: &str) -> Result<(), StepError> {
        let update = self
            .update(id)
            .update_expression("SET FailureCode = :code, FailureCause = :cause")
            .condition_expression("#status IN (:starting, :running)")
            .expression_attribute_names("#status", "Status")
            .expression_attribute_values(":starting", text(Status::Starting.as_str()))
            .expression_attribute_values(":running", text(Status::InProgress.as_str()))
            .expression_attribute_values(":code", text(code))
            .expression_attribute_values(":cause", text(cause));
        match update.send().await {
            Err(e) if !is_refused(e.as_service_error()) => Err(StepError::aws("the task can't be updated", e)),
            _ => Ok(()),
        }
    }

    /// Asks a task to stop and returns it.
    ///
    /// # Errors
    /// `ExportTaskNotFound`, `InvalidExportTaskStateFault`, `ServiceUnavailable`.
    pub async fn cancel(&self, id: &str) -> Result<ExportTask, StepError> {
        if !is_identifier(id) {
            return Err(ApiError::ExportTaskNotFound(truncate_for_message(id)).into());
        }
        let update = self
            .update(id)
            .update_expression("SET #status = :canceling")
            .condition_expression("#status IN (:starting, :running)")
            .expression_attribute_names("#status", "Status")
            .expression_attribute_values(":canceling", text(Status::Canceling.as_str()))
            .expression_attribute_values(":starting", text(Status::Starting.as_str()))
            .expression_attribute_values(":running", text(Status::InProgress.as_str()))
            .return_values(ReturnValue::AllNew);
        match update.send().await {
            Ok(answer) => read(answer.attributes.unwrap_or_default()),
            Err(e) if is_refused(e.as_service_error()) => {
                let task = self.get(id).await?;
                task.check_cancelable()?;
                Err(StepError::new(
                    crate::ErrorKind::ServiceUnavailable,
                    "the task changed while it was being canceled",
                ))
            }
            Err(e) => Err(StepError::aws("the task can't be canceled", e)),
        }
    }

    /// The task, or an error when it was canceled: what every loop and worker asks every few seconds.
    ///
    /// # Errors
    /// `ExportCanceled`, `ServiceUnavailable`.
    pub async fn check_not_canceled(&self, id: &str) -> Result<ExportTask, StepError> {
        let task = self.get(id).await?;
        match task.status {
            Status::Starting | Status::InProgress => Ok(task),
            _ => Err(StepError::canceled()),
        }
    }

    /// Does something that may take long; when the task is canceled meanwhile, drops it within seconds.
    ///
    /// # Errors
    /// Those of `work`, `ExportCanceled`, `ServiceUnavailable`.
    pub async fn unless_canceled<T>(
        &self,
        id: &str,
        work: impl Future<Output = Result<T, StepError>>,
    ) -> Result<T, StepError> {
        let mut work = pin!(work);
        loop {
            match tokio::time::timeout(CANCEL_CHECK, &mut work).await {
                Ok(done) => return done,
                Err(_) => drop(self.check_not_canceled(id).await?),
            }
        }
    }

    /// Ends a task, frees its lock and its slot, and returns it as it ended. When the task had ended already (a repeated
    /// step), or can't end this way (canceled just before it was complete), it is returned as it is.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn end(&self, task: &ExportTask, ending: &Ending) -> Result<ExportTask, StepError> {
        let mut set = vec!["#status = :status", "TaskEndTime = :at"];
        let from = Status::sources_of(ending.status);
        let names: Vec<String> = (0..from.len()).map(|i| format!(":from{i}")).collect();
        let mut update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(TASK, &task.request.export_task_identifier)))
            .condition_expression(format!("#status IN ({})", names.join(", ")))
            .expression_attribute_names("#status", "Status")
            .expression_attribute_values(":status", text(ending.status.as_str()))
            .expression_attribute_values(":at", number(ending.at));
        for (name, status) in names.iter().zip(from) {
            update = update.expression_attribute_values(name, text(status.as_str()));
        }
        if let Some(bytes) = ending.extracted_bytes {
            set.push("ExtractedBytes = :bytes");
            update = update.expression_attribute_values(":bytes", number(bytes));
        }
        if let Some((code, cause)) = &ending.failure {
            set.extend(["FailureCode = :code", "FailureCause = :cause"]);
            update = update
                .expression_attribute_values(":code", text(code))
                .expression_attribute_values(":cause", text(cause));
        }
        if !ending.warnings.is_empty() {
            set.push("Warnings = :warnings");
            update = update
                .expression_attribute_values(":warnings", to_attribute_value(&ending.warnings).map_err(unwritable)?);
        }
        let mut expression = format!("SET {}", set.join(", "));
        if ending.failure.is_none() {
            // A note of a failure that was overcome must not outlive it.
            expression.push_str(" REMOVE FailureCode, FailureCause");
        }
        let update = update.update_expression(expression).build().map_err(built)?;
        let mut writes = self.release(task)?;
        writes.push(TransactWriteItem::builder().update(update).build());
        self.transact(writes).await?;
        self.get(&task.request.export_task_identifier).await
    }

    pub(super) fn update(&self, id: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).set_key(Some(key(TASK, id)))
    }
}

pub(super) fn is_refused(error: Option<&UpdateItemError>) -> bool {
    error.is_some_and(UpdateItemError::is_conditional_check_failed_exception)
}
