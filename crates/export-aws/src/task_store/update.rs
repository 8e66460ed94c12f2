//! The updates of a task between its admission and its end. A write that changes the status is
//! conditional on the status, so that a late step can't change that of an ended task. The other
//! writes need only an existing record.

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

/// How often a step checks whether its task was canceled.
pub const CANCEL_CHECK: Duration = Duration::from_secs(3);

/// The end of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// `Complete`, `Canceled` or `Failed`.
    pub status: Status,
    /// The time of the end, in milliseconds since the epoch.
    pub at: i64,
    /// Bytes read in total, if that is known more exactly than from the counted progress.
    pub extracted_bytes: Option<u64>,
    /// Code and message of the failure.
    pub failure: Option<(String, String)>,
    /// What the export does not hold.
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

    /// Records when the clone was first requested. The rows are as of that time or a little later.
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

    /// Records that the task owns its directory in the bucket.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn set_directory_at(&self, id: &str, at: i64) -> Result<(), StepError> {
        self.set(id, "DirectoryAt", number(at)).await
    }

    /// Records that the event about the creation of the clone was published.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn set_announced(&self, id: &str, at: i64) -> Result<(), StepError> {
        self.set(id, "AnnouncedAt", number(at)).await
    }

    /// Changes the status from `STARTING` to `IN_PROGRESS` and records the planned bytes. May be
    /// repeated.
    ///
    /// # Errors
    /// `ExportCanceled` if the task has neither of these statuses, `ServiceUnavailable`.
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

    /// Adds the progress of an invocation.
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

    /// Records why a task may fail, for steps whose own error does not reach the end of the
    /// workflow. A later call replaces the reason, unless the task has ended. The reason has an
    /// effect only if the task fails.
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

    /// Requests the cancellation of a task and returns the task.
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

    /// Returns the task, or an error if it was canceled. Loops and workers call this every few
    /// seconds.
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

    /// Runs `work`, which may take long. Drops it within seconds if the task is canceled meanwhile.
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

    /// Ends a task, frees its lock and its slot, and returns the ended task. If the task has ended
    /// already (a repeated step), or can't end this way (canceled just before it was complete), it
    /// is returned unchanged.
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
            // The recorded reason of an error that a retry overcame must not remain.
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
