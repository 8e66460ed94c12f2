//! Connections, whose session settings never depend on the server's configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::coalesce::{Coalesced, CoalescedTls};
use crate::endpoint::{Endpoint, LOGIN_TIMEOUT};
use crate::error::SourceError;

/// Start-up options override `ALTER ROLE … SET` and `ALTER DATABASE … SET`, so the same value is
/// always printed the same way.
///
/// An empty search path makes the server print qualified names of types and relations.
/// `row_security=off` turns a policy that would hide rows into an error. Nobody reads messages
/// below errors. With the default `work_mem`, the catalog of a small database needs no temporary
/// files, which may be limited. Serial, unsynchronised scans make a retry read rows in the same
/// order. Without constraint exclusion the planner ignores CHECK constraints, which may call a
/// user's function.
const SESSION: &[(&str, &str)] = &[
    ("DateStyle", "ISO,MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("xmloption", "content"),
    ("standard_conforming_strings", "on"),
    ("quote_all_identifiers", "off"),
    ("search_path", ""),
    ("row_security", "off"),
    ("default_transaction_read_only", "on"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("client_min_messages", "error"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("synchronize_seqscans", "off"),
    ("work_mem", "4MB"),
    ("max_parallel_workers_per_gather", "0"),
    ("enable_seqscan", "on"),
    ("enable_tidscan", "on"),
    ("constraint_exclusion", "off"),
    ("jit", "off"),
];

/// Databases that nearly every server has. Any database lists the others.
const FIRST_DATABASES: [&str; 2] = ["postgres", "template1"];

/// Lists all databases except those without user data: `rdsadmin` belongs to AWS. Databases that
/// allow no connections are included, because connecting shows that. A database that `DROP
/// DATABASE` has begun to remove (`datconnlimit` -2) is not.
const DATABASES: &str = "SELECT datname FROM pg_catalog.pg_database \
     WHERE NOT (datistemplate AND datname ~ '^template') AND datconnlimit <> -2 \
     AND datname NOT IN ('template0', 'template1', 'rdsadmin') ORDER BY datname";

/// Returns the server's version and block size. Also turns off timeouts that not every version has:
/// a start-up option with an unknown name would fail.
const GREETING: &str = "SELECT current_setting('server_version_num')::int4, current_setting('block_size')::int4, \
     (SELECT count(set_config(name, '0', false)) FROM pg_catalog.pg_settings \
      WHERE name IN ('idle_session_timeout', 'transaction_timeout'))";

const POWERFUL: &str = "SELECT rolname::text FROM pg_catalog.pg_roles \
     WHERE (rolsuper OR rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')) \
     AND pg_has_role(session_user, oid, 'MEMBER') ORDER BY rolname <> session_user, rolsuper DESC, rolname LIMIT 1";

/// A server, ready to connect to any of its databases.
#[derive(Clone)]
pub struct Source {
    endpoint: Endpoint,
    tls: Option<MakeRustlsConnect>,
    /// The snapshot that connections to a database join, by database.
    snapshots: Arc<BTreeMap<String, String>>,
    /// Databases that the server is known to have.
    known: Vec<String>,
}

impl Source {
    /// Returns a source at `endpoint`. With a TLS client (see [`crate::tls`]) every connection is
    /// encrypted, and the server's certificate and host name are verified. Without one nothing is
    /// encrypted: use that only for servers on the same machine.
    pub fn new(endpoint: Endpoint, tls: Option<ClientConfig>) -> Self {
        Self { endpoint, tls: tls.map(MakeRustlsConnect::new), snapshots: Arc::default(), known: Vec::new() }
    }

    /// Makes every connection to a database in `snapshots` join that snapshot. The connections that
    /// exported the snapshots must stay open.
    #[must_use]
    pub fn with_snapshots(self, snapshots: BTreeMap<String, String>) -> Self {
        Self { snapshots: Arc::new(snapshots), ..self }
    }

    /// Adds databases that [`Source::connect_first`] tries.
    #[must_use]
    pub fn knowing(mut self, databases: Vec<String>) -> Self {
        self.known.extend(databases);
        self
    }

    /// Connects to the first database that accepts the user: one that the server is known to have,
    /// or one that nearly every server has.
    ///
    /// # Errors
    /// [`SourceError`] of kind unavailable, throttled, or access denied.
    pub async fn connect_first(&self) -> Result<Connection, SourceError> {
        let candidates: Vec<&str> = self.known.iter().map(String::as_str).chain(FIRST_DATABASES).collect();
        let mut refusal = None;
        for database in &candidates {
            match self.connect(database).await {
                Err(error) if matches!(error, SourceError::AccessDenied { .. }) => {
                    refusal.get_or_insert(error);
                }
                other => return other,
            }
        }
        let tried = candidates.join(", ");
        Err(SourceError::NoDatabase { tried, source: refusal.map(Box::new) })
    }

    /// Connects to a database.
    ///
    /// # Errors
    /// [`SourceError`] of kind unavailable, throttled, or access denied.
    pub async fn connect(&self, database: &str) -> Result<Connection, SourceError> {
        let log_in = self.log_in(database);
        let (client, driver) = timeout(LOGIN_TIMEOUT, log_in).await.map_err(unavailable)??;
        let mut connection = Connection { client, driver, server_version: 0, block_size: 0, joined: false };
        let row = connection.client.query_one(GREETING, &[]).await?;
        connection.server_version = row.try_get(0)?;
        connection.block_size = u64::from(row.try_get::<_, i32>(1)?.unsigned_abs());
        if let Some(snapshot) = self.snapshots.get(database) {
            connection.use_snapshot(snapshot).await?;
            connection.joined = true;
        }
        Ok(connection)
    }

    async fn log_in(&self, database: &str) -> Result<(Client, JoinHandle<()>), SourceError> {
        let options: Vec<String> = SESSION
            .iter()
            // An unescaped space would begin another option.
            .map(|(name, value)| format!("-c {name}={}", value.replace(' ', "\\ ")))
            .collect();
        let mut config = Config::new();
        config
            .dbname(database)
            .user(&self.endpoint.user)
            .password(&self.endpoint.password)
            .application_name("aurora-export")
            .options(options.join(" "))
            .ssl_mode(if self.tls.is_some() { SslMode::Require } else { SslMode::Disable });
        let socket = self.endpoint.open().await.map_err(unavailable)?;
        match self.tls.clone() {
            Some(mut tls) => {
                let Ok(tls) = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, &self.endpoint.host);
                let (client, connection) = config.connect_raw(socket, CoalescedTls(tls)).await.map_err(refused)?;
                Ok((client, tokio::spawn(drive(connection))))
            }
            None => {
                let (client, connection) = config.connect_raw(Coalesced::new(socket), NoTls).await.map_err(refused)?;
                Ok((client, tokio::spawn(drive(connection))))
            }
        }
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> SourceError {
    SourceError::Unavailable { source: Box::new(error) }
}

async fn drive(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        // A pending query returns the error too. On an idle connection this is the only report.
        tracing::debug!(error = %SourceError::from(error), "database connection closed with an error");
    }
}

/// A connection to one database. Dropping it closes the socket, which ends the server's work for
/// it.
pub struct Connection {
    client: Client,
    driver: JoinHandle<()>,
    server_version: i32,
    block_size: u64,
    /// Whether the connection is in a transaction that has joined a snapshot.
    joined: bool,
}

impl Connection {
    /// Returns `server_version_num`, such as 150004.
    pub fn server_version(&self) -> i32 {
        self.server_version
    }

    pub(super) fn block_size(&self) -> u64 {
        self.block_size
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Runs statements that may fail, and keeps the connection usable. Without a savepoint, a
    /// failed statement would abort the transaction.
    pub(super) async fn attempt<T>(
        &self,
        statements: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, tokio_postgres::Error> {
        if !self.joined {
            return statements.await;
        }
        self.client.batch_execute("SAVEPOINT attempt").await?;
        let result = statements.await;
        self.client.batch_execute("ROLLBACK TO attempt; RELEASE attempt").await?;
        result
    }

    /// Returns when the open transaction began, as the server prints it.
    pub(super) async fn transaction_start(&self) -> Result<String, SourceError> {
        Ok(self.client.query_one("SELECT pg_catalog.now()::pg_catalog.text", &[]).await?.try_get(0)?)
    }

    /// Starts a transaction that joins `snapshot`, which another connection to the same database
    /// exported.
    async fn use_snapshot(&self, snapshot: &str) -> Result<(), SourceError> {
        let literal = snapshot.replace('\'', "''");
        let start = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{literal}'");
        Ok(self.client.batch_execute(&start).await?)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Without this the driver would read an unfinished COPY to its end first.
        self.driver.abort();
    }
}

/// Returns an error of logging in. Any other server error during the login is a refusal: the
/// database allows no connections, is gone, or has an encoding that can't be converted.
fn refused(error: tokio_postgres::Error) -> SourceError {
    match SourceError::from(error) {
        SourceError::Query { source } => SourceError::AccessDenied { source },
        other => other,
    }
}

/// Returns a role whose powers the connection's user has and no export needs: a superuser, or a
/// role that may read or write the server's files or run programs there.
///
/// # Errors
/// [`SourceError`].
pub async fn powerful_role(connection: &Connection) -> Result<Option<String>, SourceError> {
    let row = connection.client.query_opt(POWERFUL, &[]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Returns the databases that may hold a user's data, ordered by name. Databases that allow no
/// connection are included.
///
/// # Errors
/// [`SourceError`].
pub async fn databases(connection: &Connection) -> Result<Vec<String>, SourceError> {
    let rows = connection.client.query(DATABASES, &[]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Returns the number of connections that the server allows (`max_connections`).
///
/// # Errors
/// [`SourceError`].
pub async fn max_connections(connection: &Connection) -> Result<u32, SourceError> {
    let row = connection.client.query_one("SELECT current_setting('max_connections')::int4", &[]).await?;
    let connections: i32 = row.try_get(0)?;
    Ok(connections.unsigned_abs())
}
