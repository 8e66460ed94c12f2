//! Fourth step: reads the clone's catalog, leaves out what can't be exported and says why, cuts tables into partitions, packs
//! those into work units and writes the work list to the work bucket.
//!
//! # Layout
//!
//! * [`handle`]: the step.
//! * [`workers`]: how many workers a clone is read by at once.

pub mod workers;

use cluster_source::survey::Survey;
use export_aws::task_store::TaskStore;
use export_aws::work_bucket::WorkBucket;
use export_aws::{StepError, clients, config, now_millis};
use export_task::error::ApiError;
use export_task::plan::Plan;
use export_task::task::{CloneEndpoint, TaskRef};
use serde::Deserialize;
use uuid::Uuid;

/// The most names a refusal lists: it becomes a state of the workflow and a task's `FailureCause`, a list may have 200 KB.
const UNMATCHED_NAMED: usize = 20;

/// What the step needs.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// Reads the clone's password.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// For the work bucket.
    pub s3: aws_sdk_s3::Client,
    /// Name of the work bucket.
    pub work_bucket: String,
    /// Smallest work unit, in bytes of table.
    pub target_bytes: u64,
    /// Workers that may run at once, whatever the clone could bear.
    pub max_workers: u32,
}

impl Deps {
    /// Reads the environment and makes the clients.
    ///
    /// # Errors
    /// `InternalFailure` naming a variable.
    pub async fn from_env() -> Result<Self, StepError> {
        let aws = clients::config().await;
        Ok(Self {
            store: TaskStore::new(aws_sdk_dynamodb::Client::new(&aws), config::required(config::TASK_TABLE)?),
            secrets: aws_sdk_secretsmanager::Client::new(&aws),
            s3: clients::s3(&aws),
            work_bucket: config::required(config::WORK_BUCKET)?,
            target_bytes: config::number::<u64>(config::TARGET_PARTITION_MB, 64)? << 20,
            max_workers: config::number(config::MAX_WORKERS, 200)?,
        })
    }
}

/// The step's input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The task.
    pub task: TaskRef,
    /// The clone.
    pub clone: CloneEndpoint,
}

/// Plans the export and begins its extraction.
///
/// # Errors
/// `InvalidExportOnly` when the request names what doesn't exist, `ExportCanceled`, `SourceUnavailable`,
/// `SourceAccessDenied`, `ServiceUnavailable`.
pub async fn handle(deps: &Deps, input: Input) -> Result<Plan, StepError> {
    let id = &input.task.export_task_identifier;
    deps.store.check_not_canceled(id).await?;
    deps.store.unless_canceled(id, plan(deps, &input)).await
}

async fn plan(deps: &Deps, input: &Input) -> Result<Plan, StepError> {
    let id = &input.task.export_task_identifier;
    let work = WorkBucket::new(deps.s3.clone(), deps.work_bucket.clone(), id);
    // Workers may be at work on what an earlier attempt planned.
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
    let workers = workers::of(input.clone.instance_class.as_deref()).min(deps.max_workers);
    let survey = Survey::take(&source, &only, &input.task.options, deps.target_bytes, workers)
        .await
        .map_err(clone_database::failed)?;
    let unmatched = survey.unmatched(&only);
    if !unmatched.is_empty() {
        let mut names = unmatched[..unmatched.len().min(UNMATCHED_NAMED)].join(", ");
        if unmatched.len() > UNMATCHED_NAMED {
            names = format!("{names} and {} more", unmatched.len() - UNMATCHED_NAMED);
        }
        let message = format!("The export names what doesn't exist or holds no table in the DB cluster: {names}.");
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
