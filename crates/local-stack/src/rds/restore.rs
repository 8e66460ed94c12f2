//! `RestoreDBClusterToPointInTime`: starts a new server on a physical copy of the running one.

use std::sync::Arc;

use jiff::Timestamp;
use rds_query::Request;

use super::cluster::{CLONE_LIMIT, Cluster, Settings};
use super::clusters::insert;
use super::control::ControlPlane;
use super::error::ApiError;
use super::validate::{boolean, new_identifier, optional, required};
use super::xml;

/// Handles `RestoreDBClusterToPointInTime`.
pub(crate) fn restore(control: &Arc<ControlPlane>, request: &Request, id: &str) -> Result<String, ApiError> {
    let name = new_identifier(request, "DBClusterIdentifier")?;
    let source = control.names.id("cluster", required(request, "SourceDBClusterIdentifier")?);
    let copy_on_write = match optional(request, "RestoreType").unwrap_or("full-copy") {
        "copy-on-write" => true,
        "full-copy" => false,
        other => return Err(ApiError::value(format!("Invalid restore type: {other}"))),
    };
    let latest = boolean(request, "UseLatestRestorableTime")?.unwrap_or(false);
    match (latest, optional(request, "RestoreToTime").is_some()) {
        (true, false) => {}
        (true, true) => {
            return Err(ApiError::combination("RestoreToTime cannot be specified with UseLatestRestorableTime."));
        }
        (false, true) if copy_on_write => {
            return Err(ApiError::combination("RestoreToTime cannot be specified when RestoreType is copy-on-write."));
        }
        (false, true) => return Err(ApiError::value("The local stack can only restore the latest time.")),
        (false, false) => {
            return Err(ApiError::combination("Either RestoreToTime or UseLatestRestorableTime must be specified."));
        }
    }
    let source = control.registry().cluster(&source)?.clone();
    let settings = Settings::read(request, source.server.engine())?;
    if source.status != "available" {
        return Err(ApiError::cluster_state(format!(
            "DB cluster {} isn't available for restore with status {}.",
            source.id, source.status
        )));
    }
    let kms_key_id = optional(request, "KmsKeyId").map(str::to_owned);
    if kms_key_id.is_some() && !source.encrypted {
        return Err(ApiError::combination("KmsKeyId cannot be specified: the source DB cluster isn't encrypted."));
    }
    let origin = source.clone();
    let programs = source.server.programs().clone();
    let cluster = insert(control, &name, programs, settings, |registry, settings, resource_id, arn, server| {
        let shares = copy_on_write && registry.clone_count(&origin.resource_id) < CLONE_LIMIT;
        Cluster {
            id: name.clone(),
            arn,
            resource_id,
            status: "creating".to_owned(),
            engine_mode: optional(request, "EngineMode").map_or(origin.engine_mode, str::to_owned),
            created: Timestamp::now(),
            kms_key_id: kms_key_id.or(origin.kms_key_id),
            settings,
            // A full copy is in a clone group of its own.
            clone_group: if shares { origin.clone_group } else { uuid::Uuid::new_v4().to_string() },
            shares_storage_of: shares.then_some(origin.resource_id),
            secret: None,
            server,
            ..origin
        }
    })?;
    control.spawn(|control| async move {
        let copied = control.at_least_delay(source.server.clone_to(&cluster.server)).await;
        control.settle(&cluster.id, copied, "cloning-failed");
    });
    xml::cluster_response(request, id, &name, &control.registry(), &control.names)
}
