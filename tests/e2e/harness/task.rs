//! Export tasks: starting them, waiting for them, reading their exports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::aws::{AwsError, list, text};
use super::cluster::Cluster;
use super::{Env, wait_for};

/// The maximum duration of an export in these tests.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A task. It occupies one of the slots of [`Env`] until this is dropped.
pub(crate) struct Task {
    pub env: &'static Env,
    pub id: String,
    pub cluster_arn: String,
    pub bucket: String,
    /// `[prefix/]<task>/`
    pub path: String,
}

/// The history of a task that has ended.
pub(crate) struct Watched {
    /// The distinct observations in order: `Status` and `PercentProgress`.
    pub seen: Vec<(String, i64)>,
    /// The last response of `DescribeExportTasks`.
    pub last: Value,
}

impl Watched {
    /// Returns the tables that were left out and the reasons, from `WarningMessage`.
    pub(crate) fn skipped(&self) -> BTreeMap<String, String> {
        let warning: Value = serde_json::from_str(text(&self.last, "WarningMessage")).unwrap();
        let skipped = list(&warning, "skippedTables").iter();
        skipped.map(|table| (text(table, "target").to_owned(), text(table, "reason").to_owned())).collect()
    }
}

/// Returns the expected value of [`Watched::skipped`].
pub(crate) fn reasons(skipped: &[(&str, &str)]) -> BTreeMap<String, String> {
    skipped.iter().map(|(target, reason)| ((*target).to_owned(), (*reason).to_owned())).collect()
}

impl Task {
    /// Waits for a free slot and returns the task that the caller is about to start with `request`.
    pub(crate) fn from_request(env: &'static Env, request: &Value) -> Self {
        env.take_slot();
        let id = text(request, "ExportTaskIdentifier").to_owned();
        let path = match request["S3Prefix"].as_str() {
            // Keys have underscores instead of spaces.
            Some(prefix) => format!("{}/{id}/", prefix.replace(' ', "_")),
            None => format!("{id}/"),
        };
        let (arn, bucket) = (text(request, "SourceArn").to_owned(), text(request, "S3BucketName").to_owned());
        Self { env, id, cluster_arn: arn, bucket, path }
    }

    /// Starts a task through the API. The members of `more` are added to the required members, or
    /// replace them.
    pub(crate) fn start(cluster: &Cluster, id: &str, more: Value) -> Self {
        Self::try_start(cluster, id, more).unwrap_or_else(|error| panic!("{id}: {error}"))
    }

    /// Does what [`start`](Self::start) does, and returns the error if the API refuses the request.
    pub(crate) fn try_start(cluster: &Cluster, id: &str, more: Value) -> Result<Self, AwsError> {
        let mut request = cluster.request(id);
        request.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let task = Self::from_request(cluster.env, &request);
        cluster.env.try_aws("rds", "start_export_task", request)?;
        Ok(task)
    }

    /// Starts a task by starting an execution. Problems with the request then appear as the task's
    /// `FailureCause`, because no caller waits for an error.
    pub(crate) fn execute(cluster: &Cluster, id: &str, more: Value) -> Self {
        let mut request = cluster.request(id);
        request.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let task = Self::from_request(cluster.env, &request);
        let machine = cluster.env.var("STATE_MACHINE_ARN");
        let start = json!({"stateMachineArn": machine, "input": request.to_string()});
        cluster.env.aws("stepfunctions", "start_execution", start);
        wait_for("admission", TIMEOUT, || task.record());
        task
    }

    /// Returns the task as `DescribeExportTasks` shows it now.
    pub(crate) fn describe(&self) -> Value {
        let answer = self.env.aws("rds", "describe_export_tasks", json!({"ExportTaskIdentifier": self.id}));
        list(&answer, "ExportTasks")[0].clone()
    }

    /// Waits until the task has ended.
    pub(crate) fn wait_until_ended(&self) -> Watched {
        let deadline = Instant::now() + TIMEOUT;
        let mut seen: Vec<(String, i64)> = Vec::new();
        loop {
            let last = self.describe();
            let state = (text(&last, "Status").to_owned(), last["PercentProgress"].as_i64().unwrap());
            if seen.last() != Some(&state) {
                seen.push(state);
            }
            if matches!(text(&last, "Status"), "COMPLETE" | "FAILED" | "CANCELED") {
                return Watched { seen, last };
            }
            assert!(Instant::now() < deadline, "{} did not end: {last}", self.id);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the task has ended, and asserts that it is `COMPLETE`.
    pub(crate) fn wait_until_complete(&self) -> Watched {
        let watched = self.wait_until_ended();
        assert_eq!(text(&watched.last, "Status"), "COMPLETE", "{}", watched.last);
        watched
    }

    /// Waits until the task has ended, and asserts that it is `FAILED`. Returns its `FailureCause`.
    pub(crate) fn wait_until_failed(&self) -> String {
        let last = self.wait_until_ended().last;
        assert_eq!(text(&last, "Status"), "FAILED", "{last}");
        text(&last, "FailureCause").to_owned()
    }

    /// Waits until the task is `IN_PROGRESS` with at least this `PercentProgress`.
    pub(crate) fn wait_until_extracting(&self, percent: i64) {
        wait_for("an export under way", TIMEOUT, || {
            let now = self.describe();
            let status = text(&now, "Status");
            assert!(matches!(status, "STARTING" | "IN_PROGRESS"), "{now}");
            (status == "IN_PROGRESS" && now["PercentProgress"].as_i64().unwrap() >= percent).then_some(())
        });
    }

    /// Returns the task's record in the task store.
    pub(crate) fn record(&self) -> Option<Value> {
        let key = json!({"Kind": {"S": "TASK"}, "Id": {"S": self.id}});
        let table = self.env.output("TaskTableName");
        let answer =
            self.env.aws("dynamodb", "get_item", json!({"TableName": table, "Key": key, "ConsistentRead": true}));
        answer.get("Item").cloned()
    }

    /// Waits for the end of the execution, which is later than the end of the task. Returns the
    /// execution's status.
    pub(crate) fn execution_status(&self) -> String {
        let arn = self.record().unwrap()["ExecutionArn"]["S"].as_str().unwrap().to_owned();
        wait_for("the end of the execution", Duration::from_secs(60), || {
            let execution = self.env.aws("stepfunctions", "describe_execution", json!({"executionArn": arn}));
            let status = text(&execution, "status");
            (status != "RUNNING").then(|| status.to_owned())
        })
    }

    /// Downloads the export. Returns the directory.
    pub(crate) fn download(&self) -> PathBuf {
        let directory = self.env.scratch(&self.id);
        let request = json!({"bucket": self.bucket, "prefix": self.path, "directory": directory});
        self.env.aws("s3", "download", request);
        directory
    }

    /// Returns the keys of all objects below the task's prefix.
    pub(crate) fn objects(&self) -> Vec<String> {
        let answer = self.env.aws("s3", "list_objects_v2", json!({"Bucket": self.bucket, "Prefix": self.path}));
        list(&answer, "Contents").iter().map(|object| text(object, "Key").to_owned()).collect()
    }

    /// Reads a JSON document of the export. `name` is relative to the task's prefix.
    pub(crate) fn document(&self, name: &str) -> Value {
        let key = format!("{}{name}", self.path);
        let answer = self.env.aws("s3", "get_object", json!({"Bucket": self.bucket, "Key": key}));
        serde_json::from_str(text(&answer, "Body")).unwrap()
    }

    /// Downloads the export and compares it with the database. Asserts that it has exactly these
    /// tables and equal values. Returns the number of rows.
    pub(crate) fn compare_with(&self, cluster: &Cluster, tables: &[[&str; 3]]) -> u64 {
        compare(cluster, &self.download(), tables)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.env.give_slot();
    }
}

/// Compares a copy of an export with the database and asserts that they are equal. Returns the
/// number of rows.
pub(crate) fn compare(cluster: &Cluster, directory: &Path, tables: &[[&str; 3]]) -> u64 {
    try_compare(cluster, directory, tables).unwrap_or_else(|differences| panic!("{differences}"))
}

/// Compares a copy of an export with the database. Returns the number of rows, or a report of the
/// differences.
pub(crate) fn try_compare(cluster: &Cluster, directory: &Path, tables: &[[&str; 3]]) -> Result<u64, String> {
    let mut verify = cluster.env.aurora_export();
    verify.arg("verify").arg(directory).args(["--source", &cluster.url(), "--output", "json"]);
    let done = verify.output().unwrap();
    let output = || format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    if !done.status.success() {
        return Err(output());
    }
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let found: BTreeSet<&str> = list(&report, "tables").iter().map(|table| text(table, "target")).collect();
    let wanted: BTreeSet<String> = tables.iter().map(|table| table.join(".")).collect();
    if !wanted.iter().map(String::as_str).eq(found) {
        return Err(format!("the tables are not {wanted:?}: {}", output()));
    }
    Ok(list(&report, "tables").iter().map(|table| table["rows"].as_u64().unwrap()).sum())
}
