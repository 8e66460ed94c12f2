//! A PostgreSQL server for one test binary.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Returns the directory of the newest installed server programs.
fn programs() -> PathBuf {
    local_stack::prerequisites::postgres(&|_| ()).unwrap()
}

/// A server with its own directory. It is stopped and removed when the value is dropped.
pub(crate) struct Server {
    pub dir: PathBuf,
    pub port: u16,
}

impl Server {
    pub(crate) fn start(name: &str) -> Self {
        let dir = PathBuf::from(format!("/var/tmp/aurora-export-{name}-{}", std::process::id()));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { dir, port };
        fs::create_dir(&server.dir).unwrap();
        run(Command::new("chmod").arg("0777").arg(&server.dir));
        let data = server.dir.join("data");
        run(as_postgres("initdb").args(["--no-sync", "-U", "me", "--auth=trust", "-E", "UTF8", "-D"]).arg(&data));
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c fsync=off",
            server.dir.display()
        );
        let log = server.dir.join("log");
        let mut start = as_postgres("pg_ctl");
        start.args(["start", "-w", "-o", &options, "-l"]).arg(log).arg("-D").arg(&data);
        assert!(start.status().unwrap().success());
        server.execute("postgres", "CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader");
        server
    }

    /// Returns the URL of the database `postgres` for a user.
    pub(crate) fn address(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/postgres", self.port)
    }

    /// Exports into the directory `out` as a user who may only read.
    pub(crate) fn export(&self, name: &str, more: &[&str]) -> Output {
        self.export_as("reader", name, more)
    }

    /// Exports as another user.
    pub(crate) fn export_as(&self, user: &str, name: &str, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurora-export"));
        command.args(["local", "--source", &self.address(user), "--name", name, "--partition-mb", "1"]);
        command.arg("--out").arg(self.dir.join("out")).args(more).output().unwrap()
    }

    /// Executes a statement in a database and returns its output.
    pub(crate) fn execute(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new(programs().join("psql"));
        psql.args(["-qtAX", "--set=ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "me"]);
        let output = psql.args(["-d", database, "-c", sql]).env("PGCLIENTENCODING", "UTF8").output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = as_postgres("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(self.dir.join("data")).output();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Returns a command that runs as `postgres`, because the server refuses root.
fn as_postgres(program: &str) -> Command {
    let path = programs().join(program);
    let mut command = if fs::metadata("/proc/self").unwrap().uid() == 0 {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(path);
        command
    } else {
        Command::new(path)
    };
    command.current_dir("/");
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
