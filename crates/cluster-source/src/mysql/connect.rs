//! Connections whose session settings never depend on the server's configuration.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::time::timeout;

use super::handshake;
use super::wire::{Wire, lost};
use crate::endpoint::{Endpoint, LOGIN_TIMEOUT};
use crate::error::SourceError;

/// How text is sent: that of any other character set is converted by the server, as for every client.
const SESSION: &str = "SET NAMES utf8mb4";

/// * `sql_mode` empty: no `PAD_CHAR_TO_FULL_LENGTH`, which would add blanks to `CHAR`; no `ANSI_QUOTES`, no
///   `NO_BACKSLASH_ESCAPES`, `PIPES_AS_CONCAT` or `NO_UNSIGNED_SUBTRACTION`, which change what a statement, or the expression
///   of a generated column, means.
/// * `time_zone`: `TIMESTAMP` is sent in the session's time zone.
/// * `autocommit`: without it the first statement begins a transaction, and all others read what that one did.
/// * `sql_select_limit`, `sql_big_selects`: a server's defaults may cut off or refuse the reading of a large table.
/// * `sql_buffer_result`: every table would be copied before it is sent.
/// * Timeouts: how long uploads may hold up the reader is not the server's business.
/// * Only newer servers know the last ones. MySQL can hide the primary keys it makes itself, which are columns; MariaDB can end
///   transactions that do nothing.
const VARIABLES: &str = "SET SESSION sql_mode = '', time_zone = '+00:00', autocommit = 1, \
     sql_select_limit = 18446744073709551615, sql_big_selects = 1, sql_buffer_result = 0, \
     net_write_timeout = 31536000, net_read_timeout = 31536000, wait_timeout = 31536000 \
     /*!80030 , show_gipk_in_create_table_and_information_schema = 1 */ \
     /*M!100300 , idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0 */";

/// Nothing is ever written, and what is read twice is read the same.
const READ_ONLY: &str = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// Databases that hold no data of a user.
const SYSTEM: &[&str] = &["information_schema", "mysql", "performance_schema", "sys"];

/// A server, ready to connect to any of its databases.
#[derive(Clone)]
pub struct Source {
    endpoint: Endpoint,
    tls: Option<Arc<ClientConfig>>,
    live: bool,
    /// Connections that see one moment of a server others write to, and that nobody reads with yet.
    pub(super) readers: Option<Arc<Mutex<Vec<Connection>>>>,
}

impl Source {
    /// A source at `endpoint`. With a TLS client (see [`crate::tls`]) every connection is encrypted and the server's certificate
    /// and host name are verified. Without one nothing is encrypted: for servers on the same machine only.
    pub fn new(endpoint: Endpoint, tls: Option<ClientConfig>) -> Self {
        Self { endpoint, tls: tls.map(Arc::new), live: false, readers: None }
    }

    /// Says that this is no clone, which has just started, but the server applications write to: it has the rows of MEMORY tables.
    #[must_use]
    pub fn live(self) -> Self {
        Self { live: true, ..self }
    }

    /// A connection to read rows with. Of a server that is held still it is one of those that see the moment: there is no other
    /// when one is lost.
    ///
    /// # Errors
    /// [`SourceError`]: of kind unavailable, throttled, or access denied.
    pub async fn reader(&self, database: &str) -> Result<Connection, SourceError> {
        let Some(readers) = &self.readers else { return self.connect(Some(database)).await };
        let reader = readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        reader.ok_or_else(|| SourceError::Unavailable {
            source: "a connection was lost that saw the server as it was when the export began".into(),
        })
    }

    /// Connects to a database, or to the server alone.
    ///
    /// # Errors
    /// [`SourceError`]: of kind unavailable, throttled, or access denied.
    pub async fn connect(&self, database: Option<&str>) -> Result<Connection, SourceError> {
        let log_in = async {
            let socket = self.endpoint.open().await.map_err(lost)?;
            let local = socket.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
            let wire = Wire::new(Box::new(socket));
            handshake::log_in(wire, &self.endpoint, self.tls.as_ref(), database, local).await
        };
        let (wire, version) =
            timeout(LOGIN_TIMEOUT, log_in).await.map_err(|e| SourceError::Unavailable { source: Box::new(e) })??;
        let product = Product::of_version(&version);
        let mut connection = Connection { wire, running: None, finished: None, product, live: self.live };
        for statement in [SESSION, VARIABLES, READ_ONLY] {
            connection.execute(statement).await?;
        }
        connection.limit_execution(None).await?;
        if product == Product::MySql8 {
            // Sizes as they are, not as they were a day ago.
            connection.execute("SET SESSION information_schema_stats_expiry = 0").await?;
        }
        Ok(connection)
    }
}

/// A connection to one database. Dropping it closes the socket, which ends whatever the server is doing for it.
pub struct Connection {
    pub(super) wire: Wire,
    /// A statement whose rows have not all been read.
    pub(super) running: Option<u32>,
    /// A statement that has been read to its end and not been closed.
    pub(super) finished: Option<u32>,
    product: Product,
    live: bool,
}

/// What differs in how a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    /// Version 5.7.
    MySql5,
    /// Version 8 or later.
    MySql8,
    MariaDb {
        /// An index may be ignored (version 10.6).
        ignores_indexes: bool,
    },
}

impl Product {
    /// The product that calls its version so: `8.0.39`, or `5.5.5-10.11.6-MariaDB` with what very old clients have to see.
    fn of_version(version: &str) -> Self {
        if version.contains("MariaDB") {
            let mut numbers = version.strip_prefix("5.5.5-").unwrap_or(version).split(['.', '-']);
            let mut number = || numbers.next().and_then(|number| number.parse::<u32>().ok()).unwrap_or_default();
            return Self::MariaDb { ignores_indexes: (number(), number()) >= (10, 6) };
        }
        if version.starts_with("5.") { Self::MySql5 } else { Self::MySql8 }
    }

    fn is_maria_db(self) -> bool {
        matches!(self, Self::MariaDb { .. })
    }
}

impl Connection {
    /// Whether rows that are only in memory are there.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Sets how long statements may take from now on.
    pub(super) async fn limit_execution(&mut self, limit: Option<Duration>) -> Result<(), SourceError> {
        let limit = limit.unwrap_or_default();
        let statement = match self.product {
            Product::MariaDb { .. } => format!("SET SESSION max_statement_time = {:.3}", limit.as_secs_f64()),
            Product::MySql5 | Product::MySql8 => format!("SET SESSION max_execution_time = {}", limit.as_millis()),
        };
        self.execute(&statement).await
    }

    /// Whether a backup can keep others from altering tables.
    pub(super) fn locks_definitions(&self) -> bool {
        self.product == Product::MySql8
    }

    /// A condition on `information_schema.STATISTICS` that leaves out the indexes no statement may name.
    pub(super) fn usable_indexes(&self) -> &'static str {
        match self.product {
            Product::MySql8 => "AND IS_VISIBLE = 'YES'",
            Product::MariaDb { ignores_indexes: true } => "AND IGNORED = 'NO'",
            Product::MariaDb { ignores_indexes: false } | Product::MySql5 => "",
        }
    }

    /// The query for the files that hold tables: `name` is `database/table`, without what sets a table's partitions apart.
    pub(super) fn tablespaces(&self) -> &'static str {
        match self.product {
            Product::MySql8 => {
                "SELECT SUBSTRING_INDEX(NAME, '#p#', 1) name, FILE_SIZE bytes FROM information_schema.INNODB_TABLESPACES"
            }
            // Names are those of the files there.
            Product::MySql5 | Product::MariaDb { .. } => {
                "SELECT CONCAT(CONVERT(SUBSTRING_INDEX(file, '/', 1) USING filename), '/', \
                 CONVERT(SUBSTRING_INDEX(SUBSTRING_INDEX(file, '/', -1), '#', 1) USING filename)) name, bytes \
                 FROM (SELECT CAST(NAME AS BINARY) file, FILE_SIZE bytes FROM information_schema.INNODB_SYS_TABLESPACES) t"
            }
        }
    }

    /// How to ask for a statement's plan as a table.
    pub(super) fn explain(&self) -> &'static str {
        if self.product.is_maria_db() { "EXPLAIN" } else { "EXPLAIN FORMAT=TRADITIONAL" }
    }

    /// The number of the column of a plan that holds the estimate of rows.
    pub(super) fn explained_rows(&self) -> usize {
        if self.product.is_maria_db() { 8 } else { 9 }
    }
}

/// The databases that hold a user's data, by name.
///
/// # Errors
/// [`SourceError`].
pub async fn databases(connection: &mut Connection) -> Result<Vec<String>, SourceError> {
    let mut names = Vec::new();
    let sql = "SELECT SCHEMA_NAME, @@lower_case_table_names FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME";
    connection
        .query(sql, |row| {
            let (name, folds) = (row.name(0)?, row.number(1)? != Some(0));
            // Where names are told apart by case, `Sys` is a user's.
            if !SYSTEM.iter().any(|system| *system == name || folds && system.eq_ignore_ascii_case(name)) {
                names.push(name.to_owned());
            }
            Ok(())
        })
        .await?;
    Ok(names)
}

/// Connections the server allows (`max_connections`).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_told_by_their_version() {
        for (version, product) in [
            ("5.7.44-log", Product::MySql5),
            ("8.0.39", Product::MySql8),
            ("9.7.4", Product::MySql8),
            ("5.5.5-10.5.23-MariaDB", Product::MariaDb { ignores_indexes: false }),
            ("10.6.0-MariaDB", Product::MariaDb { ignores_indexes: true }),
            ("5.5.5-10.11.6-MariaDB-0+deb12u1", Product::MariaDb { ignores_indexes: true }),
            ("11.4.2-MariaDB-log", Product::MariaDb { ignores_indexes: true }),
        ] {
            assert_eq!(Product::of_version(version), product, "{version}");
        }
    }
}
