//! Runs PostgreSQL with the users of Aurora PostgreSQL: a master user without superuser rights, and
//! an `rdsadmin` that owns the server. The servers offer TLS.

use std::fs;
use std::path::{Path, PathBuf};

use super::{EngineError, Master, Place, RunAs, file, major};
use crate::rds::tls::Authority;
use crate::servers;

/// The owner of the server, as on RDS. It can only connect through the socket, whose directory is
/// private.
const ADMIN: &str = "rdsadmin";

/// The rules for connections. RDS accepts connections without TLS too, unless `rds.force_ssl` is
/// set.
const HBA: &str = "\
local all all trust
local replication all trust
host all rdsadmin 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
";

/// The programs of one version of PostgreSQL.
#[derive(Debug)]
pub(crate) struct Installation {
    bin: PathBuf,
    version: String,
    user: RunAs,
}

impl Installation {
    /// Finds the programs. Without a version they are those in `bin`. With a version they are the
    /// first with that major version in `bin`, in the directories of distributions, on the search
    /// path or among the downloaded packages.
    pub(crate) async fn find(version: Option<&str>, bin: Option<&Path>) -> Result<Self, EngineError> {
        let given = bin.map(Path::to_owned).into_iter();
        let bins = match (bin, version) {
            (Some(_), None) => given.collect(),
            _ => given.chain(candidates()).collect::<Vec<_>>(),
        };
        let user = RunAs::find()?;
        let mut found = Vec::new();
        for bin in bins.into_iter().filter(|bin| bin.join("initdb").exists() && bin.join("pg_basebackup").exists()) {
            // "postgres (PostgreSQL) 15.8 (Debian 15.8-0)"
            let text = user.run(&bin.join("postgres"), &["--version"], "").await?;
            let own = text.split_whitespace().nth(2).unwrap_or_default().to_owned();
            if version.is_none_or(|version| major(version) == major(&own)) {
                return Ok(Self { bin, version: own, user });
            }
            found.push(own);
        }
        Err(super::no_version("aurora-postgresql", version, &found))
    }

    /// Returns the version, for example `15.8`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Initializes and starts a server.
    pub(crate) async fn create(
        &self,
        place: &Place,
        master: Master<'_>,
        authority: &Authority,
    ) -> Result<(), EngineError> {
        self.user.private_dir(&place.dir)?;
        let data = text(&data(&place.dir));
        let locale = ["--encoding=UTF8", "--locale=C.UTF-8"];
        let access = ["-U", ADMIN, "--auth=trust", "--no-sync", "--no-instructions", "-D", &data];
        self.run("initdb", &[access.as_slice(), &locale].concat(), "").await?;
        let tls = authority.server()?;
        for (name, text) in [("server.crt", tls.certificate.as_str()), ("server.key", &tls.key), ("pg_hba.conf", HBA)] {
            self.user.private_file(&Path::new(&data).join(name), text)?;
        }
        self.start(place).await?;
        self.sql(place, &bootstrap(&master)).await
    }

    /// Starts a server on a physical copy of a running server. Clients may write to the source
    /// during the copy.
    pub(crate) async fn copy(&self, source: &Place, target: &Place) -> Result<(), EngineError> {
        self.user.private_dir(&target.dir)?;
        let (socket, port, data) = (text(&source.dir), source.port.to_string(), text(&data(&target.dir)));
        let from = ["-h", &socket, "-p", &port, "-U", ADMIN, "-D", &data];
        let options = ["-X", "stream", "--checkpoint=fast", "--no-sync", "--no-manifest"];
        self.run("pg_basebackup", &[from.as_slice(), &options].concat(), "").await?;
        self.start(target).await
    }

    /// Changes the password of the master user.
    pub(crate) async fn set_master_password(
        &self,
        place: &Place,
        name: &str,
        password: &str,
    ) -> Result<(), EngineError> {
        self.sql(place, &format!("ALTER ROLE {} PASSWORD {};", identifier(name), literal(password))).await
    }

    /// Writes the settings, starts the server and waits until it accepts connections.
    async fn start(&self, place: &Place) -> Result<(), EngineError> {
        let data = data(&place.dir);
        self.user.private_file(&data.join("postgresql.conf"), &settings(place))?;
        let log = place.dir.join("server.log");
        match self.run("pg_ctl", &["start", "-w", "-s", "-t", "120", "-D", &text(&data), "-l", &text(&log)], "").await {
            // The error message of `pg_ctl` only refers to the log.
            Err(EngineError::Program { program, .. }) => {
                let output = fs::read_to_string(&log).map_err(file(&log))?;
                Err(EngineError::Program { program, output })
            }
            other => other.map(drop),
        }
    }

    /// Runs statements as the administrator. They may contain a password, so they go through a pipe
    /// and are not logged.
    async fn sql(&self, place: &Place, statements: &str) -> Result<(), EngineError> {
        let (socket, port) = (text(&place.dir), place.port.to_string());
        let args = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", &socket, "-p", &port, "-U", ADMIN, "-d", "postgres"];
        let script = format!("SET log_min_error_statement = panic;\nSET log_statement = none;\n{statements}\n");
        self.run("psql", &args, &script).await.map(drop)
    }

    async fn run(&self, program: &str, args: &[&str], input: &str) -> Result<String, EngineError> {
        self.user.run(&self.bin.join(program), args, input).await
    }
}

/// Returns the directories that may have the programs. In each place the newest version comes
/// first.
fn candidates() -> Vec<PathBuf> {
    let packaged = |dir: &Path| {
        let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(dir)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
            .collect();
        versions.sort_unstable_by(|a, b| b.cmp(a));
        versions.into_iter().map(|(_, dir)| dir).collect::<Vec<_>>()
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let downloaded = servers::NEWEST.found().map(|root| packaged(&root.join("usr/lib/postgresql"))).unwrap_or_default();
    packaged(Path::new("/usr/lib/postgresql"))
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(downloaded)
        .collect()
}

/// Returns the socket in a server's directory.
pub(crate) fn socket(dir: &Path, port: u16) -> PathBuf {
    dir.join(format!(".s.PGSQL.{port}"))
}

/// Returns the data directory inside a server's directory.
fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// Returns the file with the process id of the server in this directory.
pub(crate) fn pid_file(dir: &Path) -> PathBuf {
    data(dir).join("postmaster.pid")
}

/// Returns the content of `postgresql.conf`. The data need not survive a power failure, so the
/// settings avoid waiting for the disk.
fn settings(place: &Place) -> String {
    let parameters = place.parameters.iter().map(|(name, value)| format!("{name} = {}\n", literal(value)));
    let own = format!(
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
        name = literal(&place.name),
        port = place.port,
        socket = literal(&text(&place.dir)),
    );
    // If a setting appears twice, the last one applies.
    parameters.chain([own]).collect()
}

/// Returns the statements that create the roles and databases, as RDS does for a new cluster.
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

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Returns a quoted identifier.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns a quoted string for SQL with standard strings. The configuration file uses the same
/// quoting.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
