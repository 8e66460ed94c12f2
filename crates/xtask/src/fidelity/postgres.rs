//! A cluster of Aurora PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;

use local_stack::{Layout, Stack};
use serde_json::Value;

use super::Result;
use super::cluster::{Cluster, MASTER, output};

pub(super) struct Postgres {
    pub cluster: Cluster,
    /// The server programs.
    pub programs: PathBuf,
}

impl Postgres {
    /// Creates a cluster with the version of `programs`.
    pub(super) fn create(layout: &Layout, stack: &Stack, programs: &Path, id: &str) -> Result<Self> {
        let version = output(Command::new(programs.join("postgres")).arg("--version"))?;
        let version = version.split_whitespace().nth(2).ok_or("the server has no version")?;
        let cluster = Cluster::create(layout, stack, id, "aurora-postgresql", version)?;
        Ok(Self { cluster, programs: programs.to_owned() })
    }

    /// Returns a command that runs `psql` as the administrator of the server, which the tests of
    /// other projects need. On Aurora users do not have this role.
    pub(super) fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--username=rdsadmin", "--dbname", database]);
        psql.arg("--port").arg(self.cluster.port.to_string()).arg("--host").arg(&self.cluster.directory);
        psql
    }

    /// Runs statements as the administrator of the server.
    pub(super) fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let strict = ["--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--command", sql];
        output(self.psql(database).args(strict))
    }

    /// Returns the major version of the server.
    pub(super) fn major(&self) -> Result<String> {
        let version: u32 = self.sql("postgres", "SHOW server_version_num")?.trim().parse()?;
        Ok((version / 10_000).to_string())
    }

    /// Grants the master user the rights to read everything, as users do for a complete export.
    pub(super) fn grant_read(&self) -> Result<()> {
        let grant = format!("GRANT pg_read_all_data TO {MASTER}; ALTER ROLE {MASTER} BYPASSRLS");
        self.sql("postgres", &grant).map(drop)
    }

    /// Exports everything and compares every table. Returns the report, with the tables that the
    /// export left out.
    pub(super) fn export_and_compare(&self, task: &str) -> Result<Value> {
        self.cluster.export_and_compare(task, "postgres")
    }
}
