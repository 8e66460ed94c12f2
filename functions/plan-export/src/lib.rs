//! Fourth step. Reads the catalog of the clone, skips what can't be exported and records why, cuts
//! tables into partitions, packs partitions into work units and writes the plan to the work bucket.
//!
//! # Layout
//!
//! * [`handle`]: the step.

use export_aws::task_store::TaskStore;
use export_aws::work_bucket::{StackWorkBucket, WorkBucket};
use export_aws::{StepError, clients, config, now_millis};
use export_planner::{Survey, workers};
use export_task::error::ApiError;
use export_task::plan::Plan;
use export_task::task::{CloneEndpoint, TaskRef};
use serde::Deserialize;
use uuid::Uuid;

/// Maximum number of names in an error. The error becomes part of the workflow's state and the
/// `FailureCause` of the task, and the list of the request may have 200 KB.
const MAX_UNMATCHED_NAMES: usize = 20;

/// The dependencies of the step.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// Reads the password of the clone.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// The work bucket.
    pub work_bucket: StackWorkBucket,
    /// Minimum size of a work unit, in bytes of table data.
    pub target_bytes: u64,
    /// Maximum number of workers that run at once, even if the clone could serve more.
    pub max_workers: u32,
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
            secrets: aws_sdk_secretsmanager::Client::new(&aws),
            work_bucket: StackWorkBucket::from_env(&aws)?,
            target_bytes: config::number::<u64>(config::TARGET_PARTITION_MB, 64)? << 20,
            max_workers: config::number(config::MAX_WORKERS, 200)?,
        })
    }
}

/// The input of the step.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The task.
    pub task: TaskRef,
    /// The clone.
    pub clone: CloneEndpoint,
}

/// Plans the export and sets the status of the task to `IN_PROGRESS`.
///
/// # Errors
/// `InvalidExportOnly` if the request names something that does not exist, `ExportCanceled`,
/// `SourceUnavailable`, `SourceAccessDenied`, `ServiceUnavailable`.
pub async fn handle(deps: &Deps, input: Input) -> Result<Plan, StepError> {
    let id = &input.task.export_task_identifier;
    deps.store.check_not_canceled(id).await?;
    deps.store.unless_canceled(id, plan(deps, &input)).await
}

async fn plan(deps: &Deps, input: &Input) -> Result<Plan, StepError> {
    let id = &input.task.export_task_identifier;
    let work = deps.work_bucket.for_task(id);
    // Workers may be working on the plan of an earlier attempt.
    let plan = match work.plan().await? {
        Some(plan) => plan,
        None => survey(deps, input, &work).await?,
    };
    deps.store.begin_extraction(id, plan.bytes, now_millis()).await?;
    tracing::info!(
        export_task_identifier = id,
        tables = plan.tables,
        units = plan.units,
        bytes = plan.bytes,
        "planned"
    );
    Ok(plan)
}

async fn survey(deps: &Deps, input: &Input, work: &WorkBucket) -> Result<Plan, StepError> {
    let id = &input.task.export_task_identifier;
    let only = deps.store.get(id).await?.request.export_only;
    let source = clone_database::source(&deps.secrets, &input.clone).await?.knowing(only.databases());
    let workers = workers::for_instance(input.clone.instance_class.as_deref()).min(deps.max_workers);
    let survey = Survey::take(&source, &only, &input.task.options, deps.target_bytes, workers)
        .await
        .map_err(clone_database::failed)?;
    let unmatched = survey.unmatched(&only);
    if !unmatched.is_empty() {
        let mut names = unmatched[..unmatched.len().min(MAX_UNMATCHED_NAMES)].join(", ");
        if unmatched.len() > MAX_UNMATCHED_NAMES {
            names = format!("{names} and {} more", unmatched.len() - MAX_UNMATCHED_NAMES);
        }
        let message =
            format!("These entries of ExportOnly don't exist or contain no table in the DB cluster: {names}.");
        return Err(ApiError::InvalidExportOnly(message).into());
    }
    let attempt = Uuid::new_v4().to_string();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let plan = Plan {
        items_key: work.items_key(&attempt),
        results_prefix: work.map_results_prefix(),
        max_concurrency: survey.workers,
        units: count(survey.counts.len() + survey.units.len()),
        tables: count(survey.tables.len()),
        bytes: survey.bytes(),
    };
    work.put_plan(&attempt, plan, &survey.summary(), survey.work_units()).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_replay::{Answer, Replay, task, task_table};
    use export_aws::ErrorKind;
    use export_task::task::Status;
    use serde_json::json;

    use super::*;

    /// Calls the handler for a task that was planned before. The catalog of the clone and the
    /// password can't be read, so a second plan fails the test.
    async fn plan_again(status: Status, begins: Answer) -> (Result<Plan, StepError>, Replay) {
        let mut stored = task();
        stored.status = status;
        let plan = json!({"ItemsKey": "items", "ResultsPrefix": "results", "MaxConcurrency": 2, "Units": 3,
            "Tables": 1, "Bytes": 7});
        let planned = json!({"Plan": plan, "Summary": {"Tables": [], "Skipped": [], "UnreadableDatabases": []}});
        let replay = Replay::new(move |call| match call.operation.as_str() {
            "GET /work/t/plan.json" => planned.clone().into(),
            "UpdateItem" => begins.clone(),
            _ => task_table(call, &stored),
        });
        let aws = replay.config();
        let deps = Deps {
            store: TaskStore::new(&aws, "tasks".into()),
            secrets: aws_sdk_secretsmanager::Client::new(&aws),
            work_bucket: StackWorkBucket::new(&aws, "work".into()),
            target_bytes: 1,
            max_workers: 1,
        };
        let clone = json!({"Status": "available", "Engine": "aurora-postgresql"});
        let input = Input { task: TaskRef::from(&task()), clone: serde_json::from_value(clone).unwrap() };
        (handle(&deps, input).await, replay)
    }

    #[tokio::test]
    async fn a_repeated_call_uses_the_plan_of_the_first_one() {
        let (plan, replay) = plan_again(Status::Starting, json!({}).into()).await;
        assert_eq!(plan.unwrap().units, 3);
        assert_eq!(replay.operations(), ["GetItem", "GET /work/t/plan.json", "UpdateItem"]);
        assert_eq!(replay.calls("UpdateItem")[0].json()["ExpressionAttributeValues"][":bytes"]["N"], "7");
    }

    #[tokio::test]
    async fn a_canceled_task_is_not_planned() {
        let (plan, replay) = plan_again(Status::Canceling, json!({}).into()).await;
        assert_eq!(plan.unwrap_err().kind, ErrorKind::ExportCanceled);
        assert_eq!(replay.operations(), ["GetItem"]);
    }

    #[tokio::test]
    async fn a_task_that_is_canceled_while_it_is_planned_does_not_begin() {
        let refused = Answer::Error(400, "ConditionalCheckFailedException");
        let (plan, _) = plan_again(Status::Starting, refused).await;
        assert_eq!(plan.unwrap_err().kind, ErrorKind::ExportCanceled);
    }
}
