//! A cluster on the local stack, and its export beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use local_stack::{Layout, Stack};
use serde_json::Value;

use super::Result;

/// The master user. No superuser, as on Aurora.
pub const MASTER: &str = "fidelity";
const PASSWORD: &str = "fidelity-password";

pub struct Cluster {
    pub layout: Layout,
    env: BTreeMap<String, String>,
    id: String,
    arn: String,
    port: String,
    /// The server's own directory, which has its socket.
    pub directory: PathBuf,
    /// The server programs.
    pub programs: PathBuf,
}

impl Cluster {
    /// A cluster of the version that `programs` are of.
    pub fn create(layout: &Layout, stack: &Stack, programs: &Path, id: &str) -> Result<Self> {
        let version = output(Command::new(programs.join("postgres")).arg("--version"))?;
        let version = version.split_whitespace().nth(2).ok_or("the server has no version")?.to_owned();
        let (layout, env, id) = (layout.clone(), stack.env(layout), id.to_owned());
        let unknown = String::new;
        let mut cluster = Self {
            layout,
            env,
            id,
            arn: unknown(),
            port: unknown(),
            directory: PathBuf::new(),
            programs: programs.to_owned(),
        };
        let create = ["rds", "create-db-cluster", "--db-cluster-identifier", &cluster.id];
        let login = ["--engine", "aurora-postgresql", "--master-username", MASTER, "--master-user-password", PASSWORD];
        cluster.aws(&[create.as_slice(), &login, &["--engine-version", &version]].concat())?;
        loop {
            let described = cluster.aws(&["rds", "describe-db-clusters", "--db-cluster-identifier", &cluster.id])?;
            let found = &described["DBClusters"][0];
            let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
            if found["Status"] == "available" {
                cluster.arn = text("DBClusterArn");
                cluster.port = found["Port"].to_string();
                cluster.directory = cluster.layout.data_dir.join(text("DbClusterResourceId"));
                return Ok(cluster);
            }
            sleep(Duration::from_millis(200));
        }
    }

    /// `psql` as the server's administrator, whom nobody on Aurora is: what the tests of others need.
    pub fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--username=rdsadmin", "--dbname", database, "--port", &self.port]);
        psql.arg("--host").arg(&self.directory);
        psql
    }

    /// Runs statements as the server's administrator.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let strict = ["--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--command", sql];
        output(self.psql(database).args(strict))
    }

    /// The server's major version.
    pub fn major(&self) -> Result<String> {
        let version: u32 = self.sql("postgres", "SHOW server_version_num")?.trim().parse()?;
        Ok((version / 10_000).to_string())
    }

    /// Lets the master user read everything, as a user who wants a whole export would.
    pub fn readable(&self) -> Result<()> {
        let grant = format!("GRANT pg_read_all_data TO {MASTER}; ALTER ROLE {MASTER} BYPASSRLS");
        self.sql("postgres", &grant).map(drop)
    }

    /// Starts an export task and waits for its end.
    pub fn export(&self, task: &str) -> Result<Value> {
        let start = ["rds", "start-export-task", "--export-task-identifier", task, "--source-arn", &self.arn];
        let to = ["--s3-bucket-name", &self.env["EXPORT_BUCKET"], "--iam-role-arn", &self.env["EXPORT_ROLE_ARN"]];
        self.aws(&[start.as_slice(), &to, &["--kms-key-id", &self.env["EXPORT_KMS_KEY_ID"]]].concat())?;
        loop {
            let described = self.aws(&["rds", "describe-export-tasks", "--export-task-identifier", task])?;
            let task = &described["ExportTasks"][0];
            match task["Status"].as_str() {
                Some("COMPLETE" | "FAILED") => return Ok(task.clone()),
                Some("STARTING" | "IN_PROGRESS") => sleep(Duration::from_millis(500)),
                _ => return Err(format!("the export ended: {task}").into()),
            }
        }
    }

    /// Exports everything, compares every row of every table, and says what was compared and what the export left out.
    pub fn export_and_compare(&self, task: &str) -> Result<Value> {
        crate::say("exporting");
        let ended = self.export(task)?;
        if ended["Status"] != "COMPLETE" {
            return Err(format!("the export failed: {}", ended["FailureCause"]).into());
        }
        let directory = self.layout.state_dir.join("tmp").join(task);
        let from = format!("s3://{}/{task}/", self.env["EXPORT_BUCKET"]);
        self.aws(&["s3", "cp", "--recursive", "--only-show-errors", &from, &directory.to_string_lossy()])?;
        crate::say("comparing");
        let database = format!("host=127.0.0.1 port={} user={MASTER} password={PASSWORD}", self.port);
        let compare = self.layout.checkout.join("tests/python/compare.py");
        let mut python = Command::new(self.layout.venv().join("bin/python"));
        python.arg(compare).args(["--database", &database, "--directory"]).arg(&directory);
        let compared: Value = serde_json::from_str(&output(&mut python)?)?;
        println!("{}: {} tables, {} rows equal", self.id, compared["tables"], compared["rows"]);
        for (target, reason) in compared["skipped"].as_object().into_iter().flatten() {
            println!("  left out: {target}: {}", reason.as_str().unwrap_or_default());
        }
        Ok(compared)
    }

    fn aws(&self, arguments: &[&str]) -> Result<Value> {
        let mut aws = Command::new(self.layout.venv().join("bin/aws"));
        let answer = output(aws.args(arguments).args(["--output", "json"]).envs(&self.env))?;
        Ok(serde_json::from_str(&answer).unwrap_or_default())
    }
}

/// Where what is fetched once stays.
pub fn cache(checkout: &Path) -> PathBuf {
    checkout.join("target/local/cache")
}

/// What a program printed; what it complained of when it failed.
pub fn output(command: &mut Command) -> Result<String> {
    let done = command.output()?;
    if !done.status.success() {
        let program = command.get_program().to_string_lossy().into_owned();
        return Err(format!("{program} failed: {}", String::from_utf8_lossy(&done.stderr).trim()).into());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
