//! A cluster of Aurora MySQL.

use std::io::Write;
use std::process::{Command, Stdio};

use local_stack::servers::mysql_client;
use local_stack::{Layout, Stack};
use serde_json::Value;

use super::Result;
use super::cluster::{Cluster, MASTER, PASSWORD};

pub(super) struct Mysql {
    pub cluster: Cluster,
}

impl Mysql {
    /// Creates a cluster on `mariadb` or `mysql`.
    pub(super) fn create(layout: &Layout, stack: &Stack, id: &str, server: &str) -> Result<Self> {
        Ok(Self { cluster: Cluster::create(layout, stack, id, "aurora-mysql", server)? })
    }

    /// Runs a script as the master user in a new database. Statements that this server or this user
    /// does not support are skipped.
    pub(super) fn load(&self, database: &str, sql: &[u8]) -> Result<()> {
        let mut client = self.client()?;
        client.args(["--force", "--default-character-set=utf8mb4"]);
        client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut client = client.spawn()?;
        let begin = format!("CREATE DATABASE IF NOT EXISTS `{database}`; USE `{database}`;\n");
        if let Some(mut input) = client.stdin.take() {
            // Some dumps have bytes that the client refuses. It then stops reading.
            let _ = input.write_all(begin.as_bytes()).and_then(|()| input.write_all(sql));
        }
        client.wait()?;
        Ok(())
    }

    /// Exports everything and compares every table. Returns the report, with the tables that the
    /// export left out.
    pub(super) fn export_and_compare(&self, task: &str) -> Result<Value> {
        self.cluster.export_and_compare(task, "mysql")
    }

    fn client(&self) -> Result<Command> {
        Ok(mysql_client(self.cluster.port, MASTER, PASSWORD, &crate::say)?)
    }
}
