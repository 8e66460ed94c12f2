//! The model of clusters and instances. It is in memory only.

use std::collections::BTreeMap;
use std::path::Path;

use export_task::engine::Engine;
use jiff::Timestamp;
use rds_query::Request;

use super::engine::{Server, default_parameter_group};
use super::error::ApiError;
use super::secrets::MasterSecret;
use super::validate::{boolean, optional, tags};

/// The maximum number of copy-on-write clones of a cluster. The next one silently becomes a full
/// copy.
pub(crate) const CLONE_LIMIT: usize = 15;

/// The account and the Region in the names of resources.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) account: String,
    pub(crate) region: String,
}

impl Names {
    /// Returns the ARN of a resource. `kind` is `cluster` or `db`.
    pub(crate) fn arn(&self, kind: &str, id: &str) -> String {
        format!("arn:aws:rds:{}:{}:{kind}:{id}", self.region, self.account)
    }

    /// Returns the AWS managed key of a service.
    pub(crate) fn service_key(&self, service: &str) -> String {
        format!("arn:aws:kms:{}:{}:alias/aws/{service}", self.region, self.account)
    }

    /// Returns the identifier in an ARN of this account and Region, or the name itself. RDS stores
    /// identifiers in lower case.
    pub(crate) fn id(&self, kind: &str, name_or_arn: &str) -> String {
        let prefix = self.arn(kind, "");
        name_or_arn.strip_prefix(&prefix).unwrap_or(name_or_arn).to_ascii_lowercase()
    }
}

/// A DB cluster.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) resource_id: String,
    pub(crate) status: String,
    pub(crate) engine_mode: String,
    pub(crate) master: String,
    pub(crate) database: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) encrypted: bool,
    pub(crate) kms_key_id: Option<String>,
    pub(crate) settings: Settings,
    pub(crate) clone_group: String,
    /// The resource id of the cluster whose storage a copy-on-write clone shares.
    pub(crate) shares_storage_of: Option<String>,
    pub(crate) secret: Option<MasterSecret>,
    pub(crate) server: Server,
}

/// The settings of a cluster that responses show. Except for the parameter group, they have no
/// effect on the server.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) subnet_group: String,
    pub(crate) security_groups: Vec<String>,
    pub(crate) parameter_group: String,
    pub(crate) deletion_protection: bool,
    /// Minimum and maximum capacity.
    pub(crate) serverless: Option<(String, String)>,
    pub(crate) tags: Vec<(String, String)>,
}

impl Settings {
    /// Reads the settings of a new cluster. Missing ones get the account's default. This applies to
    /// a clone too, because RDS does not copy the settings of the source.
    pub(crate) fn read(request: &Request, engine: Engine) -> Result<Self, ApiError> {
        let text = |name: &str, default: &str| optional(request, name).unwrap_or(default).to_owned();
        let groups = request.list("VpcSecurityGroupIds", "VpcSecurityGroupId");
        let groups = if groups.is_empty() { vec!["sg-default"] } else { groups };
        let capacity = |name: &str| request.get(&format!("ServerlessV2ScalingConfiguration.{name}")).map(str::to_owned);
        Ok(Self {
            subnet_group: text("DBSubnetGroupName", "default"),
            security_groups: groups.into_iter().map(str::to_owned).collect(),
            parameter_group: text("DBClusterParameterGroupName", default_parameter_group(engine)),
            deletion_protection: boolean(request, "DeletionProtection")?.unwrap_or(false),
            serverless: capacity("MinCapacity").zip(capacity("MaxCapacity")),
            tags: tags(request)?,
        })
    }
}

/// A DB instance. It has no server of its own; the cluster has one.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) resource_id: String,
    pub(crate) cluster: String,
    pub(crate) class: String,
    pub(crate) status: String,
    pub(crate) created: Timestamp,
    pub(crate) tags: Vec<(String, String)>,
}

/// All resources, in the order of their ids.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) clusters: BTreeMap<String, Cluster>,
    pub(crate) instances: BTreeMap<String, Instance>,
    /// The parameters of each cluster parameter group, by the name of the group.
    pub(crate) parameter_groups: BTreeMap<String, Vec<(String, String)>>,
}

impl Registry {
    /// Returns a cluster by its id.
    pub(crate) fn cluster(&mut self, id: &str) -> Result<&mut Cluster, ApiError> {
        self.clusters.get_mut(id).ok_or_else(|| ApiError::no_cluster(id))
    }

    /// Returns an instance by its id.
    pub(crate) fn instance(&mut self, id: &str) -> Result<&mut Instance, ApiError> {
        self.instances.get_mut(id).ok_or_else(|| ApiError::no_instance(id))
    }

    /// Returns the instances of a cluster. The first is the writer, which is the oldest.
    pub(crate) fn members(&self, cluster: &str) -> Vec<&Instance> {
        let mut members: Vec<&Instance> =
            self.instances.values().filter(|instance| instance.cluster == cluster).collect();
        members.sort_by_key(|instance| instance.created);
        members
    }

    /// Returns the number of clones that share the storage of a cluster.
    pub(crate) fn clone_count(&self, resource_id: &str) -> usize {
        let shared = self.clusters.values().filter(|cluster| cluster.shares_storage_of.as_deref() == Some(resource_id));
        shared.count()
    }

    /// Returns the parameters of a cluster parameter group.
    pub(crate) fn parameters(&self, group: &str) -> Vec<(String, String)> {
        self.parameter_groups.get(&group.to_ascii_lowercase()).cloned().unwrap_or_default()
    }

    /// Returns the ports of all servers, including those that have not started yet.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.clusters.values().map(|cluster| cluster.server.port()).collect()
    }

    /// Returns the tags of the resource with this ARN.
    pub(crate) fn tags(&mut self, names: &Names, arn: &str) -> Result<&mut Vec<(String, String)>, ApiError> {
        if arn.starts_with(&names.arn("cluster", "")) {
            return self.cluster(&names.id("cluster", arn)).map(|cluster| &mut cluster.settings.tags);
        }
        if arn.starts_with(&names.arn("db", "")) {
            return self.instance(&names.id("db", arn)).map(|instance| &mut instance.tags);
        }
        Err(ApiError::value(format!("Invalid resource name: {arn}")))
    }
}

/// Returns a new resource id: `cluster-` or `db-`, and 26 letters and digits.
pub(crate) fn resource_id(kind: &str) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string().to_ascii_uppercase();
    format!("{kind}-{}", &random[..26])
}

/// Returns whether a directory belongs to a cluster. Its name is then the resource id of the
/// cluster.
pub(crate) fn is_cluster_dir(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix("cluster-"));
    name.is_some_and(|id| id.len() == 26 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}
