//! The request that creates the clone.

use aws_sdk_rds::operation::restore_db_cluster_to_point_in_time::RestoreDBClusterToPointInTimeError;
use aws_sdk_rds::types::{DbCluster, ServerlessV2ScalingConfiguration};
use export_aws::{ErrorKind, StepError};
use export_task::task::TaskRef;

use crate::{Deps, clone_error, failed, task_tag};

/// The instance class of Aurora Serverless v2.
const SERVERLESS: &str = "db.serverless";

/// Minimum and maximum capacity of a clone whose source does not scale itself, in units of about 2
/// GiB.
const DEFAULT_CAPACITY: (f64, f64) = (1.0, 16.0);

/// Requests a copy-on-write clone. RDS itself creates a full copy if the source has 15 clones
/// already.
///
/// The clone gets the network and the parameter groups of the source. Otherwise RDS would use the
/// default security group of the VPC and the default parameters of the engine, and with them other
/// time zones, character sets and rules.
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
            // The guide has one message for all reasons, so the reason is logged.
            tracing::warn!(
                export_task_identifier = task.export_task_identifier,
                error = error.chain(),
                "the source DB cluster was not cloned"
            );
            Err(failed(task))
        }
    }
}

/// Returns the capacity of the source, or the default if the source does not scale. A cluster must
/// have a capacity before it can have a serverless instance.
fn capacity(source: &DbCluster) -> ServerlessV2ScalingConfiguration {
    let scaling = source.serverless_v2_scaling_configuration();
    let (min, max) = scaling.and_then(|s| s.min_capacity().zip(s.max_capacity())).unwrap_or(DEFAULT_CAPACITY);
    ServerlessV2ScalingConfiguration::builder().min_capacity(min).max_capacity(max).build()
}
