//! `ModifyDBCluster`. It can change passwords and deletion protection.

use std::sync::Arc;

use rds_query::Request;

use super::cluster::Cluster;
use super::control::ControlPlane;
use super::error::ApiError;
use super::secrets::{self, MasterSecret};
use super::validate::{boolean, optional, password, required};
use super::xml;

/// Handles `ModifyDBCluster`. All changes apply immediately, as password changes do on RDS.
pub(crate) async fn modify(control: &Arc<ControlPlane>, request: &Request, id: &str) -> Result<String, ApiError> {
    let name = control.names.id("cluster", required(request, "DBClusterIdentifier")?);
    let protection = boolean(request, "DeletionProtection")?;
    let managed = boolean(request, "ManageMasterUserPassword")?;
    let given = optional(request, "MasterUserPassword").map(password).transpose()?;
    let cluster = {
        let mut registry = control.registry();
        let cluster = registry.cluster(&name)?;
        if cluster.status != "available" {
            return Err(ApiError::cluster_state(format!(
                "DB cluster {name} cannot be modified with status {}.",
                cluster.status
            )));
        }
        let stays_managed = managed.unwrap_or(cluster.secret.is_some());
        if given.is_some() && stays_managed {
            return Err(both_passwords());
        }
        if managed == Some(false) && cluster.secret.is_some() && given.is_none() {
            return Err(ApiError::combination("MasterUserPassword is required to stop managing the password."));
        }
        if let Some(protection) = protection {
            cluster.settings.deletion_protection = protection;
        }
        let new = given.is_some() || (stays_managed && cluster.secret.is_none());
        if !new {
            return xml::cluster_response(request, id, &name, &registry, &control.names);
        }
        cluster.status = "resetting-master-credentials".to_owned();
        cluster.clone()
    };
    let new = given.map_or_else(secrets::random_password, str::to_owned);
    let stored = match (given, &cluster.secret, &control.secrets) {
        (None, ..) => store_password(control, request, &cluster, &new).await,
        (Some(_), Some(secret), Some(client)) => {
            let deleted = secrets::delete(client, &secret.arn).await;
            deleted.map(|()| control.update(&name, |cluster| cluster.secret = None))
        }
        (Some(_), ..) => Ok(()),
    };
    if let Err(error) = stored {
        control.update(&name, |cluster| cluster.status = "available".to_owned());
        return Err(error);
    }
    control.spawn(|control| async move {
        let set = cluster.server.set_master_password(&cluster.master, &new);
        let done = control.at_least_delay(set).await;
        control.settle(&cluster.id, done, "inaccessible-encryption-credentials");
    });
    xml::cluster_response(request, id, &name, &control.registry(), &control.names)
}

/// Stores a new password in Secrets Manager. The secret becomes active when the server has the
/// password.
pub(crate) async fn store_password(
    control: &ControlPlane,
    request: &Request,
    cluster: &Cluster,
    password: &str,
) -> Result<(), ApiError> {
    let Some(client) = &control.secrets else {
        return Err(ApiError::combination("ManageMasterUserPassword requires Secrets Manager, which is not running."));
    };
    let key = optional(request, "MasterUserSecretKmsKeyId");
    let owner = (cluster.arn.as_str(), cluster.resource_id.as_str());
    let arn = secrets::create(client, owner, (&cluster.master, password), key).await?;
    let own_key = control.names.service_key("secretsmanager");
    let secret = MasterSecret { arn, status: "creating", kms_key_id: key.map_or(own_key, str::to_owned) };
    control.update(&cluster.id, |cluster| cluster.secret = Some(secret));
    Ok(())
}

/// Returns the error for a request with both a password and a managed password.
pub(crate) fn both_passwords() -> ApiError {
    ApiError::combination(
        "You can't specify MasterUserPassword for a DB cluster whose master password is managed in Secrets Manager.",
    )
}
