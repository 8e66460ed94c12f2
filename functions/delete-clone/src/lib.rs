//! Last step, called again until it answers `deleted`. Deletes the clone's instance, then the clone
//! (RDS deletes its secret with it), and revokes the grant on the key.

use aws_sdk_kms::operation::revoke_grant::RevokeGrantError;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_rds::operation::describe_db_clusters::DescribeDBClustersError;
use export_aws::error::{found, is_transient};
use export_aws::task_store::TaskStore;
use export_aws::{StepError, clients, now_millis};
use export_task::task::{ExportTask, TaskRef, wait_seconds};
use serde::{Deserialize, Serialize};

/// The dependencies of the step.
#[derive(Debug)]
pub struct Deps {
    /// The task store.
    pub store: TaskStore,
    /// Deletes clones.
    pub rds: aws_sdk_rds::Client,
    /// Revokes grants.
    pub kms: aws_sdk_kms::Client,
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
            kms: aws_sdk_kms::Client::new(&aws),
        })
    }
}

/// The input of the step.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// The task.
    pub task: TaskRef,
}

/// The output of the step.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// Whether the clone and the grant are gone.
    pub status: Deletion,
    /// Seconds until the next call.
    pub wait: u64,
}

/// The state of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletion {
    /// The clone still exists.
    Deleting,
    /// The clone and the grant are gone.
    Deleted,
}

/// Makes one step towards the deletion of a task's clone and grant.
///
/// # Errors
/// `ServiceUnavailable`, `InternalFailure`.
pub async fn handle(deps: &Deps, input: Input) -> Result<Output, StepError> {
    let task = deps.store.get(&input.task.export_task_identifier).await?;
    let wait = wait_seconds(task.task_end_time, now_millis());
    if !delete_clone(deps, &task.clone_identifier).await? {
        return Ok(Output { status: Deletion::Deleting, wait });
    }
    revoke_grant(deps, &task).await?;
    deps.store.set_cleaned_up(&task.request.export_task_identifier, now_millis()).await?;
    Ok(Output { status: Deletion::Deleted, wait })
}

/// Requests the next deletion: first of the instances, then of the cluster. Returns whether the
/// clone is gone.
async fn delete_clone(deps: &Deps, clone: &str) -> Result<bool, StepError> {
    let answer = deps.rds.describe_db_clusters().db_cluster_identifier(clone).send().await;
    let is_missing = DescribeDBClustersError::is_db_cluster_not_found_fault;
    let answer = found(answer, is_missing, "the clone can't be looked up")?;
    let cluster = answer.and_then(|answer| answer.db_clusters.unwrap_or_default().into_iter().next());
    let Some(cluster) = cluster else { return Ok(true) };
    if cluster.status() == Some("deleting") {
        return Ok(false);
    }
    for member in cluster.db_cluster_members().iter().filter_map(|m| m.db_instance_identifier()) {
        let deleted =
            deps.rds.delete_db_instance().db_instance_identifier(member).skip_final_snapshot(true).send().await;
        ignore_state(deleted, "the clone's instance can't be deleted")?;
    }
    if cluster.db_cluster_members().is_empty() {
        let deleted = deps.rds.delete_db_cluster().db_cluster_identifier(clone).skip_final_snapshot(true).send().await;
        ignore_state(deleted, "the clone can't be deleted")?;
    }
    Ok(false)
}

/// Ignores that an instance or a cluster is gone, or that its state does not allow its deletion yet
/// (creating, deleting). A later call sees the new state.
fn ignore_state<T, E>(result: Result<T, SdkError<E>>, context: &str) -> Result<(), StepError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match result {
        Ok(_) => Ok(()),
        Err(e) if e.code().is_some_and(|c| c.contains("NotFound") || c.starts_with("InvalidDB")) => Ok(()),
        Err(e) => Err(StepError::aws(context, e)),
    }
}

/// Revokes the grant of a task. A missing grant or key is no error. A key that refuses the call is
/// only logged, because it must not keep the clean-up from ending.
async fn revoke_grant(deps: &Deps, task: &ExportTask) -> Result<(), StepError> {
    let Some(key) = &task.kms_key_arn else { return Ok(()) };
    let Some(grant) = find_grant(deps, task, key).await? else { return Ok(()) };
    match deps.kms.revoke_grant().key_id(key).grant_id(&grant).send().await {
        Ok(_) => Ok(()),
        Err(e) if e.as_service_error().is_some_and(RevokeGrantError::is_not_found_exception) => Ok(()),
        Err(e) if is_transient(&e) => Err(StepError::aws("the grant can't be revoked", e)),
        Err(e) => {
            tracing::warn!(key, grant, error = %aws_sdk_kms::error::DisplayErrorContext(&e), "the grant was not revoked");
            Ok(())
        }
    }
}

/// Returns the grant that the task recorded, else the grant with the name of its clone. A step that
/// was killed just after it created a grant has recorded nothing.
async fn find_grant(deps: &Deps, task: &ExportTask, key: &str) -> Result<Option<String>, StepError> {
    if task.grant_id.is_some() {
        return Ok(task.grant_id.clone());
    }
    let mut pages = deps.kms.list_grants().key_id(key).into_paginator().items().send();
    while let Some(grant) = pages.next().await {
        match grant {
            Ok(grant) if grant.name() == Some(&task.clone_identifier) => return Ok(grant.grant_id),
            Ok(_) => {}
            Err(e) if is_transient(&e) => return Err(StepError::aws("the key's grants can't be listed", e)),
            Err(e) => {
                tracing::warn!(key, error = %aws_sdk_kms::error::DisplayErrorContext(&e), "the key's grants were not listed");
                return Ok(None);
            }
        }
    }
    Ok(None)
}
