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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_replay::{Replay, request, task, task_table};
    use export_aws::ErrorKind;
    use serde_json::json;

    use super::*;

    /// Calls the handler for an execution. The table holds the task of `arn:execution` if
    /// `is_admitted`.
    async fn validate(request: Value, execution: &str, is_admitted: bool) -> (Result<TaskRef, StepError>, Replay) {
        let replay = Replay::new(move |call| match call.operation.as_str() {
            "GetItem" if !is_admitted => json!({}).into(),
            _ => task_table(call, &task()),
        });
        let store = TaskStore::new(&replay.config(), "tasks".into());
        let deps = Deps { store, limit: 5 };
        (handle(&deps, Input { request, execution_arn: execution.into() }).await, replay)
    }

    #[tokio::test]
    async fn a_new_request_is_admitted_for_its_execution() {
        let (validated, replay) = validate(request(), "arn:execution", false).await;
        assert_eq!(validated.unwrap(), TaskRef::from(&task()));
        let record = &replay.calls("TransactWriteItems")[0].json()["TransactItems"][0]["Put"]["Item"];
        assert_eq!(record["ExecutionArn"]["S"], "arn:execution");
    }

    #[tokio::test]
    async fn the_admission_of_export_api_or_of_an_earlier_attempt_is_found() {
        // The input may be only the identifier if the request was too long.
        for request in [request(), json!({"ExportTaskIdentifier": "t"})] {
            let (validated, replay) = validate(request, "arn:execution", true).await;
            assert_eq!(validated.unwrap(), TaskRef::from(&task()));
            assert_eq!(replay.operations(), ["GetItem"]);
        }
    }

    #[tokio::test]
    async fn an_admission_for_another_execution_does_not_count() {
        let (_, replay) = validate(request(), "arn:other", true).await;
        assert_eq!(replay.operations(), ["GetItem", "TransactWriteItems"]);
    }

    #[tokio::test]
    async fn an_invalid_request_is_refused_and_admits_nothing() {
        let (validated, replay) = validate(json!({"ExportTaskIdentifier": "t"}), "arn:other", true).await;
        assert_eq!(validated.unwrap_err().kind, ErrorKind::Api("MissingParameter"));
        assert!(replay.calls("TransactWriteItems").is_empty());
    }
}
