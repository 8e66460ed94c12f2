//! Checks that a task leaves nothing behind except its export.

use std::fs;
use std::time::Duration;

use serde_json::json;

use super::aws::{list, text};
use super::task::Task;
use super::{Env, wait_for};

impl Task {
    /// Waits for the end of the execution and asserts that nothing is left of the task. Returns the
    /// execution's status.
    pub(crate) fn leaves_nothing(&self) -> String {
        let status = self.execution_status();
        self.assert_cleaned_up();
        status
    }

    /// Asserts that the task has no clone and no instance, no lock, no slot, no grant and no
    /// unfinished upload, and that every secret and data directory belongs to a cluster.
    pub(crate) fn assert_cleaned_up(&self) {
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
        // The clones of other tests come and go during this check.
        wait_for("the removal of every secret and directory without a cluster", Duration::from_secs(10), || {
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

/// Returns the secrets and data directories whose cluster does not exist.
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
