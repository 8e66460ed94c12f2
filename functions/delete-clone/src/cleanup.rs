//! One task's clone and grant.

use aws_sdk_kms::operation::revoke_grant::RevokeGrantError;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_rds::operation::describe_db_clusters::DescribeDBClustersError;
use export_aws::{StepError, error, now_millis};
use export_task::task::ExportTask;

use crate::Deps;

/// Takes one step towards nothing being left; true when nothing is.
///
/// # Errors
/// `ServiceUnavailable`, `InternalFailure`.
pub async fn step(deps: &Deps, task: &ExportTask) -> Result<bool, StepError> {
    if !clone_gone(deps, &task.clone_identifier).await? {
        return Ok(false);
    }
    revoke_grant(deps, task).await?;
    deps.store.set_cleaned_up(&task.request.export_task_identifier, now_millis()).await?;
    Ok(true)
}

async fn clone_gone(deps: &Deps, clone: &str) -> Result<bool, StepError> {
    let found = deps.rds.describe_db_clusters().db_cluster_identifier(clone).send().await;
    let cluster = match found {
        Ok(answer) => answer.db_clusters.unwrap_or_default().into_iter().next(),
        Err(e) if e.as_service_error().is_some_and(DescribeDBClustersError::is_db_cluster_not_found_fault) => None,
        Err(e) => return Err(StepError::aws("the clone can't be looked up", e)),
    };
    let Some(cluster) = cluster else { return Ok(true) };
    if cluster.status() == Some("deleting") {
        return Ok(false);
    }
    for member in cluster.db_cluster_members().iter().filter_map(|m| m.db_instance_identifier()) {
        let deleted =
            deps.rds.delete_db_instance().db_instance_identifier(member).skip_final_snapshot(true).send().await;
        tolerate("the clone's instance can't be deleted", deleted)?;
    }
    if cluster.db_cluster_members().is_empty() {
        let deleted = deps.rds.delete_db_cluster().db_cluster_identifier(clone).skip_final_snapshot(true).send().await;
        tolerate("the clone can't be deleted", deleted)?;
    }
    Ok(false)
}

/// An instance or cluster that is gone, or in a state that doesn't allow deletion yet (creating, deleting), is for a later
/// call to look at.
fn tolerate<T, E>(what: &str, result: Result<T, SdkError<E>>) -> Result<(), StepError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match result {
        Ok(_) => Ok(()),
        Err(e) if e.code().is_some_and(|c| c.contains("NotFound") || c.starts_with("InvalidDB")) => Ok(()),
        Err(e) => Err(StepError::aws(what, e)),
    }
}

/// A grant or key that is gone needs no revoking; a key that refuses must not keep the clean-up from ending.
async fn revoke_grant(deps: &Deps, task: &ExportTask) -> Result<(), StepError> {
    let Some(key) = &task.kms_key_arn else { return Ok(()) };
    let Some(grant) = find_grant(deps, task, key).await? else { return Ok(()) };
    match deps.kms.revoke_grant().key_id(key).grant_id(&grant).send().await {
        Ok(_) => Ok(()),
        Err(e) if e.as_service_error().is_some_and(RevokeGrantError::is_not_found_exception) => Ok(()),
        Err(e) if error::is_transient(&e) => Err(StepError::aws("the grant can't be revoked", e)),
        Err(e) => {
            tracing::warn!(key, grant, error = %aws_sdk_kms::error::DisplayErrorContext(&e), "the grant was not revoked");
            Ok(())
        }
    }
}

/// The task's grant: the one it noted, else the one that has its clone's name. A step that was killed just after granting noted nothing.
async fn find_grant(deps: &Deps, task: &ExportTask, key: &str) -> Result<Option<String>, StepError> {
    if task.grant_id.is_some() {
        return Ok(task.grant_id.clone());
    }
    let mut pages = deps.kms.list_grants().key_id(key).into_paginator().items().send();
    while let Some(grant) = pages.next().await {
        match grant {
            Ok(grant) if grant.name() == Some(&task.clone_identifier) => return Ok(grant.grant_id),
            Ok(_) => {}
            Err(e) if error::is_transient(&e) => return Err(StepError::aws("the key's grants can't be listed", e)),
            Err(e) => {
                tracing::warn!(key, error = %aws_sdk_kms::error::DisplayErrorContext(&e), "the key's grants were not listed");
                return Ok(None);
            }
        }
    }
    Ok(None)
}
