//! The three operations.

use aws_sdk_rds::operation::describe_db_clusters::DescribeDBClustersError;
use export_aws::error::{found, is_transient};
use export_aws::{ErrorKind, StepError, now_millis};
use export_task::arn::ClusterArn;
use export_task::error::{ApiError, truncate_for_message};
use export_task::filter::{self, Describe, DescribeExportTasks};
use export_task::limits;
use export_task::member::ExportTaskMember;
use export_task::request::{CancelExportTask, StartExportTask};
use export_task::task::{ExportTask, TaskRef};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::Deps;

/// An operation with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// `StartExportTask`.
    Start(StartExportTask),
    /// `DescribeExportTasks`.
    Describe(Describe),
    /// `CancelExportTask`, with the task's identifier.
    Cancel(String),
}

/// The result of an operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// `StartExportTask` and `CancelExportTask` return the task.
    Task(Box<ExportTaskMember>),
    /// `DescribeExportTasks` returns a page.
    #[serde(rename_all = "PascalCase")]
    Page {
        /// The tasks.
        export_tasks: Vec<ExportTaskMember>,
        /// The start of the next page.
        #[serde(skip_serializing_if = "Option::is_none")]
        marker: Option<String>,
    },
}

impl Operation {
    /// Reads an operation from the JSON of a direct invocation: the members of the API and
    /// `Action`. A document without `Action` is a `StartExportTask`, so that the same document
    /// starts an execution of the workflow and a task here.
    ///
    /// # Errors
    /// `InvalidAction`, `InvalidParameterValue`, `MissingParameter`.
    pub fn from_json(mut event: Value) -> Result<Self, ApiError> {
        let invalid = |e: serde_json::Error| {
            ApiError::InvalidParameterValue(format!("Invalid request: {}", truncate_for_message(&e.to_string())))
        };
        let action = event.as_object_mut().and_then(|o| o.remove("Action"));
        match action.as_ref().map_or(Some("StartExportTask"), Value::as_str) {
            Some("StartExportTask") => StartExportTask::from_json(event).map(Self::Start),
            Some("CancelExportTask") => {
                serde_json::from_value::<CancelExportTask>(event).map_err(invalid)?.validate().map(Self::Cancel)
            }
            Some("DescribeExportTasks") => {
                serde_json::from_value::<DescribeExportTasks>(event).map_err(invalid)?.validate().map(Self::Describe)
            }
            other => Err(ApiError::InvalidAction(truncate_for_message(other.unwrap_or("(not a string)")))),
        }
    }
}

/// Performs an operation.
///
/// # Errors
/// The API's errors, `ServiceUnavailable`, `InternalFailure`.
pub async fn perform(deps: &Deps, operation: Operation) -> Result<Outcome, StepError> {
    match operation {
        Operation::Start(request) => start(deps, request).await,
        Operation::Describe(query) => {
            let (tasks, last) = deps.store.describe(&query).await?;
            Ok(Outcome::Page {
                export_tasks: tasks.iter().map(ExportTaskMember::from).collect(),
                marker: last.as_deref().map(filter::to_marker),
            })
        }
        Operation::Cancel(identifier) => {
            let task = deps.store.cancel(&identifier).await?;
            tracing::info!(export_task_identifier = identifier, "canceling");
            Ok(Outcome::Task(Box::new((&task).into())))
        }
    }
}

/// Admits the task under the ARN that its execution will have, then starts the execution. So the
/// caller gets the errors of the request at once, and the execution finds its own admission.
async fn start(deps: &Deps, raw: StartExportTask) -> Result<Outcome, StepError> {
    let request_json = serde_json::to_string(&raw)?;
    let request = raw.validate()?;
    let identifier = request.export_task_identifier.clone();
    if deps.store.exists(&identifier).await? {
        return Err(ApiError::ExportTaskAlreadyExists(identifier).into());
    }
    check_source(deps, &request.source_arn).await?;
    // The name of an execution can't be reused for 90 days, even if no task was admitted under it.
    // The suffix keeps an identifier usable after an execution with it was refused.
    let suffix = uuid::Uuid::new_v4().simple().to_string();
    let name = format!("{identifier}-{}", &suffix[..12]);
    let execution_arn = format!("{}:{name}", deps.state_machine_arn.replacen(":stateMachine:", ":execution:", 1));
    let task = ExportTask::new(request, execution_arn, now_millis());
    check_destination(deps, &task).await?;
    let task = deps.store.admit(&task, deps.limit).await?;
    // The execution finds its admission by the identifier. So a request that is too long for its
    // input can be left out.
    let input = match request_json.len() {
        ..=limits::EXECUTION_INPUT_BYTES => request_json,
        _ => json!({"ExportTaskIdentifier": identifier}).to_string(),
    };
    let started = deps
        .step_functions
        .start_execution()
        .state_machine_arn(&deps.state_machine_arn)
        .name(name)
        .input(input)
        .send()
        .await;
    if let Err(error) = started {
        // If the answer was lost, the execution may be running and needs the admission. If it is
        // not running, the janitor ends the task.
        if !is_transient(&error) {
            deps.store.withdraw(&task).await?;
        }
        return Err(StepError::aws("the export could not be started", error));
    }
    tracing::info!(export_task_identifier = identifier, execution_arn = task.execution_arn, "started");
    Ok(Outcome::Task(Box::new((&task).into())))
}

/// Checks that the cluster exists in this account and Region and is available.
async fn check_source(deps: &Deps, source: &ClusterArn) -> Result<(), StepError> {
    let name = &source.cluster;
    let missing = || StepError::from(ApiError::DbClusterNotFound(name.clone()));
    // No cluster has a longer name, and RDS refuses to look for one.
    if name.len() > limits::CLUSTER_IDENTIFIER_CHARS {
        return Err(missing());
    }
    let answer = deps.rds.describe_db_clusters().db_cluster_identifier(name).send().await;
    let is_missing = DescribeDBClustersError::is_db_cluster_not_found_fault;
    let answer = found(answer, is_missing, "the source DB cluster can't be looked up")?.ok_or_else(missing)?;
    let arn = source.to_string();
    let cluster = answer.db_clusters().iter().find(|c| c.db_cluster_arn() == Some(&arn)).ok_or_else(missing)?;
    match cluster.status() {
        Some("available") => Ok(()),
        status => Err(ApiError::InvalidExportSourceState(format!(
            "The DB cluster {name} can't be exported because its status is {}.",
            status.unwrap_or("unknown")
        ))
        .into()),
    }
}

/// Has `check-preconditions` check role, bucket and key, because its role may look them up. It
/// reports what AWS reports to the caller of `StartExportTask`. Anything else that is wrong with
/// them fails the task later, with a message of the guide.
async fn check_destination(deps: &Deps, task: &ExportTask) -> Result<(), StepError> {
    let input = check_preconditions::Input { task: TaskRef::from(task), probe: true };
    match deps.check_preconditions.invoke::<IgnoredAny>(&input).await? {
        Ok(_) => Ok(()),
        Err(refusal) => Err(match ApiError::from_destination(&refusal.error_type, refusal.error_message) {
            Some(error) => error.into(),
            // The function was throttled or killed, which says nothing about the request.
            None => StepError::new(ErrorKind::ServiceUnavailable, "role, bucket and key can't be checked"),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_replay::{Answer, Call, Replay, request, task_table};
    use export_aws::function::Function;
    use export_aws::task_store::TaskStore;

    use super::*;

    const CHECK: &str = "POST /2015-03-31/functions/check-preconditions/invocations";

    /// Starts the task `t`, which was not admitted before. `script` answers before the services do.
    async fn start_task(
        mut script: impl FnMut(&Call) -> Option<Answer> + Send + 'static,
    ) -> (Result<Outcome, StepError>, Replay) {
        let replay = Replay::new(move |call| {
            script(call).unwrap_or_else(|| match call.operation.as_str() {
                "GetItem" => json!({}).into(),
                "DescribeDBClusters" => Answer::Body(
                    "<DescribeDBClustersResponse><DescribeDBClustersResult><DBClusters><DBCluster>\
                     <DBClusterArn>arn:aws:rds:us-east-1:111122223333:cluster:source</DBClusterArn>\
                     <Status>available</Status></DBCluster></DBClusters></DescribeDBClustersResult>\
                     </DescribeDBClustersResponse>"
                        .into(),
                ),
                CHECK => json!({}).into(),
                "StartExecution" => json!({"executionArn": "arn", "startDate": 0}).into(),
                _ => task_table(call, &aws_replay::task()),
            })
        });
        let aws = replay.config();
        let deps = Deps {
            store: TaskStore::new(&aws, "tasks".into()),
            step_functions: aws_sdk_sfn::Client::new(&aws),
            state_machine_arn: "arn:aws:states:us-east-1:111122223333:stateMachine:export".into(),
            limit: 5,
            rds: aws_sdk_rds::Client::new(&aws),
            check_preconditions: Function::new(&aws, "check-preconditions".into()),
        };
        let operation = Operation::from_json(request()).unwrap();
        (perform(&deps, operation).await, replay)
    }

    #[tokio::test]
    async fn a_task_is_checked_then_admitted_then_started() {
        let (outcome, replay) = start_task(|_| None).await;
        assert!(matches!(outcome.unwrap(), Outcome::Task(_)));
        let order = ["GetItem", "DescribeDBClusters", CHECK, "TransactWriteItems", "StartExecution"];
        assert_eq!(replay.operations(), order);
        assert_eq!(replay.calls(CHECK)[0].json()["Probe"], true);
        let execution = replay.calls("StartExecution")[0].json();
        // The record names the execution before the execution exists.
        let admitted = replay.calls("TransactWriteItems")[0].json();
        let record = &admitted["TransactItems"][0]["Put"]["Item"];
        let name = execution["name"].as_str().unwrap();
        assert!(record["ExecutionArn"]["S"].as_str().unwrap().ends_with(&format!(":execution:export:{name}")));
        assert_eq!(serde_json::from_str::<Value>(execution["input"].as_str().unwrap()).unwrap(), request());
    }

    #[tokio::test]
    async fn what_check_preconditions_refuses_is_not_admitted() {
        for (name, kind) in [
            ("IamRoleNotFound", ErrorKind::Api("IamRoleNotFound")),
            ("KMSKeyNotAccessibleFault", ErrorKind::Api("KMSKeyNotAccessibleFault")),
            // The function was throttled or killed.
            ("ServiceUnavailable", ErrorKind::ServiceUnavailable),
            ("Runtime.ExitError", ErrorKind::ServiceUnavailable),
        ] {
            let (outcome, replay) = start_task(move |call| {
                let error = json!({"errorType": name, "errorMessage": "refused"}).to_string();
                (call.operation == CHECK).then_some(Answer::FunctionError(error))
            })
            .await;
            assert_eq!(outcome.unwrap_err().kind, kind);
            assert!(replay.calls("TransactWriteItems").is_empty());
        }
    }

    #[tokio::test]
    async fn a_used_identifier_is_refused_before_anything_is_looked_up() {
        let (outcome, replay) =
            start_task(|call| (call.operation == "GetItem").then(|| task_table(call, &aws_replay::task()))).await;
        assert_eq!(outcome.unwrap_err().kind, ErrorKind::Api("ExportTaskAlreadyExists"));
        assert_eq!(replay.operations(), ["GetItem"]);
    }

    #[tokio::test]
    async fn an_admission_is_withdrawn_only_if_the_execution_surely_does_not_run() {
        for (answer, transactions) in [
            (Answer::Error(400, "StateMachineDoesNotExist"), 2),
            // The answer is lost. The execution may run.
            (Answer::Error(500, "InternalServerError"), 1),
        ] {
            let (outcome, replay) =
                start_task(move |call| (call.operation == "StartExecution").then(|| answer.clone())).await;
            assert!(outcome.is_err());
            assert_eq!(replay.calls("TransactWriteItems").len(), transactions);
        }
    }
}
