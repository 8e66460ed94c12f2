//! The errors of reading a cluster, and the few kinds that a caller acts on.
//!
//! No error holds row data. A server's DETAIL, HINT and CONTEXT are dropped, and so is the message
//! of an error that may quote values. Each engine maps its own errors: see `postgres/failure.rs`
//! and `mysql/failure.rs`.

use std::borrow::Cow;
use std::error::Error;

use export_task::table::Table;
use export_task::warning::{SkipReason, SkippedTable};

/// Why a cluster could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The server can't be reached, is starting or stopping, or closed the connection.
    #[error("the database can't be reached")]
    Unavailable {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server has no free connection slot.
    #[error("the database has no free connection")]
    Throttled {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A setting of the server, database or role allows less than the export needs.
    #[error("a setting of the database allows less than the export needs: {message}")]
    Limited {
        /// The server's message, which names the setting.
        message: String,
    },
    /// The server refused the login or a privilege is missing.
    #[error("the database refused access")]
    AccessDenied {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The user can't connect to any of the databases that were tried.
    #[error("the user can't connect to any of these databases: {tried}")]
    NoDatabase {
        /// The names of the databases.
        tried: String,
        /// The first refusal.
        #[source]
        source: Option<Box<SourceError>>,
    },
    /// Tables are created faster than they can be locked.
    #[error(
        "tables are created or dropped too often to export all of them as they were at one moment; try again later"
    )]
    TablesKeepChanging,
    /// The transaction that pinned the tables of a live database has ended early.
    #[error(
        "the transaction that locked the tables of database {database} has ended, so rows may be missing; export again"
    )]
    PinLost {
        /// The database.
        database: String,
    },
    /// TLS failed: the certificate can't be verified, or the server does not support TLS.
    #[error("no verified TLS connection to the database")]
    Untrusted {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The configured certificate authorities are not valid certificates.
    #[error("the certificate authorities can't be read")]
    CertificateAuthorities {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A text value holds bytes that are not valid text.
    #[error("{} holds bytes that are not valid text", column.as_deref().unwrap_or("a column"))]
    InvalidText {
        /// The column, if it is known. A server that converts encodings does not report it.
        column: Option<String>,
    },
    /// A value exceeds the configured limit, or what the server can send.
    #[error("{} holds a value that is too large", column.as_deref().unwrap_or("a column"))]
    ValueTooLarge {
        /// The column, if it is known.
        column: Option<String>,
    },
    /// A row exceeds the configured limit.
    #[error("a row of {bytes} bytes exceeds the limit of {limit} bytes")]
    RowTooLarge {
        /// The size of the row as the server sends it.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A row is larger than the server can send, which is about 1 GB.
    #[error("a row is larger than the database can send")]
    RowUnsendable {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A function that the server calls to compute a value failed.
    #[error("the database can't compute a value")]
    UnreadableValue {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server reports that its own data is corrupted: a block, an index, or a value stored
    /// outside its row.
    #[error("the database reports corrupted data")]
    Corrupted {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server lacks memory, disk space or locks for a statement. A later attempt may succeed.
    #[error("the database lacks memory, disk space or locks")]
    Exhausted {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A table was altered, renamed or dropped after the export was planned.
    #[error("the table was altered, renamed or dropped during the export; export it again")]
    Changed {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A date, with or without a time, is zero or does not exist in the calendar.
    #[error("column {column} holds a zero or impossible date")]
    NoInstant {
        /// The column.
        column: String,
    },
    /// The column's Parquet type has no equivalent of a value, such as an infinity, a NaN or 24:00.
    #[error("column {column} holds a value that {parquet} can't express")]
    Unrepresentable {
        /// The column.
        column: String,
        /// The Parquet type of the column.
        parquet: Cow<'static, str>,
    },
    /// The bytes of a value are not valid for its type.
    #[error("column {column} holds bytes that are not a valid {decode} value")]
    Malformed {
        /// The column.
        column: String,
        /// The name of the decoder ([`Column::decode`](export_task::table::Column::decode)).
        decode: &'static str,
    },
    /// The server's answer violates its protocol, or ends early.
    #[error("the database violated its protocol: {0}")]
    Protocol(&'static str),
    /// A plan is invalid, or was written by another version of this program.
    #[error("invalid plan: {0}")]
    Plan(String),
    /// Any other failure of a query.
    #[error("a query failed in the database")]
    Query {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// How a caller handles an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Retry on a new connection.
    Unavailable,
    /// Retry later: the server has no free connection.
    Throttled,
    /// Stop: a person must grant a privilege.
    AccessDenied,
    /// Stop: the data can't be exported.
    Unsupported,
    /// Leave the table out and report the reason.
    Skip(SkipReason),
    /// Stop: no remedy is known.
    Internal,
}

impl SourceError {
    /// Returns how a caller handles the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } | Self::Exhausted { .. } => ErrorKind::Unavailable,
            Self::Throttled { .. } => ErrorKind::Throttled,
            Self::AccessDenied { .. } | Self::NoDatabase { .. } | Self::Untrusted { .. } => ErrorKind::AccessDenied,
            Self::ValueTooLarge { .. } | Self::Limited { .. } => ErrorKind::Unsupported,
            Self::InvalidText { .. } => ErrorKind::Skip(SkipReason::InvalidText),
            Self::UnreadableValue { .. } => ErrorKind::Skip(SkipReason::UnreadableValue),
            Self::Corrupted { .. } => ErrorKind::Skip(SkipReason::DataCorrupted),
            Self::Changed { .. } => ErrorKind::Skip(SkipReason::TableChanged),
            Self::RowTooLarge { .. } | Self::RowUnsendable { .. } => ErrorKind::Skip(SkipReason::RowTooLarge),
            Self::NoInstant { .. } => ErrorKind::Skip(SkipReason::InvalidDatetime),
            Self::Unrepresentable { .. } => ErrorKind::Skip(SkipReason::UnrepresentableValue),
            Self::CertificateAuthorities { .. }
            | Self::Malformed { .. }
            | Self::Protocol(_)
            | Self::Plan(_)
            | Self::TablesKeepChanging
            | Self::PinLost { .. }
            | Self::Query { .. } => ErrorKind::Internal,
        }
    }

    /// Returns `table` as a skipped one if the error means that it must be left out.
    ///
    /// A refusal of access leaves the table out too: after a successful login it means that a
    /// privilege on the table is missing.
    pub fn skips(&self, table: &Table) -> Option<SkippedTable> {
        let reason = match self.kind() {
            ErrorKind::Skip(reason) => reason,
            ErrorKind::AccessDenied => SkipReason::PermissionsDoNotExist,
            _ => return None,
        };
        let message = format!("The table was left out: {self}.");
        Some(SkippedTable::new(table, reason, message))
    }
}
