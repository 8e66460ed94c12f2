//! Runs MariaDB and MySQL with the users of Aurora MySQL: a master user with many rights but
//! without `SUPER`, and an `rdsadmin` that owns the server. The servers offer TLS.

mod settings;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use self::settings::{CERTIFICATE, KEY, LOG, SETTINGS, data};
pub(crate) use self::settings::{pid_file, socket};
use super::{EngineError, Master, Place, RunAs, file, major};
use crate::rds::tls::Authority;
use crate::servers::{MARIADB, NEWEST};

/// The owner of the server, as on RDS. It has no password and can only connect through the socket,
/// whose directory is private.
const ADMIN: &str = "rdsadmin";

/// The rights of the master user of Aurora MySQL.
const MASTER_RIGHTS: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, \
    SHOW DATABASES, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, \
    SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER";

/// The maximum time until a new server accepts connections.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// The kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    MariaDb,
    MySql,
}

/// The programs of one server.
#[derive(Debug)]
pub(crate) struct Installation {
    kind: Kind,
    /// The directory of the unpacked packages that corresponds to `/usr`.
    base: PathBuf,
    version: String,
    user: RunAs,
}

impl Installation {
    /// Finds the server for an `EngineVersion`: `mariadb`, `mysql` or a version number, of which
    /// only the major version counts. MariaDB is the default, and it serves Aurora's own versions
    /// (`8.0.mysql_aurora.3.08.0`).
    pub(crate) async fn find(version: Option<&str>) -> Result<Self, EngineError> {
        let user = RunAs::find()?;
        let mut found = Vec::new();
        for (kind, root) in [(Kind::MariaDb, MARIADB.found()), (Kind::MySql, NEWEST.found())] {
            let Some(base) = root.map(|root| root.join("usr")) else { continue };
            // "…/mariadbd  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian
            // 12)"
            let text = user.run(&base.join("sbin").join(kind.server()), &["--version"], "").await?;
            let mut words = text.split_whitespace().skip_while(|word| *word != "Ver");
            let own = words.nth(1).unwrap_or_default().to_owned();
            let wanted = match version {
                None => kind == Kind::MariaDb,
                Some(version) if version.contains("mysql_aurora") => kind == Kind::MariaDb,
                Some("mariadb") => kind == Kind::MariaDb,
                Some("mysql") => kind == Kind::MySql,
                Some(version) => major(version) == major(&own),
            };
            if wanted {
                return Ok(Self { kind, base, version: own, user });
            }
            found.push(own);
        }
        Err(super::no_version("aurora-mysql", version, &found))
    }

    /// Returns the version, for example `10.11.6-MariaDB-0+deb12u1`.
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
        let tls = authority.server()?;
        self.user.private_file(&place.dir.join(CERTIFICATE), &tls.certificate)?;
        self.user.private_file(&place.dir.join(KEY), &tls.key)?;
        self.configure(place)?;
        let settings = settings::argument(place);
        match self.kind {
            Kind::MariaDb => {
                let base = format!("--basedir={}", self.base.display());
                let options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--cross-bootstrap"];
                self.run("bin/mariadb-install-db", &[&[settings.as_str(), &base], options.as_slice()].concat()).await?;
            }
            Kind::MySql => drop(self.run("sbin/mysqld", &[&settings, "--initialize-insecure"]).await?),
        }
        self.start(place, "root").await?;
        self.sql(place, "root", &bootstrap(&master)).await
    }

    /// Starts a server on a physical copy of a running server. Clients may write to the source
    /// during the copy.
    pub(crate) async fn copy(&self, source: &Place, target: &Place) -> Result<(), EngineError> {
        self.user.private_dir(&target.dir)?;
        for name in [CERTIFICATE, KEY] {
            let from = source.dir.join(name);
            let text = fs::read_to_string(&from).map_err(file(&from))?;
            self.user.private_file(&target.dir.join(name), &text)?;
        }
        self.configure(target)?;
        match self.kind {
            Kind::MariaDb => self.clone_mariadb(source, target).await,
            Kind::MySql => self.clone_mysql(source, target).await,
        }
    }

    /// Copies a server with `mariadb-backup`. It copies InnoDB's pages while they change, and the
    /// redo log of that time; `--prepare` applies the log. It blocks writes while it copies the
    /// tables of other engines.
    async fn clone_mariadb(&self, source: &Place, target: &Place) -> Result<(), EngineError> {
        let data = format!("--target-dir={}", data(&target.dir).display());
        let (user, socket) = (format!("--user={ADMIN}"), format!("--socket={}", socket(&source.dir).display()));
        // mariadb-backup opens the files of all tables at the same time.
        let files = "--open-files-limit=16384";
        let settings = settings::argument(source);
        self.run("bin/mariadb-backup", &[&settings, "--backup", files, &user, &socket, &data]).await?;
        self.run("bin/mariadb-backup", &["--no-defaults", "--prepare", &data]).await?;
        self.start(target, ADMIN).await
    }

    /// Copies a server with MySQL's `CLONE`. It copies InnoDB's pages and redo log, but leaves the
    /// tables of other engines empty. Therefore a read lock blocks all writes, and under the same
    /// lock the files of these tables are copied. They replace the empty files after the new server
    /// has created those.
    async fn clone_mysql(&self, source: &Place, target: &Place) -> Result<(), EngineError> {
        let others = target.dir.join("others");
        // A server can run only one CLONE.
        let clone = format!(
            "DO GET_LOCK('clone', 3600); FLUSH TABLES WITH READ LOCK; CLONE LOCAL DATA DIRECTORY = {}; SELECT 'done';\n",
            literal(&data(&target.dir).to_string_lossy())
        );
        let mut session = self.user.command(&self.client(), &arguments(source, ADMIN)).spawn().map_err(client_error)?;
        // The session keeps the read lock until its standard input is closed.
        let (Some(mut input), Some(output)) = (session.stdin.take(), session.stdout.take()) else {
            return Err(client_error(std::io::Error::other("it has no pipes")));
        };
        input.write_all(clone.as_bytes()).await.map_err(client_error)?;
        let done = BufReader::new(output).lines().next_line().await.map_err(client_error)?;
        if done.is_some() {
            block_in_place(|| self.copy_other_engines(&data(&source.dir), &others))?;
        }
        drop(input);
        let ended = session.wait_with_output().await.map_err(client_error)?;
        if done.is_none() {
            let output = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
            return Err(EngineError::Program { program: "CLONE".to_owned(), output });
        }
        self.start(target, ADMIN).await?;
        block_in_place(|| self.copy_other_engines(&others, &data(&target.dir)))?;
        fs::remove_dir_all(&others).map_err(file(&others))?;
        self.sql(target, ADMIN, "FLUSH TABLES;").await
    }

    /// Copies the table files that do not belong to InnoDB.
    fn copy_other_engines(&self, from: &Path, to: &Path) -> Result<(), EngineError> {
        let list = |dir: &Path| {
            Ok::<_, EngineError>(fs::read_dir(dir).map_err(file(dir))?.flatten().map(|entry| entry.path()))
        };
        if !to.exists() {
            self.user.private_dir(to)?;
        }
        for database in list(from)?.filter(|path| path.is_dir()) {
            let Some(name) = database.file_name().filter(|name| !name.to_string_lossy().starts_with('#')) else {
                continue;
            };
            for path in list(&database)?.filter(|path| path.extension().is_none_or(|extension| extension != "ibd")) {
                let target = to.join(name);
                if !target.exists() {
                    self.user.private_dir(&target)?;
                }
                // The server may have the old file open and would keep using it. A rename replaces
                // the file.
                let (new, target) = (target.join("new"), target.join(path.file_name().unwrap_or_default()));
                fs::copy(&path, &new).map_err(file(&new))?;
                self.user.own(&new).map_err(file(&new))?;
                fs::rename(&new, &target).map_err(file(&target))?;
            }
        }
        Ok(())
    }

    fn configure(&self, place: &Place) -> Result<(), EngineError> {
        let text = settings::text(&self.base, place, self.kind.settings());
        self.user.private_file(&place.dir.join(SETTINGS), &text)
    }

    /// Changes the password of the master user.
    pub(crate) async fn set_master_password(
        &self,
        place: &Place,
        name: &str,
        password: &str,
    ) -> Result<(), EngineError> {
        let statement = format!("ALTER USER {}@'%' IDENTIFIED BY {};", literal(name), literal(password));
        self.sql(place, ADMIN, &statement).await
    }

    /// Starts the server and waits until it accepts connections.
    async fn start(&self, place: &Place, admin: &str) -> Result<(), EngineError> {
        let program = self.base.join("sbin").join(self.kind.server());
        let mut server = self.user.start(&program, &[&settings::argument(place)])?;
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let Err(error) = self.sql(place, admin, "DO 1;").await else { return Ok(()) };
            if !matches!(server.try_wait(), Ok(None)) || Instant::now() > deadline {
                let log = fs::read_to_string(place.dir.join(LOG)).unwrap_or_default();
                return Err(EngineError::Program {
                    program: program.display().to_string(),
                    output: format!("{error}\n{log}"),
                });
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Runs statements as an administrator. They may contain a password, so they go through a pipe
    /// and not in arguments.
    async fn sql(&self, place: &Place, user: &str, statements: &str) -> Result<(), EngineError> {
        self.user.run(&self.client(), &arguments(place, user), statements).await.map(drop)
    }

    fn client(&self) -> PathBuf {
        self.base.join("bin").join(self.kind.client())
    }

    async fn run(&self, program: &str, args: &[&str]) -> Result<String, EngineError> {
        self.user.run(&self.base.join(program), args, "").await
    }
}

impl Kind {
    fn server(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadbd",
            Self::MySql => "mysqld",
        }
    }

    fn client(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::MySql => "mysql",
        }
    }

    /// Returns the settings that only this kind of server knows.
    fn settings(self) -> &'static str {
        match self {
            // Some storage engines are separate plugins in MariaDB.
            Self::MariaDb => {
                "innodb_log_file_size = 64M\nplugin_load_add = ha_archive\nplugin_load_add = ha_blackhole\n"
            }
            Self::MySql => "innodb_redo_log_capacity = 64M\nmysqlx = OFF\nplugin_load_add = mysql_clone.so\n",
        }
    }
}

/// Returns the statements that create the users and the database, as RDS does for a new cluster.
fn bootstrap(master: &Master<'_>) -> String {
    let name = literal(master.name);
    // Only MariaDB creates the users that are dropped here, and not every version creates all of
    // them.
    let mut sql = format!(
        "DROP USER IF EXISTS ''@'localhost', 'root'@'127.0.0.1', 'root'@'::1';\n\
         RENAME USER 'root'@'localhost' TO '{ADMIN}'@'localhost';\n\
         CREATE USER {name}@'%' IDENTIFIED BY {password};\n\
         GRANT {MASTER_RIGHTS} ON *.* TO {name}@'%' WITH GRANT OPTION;\n",
        password = literal(master.password),
    );
    if let Some(database) = master.database {
        sql.push_str(&format!("CREATE DATABASE IF NOT EXISTS `{}`;\n", database.replace('`', "``")));
    }
    sql
}

/// Returns the arguments of the client to connect through the socket, with unbuffered output.
fn arguments(place: &Place, user: &str) -> [String; 5] {
    let socket = format!("--socket={}", socket(&place.dir).display());
    ["--no-defaults".to_owned(), "--batch".to_owned(), "--unbuffered".to_owned(), socket, format!("--user={user}")]
}

/// Returns the error for a client that cannot be run.
fn client_error(error: io::Error) -> EngineError {
    EngineError::Program { program: "the MySQL client".to_owned(), output: error.to_string() }
}

/// Returns a quoted SQL string.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
