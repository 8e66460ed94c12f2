//! Endpoints, verified TLS, and connections whose session settings never depend on the server's configuration.

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
use crate::endpoint::{Endpoint, LOGIN};
use crate::error::SourceError;

/// Start-up options win over `ALTER ROLE … SET` and `ALTER DATABASE … SET`, so that the same value always prints the same.
/// An empty search path makes names of types and relations print qualified. `row_security=off` turns a policy that would
/// hide rows into an error. Messages of less than errors go to nobody. With the usual memory for a sort, the catalog of a
/// small database needs no temporary files, which may be limited. Serial, unsynchronised scans make a retry read rows in
/// the same order. Without constraint exclusion the planner looks at no CHECK constraint, which may call a user's function.
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

/// Databases that nearly every server has: any database lists the others.
const FIRST_DATABASES: [&str; 2] = ["postgres", "template1"];

/// All but those that hold no data of a user: `rdsadmin` is AWS's own. Whether they take connections is seen by connecting;
/// what a `DROP DATABASE` has begun to remove is none any more.
const DATABASES: &str = "SELECT datname FROM pg_catalog.pg_database \
     WHERE NOT (datistemplate AND datname ~ '^template') AND datconnlimit <> -2 \
     AND datname NOT IN ('template0', 'template1', 'rdsadmin') ORDER BY datname";

/// What is needed to know of a server; and the end of timeouts that not every version has, which a start-up option would need.
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
    /// Snapshots that connections join, by database.
    snapshots: Arc<BTreeMap<String, String>>,
    /// Databases that the server is known to have.
    known: Vec<String>,
}

impl Source {
    /// A source at `endpoint`. With a TLS client (see [`crate::tls`]) every connection is encrypted and the server's certificate
    /// and host name are verified. Without one nothing is encrypted: for servers on the same machine only.
    pub fn new(endpoint: Endpoint, tls: Option<ClientConfig>) -> Self {
        Self { endpoint, tls: tls.map(MakeRustlsConnect::new), snapshots: Arc::default(), known: Vec::new() }
    }

    /// The same, but every connection to a database in `snapshots` joins that snapshot; the connections that exported them
    /// must stay.
    #[must_use]
    pub fn at(self, snapshots: BTreeMap<String, String>) -> Self {
        Self { snapshots: Arc::new(snapshots), ..self }
    }

    /// The same, which tries these databases too when any will do.
    #[must_use]
    pub fn knowing(mut self, databases: Vec<String>) -> Self {
        self.known.extend(databases);
        self
    }

    /// Connects to the first database that lets the user in: one of those the server is known to have, or of those that
    /// nearly every server has.
    ///
    /// # Errors
    /// [`SourceError`]: of kind unavailable, throttled, or access denied.
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
    /// [`SourceError`]: of kind unavailable, throttled, or access denied.
    pub async fn connect(&self, database: &str) -> Result<Connection, SourceError> {
        let log_in = self.log_in(database);
        let (client, driver) = timeout(LOGIN, log_in).await.map_err(unavailable)??;
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
            // A blank would begin another option.
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
        // Whoever waits for an answer gets the error too; an idle connection has nobody else to tell.
        tracing::debug!(error = %SourceError::from(error), "database connection ended");
    }
}

/// A connection to one database. Dropping it closes the socket, which ends whatever the server is doing for it.
pub struct Connection {
    client: Client,
    driver: JoinHandle<()>,
    server_version: i32,
    block_size: u64,
    /// It is in a transaction that has joined a snapshot.
    joined: bool,
}

impl Connection {
    /// `server_version_num`, such as 150004.
    pub fn server_version(&self) -> i32 {
        self.server_version
    }

    pub(super) fn block_size(&self) -> u64 {
        self.block_size
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Does what may fail and leave the connection as it was: the failure of a statement ends a transaction.
    pub(super) async fn attempt<T>(
        &self,
        statements: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, tokio_postgres::Error> {
        if !self.joined {
            return statements.await;
        }
        self.client.batch_execute("SAVEPOINT attempt").await?;
        let done = statements.await;
        self.client.batch_execute("ROLLBACK TO attempt; RELEASE attempt").await?;
        done
    }

    /// When the open transaction began, as the server prints it.
    pub(super) async fn transaction_start(&self) -> Result<String, SourceError> {
        Ok(self.client.query_one("SELECT pg_catalog.now()::pg_catalog.text", &[]).await?.try_get(0)?)
    }

    /// Starts a transaction that sees what the connection which exported `snapshot` (of the same database) saw then.
    async fn use_snapshot(&self, snapshot: &str) -> Result<(), SourceError> {
        let literal = snapshot.replace('\'', "''");
        let start = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{literal}'");
        Ok(self.client.batch_execute(&start).await?)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Left alone, the driver would first read an unfinished COPY to its end.
        self.driver.abort();
    }
}

/// Whatever else a server says to a new connection, it refuses: the database allows none, is gone, or has an encoding that
/// can't be converted.
fn refused(error: tokio_postgres::Error) -> SourceError {
    match SourceError::from(error) {
        SourceError::Query { source } => SourceError::AccessDenied { source },
        other => other,
    }
}

/// A role whose powers the connection's user has and no export needs: a superuser, or one that may read or write the
/// server's files or run programs there.
///
/// # Errors
/// [`SourceError`].
pub async fn powerful_role(connection: &Connection) -> Result<Option<String>, SourceError> {
    let row = connection.client.query_opt(POWERFUL, &[]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// The databases that may hold a user's data, by name, also those that allow no connection.
///
/// # Errors
/// [`SourceError`].
pub async fn databases(connection: &Connection) -> Result<Vec<String>, SourceError> {
    let rows = connection.client.query(DATABASES, &[]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Connections the server allows (`max_connections`).
///
/// # Errors
/// [`SourceError`].
pub async fn max_connections(connection: &Connection) -> Result<u32, SourceError> {
    let row = connection.client.query_one("SELECT current_setting('max_connections')::int4", &[]).await?;
    let connections: i32 = row.try_get(0)?;
    Ok(connections.unsigned_abs())
}
