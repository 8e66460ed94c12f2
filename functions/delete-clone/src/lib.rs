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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_replay::{Answer, Call, Replay, task, task_table};
    use export_aws::ErrorKind;
    use serde_json::json;

    use super::*;

    fn cluster(status: &str, instance: Option<&str>) -> Answer {
        let member = instance
            .map(|id| format!("<DBClusterMember><DBInstanceIdentifier>{id}</DBInstanceIdentifier></DBClusterMember>"));
        Answer::Body(format!(
            "<DescribeDBClustersResponse><DescribeDBClustersResult><DBClusters><DBCluster><Status>{status}</Status>\
             <DBClusterMembers>{}</DBClusterMembers></DBCluster></DBClusters></DescribeDBClustersResult>\
             </DescribeDBClustersResponse>",
            member.unwrap_or_default()
        ))
    }

    const GONE: Answer = Answer::Error(404, "DBClusterNotFoundFault");

    /// Calls the handler once. `script` answers RDS and KMS.
    async fn call(
        task: ExportTask,
        script: impl Fn(&Call) -> Option<Answer> + Send + 'static,
    ) -> (Result<Output, StepError>, Replay) {
        let input = Input { task: TaskRef::from(&task) };
        let replay = Replay::new(move |call| script(call).unwrap_or_else(|| task_table(call, &task)));
        let aws = replay.config();
        let deps = Deps {
            store: TaskStore::new(&aws, "tasks".into()),
            rds: aws_sdk_rds::Client::new(&aws),
            kms: aws_sdk_kms::Client::new(&aws),
        };
        (handle(&deps, input).await, replay)
    }

    fn is_cleaned_up(replay: &Replay) -> bool {
        replay.calls("UpdateItem").iter().any(|call| call.json()["ExpressionAttributeNames"]["#name"] == "CleanedUpAt")
    }

    #[tokio::test]
    async fn the_instance_is_deleted_before_the_cluster() {
        for (instance, deletion) in [(Some("i"), "DeleteDBInstance"), (None, "DeleteDBCluster")] {
            let (output, replay) = call(task(), move |call| match call.operation.as_str() {
                "DescribeDBClusters" => Some(cluster("available", instance)),
                operation if operation == deletion => {
                    Some(Answer::Body(format!("<{deletion}Response><{deletion}Result/></{deletion}Response>")))
                }
                _ => None,
            })
            .await;
            assert_eq!(output.unwrap(), Output { status: Deletion::Deleting, wait: 5 });
            assert_eq!(replay.operations(), ["GetItem", "DescribeDBClusters", deletion]);
            assert!(replay.calls(deletion)[0].body.contains("SkipFinalSnapshot=true"));
        }
    }

    #[tokio::test]
    async fn a_deletion_in_progress_is_left_alone() {
        let (output, replay) =
            call(task(), |call| (call.operation == "DescribeDBClusters").then(|| cluster("deleting", Some("i")))).await;
        assert_eq!(output.unwrap().status, Deletion::Deleting);
        assert_eq!(replay.operations(), ["GetItem", "DescribeDBClusters"]);
    }

    #[tokio::test]
    async fn a_state_that_does_not_allow_deletion_yet_is_no_error_but_a_refusal_is() {
        for (code, kind) in [
            ("InvalidDBClusterStateFault", None),
            ("DBClusterNotFoundFault", None),
            ("AccessDenied", Some(ErrorKind::InternalFailure)),
        ] {
            let (output, replay) = call(task(), move |call| match call.operation.as_str() {
                "DescribeDBClusters" => Some(cluster("creating", None)),
                "DeleteDBCluster" => Some(Answer::Error(400, code)),
                _ => None,
            })
            .await;
            assert_eq!(output.as_ref().err().map(|error| error.kind), kind, "{code}");
            assert!(output.map_or(true, |output| output.status == Deletion::Deleting));
            assert!(!is_cleaned_up(&replay));
        }
    }

    #[tokio::test]
    async fn a_clone_that_is_gone_ends_the_clean_up_and_a_repeated_call_does_the_same() {
        for _ in 0..2 {
            let (output, replay) = call(task(), |call| (call.operation == "DescribeDBClusters").then_some(GONE)).await;
            assert_eq!(output.unwrap().status, Deletion::Deleted);
            assert!(is_cleaned_up(&replay));
            // Without a key there is no grant.
            assert!(replay.calls("ListGrants").is_empty());
        }
    }

    #[tokio::test]
    async fn the_recorded_grant_is_revoked_and_an_unrecorded_one_is_found_by_its_name() {
        for recorded in [true, false] {
            let mut task = task();
            task.kms_key_arn = Some("arn:key".into());
            task.grant_id = recorded.then(|| "recorded".to_owned());
            let name = task.clone_identifier.clone();
            let (output, replay) = call(task, move |call| match call.operation.as_str() {
                "DescribeDBClusters" => Some(GONE),
                "ListGrants" => Some(
                    json!({"Grants": [{"GrantId": "other", "Name": "another"}, {"GrantId": "found", "Name": name}]})
                        .into(),
                ),
                "RevokeGrant" => Some(json!({}).into()),
                _ => None,
            })
            .await;
            assert_eq!(output.unwrap().status, Deletion::Deleted);
            let revoked = replay.calls("RevokeGrant")[0].json();
            assert_eq!(revoked, json!({"KeyId": "arn:key", "GrantId": if recorded { "recorded" } else { "found" }}));
            assert!(is_cleaned_up(&replay));
        }
    }

    #[tokio::test]
    async fn only_a_temporary_error_of_the_key_keeps_the_clean_up_from_ending() {
        for (answer, kind) in [
            (Answer::Error(400, "NotFoundException"), None),
            (Answer::Error(400, "AccessDeniedException"), None),
            (Answer::Error(500, "KMSInternalException"), Some(ErrorKind::ServiceUnavailable)),
        ] {
            let mut task = task();
            task.kms_key_arn = Some("arn:key".into());
            task.grant_id = Some("grant".into());
            let (output, replay) = call(task, move |call| match call.operation.as_str() {
                "DescribeDBClusters" => Some(GONE),
                "RevokeGrant" => Some(answer.clone()),
                _ => None,
            })
            .await;
            assert_eq!(output.err().map(|error| error.kind), kind);
            assert_eq!(is_cleaned_up(&replay), kind.is_none());
        }
    }
}
