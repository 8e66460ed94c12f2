//! First step of the workflow. Checks the request and admits the task. A request that came through
//! `export-api` was admitted there under the ARN of this execution.

use export_aws::task_store::TaskStore;
use export_aws::{StepError, clients, config, now_millis};
use export_task::limits;
use export_task::request::StartExportTask;
use export_task::task::{ExportTask, TaskRef};
use serde::Deserialize;
use serde_json::Value;

/// The dependencies of the step.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// Maximum number of tasks that run at once.
    pub limit: u32,
}

impl Deps {
    /// Reads the environment and creates the clients.
    ///
    /// # Errors
    /// `InternalFailure` naming a variable.
    pub async fn from_env() -> Result<Self, StepError> {
        let aws = clients::config().await;
        Ok(Self {
            store: TaskStore::from_env(&aws)?,
            limit: config::number(config::MAX_CONCURRENT_TASKS, limits::CONCURRENT_TASKS)?,
        })
    }
}

/// The input of the step.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The input of the execution.
    pub request: Value,
    /// ARN of the execution.
    pub execution_arn: String,
}

/// Checks the request and admits the task.
///
/// # Errors
/// The API's codes: `MissingParameter`, `InvalidParameterValue`, `InvalidExportOnly`,
/// `ExportTaskAlreadyExists`, `InvalidExportSourceState`, `ExportTaskLimitReachedFault`; or
/// `ServiceUnavailable`.
pub async fn handle(deps: &Deps, input: Input) -> Result<TaskRef, StepError> {
    let raw = StartExportTask::from_json(input.request)?;
    // A request that export-api admitted for this execution is not checked again.
    if let Some(id) = &raw.export_task_identifier
        && let Some(task) = deps.store.admitted(id, &input.execution_arn).await?
    {
        return Ok(TaskRef::from(&task));
    }
    let request = raw.validate()?;
    let task = ExportTask::new(request, input.execution_arn, now_millis());
    let admitted = deps.store.admit(&task, deps.limit).await?;
    tracing::info!(export_task_identifier = task.request.export_task_identifier, "admitted");
    Ok(TaskRef::from(&admitted))
}
