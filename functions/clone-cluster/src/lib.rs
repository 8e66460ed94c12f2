//! Third step, called again until it answers `available`. Creates a copy-on-write clone of the
//! source cluster, its one instance, and a master password that RDS generates and keeps in Secrets
//! Manager.
//!
//! Each poll looks up what exists and requests what is missing, so the step can be repeated at any
//! point. One call polls many times, because a workflow that waits can't notice that its task was
//! canceled.
//!
//! # Layout
//!
//! * [`handle`]: polls until there is a clone or the call has lasted long enough.
//! * [`restore`]: the request that creates the clone.

pub mod restore;

use std::time::{Duration, Instant};

use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::operation::create_db_instance::CreateDBInstanceError;
use aws_sdk_rds::operation::describe_db_clusters::DescribeDBClustersError;
use aws_sdk_rds::types::{DbCluster, DbInstance, Tag};
use export_aws::error::{found, is_transient};
use export_aws::publish::Publisher;
use export_aws::task_store::TaskStore;
use export_aws::{ErrorKind, StepError, clients, config, now_millis};
use export_task::event;
use export_task::failure::Failure;
use export_task::task::{CloneEndpoint, ExportTask, TASK_TAG, TaskRef};
use serde::Deserialize;

/// Maximum time one invocation polls before it returns. With it the workflow's 25,000 events last
/// for its 14 days, and the timeout of the function leaves two minutes for the last poll.
const MAX_POLL_TIME: Duration = Duration::from_secs(600);

/// Number of failed polls in a row before the error is returned to the workflow, which then waits
/// for minutes.
const MAX_FAILED_POLLS: u32 = 8;

/// The dependencies of the step.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// RDS.
    pub rds: aws_sdk_rds::Client,
    /// Instance class of clones.
    pub instance_class: String,
    /// Security group that lets the workers reach the clone.
    pub security_group: Option<String>,
    /// Publishes how the clone is created.
    pub publisher: Publisher,
    /// Maximum time one invocation polls before it returns.
    pub max_poll_time: Duration,
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
            rds: aws_sdk_rds::Client::new(&aws),
            instance_class: config::required(config::CLONE_INSTANCE_CLASS)?,
            security_group: config::optional(config::CLONE_SECURITY_GROUP_ID),
            publisher: Publisher::from_env(&aws)?,
            max_poll_time: MAX_POLL_TIME,
        })
    }
}

/// The input of the step.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The task.
    pub task: TaskRef,
}

/// Polls until the clone is available or the call has lasted long enough, and returns the state of
/// the clone.
///
/// # Errors
/// `CloneFailed`, `ExportCanceled`, `ServiceUnavailable`.
pub async fn handle(deps: &Deps, input: Input) -> Result<CloneEndpoint, StepError> {
    let (id, began) = (&input.task.export_task_identifier, Instant::now());
    let mut failed_polls = 0;
    loop {
        let record = deps.store.check_not_canceled(id).await?;
        match poll(deps, &input.task, &record).await {
            Ok(clone) if clone.status == "available" || began.elapsed() >= deps.max_poll_time => return Ok(clone),
            Ok(_) => failed_polls = 0,
            Err(error) if error.kind == ErrorKind::ServiceUnavailable && failed_polls < MAX_FAILED_POLLS => {
                failed_polls += 1;
                tracing::warn!(
                    export_task_identifier = id,
                    error = error.chain(),
                    "a poll of RDS failed and is repeated"
                );
            }
            Err(error) => return Err(error),
        }
        let age = record.snapshot_time.map_or(0, |since| now_millis() - since);
        let wait = async {
            tokio::time::sleep(until_next_poll(age, failed_polls)).await;
            Ok(())
        };
        deps.store.unless_canceled(id, wait).await?;
    }
}

/// Returns the time until the next poll: a tenth of the age of the clone, so that a poll wastes at
/// most a tenth of the time; at least a fifth of a second and at most half a minute. Each failed
/// poll in a row doubles it.
fn until_next_poll(age_millis: i64, failed_polls: u32) -> Duration {
    let tenth = u64::try_from(age_millis / 10).unwrap_or(0).clamp(200, 30_000);
    Duration::from_millis((tenth << failed_polls).min(30_000))
}

/// Looks up the clone and requests what is missing.
async fn poll(deps: &Deps, task: &TaskRef, record: &ExportTask) -> Result<CloneEndpoint, StepError> {
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
    // RDS does not document whether a new clone names the secret of its source. That secret must
    // not be read.
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

/// Publishes once that the cluster is being cloned, or that it is being copied, which takes longer.
/// The clone group of a copy differs from that of its source. If the event can't be published,
/// cloning goes on and the next poll tries again.
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
            tracing::warn!(
                export_task_identifier = id,
                error = error.chain(),
                "the event about the clone was not published"
            );
            Ok(())
        }
    }
}

async fn find(rds: &aws_sdk_rds::Client, identifier: &str) -> Result<Option<DbCluster>, StepError> {
    let answer = rds.describe_db_clusters().db_cluster_identifier(identifier).send().await;
    let is_missing = DescribeDBClustersError::is_db_cluster_not_found_fault;
    let answer = found(answer, is_missing, "a DB cluster can't be looked up")?;
    Ok(answer.and_then(|answer| answer.db_clusters.unwrap_or_default().into_iter().next()))
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

/// Returns whether a cluster or an instance with this status will never become available by itself.
fn is_lost(status: &str) -> bool {
    matches!(
        status,
        "failed" | "cloning-failed" | "migration-failed" | "restore-error" | "deleting" | "deleted" | "stopped"
    ) || ["incompatible-", "inaccessible-", "insufficient-"].iter().any(|lost| status.starts_with(lost))
}

/// Returns the tag that names the task of a clone.
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

/// Returns the guide's error for a source cluster that can't be cloned.
fn failed(task: &TaskRef) -> StepError {
    StepError::new(ErrorKind::CloneFailed, Failure::SourceCluster(task.source_arn.cluster.clone()).to_string())
}

/// Returns the error of a failed RDS call. A refusal ends the task; a temporary error is retried.
fn clone_error<E>(context: &str, e: aws_sdk_rds::error::SdkError<E>) -> StepError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    // A state that changes by itself, such as a modification in progress, is temporary too.
    let temporary = is_transient(&e) || e.code().is_some_and(|c| c.starts_with("InvalidDB"));
    let mut step = StepError::aws(context, e);
    step.kind = if temporary { ErrorKind::ServiceUnavailable } else { ErrorKind::CloneFailed };
    step
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_replay::{Answer, Call, Replay, task, task_table};
    use export_task::task::Status;
    use serde_json::json;

    use super::*;

    #[test]
    fn polls_become_less_frequent() {
        let millis = |age, failed_polls| until_next_poll(age, failed_polls).as_millis();
        assert_eq!([millis(-5, 0), millis(0, 0), millis(2_000, 0)], [200; 3]);
        assert_eq!(
            (millis(60_000, 0), millis(300_000, 0), millis(i64::MAX, MAX_FAILED_POLLS)),
            (6_000, 30_000, 30_000)
        );
        assert_eq!((millis(0, 1), millis(0, 4), millis(0, MAX_FAILED_POLLS)), (400, 3_200, 30_000));
    }

    #[test]
    fn an_execution_can_wait_for_its_fourteen_days() {
        // Entering, scheduling, starting, succeeding and leaving CloneCluster, entering and leaving
        // IsCloneAvailable.
        let events = 14 * 24 * 60 * 60 / MAX_POLL_TIME.as_secs() * 7;
        assert!(events < 20_000, "{events}");
    }

    fn cluster(id: &str, status: &str, more: &str) -> Answer {
        Answer::Body(format!(
            "<DescribeDBClustersResponse><DescribeDBClustersResult><DBClusters><DBCluster>\
             <DBClusterIdentifier>{id}</DBClusterIdentifier><Status>{status}</Status>\
             <Engine>aurora-postgresql</Engine><Endpoint>host</Endpoint><Port>5432</Port>{more}\
             </DBCluster></DBClusters></DescribeDBClustersResult></DescribeDBClustersResponse>"
        ))
    }

    const MEMBER: &str = "<DBClusterMembers><DBClusterMember><DBInstanceIdentifier>i</DBInstanceIdentifier>\
                          </DBClusterMember></DBClusterMembers>";
    const SECRET: &str = "<MasterUserSecret><SecretArn>arn:secret</SecretArn><SecretStatus>active</SecretStatus>\
                          </MasterUserSecret>";

    fn done(operation: &str) -> Answer {
        Answer::Body(format!("<{operation}Response><{operation}Result/></{operation}Response>"))
    }

    /// Answers as the services do when everything goes well. `clone` answers lookups of the clone.
    fn services(call: &Call, clone: &Answer) -> Answer {
        let operation = call.operation.as_str();
        match operation {
            "DescribeDBClusters" if call.body.contains("export-clone-") => clone.clone(),
            "DescribeDBClusters" => cluster("source", "available", "<CloneGroupId>g</CloneGroupId>"),
            "DescribeDBInstances" => Answer::Body(
                "<DescribeDBInstancesResponse><DescribeDBInstancesResult><DBInstances><DBInstance>\
                 <DBInstanceStatus>available</DBInstanceStatus><DBInstanceClass>db.r6g.large</DBInstanceClass>\
                 </DBInstance></DBInstances></DescribeDBInstancesResult></DescribeDBInstancesResponse>"
                    .into(),
            ),
            "RestoreDBClusterToPointInTime" | "ModifyDBCluster" | "CreateDBInstance" | "Publish" => done(operation),
            "PutEvents" => json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}).into(),
            _ => task_table(call, &task()),
        }
    }

    /// Calls the handler. `script` answers before the services do.
    async fn clone_with(
        clone: Answer,
        max_poll_time: Duration,
        mut script: impl FnMut(&Call) -> Option<Answer> + Send + 'static,
    ) -> (Result<CloneEndpoint, StepError>, Replay) {
        let replay = Replay::new(move |call| script(call).unwrap_or_else(|| services(call, &clone)));
        let aws = replay.config();
        let deps = Deps {
            store: TaskStore::new(&aws, "tasks".into()),
            rds: aws_sdk_rds::Client::new(&aws),
            instance_class: "db.r6g.large".into(),
            security_group: Some("sg-workers".into()),
            publisher: Publisher::new(&aws, "arn:topic".into()),
            max_poll_time,
        };
        (handle(&deps, Input { task: TaskRef::from(&task()) }).await, replay)
    }

    const GONE: Answer = Answer::Error(404, "DBClusterNotFoundFault");
    const MESSAGE: &str = "Failed to find or access the source DB cluster: source";

    #[tokio::test]
    async fn a_missing_clone_is_requested() {
        let (clone, replay) = clone_with(GONE, Duration::ZERO, |_| None).await;
        assert_eq!(clone.unwrap().status, "creating");
        let request = &replay.calls("RestoreDBClusterToPointInTime")[0].body;
        for part in ["RestoreType=copy-on-write", "sg-workers", "aurora-export%3Atask"] {
            assert!(request.contains(part), "{request}");
        }
    }

    #[tokio::test]
    async fn a_clone_that_another_attempt_has_requested_is_no_error() {
        let (clone, _) = clone_with(GONE, Duration::ZERO, |call| {
            let requested = call.operation == "RestoreDBClusterToPointInTime";
            requested.then_some(Answer::Error(400, "DBClusterAlreadyExistsFault"))
        })
        .await;
        assert_eq!(clone.unwrap().status, "creating");
    }

    #[tokio::test]
    async fn a_source_that_is_gone_and_a_refused_request_fail_with_the_guides_message() {
        let gone: fn(&Call) -> Option<Answer> = |call| (call.operation == "DescribeDBClusters").then_some(GONE);
        let refused: fn(&Call) -> Option<Answer> = |call| {
            let requested = call.operation == "RestoreDBClusterToPointInTime";
            requested.then_some(Answer::Error(400, "KMSKeyNotAccessibleFault"))
        };
        for script in [gone, refused] {
            let error = clone_with(GONE, Duration::ZERO, script).await.0.unwrap_err();
            assert_eq!((error.kind, error.to_string().as_str()), (ErrorKind::CloneFailed, MESSAGE));
        }
    }

    #[tokio::test]
    async fn an_available_cluster_gets_a_password_and_an_instance() {
        let (clone, replay) = clone_with(cluster("c", "available", ""), Duration::ZERO, |_| None).await;
        assert_eq!(clone.unwrap().status, "creating");
        assert!(replay.calls("ModifyDBCluster")[0].body.contains("ManageMasterUserPassword=true"));
        assert_eq!(replay.calls("CreateDBInstance").len(), 1);
    }

    #[tokio::test]
    async fn a_clone_is_available_with_its_own_secret_and_its_instance() {
        let ready = || cluster("c", "available", &format!("{MEMBER}{SECRET}"));
        let (clone, replay) = clone_with(ready(), Duration::from_secs(60), |_| None).await;
        let clone = clone.unwrap();
        assert_eq!((clone.status.as_str(), clone.port), ("available", Some(5432)));
        assert_eq!(clone.secret_arn.as_deref(), Some("arn:secret"));
        assert_eq!(clone.instance_class.as_deref(), Some("db.r6g.large"));
        assert!(replay.calls("ModifyDBCluster").is_empty() && replay.calls("CreateDBInstance").is_empty());

        // The secret of the source does not count.
        let (clone, replay) = clone_with(ready(), Duration::ZERO, |call| {
            let of_source = call.operation == "DescribeDBClusters" && !call.body.contains("export-clone-");
            of_source.then(|| cluster("source", "available", SECRET))
        })
        .await;
        assert_eq!(clone.unwrap().status, "creating");
        assert_eq!(replay.calls("ModifyDBCluster").len(), 1);
    }

    #[tokio::test]
    async fn a_clone_that_goes_away_underneath_fails_the_task() {
        for status in ["deleting", "failed", "inaccessible-encryption-credentials"] {
            let error = clone_with(cluster("c", status, ""), Duration::from_secs(60), |_| None).await.0.unwrap_err();
            assert_eq!((error.kind, error.to_string().as_str()), (ErrorKind::CloneFailed, MESSAGE), "{status}");
        }
    }

    #[tokio::test]
    async fn a_busy_rds_is_polled_again() {
        let mut failures = 0;
        let ready = cluster("c", "available", &format!("{MEMBER}{SECRET}"));
        let (clone, _) = clone_with(ready, Duration::from_secs(60), move |call| {
            let fails = call.operation == "DescribeDBClusters" && failures < 2;
            failures += u32::from(fails);
            fails.then_some(Answer::Error(400, "Throttling"))
        })
        .await;
        assert_eq!(clone.unwrap().status, "available");
    }

    #[tokio::test]
    async fn a_task_that_is_canceled_between_two_polls_stops() {
        let mut reads = 0;
        let (clone, replay) = clone_with(cluster("c", "creating", ""), Duration::from_secs(60), move |call| {
            reads += u32::from(call.operation == "GetItem");
            let mut canceled = task();
            canceled.status = Status::Canceling;
            (call.operation == "GetItem" && reads > 1).then(|| task_table(call, &canceled))
        })
        .await;
        assert_eq!(clone.unwrap_err().kind, ErrorKind::ExportCanceled);
        assert_eq!(replay.calls("GetItem").len(), 2);
    }

    #[tokio::test]
    async fn the_event_says_whether_the_cluster_is_cloned_or_copied() {
        for (group, copied) in [("g", false), ("another", true)] {
            let clone = cluster("c", "creating", &format!("<CloneGroupId>{group}</CloneGroupId>"));
            let (_, replay) = clone_with(clone, Duration::ZERO, |_| None).await;
            let event = &replay.calls("Publish")[0].body;
            assert_eq!(event.contains("cop"), copied, "{event}");
            assert_eq!(replay.calls("UpdateItem")[0].json()["ExpressionAttributeNames"]["#name"], "AnnouncedAt");
        }
    }

    #[tokio::test]
    async fn an_event_that_can_t_be_published_does_not_stop_the_clone() {
        let (clone, replay) = clone_with(cluster("c", "creating", ""), Duration::ZERO, |call| {
            (call.operation == "Publish").then_some(Answer::Error(500, "InternalError"))
        })
        .await;
        assert_eq!(clone.unwrap().status, "creating");
        // Not recorded, so the next poll tries again.
        assert!(replay.calls("UpdateItem").is_empty());
    }
}
