//! Measures the peak memory of the worker processes during exports of a large table, on a separate
//! stack.
//!
//! The table is exported in the partitions that the planner makes, and again as a single partition,
//! which is the worst case. A table with a tenth of the rows is exported as a single partition too.
//! If memory grew with the number of rows, the two results would differ.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use local_stack::{Layout, Stack, prerequisites};
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CLUSTER: &str = "bench";
const PASSWORD: &str = "bench-password";

/// A row takes about 250 bytes in the heap. It has keys, numbers, times, text of varying length, a
/// document and bytes.
const TABLE: &str = "
    SET synchronous_commit = off;
    CREATE TABLE :table AS
    SELECT g AS id, g % 1000 AS account, (g % 100000)::numeric / 100 AS amount,
           timestamptz '2020-01-01' + g * interval '1 second' AS at, md5(g::text)::uuid AS session,
           repeat(md5((g * 7)::text), 1 + (g % 3)::int) AS note, jsonb_build_object('n', g, 'tag', md5((g / 50)::text)) AS document,
           decode(md5((g * 3)::text), 'hex') AS signature, random() AS score
    FROM generate_series(1, :rows) g";

/// Runs the benchmark for a table of about `gigabytes` and prints the results.
pub(crate) fn run(checkout: &Path, gigabytes: f64) -> Result<()> {
    let layout = Layout::private(checkout, "bench");
    let stack = Stack::up(&layout, &crate::say)?;
    let result = Bench { env: stack.env(&layout) }.run(gigabytes);
    Stack::down(&layout)?;
    result
}

struct Bench {
    env: BTreeMap<String, String>,
}

impl Bench {
    fn run(&self, gigabytes: f64) -> Result<()> {
        let create = ["rds", "create-db-cluster", "--db-cluster-identifier", CLUSTER, "--engine", "aurora-postgresql"];
        let login = ["--master-username", "bench", "--master-user-password", PASSWORD, "--database-name", "bench"];
        let created = self.aws(&[create.as_slice(), &login].concat())?;
        let port = created["DBCluster"]["Port"].to_string();
        while self.describe_cluster()? != "available" {
            sleep(Duration::from_millis(300));
        }
        let rows = (gigabytes * (1_u64 << 30) as f64 / 260.0) as u64;
        for (table, rows) in [("events", rows), ("tenth", rows / 10)] {
            crate::say(&format!("loading {rows} rows"));
            self.psql(&port, &TABLE.replace(":table", table).replace(":rows", &rows.to_string()))?;
            let size = self.psql(&port, &format!("SELECT pg_size_pretty(pg_table_size('{table}'))"))?;
            println!("{table}: {rows} rows, {}", size.trim());
        }
        println!("| | files | GiB out | seconds | rows/s | peak MiB of a worker |\n|---|---|---|---|---|---|");
        let partitions = self.export("events, partitions of 64 MB", "64", "events", rows)?;
        let whole = self.export("events, one partition", "16384", "events", rows)?;
        let tenth = self.export("a tenth of the rows, one partition", "16384", "tenth", rows / 10)?;
        let largest = partitions.max(whole);
        println!("largest: {largest:.0} MiB; ten times the rows take {:+.0} %", (whole / tenth - 1.0) * 100.0);
        Ok(())
    }

    /// Exports a table in partitions of `megabytes`. Returns the peak memory of a worker in MiB.
    fn export(&self, name: &str, megabytes: &str, table: &str, rows: u64) -> Result<f64> {
        self.set_partition_size(megabytes)?;
        let id = format!("bench-{table}-{megabytes}");
        let start = ["rds", "start-export-task", "--export-task-identifier", &id, "--source-arn"];
        let source = format!("arn:aws:rds:{}:111122223333:cluster:{CLUSTER}", self.env["AWS_REGION"]);
        let to = ["--s3-bucket-name", &self.env["EXPORT_BUCKET"], "--iam-role-arn", &self.env["EXPORT_ROLE_ARN"]];
        let key = ["--kms-key-id", &self.env["EXPORT_KMS_KEY_ID"], "--s3-prefix", "bench"];
        let only = ["--export-only", &format!("bench.public.{table}")];
        self.aws(&[start.as_slice(), &[source.as_str()], &to, &key, &only].concat())?;
        let mut peak = 0;
        let mut began = None;
        loop {
            peak = peak.max(workers_peak_kib(&self.env["AWS_ENDPOINT_URL"]));
            let task = &self.aws(&["rds", "describe-export-tasks", "--export-task-identifier", &id])?["ExportTasks"][0];
            match task["Status"].as_str() {
                Some("STARTING") => {}
                Some("IN_PROGRESS") => _ = began.get_or_insert_with(Instant::now),
                Some("COMPLETE") => break,
                _ => return Err(format!("the export ended: {task}").into()),
            }
        }
        let seconds = began.map_or(0.0, |b| b.elapsed().as_secs_f64());
        let prefix = format!("bench/{id}/");
        let listed =
            self.aws(&["s3api", "list-objects-v2", "--bucket", &self.env["EXPORT_BUCKET"], "--prefix", &prefix])?;
        let objects = listed["Contents"].as_array().cloned().unwrap_or_default();
        let files = objects.iter().filter(|o| o["Key"].as_str().is_some_and(|k| k.ends_with(".parquet")));
        let sizes: Vec<u64> = files.filter_map(|o| o["Size"].as_u64()).collect();
        let gib = sizes.iter().sum::<u64>() as f64 / (1_u64 << 30) as f64;
        let peak = peak as f64 / 1024.0;
        println!("| {name} | {} | {gib:.2} | {seconds:.1} | {:.0} | {peak:.0} |", sizes.len(), rows as f64 / seconds);
        let objects = format!("s3://{}/{prefix}", self.env["EXPORT_BUCKET"]);
        self.aws(&["s3", "rm", "--recursive", "--only-show-errors", &objects])?;
        Ok(peak)
    }

    /// Sets the partition size of the planner, and makes the local cloud start new worker
    /// processes.
    fn set_partition_size(&self, megabytes: &str) -> Result<()> {
        let plan = "aurora-export-plan-export";
        let mut variables =
            self.aws(&["lambda", "get-function-configuration", "--function-name", plan])?["Environment"].clone();
        variables["Variables"]["TARGET_PARTITION_MB"] = megabytes.into();
        let change = ["lambda", "update-function-configuration", "--function-name"];
        self.aws(&[change.as_slice(), &[plan, "--environment", &variables.to_string()]].concat())?;
        let worker = ["aurora-export-extract-tables", "--description", "benchmark"];
        self.aws(&[change.as_slice(), &worker].concat()).map(drop)
    }

    fn describe_cluster(&self) -> Result<String> {
        let answer = self.aws(&["rds", "describe-db-clusters", "--db-cluster-identifier", CLUSTER])?;
        Ok(answer["DBClusters"][0]["Status"].as_str().unwrap_or_default().to_owned())
    }

    fn aws(&self, arguments: &[&str]) -> Result<Value> {
        let output = Command::new("aws").args(arguments).args(["--output", "json"]).envs(&self.env).output()?;
        if !output.status.success() {
            return Err(format!("aws {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    fn psql(&self, port: &str, sql: &str) -> Result<String> {
        let psql = prerequisites::postgres(&crate::say)?.join("psql");
        let to = format!("host=127.0.0.1 port={port} user=bench dbname=bench");
        let output = Command::new(psql)
            .args(["-qtAX", "-v", "ON_ERROR_STOP=1", "-c", sql, &to])
            .env("PGPASSWORD", PASSWORD)
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Returns the peak resident size of all running workers of the stack at `endpoint`, in KiB.
pub(crate) fn workers_peak_kib(endpoint: &str) -> u64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let worker = |process: &Path| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let has = |variable: String| environment.split(|b| *b == 0).any(|v| v == variable.as_bytes());
        has("AWS_LAMBDA_FUNCTION_NAME=aurora-export-extract-tables".into())
            && has(format!("AWS_ENDPOINT_URL={endpoint}"))
    };
    let peak = |process: &Path| {
        let status = fs::read_to_string(process.join("status")).ok()?;
        status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok())
    };
    processes.filter(|p| worker(p)).filter_map(|p| peak(&p)).max().unwrap_or_default()
}
