//! Writes clusters, instances and tags in the XML of the RDS API.

use rds_query::Request;
use rds_query::xml::{Element, response};

use super::cluster::{Cluster, Instance, Names, Registry};
use super::engine::license;
use super::error::ApiError;

/// The endpoint address of every server.
const ADDRESS: &str = "127.0.0.1";

/// Returns the response of an action whose result is one cluster.
pub(crate) fn cluster_response(
    request: &Request,
    request_id: &str,
    name: &str,
    registry: &Registry,
    names: &Names,
) -> Result<String, ApiError> {
    let found = registry.clusters.get(name).ok_or_else(|| ApiError::no_cluster(name))?;
    Ok(response(request.action(), request_id, |result| {
        result.child("DBCluster", |out| cluster(out, found, registry, names));
    }))
}

/// Writes the members of a `DBCluster`.
pub(crate) fn cluster(out: &mut Element<'_>, cluster: &Cluster, registry: &Registry, names: &Names) {
    let zones = ["a", "b", "c"].map(|zone| format!("{}{zone}", names.region));
    let available = cluster.status == "available";
    out.text("AllocatedStorage", 1)
        .list("AvailabilityZones", "AvailabilityZone", zones)
        .text("BackupRetentionPeriod", 1)
        .maybe("DatabaseName", cluster.database.as_ref())
        .text("DBClusterIdentifier", &cluster.id)
        .text("DBClusterParameterGroup", &cluster.settings.parameter_group)
        .text("DBSubnetGroup", &cluster.settings.subnet_group)
        .text("Status", &cluster.status)
        .maybe("EarliestRestorableTime", available.then(|| time(cluster.created)))
        .text("Endpoint", ADDRESS)
        .text("ReaderEndpoint", ADDRESS)
        .text("MultiAZ", registry.members(&cluster.id).len() > 1)
        .text("Engine", cluster.server.engine().name())
        .text("EngineVersion", cluster.server.version())
        .maybe("LatestRestorableTime", available.then(|| time(jiff::Timestamp::now())))
        .text("Port", cluster.server.port())
        .text("MasterUsername", &cluster.master)
        .text("PreferredBackupWindow", "03:00-03:30")
        .text("PreferredMaintenanceWindow", "sun:04:00-sun:04:30")
        .child("ReadReplicaIdentifiers", |_| ())
        .child("DBClusterMembers", |members| {
            for (at, instance) in registry.members(&cluster.id).into_iter().enumerate() {
                members.child("DBClusterMember", |member| {
                    member
                        .text("DBInstanceIdentifier", &instance.id)
                        .text("IsClusterWriter", at == 0)
                        .text("DBClusterParameterGroupStatus", "in-sync")
                        .text("PromotionTier", 1);
                });
            }
        });
    security_groups(out, &cluster.settings.security_groups);
    out.text("HostedZoneId", "ZLOCAL")
        .text("StorageEncrypted", cluster.encrypted)
        .maybe("KmsKeyId", cluster.kms_key_id.as_ref())
        .text("DbClusterResourceId", &cluster.resource_id)
        .text("DBClusterArn", &cluster.arn)
        .child("AssociatedRoles", |_| ())
        .text("IAMDatabaseAuthenticationEnabled", false)
        .text("CloneGroupId", &cluster.clone_group)
        .text("ClusterCreateTime", time(cluster.created))
        .text("EngineMode", &cluster.engine_mode)
        .text("DeletionProtection", cluster.settings.deletion_protection)
        .text("HttpEndpointEnabled", false)
        .text("AutoMinorVersionUpgrade", true)
        .text("CopyTagsToSnapshot", false)
        .text("CrossAccountClone", false)
        .text("NetworkType", "IPV4");
    if let Some((minimum, maximum)) = &cluster.settings.serverless {
        out.child("ServerlessV2ScalingConfiguration", |scaling| {
            scaling.text("MinCapacity", minimum).text("MaxCapacity", maximum);
        });
    }
    if let Some(secret) = &cluster.secret {
        out.child("MasterUserSecret", |out| {
            out.text("SecretArn", &secret.arn).text("SecretStatus", secret.status).text("KmsKeyId", &secret.kms_key_id);
        });
    }
    tags(out, &cluster.settings.tags);
}

/// Writes the members of a `DBInstance`.
pub(crate) fn instance(out: &mut Element<'_>, instance: &Instance, cluster: &Cluster, names: &Names) {
    out.text("DBInstanceIdentifier", &instance.id)
        .text("DBInstanceClass", &instance.class)
        .text("Engine", cluster.server.engine().name())
        .text("DBInstanceStatus", &instance.status)
        .text("MasterUsername", &cluster.master)
        .maybe("DBName", cluster.database.as_ref());
    if !["creating", "failed"].contains(&instance.status.as_str()) {
        out.child("Endpoint", |endpoint| {
            endpoint.text("Address", ADDRESS).text("Port", cluster.server.port()).text("HostedZoneId", "ZLOCAL");
        });
    }
    out.text("AllocatedStorage", 1)
        .text("InstanceCreateTime", time(instance.created))
        .text("PreferredBackupWindow", "03:00-03:30")
        .text("BackupRetentionPeriod", 1)
        .child("DBSecurityGroups", |_| ());
    security_groups(out, &cluster.settings.security_groups);
    out.text("AvailabilityZone", format!("{}a", names.region))
        .child("DBSubnetGroup", |group| {
            group.text("DBSubnetGroupName", &cluster.settings.subnet_group).text("SubnetGroupStatus", "Complete");
        })
        .text("MultiAZ", false)
        .text("EngineVersion", cluster.server.version())
        .text("AutoMinorVersionUpgrade", true)
        .text("LicenseModel", license(cluster.server.engine()))
        .text("PubliclyAccessible", false)
        .text("StorageType", "aurora")
        .text("DbInstancePort", 0)
        .text("DBClusterIdentifier", &instance.cluster)
        .text("StorageEncrypted", cluster.encrypted)
        .maybe("KmsKeyId", cluster.kms_key_id.as_ref())
        .text("DbiResourceId", &instance.resource_id)
        .text("PromotionTier", 1)
        .text("DBInstanceArn", &instance.arn)
        .text("IAMDatabaseAuthenticationEnabled", false)
        .text("DeletionProtection", false);
    tags(out, &instance.tags);
}

/// Writes a `TagList`.
pub(crate) fn tags(out: &mut Element<'_>, tags: &[(String, String)]) {
    out.child("TagList", |list| {
        for (key, value) in tags {
            list.child("Tag", |tag| {
                tag.text("Key", key).text("Value", value);
            });
        }
    });
}

fn security_groups(out: &mut Element<'_>, groups: &[String]) {
    out.child("VpcSecurityGroups", |list| {
        for group in groups {
            list.child("VpcSecurityGroupMembership", |member| {
                member.text("VpcSecurityGroupId", group).text("Status", "active");
            });
        }
    });
}

/// Formats a time with milliseconds and `Z`.
fn time(at: jiff::Timestamp) -> String {
    format!("{at:.3}")
}
