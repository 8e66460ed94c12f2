//! The source cluster: it exists, it is available, and it is of a kind that can be exported (guide, Limitations).

use aws_sdk_rds::operation::describe_db_clusters::DescribeDBClustersError;
use export_aws::{ErrorKind, StepError};
use export_task::failure::Failure;
use export_task::task::TaskRef;

/// Engines this version reads.
const ENGINES: &[&str] = &["aurora-postgresql"];

/// Engine modes that can be cloned and read: everything but Serverless v1 and multi-master.
const ENGINE_MODES: &[&str] = &["provisioned", "global", "parallelquery"];

/// Checks the cluster.
///
/// # Errors
/// `PreconditionFailed`, `ServiceUnavailable`.
pub async fn check(rds: &aws_sdk_rds::Client, task: &TaskRef) -> Result<(), StepError> {
    let name = &task.source_arn.cluster;
    let missing = || StepError::precondition(&Failure::SourceCluster(name.clone()));
    let answer = match rds.describe_db_clusters().db_cluster_identifier(name).send().await {
        Ok(answer) => answer,
        Err(e) if e.as_service_error().is_some_and(DescribeDBClustersError::is_db_cluster_not_found_fault) => {
            return Err(missing());
        }
        Err(e) => return Err(StepError::aws("the source DB cluster can't be looked up", e)),
    };
    let arn = task.source_arn.to_string();
    let cluster = answer.db_clusters().iter().find(|c| c.db_cluster_arn() == Some(&arn)).ok_or_else(missing)?;
    if cluster.status() != Some("available") {
        return Err(missing());
    }
    let engine = cluster.engine().unwrap_or_default();
    if !ENGINES.contains(&engine) {
        let message = format!("The DB cluster {name} can't be exported: its engine is {engine}.");
        return Err(StepError::new(ErrorKind::PreconditionFailed, message));
    }
    let mode = cluster.engine_mode().unwrap_or("provisioned");
    if !ENGINE_MODES.contains(&mode) {
        let message = format!("The DB cluster {name} can't be exported: its engine mode is {mode}.");
        return Err(StepError::new(ErrorKind::PreconditionFailed, message));
    }
    Ok(())
}
