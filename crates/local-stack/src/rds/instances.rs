//! The actions on instances. They do not start or stop a server, because the server belongs to the
//! cluster.

use std::sync::Arc;

use jiff::Timestamp;
use rds_query::{Request, xml::response};

use super::cluster::{Instance, Registry, resource_id};
use super::control::ControlPlane;
use super::error::ApiError;
use super::validate::{Filters, new_identifier, optional, page, required, tags};
use super::xml;

/// Handles `CreateDBInstance`.
pub(crate) fn create(control: &Arc<ControlPlane>, request: &Request, id: &str) -> Result<String, ApiError> {
    let name = new_identifier(request, "DBInstanceIdentifier")?;
    let class = required(request, "DBInstanceClass")?;
    if !class.starts_with("db.") {
        return Err(ApiError::value(format!("Invalid DB Instance class: {class}")));
    }
    let engine = required(request, "Engine")?;
    let cluster = optional(request, "DBClusterIdentifier").ok_or_else(|| {
        ApiError::combination(
            "The local stack supports only instances of Aurora clusters: DBClusterIdentifier is missing.",
        )
    })?;
    let tags = tags(request)?;
    let cluster = control.names.id("cluster", cluster);
    let body = {
        let mut registry = control.registry();
        if registry.instances.contains_key(&name) {
            return Err(ApiError::new("DBInstanceAlreadyExists", "DB instance already exists"));
        }
        let found = registry.cluster(&cluster)?;
        if class == "db.serverless" && found.settings.serverless.is_none() {
            return Err(ApiError::cluster_state(
                "Set the Serverless v2 scaling configuration on the parent DB cluster before creating a Serverless v2 DB instance.",
            ));
        }
        let (status, engine_of_cluster) = (found.status.clone(), found.server.engine().name());
        if engine != engine_of_cluster {
            return Err(ApiError::combination(format!(
                "The engine name requested for your DB instance ({engine}) doesn't match the engine name of your DB \
                 cluster ({engine_of_cluster})."
            )));
        }
        // A new instance waits until its cluster has been created.
        if !["available", "creating", "resetting-master-credentials"].contains(&status.as_str()) {
            return Err(ApiError::cluster_state(format!("DB cluster {cluster} has status {status}.")));
        }
        let instance = Instance {
            id: name.clone(),
            arn: control.names.arn("db", &name),
            resource_id: resource_id("db"),
            cluster: cluster.clone(),
            class: class.to_owned(),
            status: "creating".to_owned(),
            created: Timestamp::now(),
            tags,
        };
        registry.instances.insert(name.clone(), instance);
        respond(control, request, id, &registry, &name)?
    };
    control.spawn(|control| async move {
        let status = control
            .at_least_delay(control.wait_until_not(&cluster, &["creating", "resetting-master-credentials"]))
            .await;
        if let Ok(instance) = control.registry().instance(&name)
            && instance.status == "creating"
        {
            instance.status = if status.as_deref() == Some("available") { "available" } else { "failed" }.to_owned();
        }
    });
    Ok(body)
}

/// Handles `DescribeDBInstances`.
pub(crate) fn describe(control: &ControlPlane, request: &Request, id: &str) -> Result<String, ApiError> {
    let mut registry = control.registry();
    let wanted = optional(request, "DBInstanceIdentifier").map(|name| control.names.id("db", name));
    if let Some(wanted) = &wanted {
        registry.instance(wanted)?;
    }
    let filters = Filters::read(request, &["db-cluster-id", "db-instance-id", "dbi-resource-id", "engine"])?;
    let engine = |cluster: &str| registry.clusters.get(cluster).map_or("", |found| found.server.engine().name());
    let found = registry.instances.values().filter(|instance| {
        wanted.as_ref().is_none_or(|wanted| instance.id == *wanted)
            && filters.match_all(|name| match name {
                "db-cluster-id" => &instance.cluster,
                "db-instance-id" => &instance.id,
                "dbi-resource-id" => &instance.resource_id,
                _ => engine(&instance.cluster),
            })
    });
    let (instances, marker) = page(request, found.collect(), |instance| &instance.id)?;
    Ok(response(request.action(), id, |result| {
        result.maybe("Marker", marker).child("DBInstances", |list| {
            for instance in instances {
                if let Some(cluster) = registry.clusters.get(&instance.cluster) {
                    list.child("DBInstance", |out| xml::instance(out, instance, cluster, &control.names));
                }
            }
        });
    }))
}

/// Handles `DeleteDBInstance`. `SkipFinalSnapshot` has no meaning here, because an instance of a
/// cluster has no snapshots.
pub(crate) fn delete(control: &Arc<ControlPlane>, request: &Request, id: &str) -> Result<String, ApiError> {
    let name = control.names.id("db", required(request, "DBInstanceIdentifier")?);
    let body = {
        let mut registry = control.registry();
        let instance = registry.instance(&name)?;
        if instance.status == "deleting" {
            let message = format!("Instance {name} is already being deleted.");
            return Err(ApiError::new("InvalidDBInstanceState", message));
        }
        instance.status = "deleting".to_owned();
        respond(control, request, id, &registry, &name)?
    };
    control.spawn(|control| async move {
        tokio::time::sleep(control.delay).await;
        control.registry().instances.remove(&name);
    });
    Ok(body)
}

/// Returns the response of an action whose result is one instance.
fn respond(
    control: &ControlPlane,
    request: &Request,
    id: &str,
    registry: &Registry,
    name: &str,
) -> Result<String, ApiError> {
    let instance = registry.instances.get(name).ok_or_else(|| ApiError::no_instance(name))?;
    let cluster = registry.clusters.get(&instance.cluster).ok_or_else(|| ApiError::no_cluster(&instance.cluster))?;
    Ok(response(request.action(), id, |result| {
        result.child("DBInstance", |out| xml::instance(out, instance, cluster, &control.names));
    }))
}
