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
    use aws_replay::{Answer, Replay, task};

    use super::*;

    /// Checks the source of the task against the answer of RDS.
    async fn check_source(answer: Answer) -> Result<(), String> {
        let replay = Replay::new(move |_| answer.clone());
        let rds = aws_sdk_rds::Client::new(&replay.config());
        check(&rds, &TaskRef::from(&task())).await.map_err(|e| format!("{}: {e}", e.kind.name()))
    }

    fn cluster(account: &str, status: &str, engine: &str, mode: &str) -> Answer {
        Answer::Body(format!(
            "<DescribeDBClustersResponse><DescribeDBClustersResult><DBClusters><DBCluster>\
             <DBClusterArn>arn:aws:rds:us-east-1:{account}:cluster:source</DBClusterArn><Status>{status}</Status>\
             <Engine>{engine}</Engine><EngineMode>{mode}</EngineMode>\
             </DBCluster></DBClusters></DescribeDBClustersResult></DescribeDBClustersResponse>"
        ))
    }

    #[tokio::test]
    async fn a_cluster_is_exported_only_if_it_is_there_available_and_of_a_supported_kind() {
        let own = "111122223333";
        let missing = "PreconditionFailed: Failed to find or access the source DB cluster: source";
        for (answer, expected) in [
            (cluster(own, "available", "aurora-postgresql", "provisioned"), Ok(())),
            (cluster(own, "available", "aurora-mysql", "provisioned"), Ok(())),
            (cluster("999999999999", "available", "aurora-postgresql", "provisioned"), Err(missing)),
            (cluster(own, "stopped", "aurora-postgresql", "provisioned"), Err(missing)),
            (Answer::Error(404, "DBClusterNotFoundFault"), Err(missing)),
            (
                cluster(own, "available", "neptune", "provisioned"),
                Err("PreconditionFailed: The DB cluster source can't be exported: its engine is neptune."),
            ),
        ] {
            assert_eq!(check_source(answer.clone()).await, expected.map_err(str::to_owned), "{answer:?}");
        }
        let serverless = check_source(cluster(own, "available", "aurora-mysql", "serverless")).await;
        assert!(serverless.is_err_and(|error| error.contains("its engine mode is serverless. Aurora Serverless v1")));
    }

    #[tokio::test]
    async fn an_error_of_rds_says_nothing_about_the_cluster() {
        for (answer, kind) in [
            (Answer::Error(503, "ServiceUnavailable"), "ServiceUnavailable"),
            (Answer::Error(403, "AccessDenied"), "InternalFailure"),
        ] {
            let checked = check_source(answer).await;
            assert!(checked.clone().is_err_and(|error| error.starts_with(kind)), "{checked:?}");
        }
    }

    #[test]
    fn engine_modes_are_accepted_or_refused_in_the_words_of_the_guide() {
        assert_eq!(["provisioned", "global", "parallelquery"].map(refusal), [None; 3]);
        assert_eq!(refusal("serverless"), Some("Aurora Serverless v1 DB clusters don't support exports to S3."));
        assert_eq!(refusal("multimaster"), Some("Multimaster DB clusters don't support exports to S3."));
    }
}
