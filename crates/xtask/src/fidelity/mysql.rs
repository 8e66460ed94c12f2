//! A cluster of Aurora MySQL.

use std::io::Write;
use std::process::{Command, Stdio};

use local_stack::servers::mysql_client;
use local_stack::{Layout, Stack};
use serde_json::Value;

use super::Result;
use super::cluster::{Cluster, MASTER, PASSWORD};

pub struct Mysql {
    pub cluster: Cluster,
}

impl Mysql {
    /// A cluster on `mariadb` or on `mysql`.
    pub fn create(layout: &Layout, stack: &Stack, id: &str, server: &str) -> Result<Self> {
        Ok(Self { cluster: Cluster::create(layout, stack, id, "aurora-mysql", server)? })
    }

    /// Runs others' statements as the master user, in a database that is made for them. What this server or this user can't do
    /// is passed over.
    pub fn load(&self, database: &str, sql: &[u8]) -> Result<()> {
        let mut client = self.client()?;
        client.args(["--force", "--default-character-set=utf8mb4"]);
        client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut client = client.spawn()?;
        let begin = format!("CREATE DATABASE IF NOT EXISTS `{database}`; USE `{database}`;\n");
        if let Some(mut input) = client.stdin.take() {
            // Some dumps are of bytes that no client would send: it says so and stops reading.
            let _ = input.write_all(begin.as_bytes()).and_then(|()| input.write_all(sql));
        }
        client.wait()?;
        Ok(())
    }

    /// Exports everything, compares every row of every table, and says what was compared and what the export left out.
    pub fn export_and_compare(&self, task: &str) -> Result<Value> {
        self.cluster.export_and_compare(task, "mysql")
    }

    fn client(&self) -> Result<Command> {
        Ok(mysql_client(self.cluster.port, MASTER, PASSWORD, &crate::say)?)
    }
}
