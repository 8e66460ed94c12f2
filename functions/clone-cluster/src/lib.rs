//! Third step, called again until it answers `available`: a copy-on-write clone of the source cluster, its one instance, and
//! a master password that RDS itself makes and keeps in Secrets Manager. Every look at what is there does what is missing, so
//! it can be repeated at any point. A call lasts for many looks: a workflow that waits can't notice that its task was canceled.
//!
//! # Layout
//!
//! * [`handle`]: looks, until there is a clone or the call has lasted long enough.
//! * [`restore`]: the request that makes the clone.

pub mod restore;

use std::time::{Duration, Instant};

use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::operation::create_db_instance::CreateDBInstanceError;
use aws_sdk_rds::operation::describe_db_clusters::DescribeDBClustersError;
use aws_sdk_rds::types::{DbCluster, DbInstance, Tag};
use export_aws::publish::Publisher;
use export_aws::task_store::TaskStore;
use export_aws::{ErrorKind, StepError, clients, config, error, now_millis};
use export_task::event;
use export_task::failure::Failure;
use export_task::task::{CloneEndpoint, ExportTask, TASK_TAG, TaskRef};
use serde::Deserialize;

/// How long a call lasts at most, but for its last look. The workflow's 25,000 events last for its 14 days, and the function's
/// timeout leaves two minutes for a look.
const HOLD: Duration = Duration::from_secs(600);

/// How often in a row RDS may be busy before the workflow is told, which then waits for minutes.
const BUSY_LOOKS: u32 = 8;

/// What the step needs.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// RDS.
    pub rds: aws_sdk_rds::Client,
    /// Instance class of clones.
    pub instance_class: String,
    /// Security group that lets the workers in.
    pub security_group: Option<String>,
    /// Tells how the clone is made.
    pub publisher: Publisher,
    /// How long a call lasts at most, but for its last look.
    pub hold: Duration,
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
            rds: aws_sdk_rds::Client::new(&aws),
            instance_class: config::required(config::CLONE_INSTANCE_CLASS)?,
            security_group: config::optional(config::CLONE_SECURITY_GROUP_ID),
            publisher: Publisher::from_env(&aws)?,
            hold: HOLD,
        })
    }
}

/// The step's input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The task.
    pub task: TaskRef,
}

/// Brings the clone forward until it is available or the call has lasted long enough, and says how far it is.
///
/// # Errors
/// `CloneFailed`, `ExportCanceled`, `ServiceUnavailable`.
pub async fn handle(deps: &Deps, input: Input) -> Result<CloneEndpoint, StepError> {
    let (id, began) = (&input.task.export_task_identifier, Instant::now());
    let mut busy = 0;
    loop {
        let record = deps.store.check_not_canceled(id).await?;
        match step(deps, &input.task, &record).await {
            Ok(clone) if clone.status == "available" || began.elapsed() >= deps.hold => return Ok(clone),
            Ok(_) => busy = 0,
            Err(error) if error.kind == ErrorKind::ServiceUnavailable && busy < BUSY_LOOKS => {
                busy += 1;
                tracing::warn!(export_task_identifier = id, error = error.chain(), "RDS is asked again");
            }
            Err(error) => return Err(error),
        }
        let age = record.snapshot_time.map_or(0, |since| now_millis() - since);
        let wait = async {
            tokio::time::sleep(until_next_look(age, busy)).await;
            Ok(())
        };
        deps.store.unless_canceled(id, wait).await?;
    }
}

/// A tenth of the time the clone has taken so far, so that little of it is lost, and more while RDS is busy; at least a fifth
/// of a second and at most half a minute.
fn until_next_look(age_millis: i64, busy: u32) -> Duration {
    let tenth = u64::try_from(age_millis / 10).unwrap_or(0).clamp(200, 30_000);
    Duration::from_millis((tenth << busy).min(30_000))
}

async fn step(deps: &Deps, task: &TaskRef, record: &ExportTask) -> Result<CloneEndpoint, StepError> {
    let Some(clone) = find(&deps.rds, &task.clone_identifier).await? else {
        let Some(source) = find(&deps.rds, &task.source_arn.cluster).await? else {
            return Err(failed(task));
        };
        deps.store.set_snapshot_time(&task.export_task_identifier, now_millis()).await?;
        restore::start(deps, task, &source).await?;
        return Ok(creating(&source));
    };
    announce(deps, task, record, &clone).await?;
    match clone.status() {
        Some("available") => {}
        Some(status) if is_lost(status) => return Err(failed(task)),
        _ => return Ok(creating(&clone)),
    }
    // A clone may still name its source's secret; that one is not the clone's, and not for us to read.
    let source = find(&deps.rds, &task.source_arn.cluster).await?;
    let sources_secret = source.as_ref().and_then(|s| s.master_user_secret()).and_then(|s| s.secret_arn());
    let secret = clone.master_user_secret().filter(|s| s.secret_arn() != sources_secret || sources_secret.is_none());
    if secret.is_none() {
        deps.rds
            .modify_db_cluster()
            .db_cluster_identifier(&task.clone_identifier)
            .manage_master_user_password(true)
            .apply_immediately(true)
            .send()
            .await
            .map_err(|e| clone_error("the clone's password can't be set", e))?;
    }
    if clone.db_cluster_members().is_empty() {
        create_instance(deps, task, &clone).await?;
        return Ok(creating(&clone));
    }
    let secret = secret.filter(|s| s.secret_status() == Some("active")).and_then(|s| s.secret_arn());
    match secret.zip(available_instance(deps, task).await?) {
        Some((secret, instance)) => Ok(CloneEndpoint {
            status: "available".into(),
            instance_class: instance.db_instance_class,
            host: clone.endpoint().map(str::to_owned),
            database: clone.database_name().map(str::to_owned),
            port: clone.port().and_then(|p| u16::try_from(p).ok()),
            engine: clone.engine().unwrap_or_default().to_owned(),
            secret_arn: Some(secret.to_owned()),
        }),
        None => Ok(creating(&clone)),
    }
}

/// Tells once that the cluster is being cloned; or copied, which takes longer: then the clone is no relative of its source.
/// That nobody can be told is no reason not to clone; the next call tries again.
async fn announce(deps: &Deps, task: &TaskRef, record: &ExportTask, clone: &DbCluster) -> Result<(), StepError> {
    if record.announced_at.is_some() {
        return Ok(());
    }
    let source = find(&deps.rds, &task.source_arn.cluster).await?;
    let groups = source.as_ref().and_then(|s| s.clone_group_id()).zip(clone.clone_group_id());
    let now = now_millis();
    let event = match groups {
        Some((source, clone)) if source != clone => event::copying(record, now),
        _ => event::stage(record, "CLONING", now),
    };
    match deps.publisher.publish(&event).await {
        Ok(()) => deps.store.set_announced(&task.export_task_identifier, now).await,
        Err(error) => {
            let id = &task.export_task_identifier;
            tracing::warn!(export_task_identifier = id, error = error.chain(), "the stage was not published");
            Ok(())
        }
    }
}

async fn find(rds: &aws_sdk_rds::Client, identifier: &str) -> Result<Option<DbCluster>, StepError> {
    match rds.describe_db_clusters().db_cluster_identifier(identifier).send().await {
        Ok(answer) => Ok(answer.db_clusters.unwrap_or_default().into_iter().next()),
        Err(e) if e.as_service_error().is_some_and(DescribeDBClustersError::is_db_cluster_not_found_fault) => Ok(None),
        Err(e) => Err(StepError::aws("a DB cluster can't be looked up", e)),
    }
}

async fn create_instance(deps: &Deps, task: &TaskRef, clone: &DbCluster) -> Result<(), StepError> {
    let created = deps
        .rds
        .create_db_instance()
        .db_instance_identifier(&task.clone_identifier)
        .db_cluster_identifier(&task.clone_identifier)
        .db_instance_class(&deps.instance_class)
        .engine(clone.engine().unwrap_or_default())
        .publicly_accessible(false)
        .auto_minor_version_upgrade(false)
        .tags(task_tag(task))
        .send()
        .await;
    match created {
        Ok(_) => Ok(()),
        Err(e) if e.as_service_error().is_some_and(CreateDBInstanceError::is_db_instance_already_exists_fault) => {
            Ok(())
        }
        Err(e) => Err(clone_error("the clone's instance can't be created", e)),
    }
}

async fn available_instance(deps: &Deps, task: &TaskRef) -> Result<Option<DbInstance>, StepError> {
    let answer = deps
        .rds
        .describe_db_instances()
        .db_instance_identifier(&task.clone_identifier)
        .send()
        .await
        .map_err(|e| StepError::aws("the clone's instance can't be looked up", e))?;
    let instance = answer.db_instances.unwrap_or_default().into_iter().next();
    match instance.as_ref().and_then(|i| i.db_instance_status()) {
        Some("available") => Ok(instance),
        Some(status) if is_lost(status) => Err(failed(task)),
        _ => Ok(None),
    }
}

/// Whether a cluster or an instance of this status will never become available by itself.
fn is_lost(status: &str) -> bool {
    matches!(
        status,
        "failed" | "cloning-failed" | "migration-failed" | "restore-error" | "deleting" | "deleted" | "stopped"
    ) || ["incompatible-", "inaccessible-", "insufficient-"].iter().any(|lost| status.starts_with(lost))
}

/// The tag by which a clone is known to belong to a task.
fn task_tag(task: &TaskRef) -> Tag {
    Tag::builder().key(TASK_TAG).value(&task.export_task_identifier).build()
}

fn creating(cluster: &DbCluster) -> CloneEndpoint {
    CloneEndpoint {
        status: "creating".into(),
        host: None,
        port: None,
        database: None,
        engine: cluster.engine().unwrap_or_default().to_owned(),
        instance_class: None,
        secret_arn: None,
    }
}

/// The guide's message: "The source DB cluster can't be cloned."
fn failed(task: &TaskRef) -> StepError {
    StepError::new(ErrorKind::CloneFailed, Failure::SourceCluster(task.source_arn.cluster.clone()).to_string())
}

/// An RDS refusal ends the task, anything that passes is retried.
fn clone_error<E>(what: &str, e: aws_sdk_rds::error::SdkError<E>) -> StepError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    // A state that a following call no longer finds, such as a modification still under way, passes too.
    let passes = error::is_transient(&e) || e.code().is_some_and(|c| c.starts_with("InvalidDB"));
    let mut step = StepError::aws(what, e);
    step.kind = if passes { ErrorKind::ServiceUnavailable } else { ErrorKind::CloneFailed };
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_grow_rarer() {
        let millis = |age, busy| until_next_look(age, busy).as_millis();
        assert_eq!([millis(-5, 0), millis(0, 0), millis(2_000, 0)], [200; 3]);
        assert_eq!((millis(60_000, 0), millis(300_000, 0), millis(i64::MAX, BUSY_LOOKS)), (6_000, 30_000, 30_000));
        assert_eq!((millis(0, 1), millis(0, 4), millis(0, BUSY_LOOKS)), (400, 3_200, 30_000));
    }

    #[test]
    fn an_execution_can_wait_for_its_fourteen_days() {
        // Entering, scheduling, starting, succeeding and leaving CloneCluster, entering and leaving IsCloneAvailable.
        let events = 14 * 24 * 60 * 60 / HOLD.as_secs() * 7;
        assert!(events < 20_000, "{events}");
    }
}
