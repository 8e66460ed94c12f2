//! Nothing is left of a task but what was exported.

use std::fs;
use std::time::Duration;

use serde_json::json;

use super::aws::{list, text};
use super::task::Task;
use super::{Env, wait_for};

impl Task {
    /// Waits for the end of the execution; then there is no clone and no instance, no secret without a cluster, no lock, no
    /// slot, no grant, no unfinished upload. Returns how the execution ended.
    pub fn leaves_nothing(&self) -> String {
        let ended = self.execution_status();
        self.assert_cleaned_up();
        ended
    }

    /// As [`leaves_nothing`](Self::leaves_nothing), right now.
    pub fn assert_cleaned_up(&self) {
        let (env, id) = (self.env, &self.id);
        let record = self.record().unwrap();
        assert!(record.get("CleanedUpAt").is_some(), "{id} is not cleaned up: {record}");
        let clone = record["CloneIdentifier"]["S"].as_str().unwrap();

        let clusters = env.aws("rds", "describe_db_clusters", json!({}));
        assert!(list(&clusters, "DBClusters").iter().all(|c| text(c, "DBClusterIdentifier") != clone), "{clusters}");
        let instances = env.aws("rds", "describe_db_instances", json!({}));
        assert!(
            list(&instances, "DBInstances").iter().all(|i| text(i, "DBInstanceIdentifier") != clone),
            "{instances}"
        );
        // Other tests' clones come and go while this looks.
        wait_for("no secret and no data without a cluster", Duration::from_secs(10), || {
            orphans(env).is_empty().then_some(())
        });

        let table = env.output("TaskTableName");
        let item = |kind: &str, id: &str| {
            let key = json!({"Kind": {"S": kind}, "Id": {"S": id}});
            env.aws("dynamodb", "get_item", json!({"TableName": table, "Key": key, "ConsistentRead": true}))
        };
        let lock = item("LOCK", &self.cluster_arn);
        assert!(!lock.to_string().contains(&format!("\"{id}\"")), "{lock}");
        let slots = item("SLOTS", "ACCOUNT");
        assert!(!slots.to_string().contains(&format!("\"{id}\"")), "{slots}");

        if let Some(key) = record.get("KmsKeyArn") {
            let grants = env.aws("kms", "list_grants", json!({"KeyId": key["S"]}));
            assert!(list(&grants, "Grants").iter().all(|grant| grant["Name"] != clone), "{grants}");
        }
        let asked = json!({"Bucket": self.bucket, "Prefix": self.path});
        if let Ok(uploads) = env.try_aws("s3", "list_multipart_uploads", asked) {
            assert_eq!(list(&uploads, "Uploads").len(), 0, "{uploads}");
        }
    }
}

/// Secrets and data directories of clusters that do not exist.
fn orphans(env: &Env) -> Vec<String> {
    let secrets = env.aws("secretsmanager", "list_secrets", json!({}));
    let directories = fs::read_dir(env.data_dir()).unwrap();
    let directories = directories.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found =
        list(&secrets, "SecretList").iter().map(|s| text(s, "Name").to_owned()).filter(|name| name.starts_with("rds!"));
    let found: Vec<String> = found.chain(directories).collect();
    let clusters = env.aws("rds", "describe_db_clusters", json!({})).to_string();
    found.into_iter().filter(|name| !clusters.contains(name.trim_start_matches("rds!"))).collect()
}
