//! The actions that create, describe and delete clusters.

use std::sync::Arc;

use export_task::engine::Engine;
use jiff::Timestamp;
use rds_query::{Request, xml::response};

use super::cluster::{Cluster, Registry, Settings};
use super::control::ControlPlane;
use super::engine::{self, Master, Programs, Server};
use super::error::ApiError;
use super::secrets;
use super::validate::{Filters, boolean, new_identifier, optional, page, password, required, sql_name};
use super::{modify, xml};

/// Handles `CreateDBCluster`.
pub(crate) async fn create(control: &Arc<ControlPlane>, request: &Request, id: &str) -> Result<String, ApiError> {
    let name = new_identifier(request, "DBClusterIdentifier")?;
    let engine = required(request, "Engine")?;
    let engine = Engine::from_name(engine).ok_or_else(|| ApiError::value(format!("Invalid DB engine: {engine}")))?;
    let master = sql_name(required(request, "MasterUsername")?, "MasterUsername")?;
    let database = optional(request, "DatabaseName").map(|name| sql_name(name, "DatabaseName")).transpose()?;
    let managed = boolean(request, "ManageMasterUserPassword")?.unwrap_or(false);
    let password = match (managed, optional(request, "MasterUserPassword")) {
        (false, Some(given)) => password(given)?.to_owned(),
        (true, None) => secrets::random_password(),
        (true, Some(_)) => return Err(modify::both_passwords()),
        (false, None) => {
            return Err(ApiError::combination("Either MasterUserPassword or ManageMasterUserPassword must be given."));
        }
    };
    let settings = Settings::read(request, engine)?;
    let kms_key_id = optional(request, "KmsKeyId").map(str::to_owned);
    let encrypted = boolean(request, "StorageEncrypted")?.unwrap_or(kms_key_id.is_some());
    let version = optional(request, "EngineVersion");
    let programs = Programs::find(engine, version, control.postgres_bin.as_deref()).await;
    let programs = programs.map_err(|error| ApiError::combination(error.to_string()))?;
    let cluster = insert(control, &name, programs, settings, |_, settings, resource_id, arn, server| Cluster {
        id: name.clone(),
        arn,
        resource_id,
        status: "creating".to_owned(),
        engine_mode: optional(request, "EngineMode").unwrap_or("provisioned").to_owned(),
        master,
        database,
        created: Timestamp::now(),
        encrypted,
        kms_key_id: kms_key_id.filter(|_| encrypted),
        settings,
        clone_group: uuid::Uuid::new_v4().to_string(),
        shares_storage_of: None,
        secret: None,
        server,
    })?;
    if managed && let Err(error) = modify::store_password(control, request, &cluster, &password).await {
        control.registry().clusters.remove(&name);
        return Err(error);
    }
    control.spawn(|control| async move {
        let master = Master { name: &cluster.master, password: &password, database: cluster.database.as_deref() };
        let created = control.at_least_delay(cluster.server.create(master, &control.authority)).await;
        control.settle(&cluster.id, created, "failed");
    });
    xml::cluster_response(request, id, &name, &control.registry(), &control.names)
}

/// Registers a new cluster with a new resource id, ARN and server.
pub(crate) fn insert(
    control: &ControlPlane,
    name: &str,
    programs: Programs,
    settings: Settings,
    make: impl FnOnce(&Registry, Settings, String, String, Server) -> Cluster,
) -> Result<Cluster, ApiError> {
    let mut registry = control.registry();
    if registry.clusters.contains_key(name) {
        return Err(ApiError::new("DBClusterAlreadyExistsFault", "DB Cluster already exists"));
    }
    let (resource_id, arn) = control.identity(name);
    let server = control.new_server(&registry, programs, (name, &resource_id), &settings)?;
    let cluster = make(&registry, settings, resource_id, arn, server);
    registry.clusters.insert(name.to_owned(), cluster.clone());
    Ok(cluster)
}

/// Handles `DescribeDBClusters`.
pub(crate) fn describe(control: &ControlPlane, request: &Request, id: &str) -> Result<String, ApiError> {
    let mut registry = control.registry();
    let wanted = optional(request, "DBClusterIdentifier").map(|name| control.names.id("cluster", name));
    if let Some(wanted) = &wanted {
        registry.cluster(wanted)?;
    }
    let filters = Filters::read(request, &["db-cluster-id", "db-cluster-resource-id", "clone-group-id", "engine"])?;
    let found = registry.clusters.values().filter(|cluster| {
        wanted.as_ref().is_none_or(|wanted| cluster.id == *wanted)
            && filters.match_all(|name| match name {
                "db-cluster-id" => &cluster.id,
                "db-cluster-resource-id" => &cluster.resource_id,
                "clone-group-id" => &cluster.clone_group,
                _ => cluster.server.engine().name(),
            })
    });
    let (clusters, marker) = page(request, found.collect(), |cluster| &cluster.id)?;
    Ok(response(request.action(), id, |result| {
        result.maybe("Marker", marker).child("DBClusters", |list| {
            for cluster in clusters {
                list.child("DBCluster", |out| xml::cluster(out, cluster, &registry, &control.names));
            }
        });
    }))
}

/// Handles `DeleteDBCluster`.
pub(crate) fn delete(control: &Arc<ControlPlane>, request: &Request, id: &str) -> Result<String, ApiError> {
    let name = control.names.id("cluster", required(request, "DBClusterIdentifier")?);
    let (cluster, body) = {
        let mut registry = control.registry();
        let cluster = registry.cluster(&name)?;
        if cluster.settings.deletion_protection {
            return Err(ApiError::combination(
                "Cannot delete protected Cluster, please disable deletion protection and try again.",
            ));
        }
        let final_snapshot = optional(request, "FinalDBSnapshotIdentifier").is_some();
        match (boolean(request, "SkipFinalSnapshot")?.unwrap_or(false), final_snapshot) {
            (true, false) => {}
            (true, true) => {
                return Err(ApiError::combination(
                    "FinalDBSnapshotIdentifier cannot be specified when skipping final snapshot.",
                ));
            }
            (false, false) => {
                return Err(ApiError::combination(
                    "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
                ));
            }
            (false, true) => {
                return Err(ApiError::value("The local stack does not support snapshots: use SkipFinalSnapshot."));
            }
        }
        // Background work still uses a server that is being created or changed.
        if ["creating", "deleting", "resetting-master-credentials"].contains(&cluster.status.as_str()) {
            return Err(ApiError::cluster_state(format!(
                "DB cluster {name} cannot be deleted with status {}.",
                cluster.status
            )));
        }
        if registry.members(&name).iter().any(|instance| instance.status != "deleting") {
            return Err(ApiError::cluster_state(
                "Cluster cannot be deleted, it still contains DB instances in non-deleting state.",
            ));
        }
        registry.cluster(&name)?.status = "deleting".to_owned();
        let cluster = registry.cluster(&name)?.clone();
        (cluster, xml::cluster_response(request, id, &name, &registry, &control.names)?)
    };
    control.spawn(|control| async move {
        if let (Some(secret), Some(client)) = (&cluster.secret, &control.secrets)
            && let Err(error) = secrets::delete(client, &secret.arn).await
        {
            tracing::error!(cluster = cluster.id, %error, "cannot delete the secret");
        }
        let dir = cluster.server.dir().to_owned();
        let removed = control.at_least_delay(tokio::task::spawn_blocking(move || engine::remove(&dir))).await;
        if let Ok(Err(error)) = &removed {
            tracing::error!(
                cluster = cluster.id,
                error = error as &dyn std::error::Error,
                "cannot remove the data directory"
            );
        }
        // The cluster disappears only after its last instance.
        while !control.registry().members(&cluster.id).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        control.registry().clusters.remove(&cluster.id);
    });
    Ok(body)
}
