//! What can go wrong while a cluster is read, and the few kinds of it a caller acts on.
//!
//! No error holds row data: a server's DETAIL, HINT and CONTEXT are dropped, and so is the message of the error classes
//! that quote values.

use std::borrow::Cow;
use std::error::Error;

use export_task::table::Table;
use export_task::warning::{SkipReason, SkippedTable};

/// Why a cluster could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The server can't be reached, is starting or stopping, or the connection was lost.
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
    /// No database of those tried lets the user in.
    #[error("the user can't connect to any of these databases: {tried}")]
    NoDatabase {
        /// Their names.
        tried: String,
        /// The first refusal.
        #[source]
        source: Option<Box<SourceError>>,
    },
    /// Tables are made faster than they can be locked.
    #[error(
        "tables are created or dropped too often to export all of them as they were at one moment; try again later"
    )]
    Restless,
    /// The transaction that kept a live database's tables as they were has ended early.
    #[error(
        "the transaction that locked the tables of database {database} has ended, so rows may be missing; export again"
    )]
    Released {
        /// The database.
        database: String,
    },
    /// TLS failed: the certificate doesn't verify, or the server speaks no TLS.
    #[error("no verified TLS connection to the database")]
    Untrusted {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The certificate authorities given are no certificates.
    #[error("the certificate authorities can't be read")]
    CertificateAuthorities {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A text value holds bytes that are no valid text.
    #[error("{} holds bytes that are not valid text", column.as_deref().unwrap_or("a column"))]
    InvalidText {
        /// The column, where it is known. A server that converts encodings doesn't say.
        column: Option<String>,
    },
    /// A value is larger than allowed, or than the server can send.
    #[error("{} holds a value that is too large", column.as_deref().unwrap_or("a column"))]
    ValueTooLarge {
        /// The column, where it is known.
        column: Option<String>,
    },
    /// A row is larger than allowed.
    #[error("a row of {bytes} bytes is larger than {limit} bytes")]
    RowTooLarge {
        /// The row's size as sent.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A row is larger than the server can send: about 1 GB.
    #[error("a row is larger than the database can send")]
    RowUnsendable {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A function that is called to read a value failed.
    #[error("the database can't compute a value")]
    UnreadableValue {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server finds its own copy of the data damaged: a block, an index, a value kept apart from its row.
    #[error("the database finds its data damaged")]
    Corrupted {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server lacks memory, disk space or locks for a statement, which may be otherwise later.
    #[error("the database lacks memory, disk space or locks")]
    Exhausted {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A table is not what it was when the export was planned, or is gone.
    #[error("it was altered, renamed or dropped during the export; export it again")]
    Changed {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A date, with or without a time, is zero or not in the calendar.
    #[error("column {column} holds a zero or impossible date")]
    NoInstant {
        /// The column.
        column: String,
    },
    /// A value has no equal in the type the column becomes: an infinity, a NaN, 24:00.
    #[error("column {column} holds a value that {parquet} can't express")]
    Unrepresentable {
        /// The column.
        column: String,
        /// What it becomes.
        parquet: Cow<'static, str>,
    },
    /// The bytes of a value are not what its type allows.
    #[error("column {column} holds bytes that are no {decode} value")]
    Malformed {
        /// The column.
        column: String,
        /// How it was decoded.
        decode: &'static str,
    },
    /// The server sent what its protocol doesn't allow, or ended early.
    #[error("the database broke its protocol: {0}")]
    Protocol(&'static str),
    /// A plan names what this version can't read.
    #[error("the plan can't be read: {0}")]
    Plan(String),
    /// Any other failure of a query.
    #[error("the database failed a query")]
    Query {
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What a caller does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Try again on a new connection.
    Unavailable,
    /// Try again later, with fewer connections.
    Throttled,
    /// Stop: a person must grant something.
    AccessDenied,
    /// Stop: the data can't be exported.
    Unsupported,
    /// Leave the table out and say why.
    Skip(SkipReason),
    /// Stop: nothing known helps.
    Internal,
}

impl SourceError {
    /// What a caller does about it.
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
            | Self::Restless
            | Self::Released { .. }
            | Self::Query { .. } => ErrorKind::Internal,
        }
    }

    /// The table it happened on, when that is to be left out. Who may connect and is refused lacks a privilege on what the table
    /// is read with.
    pub fn skips(&self, table: &Table) -> Option<SkippedTable> {
        let reason = match self.kind() {
            ErrorKind::Skip(reason) => reason,
            ErrorKind::AccessDenied => SkipReason::PermissionsDoNotExist,
            _ => return None,
        };
        let message = format!("The table was left out: {self}.");
        Some(SkippedTable { message, target: table.target(), reason })
    }
}
