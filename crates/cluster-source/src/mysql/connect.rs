//! Connections whose session settings never depend on the server's configuration.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::time::timeout;

use super::handshake;
use super::product::Product;
use super::wire::{Wire, socket_error};
use crate::endpoint::{Endpoint, LOGIN_TIMEOUT};
use crate::error::SourceError;

/// The server converts text of any other character set, as it does for all clients.
const CHARACTER_SET: &str = "SET NAMES utf8mb4";

/// Sets each variable that could change or stop the reading of a table:
///
/// * `sql_mode` is empty. `PAD_CHAR_TO_FULL_LENGTH` would add blanks to `CHAR`. `ANSI_QUOTES`,
///   `NO_BACKSLASH_ESCAPES`, `PIPES_AS_CONCAT` and `NO_UNSIGNED_SUBTRACTION` change what a
///   statement, or the expression of a generated column, means.
/// * `time_zone`: the server sends a `TIMESTAMP` in the session's time zone.
/// * `autocommit`: without it the first statement begins a transaction, and all other statements
///   read the same moment.
/// * `sql_select_limit`, `sql_big_selects`: a server's defaults may cut off or refuse the reading
///   of a large table.
/// * `sql_buffer_result` would make the server copy each table before it sends it.
/// * Timeouts: uploads may delay the reader, and the server must wait. 31,536,000 seconds are a
///   year.
/// * Only newer servers know the last ones. MySQL can hide the primary keys that it generates,
///   which are columns. MariaDB can end idle transactions.
const VARIABLES: &str = "SET SESSION sql_mode = '', time_zone = '+00:00', autocommit = 1, \
     sql_select_limit = 18446744073709551615, sql_big_selects = 1, sql_buffer_result = 0, \
     net_write_timeout = 31536000, net_read_timeout = 31536000, wait_timeout = 31536000 \
     /*!80030 , show_gipk_in_create_table_and_information_schema = 1 */ \
     /*M!100300 , idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0 */";

/// The session never writes, and a transaction that reads a row twice reads the same.
const READ_ONLY: &str = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// Without this, `information_schema` reports the sizes of tables as they were up to a day ago.
const CURRENT_TABLE_SIZES: &str = "SET SESSION information_schema_stats_expiry = 0";

/// Databases that hold no data of a user.
const SYSTEM: &[&str] = &["information_schema", "mysql", "performance_schema", "sys"];

/// A server, ready to connect to any of its databases.
#[derive(Clone)]
pub struct Source {
    endpoint: Endpoint,
    tls: Option<Arc<ClientConfig>>,
    live: bool,
    /// The unused connections of a pinned server.
    pub(super) readers: Option<Arc<Mutex<Vec<Connection>>>>,
}

impl Source {
    /// Creates a source at `endpoint`. With a TLS client (see [`crate::tls`]) each connection is
    /// encrypted, and the server's certificate and host name are verified. Without one, nothing is
    /// encrypted: use this for servers on the same machine only.
    pub fn new(endpoint: Endpoint, tls: Option<ClientConfig>) -> Self {
        Self { endpoint, tls: tls.map(Arc::new), live: false, readers: None }
    }

    /// Marks the server as the one that applications write to. Unlike a clone, which has just
    /// started, it has the rows of MEMORY tables.
    #[must_use]
    pub fn live(self) -> Self {
        Self { live: true, ..self }
    }

    /// Returns a connection to read rows with. The connections of a pinned server are limited: a
    /// lost connection is not replaced, because a new one would see another moment.
    ///
    /// # Errors
    /// [`SourceError`]: of kind unavailable, throttled, or access denied.
    pub async fn reader(&self, database: &str) -> Result<Connection, SourceError> {
        let Some(readers) = &self.readers else { return self.connect(Some(database)).await };
        let reader = readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        reader.ok_or_else(|| SourceError::Unavailable {
            source: "the connection was lost, and a new one would not see the server as it was when the export began"
                .into(),
        })
    }

    /// Connects to a database, or to the server without a database.
    ///
    /// # Errors
    /// [`SourceError`]: of kind unavailable, throttled, or access denied.
    pub async fn connect(&self, database: Option<&str>) -> Result<Connection, SourceError> {
        let log_in = async {
            let socket = self.endpoint.open().await.map_err(socket_error)?;
            let is_local = socket.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
            let wire = Wire::new(Box::new(socket));
            handshake::log_in(wire, &self.endpoint, self.tls.as_ref(), database, is_local).await
        };
        let (wire, version) =
            timeout(LOGIN_TIMEOUT, log_in).await.map_err(|e| SourceError::Unavailable { source: Box::new(e) })??;
        let product = Product::from_version(&version);
        let mut connection = Connection { wire, running: None, finished: None, product, live: self.live };
        for statement in [CHARACTER_SET, VARIABLES, READ_ONLY] {
            connection.execute(statement).await?;
        }
        connection.limit_execution(None).await?;
        if product.caches_table_sizes() {
            connection.execute(CURRENT_TABLE_SIZES).await?;
        }
        Ok(connection)
    }
}

/// A connection to one database. Dropping it closes the socket, which ends the server's work for
/// it.
pub struct Connection {
    pub(super) wire: Wire,
    /// The prepared statement whose rows have not all been read.
    pub(super) running: Option<u32>,
    /// The prepared statement that has been read to its end but not been closed.
    pub(super) finished: Option<u32>,
    pub(super) product: Product,
    live: bool,
}

impl Connection {
    /// Returns whether the server has the rows of MEMORY tables.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Limits how long each later statement may take.
    pub(super) async fn limit_execution(&mut self, limit: Option<Duration>) -> Result<(), SourceError> {
        self.execute(&self.product.limit_execution(limit.unwrap_or_default())).await
    }
}

/// Returns the names of the databases that hold a user's data, in order.
///
/// # Errors
/// [`SourceError`].
pub async fn databases(connection: &mut Connection) -> Result<Vec<String>, SourceError> {
    let mut names = Vec::new();
    let sql = "SELECT SCHEMA_NAME, @@lower_case_table_names FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME";
    connection
        .query(sql, |row| {
            let (name, ignores_case) = (row.name(0)?, row.number(1)? != Some(0));
            // Where names are case-sensitive, `Sys` is a user's database.
            if !SYSTEM.iter().any(|system| *system == name || ignores_case && system.eq_ignore_ascii_case(name)) {
                names.push(name.to_owned());
            }
            Ok(())
        })
        .await?;
    Ok(names)
}

/// Returns the number of connections that the server allows (`max_connections`).
///
/// # Errors
/// [`SourceError`].
pub async fn max_connections(connection: &mut Connection) -> Result<u32, SourceError> {
    let mut connections = 0;
    connection
        .query("SELECT @@GLOBAL.max_connections", |row| {
            connections = row.number(0)?.unwrap_or_default();
            Ok(())
        })
        .await?;
    Ok(u32::try_from(connections).unwrap_or(u32::MAX))
}
