//! A cluster on the local stack, its export, and the comparison of both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use local_stack::{Layout, Stack};
use serde_json::Value;

use super::Result;
use crate::memory::workers_peak_kib;

/// The master user. It is no superuser, as on Aurora.
pub(super) const MASTER: &str = "fidelity";
pub(super) const PASSWORD: &str = "fidelity-password";

pub(super) struct Cluster {
    pub layout: Layout,
    env: BTreeMap<String, String>,
    id: String,
    arn: String,
    pub port: u16,
    /// The directory of the server, which has its socket.
    pub directory: PathBuf,
}

impl Cluster {
    /// Creates a cluster with a version of an engine.
    pub(super) fn create(layout: &Layout, stack: &Stack, id: &str, engine: &str, version: &str) -> Result<Self> {
        let (arn, directory) = (String::new(), PathBuf::new());
        let mut cluster =
            Self { layout: layout.clone(), env: stack.env(layout), id: id.to_owned(), arn, port: 0, directory };
        let create = ["rds", "create-db-cluster", "--db-cluster-identifier", id, "--engine", engine];
        let login = ["--master-username", MASTER, "--master-user-password", PASSWORD, "--engine-version", version];
        cluster.aws(&[create, login].concat())?;
        loop {
            let described = cluster.aws(&["rds", "describe-db-clusters", "--db-cluster-identifier", id])?;
            let found = &described["DBClusters"][0];
            let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
            if found["Status"] == "available" {
                cluster.arn = text("DBClusterArn");
                cluster.port = found["Port"].as_u64().and_then(|port| port.try_into().ok()).unwrap_or_default();
                cluster.directory = cluster.layout.data_dir.join(text("DbClusterResourceId"));
                return Ok(cluster);
            }
            sleep(Duration::from_millis(200));
        }
    }

    /// Starts an export task and waits for its end. Prints the peak memory of the largest worker.
    /// Returns the task.
    pub(super) fn export(&self, task: &str) -> Result<Value> {
        let start = ["rds", "start-export-task", "--export-task-identifier", task, "--source-arn", &self.arn];
        let to = ["--s3-bucket-name", &self.env["EXPORT_BUCKET"], "--iam-role-arn", &self.env["EXPORT_ROLE_ARN"]];
        self.aws(&[start.as_slice(), &to, &["--kms-key-id", &self.env["EXPORT_KMS_KEY_ID"]]].concat())?;
        let mut peak = 0;
        loop {
            peak = peak.max(workers_peak_kib(&self.env["AWS_ENDPOINT_URL"]));
            let described = self.aws(&["rds", "describe-export-tasks", "--export-task-identifier", task])?;
            let task = &described["ExportTasks"][0];
            match task["Status"].as_str() {
                Some("COMPLETE" | "FAILED") => {
                    println!("{}: the largest worker used {} MiB", self.id, peak / 1024);
                    return Ok(task.clone());
                }
                Some("STARTING" | "IN_PROGRESS") => sleep(Duration::from_millis(500)),
                _ => return Err(format!("the export ended: {task}").into()),
            }
        }
    }

    /// Exports everything, compares every table with the server and looks rows up. Returns the
    /// report of the comparison. `scheme` is the scheme of the server's URL.
    pub(super) fn export_and_compare(&self, task: &str, scheme: &str) -> Result<Value> {
        crate::say("exporting");
        let ended = self.export(task)?;
        if ended["Status"] != "COMPLETE" {
            return Err(format!("the export failed: {}", ended["FailureCause"]).into());
        }
        let directory = self.layout.state_dir.join("tmp").join(task);
        let from = format!("s3://{}/{task}/", self.env["EXPORT_BUCKET"]);
        self.aws(&["s3", "cp", "--recursive", "--only-show-errors", &from, &directory.to_string_lossy()])?;
        crate::say("comparing");
        let source = format!("{scheme}://{MASTER}:{PASSWORD}@127.0.0.1:{}", self.port);
        let mut verify = Command::new(self.layout.binaries().join("aurora-export"));
        verify.arg("verify").arg(&directory).args(["--source", &source, "--output", "json"]);
        let verified = verify.output()?;
        if !verified.status.success() {
            let output = [verified.stdout, verified.stderr].concat();
            return Err(format!("the export differs: {}", String::from_utf8_lossy(&output)).into());
        }
        let compared: Value = serde_json::from_slice(&verified.stdout)?;
        println!("{}: {} tables, {} rows equal", self.id, tables(&compared).count(), rows(&compared, |_| true));
        for (target, reason) in compared["skipped"].as_object().into_iter().flatten() {
            println!("  left out: {target}: {}", reason.as_str().unwrap_or_default());
        }
        crate::say("looking rows up");
        let mut python = Command::new(self.layout.venv().join("bin/python"));
        let script = self.layout.checkout.join("tests/python/lookup.py");
        let looked_up: Value = serde_json::from_str(&output(python.arg(script).arg(&directory))?)?;
        println!("{}: rows of {} tables looked up by their keys", self.id, looked_up["lookedUp"]);
        Ok(compared)
    }

    fn aws(&self, arguments: &[&str]) -> Result<Value> {
        let mut aws = Command::new(self.layout.venv().join("bin/aws"));
        let answer = output(aws.args(arguments).args(["--output", "json"]).envs(&self.env))?;
        Ok(serde_json::from_str(&answer).unwrap_or_default())
    }
}

/// Returns the tables in the report of a comparison.
pub(super) fn tables(compared: &Value) -> impl Iterator<Item = &Value> {
    compared["tables"].as_array().into_iter().flatten()
}

/// Returns the number of rows of the tables whose name is wanted.
pub(super) fn rows(compared: &Value, wanted: impl Fn(&str) -> bool) -> u64 {
    let tables = tables(compared).filter(|table| table["target"].as_str().is_some_and(&wanted));
    tables.filter_map(|table| table["rows"].as_u64()).sum()
}

/// Returns the directory for downloads, which are kept.
pub(crate) fn cache(checkout: &Path) -> PathBuf {
    checkout.join("target/local/cache")
}

/// Returns the standard output of a program. The error has its standard error.
pub(super) fn output(command: &mut Command) -> Result<String> {
    let done = command.output()?;
    if !done.status.success() {
        let program = command.get_program().to_string_lossy().into_owned();
        return Err(format!("{program} failed: {}", String::from_utf8_lossy(&done.stderr).trim()).into());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
