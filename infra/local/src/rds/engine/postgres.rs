//! PostgreSQL as Aurora shows it: a master user without superuser rights, an `rdsadmin` that owns the server, TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{EngineError, RunAs, file};
use crate::rds::tls::Authority;

/// The owner of the server, as on RDS. It can only come in by the socket, whose directory is private.
const ADMIN: &str = "rdsadmin";

/// The longest path of a socket, less the file's own name.
const SOCKET_DIR_LIMIT: usize = 107 - "/.s.PGSQL.65535".len();

/// Who may come in from where. RDS takes plain connections too unless `rds.force_ssl` is set.
const HBA: &str = "\
local all all trust
local replication all trust
host all rdsadmin 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
";

/// The installed programs.
#[derive(Debug)]
pub(crate) struct Installation {
    bin: PathBuf,
    version: String,
    user: RunAs,
}

impl Installation {
    /// The programs in `bin`, or the newest version found where distributions put it or on the search path.
    pub(crate) async fn find(bin: Option<PathBuf>) -> Result<Self, EngineError> {
        let complete = |dir: &PathBuf| dir.join("initdb").exists() && dir.join("pg_basebackup").exists();
        let bin = bin.map_or_else(candidates, |bin| vec![bin]).into_iter().find(complete);
        let bin = bin.ok_or(EngineError::NotInstalled("PostgreSQL server"))?;
        let user = RunAs::find("postgres")?;
        // "postgres (PostgreSQL) 15.8 (Debian 15.8-0)"
        let text = user.run(&bin.join("postgres"), &["--version"], "").await?;
        let version = text.split_whitespace().nth(2).unwrap_or_default().to_owned();
        Ok(Self { bin, version, user })
    }

    /// The version, `15.8`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    async fn run(&self, program: &str, args: &[&str], input: &str) -> Result<String, EngineError> {
        self.user.run(&self.bin.join(program), args, input).await
    }
}

/// Directories that may hold the programs, the newest version first.
fn candidates() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions.into_iter().map(|(_, dir)| dir).chain(std::env::split_paths(&path)).collect()
}

/// What a new server starts with.
pub(crate) struct Master<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
    /// A database to create, owned by the master user.
    pub(crate) database: Option<&'a str>,
}

/// One server: its directory holds the data, the log and the socket.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    installation: Arc<Installation>,
    /// The name processes are listed by.
    name: String,
    dir: PathBuf,
    port: u16,
}

impl Database {
    /// A server that does not exist yet.
    pub(crate) fn new(
        installation: &Arc<Installation>,
        name: &str,
        dir: PathBuf,
        port: u16,
    ) -> Result<Self, EngineError> {
        if dir.as_os_str().len() > SOCKET_DIR_LIMIT {
            return Err(EngineError::PathTooLong(dir));
        }
        Ok(Self { installation: Arc::clone(installation), name: name.to_owned(), dir, port })
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The directory, for [`super::remove`].
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Initialises and starts the server.
    pub(crate) async fn create(&self, master: Master<'_>, authority: &Authority) -> Result<(), EngineError> {
        let user = self.installation.user;
        user.private_dir(&self.dir)?;
        let data = self.data();
        let locale = ["--encoding=UTF8", "--locale=C.UTF-8"];
        let access = ["-U", ADMIN, "--auth=trust", "--no-sync", "--no-instructions", "-D", &data];
        self.installation.run("initdb", &[access.as_slice(), &locale].concat(), "").await?;
        let tls = authority.server()?;
        for (name, text) in [("server.crt", tls.certificate.as_str()), ("server.key", &tls.key), ("pg_hba.conf", HBA)] {
            user.private_file(&Path::new(&data).join(name), text)?;
        }
        self.start().await?;
        self.sql(&bootstrap(&master)).await
    }

    /// Starts `target` on a physical copy of this running server, taken while others write to it.
    pub(crate) async fn clone_to(&self, target: &Database) -> Result<(), EngineError> {
        target.installation.user.private_dir(&target.dir)?;
        let (socket, port, data) = (self.socket(), self.port.to_string(), target.data());
        let from = ["-h", &socket, "-p", &port, "-U", ADMIN, "-D", &data];
        let how = ["-X", "stream", "--checkpoint=fast", "--no-sync", "--no-manifest"];
        self.installation.run("pg_basebackup", &[from.as_slice(), &how].concat(), "").await?;
        target.start().await
    }

    /// Changes the password of the master user.
    pub(crate) async fn set_master_password(&self, name: &str, password: &str) -> Result<(), EngineError> {
        self.sql(&format!("ALTER ROLE {} PASSWORD {};", identifier(name), literal(password))).await
    }

    /// Writes the settings and starts the server; returns when it takes connections.
    async fn start(&self) -> Result<(), EngineError> {
        let data = self.data();
        let settings = settings(&self.name, self.port, &self.socket());
        self.installation.user.private_file(&Path::new(&data).join("postgresql.conf"), &settings)?;
        let log = self.dir.join("server.log");
        let args = ["start", "-w", "-s", "-t", "120", "-D", &data, "-l", &log.to_string_lossy()];
        match self.installation.run("pg_ctl", &args, "").await {
            // `pg_ctl` only says to look into the log.
            Err(EngineError::Program { program, .. }) => {
                let output = fs::read_to_string(&log).map_err(file(&log))?;
                Err(EngineError::Program { program, output })
            }
            other => other.map(drop),
        }
    }

    /// Runs statements as the administrator. They may hold a password: they go through a pipe, and the log gets none.
    async fn sql(&self, statements: &str) -> Result<(), EngineError> {
        let (socket, port) = (self.socket(), self.port.to_string());
        let args = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", &socket, "-p", &port, "-U", ADMIN, "-d", "postgres"];
        let script = format!("SET log_min_error_statement = panic;\nSET log_statement = none;\n{statements}\n");
        self.installation.run("psql", &args, &script).await.map(drop)
    }

    fn data(&self) -> String {
        data(&self.dir).to_string_lossy().into_owned()
    }

    fn socket(&self) -> String {
        self.dir.to_string_lossy().into_owned()
    }
}

/// The data directory inside a server's directory.
fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// The file in which a running server of this directory leaves its process id.
pub(crate) fn pid_file(dir: &Path) -> PathBuf {
    data(dir).join("postmaster.pid")
}

/// The whole `postgresql.conf`. Nothing here has to survive a power cut, so nothing waits for the disk.
fn settings(name: &str, port: u16, socket: &str) -> String {
    format!(
        "cluster_name = {name}\n\
         listen_addresses = '127.0.0.1'\n\
         port = {port}\n\
         unix_socket_directories = {socket}\n\
         max_connections = 200\n\
         ssl = on\n\
         password_encryption = 'scram-sha-256'\n\
         timezone = 'UTC'\n\
         log_timezone = 'UTC'\n\
         wal_level = replica\n\
         max_wal_senders = 40\n\
         max_replication_slots = 40\n\
         fsync = off\n\
         wal_init_zero = off\n",
        name = literal(name),
        socket = literal(socket),
    )
}

/// The roles and databases RDS makes before the master user sees the server.
fn bootstrap(master: &Master<'_>) -> String {
    let name = identifier(master.name);
    let mut sql = format!(
        "CREATE ROLE rds_superuser NOLOGIN;\n\
         SELECT format('GRANT %I TO rds_superuser WITH ADMIN OPTION', rolname) FROM pg_roles\n\
           WHERE rolname IN ('pg_monitor', 'pg_signal_backend', 'pg_checkpoint') \\gexec\n\
         CREATE ROLE {name} LOGIN CREATEDB CREATEROLE PASSWORD {password};\n\
         GRANT rds_superuser TO {name} WITH ADMIN OPTION;\n\
         ALTER DATABASE postgres OWNER TO {name};\n\
         ALTER DATABASE template1 OWNER TO {name};\n\
         CREATE DATABASE rdsadmin;\n\
         REVOKE ALL ON DATABASE rdsadmin FROM PUBLIC;\n",
        password = literal(master.password),
    );
    if let Some(database) = master.database.filter(|database| *database != "postgres") {
        sql.push_str(&format!("CREATE DATABASE {} OWNER {name};\n", identifier(database)));
    }
    sql
}

/// A quoted identifier.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted string, for SQL with standard strings and for the configuration file, which doubles quotes as well.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
