//! Checks of the source cluster: it exists, it is available, and its engine and engine mode can be
//! exported (guide, Limitations).

use aws_sdk_rds::operation::describe_db_clusters::DescribeDBClustersError;
use export_aws::error::found;
use export_aws::{ErrorKind, StepError};
use export_task::engine::Engine;
use export_task::failure::Failure;
use export_task::task::TaskRef;

/// Returns why clusters of an engine mode can't be exported, in the guide's words, or `None` if
/// they can. The guide has two versions. The later one allows only provisioned clusters. The other
/// modes that the earlier one allows work here too.
fn refusal(mode: &str) -> Option<&'static str> {
    match mode {
        "provisioned" | "global" | "parallelquery" => None,
        "serverless" => Some("Aurora Serverless v1 DB clusters don't support exports to S3."),
        "multimaster" => Some("Multimaster DB clusters don't support exports to S3."),
        _ => Some("Aurora MySQL and Aurora PostgreSQL support exports to S3 only for the provisioned engine mode."),
    }
}

/// Checks the cluster.
///
/// # Errors
/// `PreconditionFailed`, `ServiceUnavailable`.
pub async fn check(rds: &aws_sdk_rds::Client, task: &TaskRef) -> Result<(), StepError> {
    let name = &task.source_arn.cluster;
    let missing = || StepError::precondition(&Failure::SourceCluster(name.clone()));
    let answer = rds.describe_db_clusters().db_cluster_identifier(name).send().await;
    let is_missing = DescribeDBClustersError::is_db_cluster_not_found_fault;
    let answer = found(answer, is_missing, "the source DB cluster can't be looked up")?.ok_or_else(missing)?;
    let arn = task.source_arn.to_string();
    let cluster = answer.db_clusters().iter().find(|c| c.db_cluster_arn() == Some(&arn)).ok_or_else(missing)?;
    if cluster.status() != Some("available") {
        return Err(missing());
    }
    let engine = cluster.engine().unwrap_or_default();
    if Engine::from_name(engine).is_none() {
        let message = format!("The DB cluster {name} can't be exported: its engine is {engine}.");
        return Err(StepError::new(ErrorKind::PreconditionFailed, message));
    }
    let mode = cluster.engine_mode().unwrap_or("provisioned");
    if let Some(why) = refusal(mode) {
        let message = format!("The DB cluster {name} can't be exported: its engine mode is {mode}. {why}");
        return Err(StepError::new(ErrorKind::PreconditionFailed, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_modes_are_accepted_or_refused_in_the_words_of_the_guide() {
        assert_eq!(["provisioned", "global", "parallelquery"].map(refusal), [None; 3]);
        assert_eq!(refusal("serverless"), Some("Aurora Serverless v1 DB clusters don't support exports to S3."));
        assert_eq!(refusal("multimaster"), Some("Multimaster DB clusters don't support exports to S3."));
    }
}
