//! The request that makes the clone.

use aws_sdk_rds::operation::restore_db_cluster_to_point_in_time::RestoreDBClusterToPointInTimeError;
use aws_sdk_rds::types::{DbCluster, ServerlessV2ScalingConfiguration};
use export_aws::{ErrorKind, StepError};
use export_task::task::TaskRef;

use crate::{Deps, clone_error, failed, task_tag};

/// The class of instances that scale.
const SERVERLESS: &str = "db.serverless";

/// Capacity units, of about 2 GiB each, between which a clone of a source that doesn't scale itself does.
const CAPACITY: (f64, f64) = (1.0, 16.0);

/// Asks for a copy-on-write clone (RDS itself makes a full copy when the source has 15 clones already). Network and
/// parameter groups are the source's: RDS would otherwise take the VPC's default security group and the engine's default
/// parameters, and so other time zones, character sets and rules.
///
/// # Errors
/// `CloneFailed`, `ServiceUnavailable`.
pub async fn start(deps: &Deps, task: &TaskRef, source: &DbCluster) -> Result<(), StepError> {
    let groups = source.vpc_security_groups().iter().filter_map(|g| g.vpc_security_group_id());
    let groups: Vec<String> = groups.chain(deps.security_group.as_deref()).map(str::to_owned).collect();
    let restored = deps
        .rds
        .restore_db_cluster_to_point_in_time()
        .db_cluster_identifier(&task.clone_identifier)
        .source_db_cluster_identifier(task.source_arn.to_string())
        .restore_type("copy-on-write")
        .use_latest_restorable_time(true)
        .set_db_subnet_group_name(source.db_subnet_group().map(str::to_owned))
        .set_db_cluster_parameter_group_name(source.db_cluster_parameter_group().map(str::to_owned))
        .set_vpc_security_group_ids((!groups.is_empty()).then_some(groups))
        .set_serverless_v2_scaling_configuration((deps.instance_class == SERVERLESS).then(|| capacity(source)))
        .deletion_protection(false)
        .copy_tags_to_snapshot(false)
        .tags(task_tag(task))
        .send()
        .await;
    match restored {
        Ok(_) => Ok(()),
        Err(e)
            if e.as_service_error()
                .is_some_and(RestoreDBClusterToPointInTimeError::is_db_cluster_already_exists_fault) =>
        {
            Ok(())
        }
        Err(e) => {
            let error = clone_error("the source DB cluster can't be cloned", e);
            if error.kind != ErrorKind::CloneFailed {
                return Err(error);
            }
            // The guide has one message for all reasons; the log has this one.
            tracing::warn!(export_task_identifier = task.export_task_identifier, error = error.chain(), "no clone");
            Err(failed(task))
        }
    }
}

/// What a cluster must have before it can have an instance that scales: the source's, if it has it.
fn capacity(source: &DbCluster) -> ServerlessV2ScalingConfiguration {
    let sources = source.serverless_v2_scaling_configuration();
    let (least, most) = sources.and_then(|s| s.min_capacity().zip(s.max_capacity())).unwrap_or(CAPACITY);
    ServerlessV2ScalingConfiguration::builder().min_capacity(least).max_capacity(most).build()
}
