//! A PostgreSQL server of the benchmark's own: everybody in it is on this machine.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use local_stack::prerequisites;

use super::{Result, done};

/// Stopped and removed when dropped.
pub struct Server {
    programs: PathBuf,
    dir: PathBuf,
    port: u16,
}

impl Server {
    /// Starts a server whose cache holds the tables, so that no disk is measured, and makes the database `bench`.
    pub fn start() -> Result<Self> {
        let dir = PathBuf::from(format!("/var/tmp/aurora-export-bench-{}", std::process::id()));
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server = Self { programs: prerequisites::postgres(&crate::say)?, dir, port };
        fs::create_dir(&server.dir)?;
        done(Command::new("chmod").arg("0777").arg(&server.dir))?;
        let data = server.dir.join("data");
        let encoding = ["--no-sync", "-U", "bench", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "-D"];
        done(server.program("initdb").args(encoding).arg(&data))?;
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c shared_buffers=2GB -c fsync=off \
             -c max_wal_size=8GB -c autovacuum=off",
            server.dir.display()
        );
        let log = server.dir.join("log");
        let mut start = server.program("pg_ctl");
        // Its output must not be waited for: the server inherits it.
        let started = start.args(["start", "-w", "-s", "-o", &options, "-l"]).arg(log).arg("-D").arg(&data).status()?;
        if !started.success() {
            return Err("the server didn't start".into());
        }
        done(server.program("createdb").args(["-h", "127.0.0.1", "-U", "bench", "-p", &port.to_string(), "bench"]))?;
        Ok(server)
    }

    /// Its database.
    pub fn address(&self) -> String {
        format!("postgres://bench@127.0.0.1:{}/bench", self.port)
    }

    /// Runs statements.
    pub fn execute(&self, sql: &str) -> Result<()> {
        done(
            Command::new(self.programs.join("psql"))
                .args(["-q", "-v", "ON_ERROR_STOP=1", "-c", sql])
                .arg(self.address()),
        )
    }

    /// A program of PostgreSQL, which refuses root.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        let mut command = if root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stop = ["stop", "-s", "-m", "immediate", "-D"];
        let _ = self.program("pg_ctl").args(stop).arg(self.dir.join("data")).status();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
