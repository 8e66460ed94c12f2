//! Maps the server's errors to [`SourceError`].
//!
//! A server's DETAIL, HINT and CONTEXT are dropped: they can quote rows.

use std::error::Error;
use std::io;

use tokio_postgres::error::{DbError, SqlState};

use crate::error::SourceError;

/// The cause of a [`SourceError`]: a server's error without anything that may quote a row.
#[derive(Debug, thiserror::Error)]
#[error("SQLSTATE {code}: {message}")]
struct ServerError {
    code: String,
    message: String,
}

/// What a SQLSTATE says about the export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Throttled,
    Limited,
    AccessDenied,
    Unavailable,
    InvalidText,
    ValueTooLarge,
    Corrupted,
    /// A statement of this program, or the server, is wrong.
    Statement,
    /// A function that computes a value failed.
    UnreadableValue,
}

/// Whether an error may carry the server's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    /// It quotes at most names and settings.
    Shown,
    /// It may quote values of a row.
    Withheld,
}

use Class::{
    AccessDenied, Corrupted, InvalidText, Limited, Statement, Throttled, Unavailable, UnreadableValue, ValueTooLarge,
};
use Message::{Shown, Withheld};

/// The one table of SQLSTATE codes. Single conditions come first, then the classes of the SQL
/// standard, which are the first two characters.
fn classify(state: &SqlState) -> (Class, Message) {
    match *state {
        SqlState::TOO_MANY_CONNECTIONS => (Throttled, Shown),
        // A retry would meet the same limit.
        SqlState::CONFIGURATION_LIMIT_EXCEEDED => (Limited, Shown),
        // A byte sequence that is invalid, or has no equivalent in UTF-8.
        SqlState::CHARACTER_NOT_IN_REPERTOIRE | SqlState::UNTRANSLATABLE_CHARACTER => (InvalidText, Withheld),
        // The text form of a value exceeds the server's own limit.
        SqlState::PROGRAM_LIMIT_EXCEEDED => (ValueTooLarge, Shown),
        SqlState::INSUFFICIENT_PRIVILEGE => (AccessDenied, Shown),
        SqlState::UNDEFINED_COLUMN
        | SqlState::UNDEFINED_FUNCTION
        | SqlState::UNDEFINED_OBJECT
        | SqlState::UNDEFINED_TABLE => (Statement, Shown),
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => (Corrupted, Shown),
        SqlState::LOCK_NOT_AVAILABLE => (Unavailable, Shown),
        _ => match state.code().get(..2).unwrap_or_default() {
            // Authorization.
            "28" => (AccessDenied, Shown),
            // Connection, transaction rollback, resources, operator intervention (which includes a
            // query that an administrator cancels), I/O.
            "08" | "40" | "53" | "57" | "58" => (Unavailable, Shown),
            // Unsupported feature, transaction state, unknown statement, database or schema,
            // program limit, object state, internal error.
            "0A" | "25" | "26" | "3D" | "3F" | "54" | "55" | "XX" => (Statement, Shown),
            // Cardinality, unknown cursor, syntax error, snapshot.
            "21" | "34" | "42" | "72" => (Statement, Withheld),
            // Data exceptions and integrity violations quote values. Other classes are what users'
            // own functions raise: a cast, or a column that is computed when it is read.
            _ => (UnreadableValue, Withheld),
        },
    }
}

/// Returns what an error of the COPY that reads a table means.
///
/// The COPY may call users' functions, which can contain wrong statements themselves. So of the
/// syntax and access errors only a missing table, a missing column and a missing privilege are
/// about the COPY itself.
pub(super) fn from_copy(error: tokio_postgres::Error) -> SourceError {
    match error.as_db_error() {
        Some(server)
            if server.code().code().starts_with("42")
                && !matches!(
                    *server.code(),
                    SqlState::INSUFFICIENT_PRIVILEGE | SqlState::UNDEFINED_COLUMN | SqlState::UNDEFINED_TABLE
                ) =>
        {
            from_server(server, UnreadableValue)
        }
        _ => error.into(),
    }
}

impl From<tokio_postgres::Error> for SourceError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(server) => from_server(server, classify(server.code()).0),
            None => from_driver(error),
        }
    }
}

fn from_server(error: &DbError, class: Class) -> SourceError {
    let message = match classify(error.code()).1 {
        Shown => error.message(),
        Withheld => "message withheld, it may quote data",
    };
    let source = Box::new(ServerError { code: error.code().code().to_owned(), message: message.to_owned() });
    match class {
        Throttled => SourceError::Throttled { source },
        Limited => SourceError::Limited { message: error.message().to_owned() },
        AccessDenied => SourceError::AccessDenied { source },
        Unavailable => SourceError::Unavailable { source },
        InvalidText => SourceError::InvalidText { column: None },
        // This routine grows the buffer that a row is gathered in. The message is in the server's
        // language, so it cannot tell a row from a value.
        ValueTooLarge if error.routine() == Some("enlargeStringInfo") => SourceError::RowUnsendable { source },
        ValueTooLarge => SourceError::ValueTooLarge { column: None },
        Corrupted => SourceError::Corrupted { source },
        Statement => SourceError::Query { source },
        UnreadableValue => SourceError::UnreadableValue { source },
    }
}

fn from_driver(error: tokio_postgres::Error) -> SourceError {
    let io = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    if io.and_then(io::Error::get_ref).is_some_and(|cause| cause.is::<rustls::Error>()) {
        SourceError::Untrusted { source: Box::new(error) }
    } else if io.is_some() || error.is_closed() {
        SourceError::Unavailable { source: Box::new(error) }
    } else if error.to_string().starts_with("error performing TLS handshake") {
        // The server does not support TLS. The driver has no public error kind for it.
        SourceError::Untrusted { source: Box::new(error) }
    } else {
        SourceError::Query { source: Box::new(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_come_before_their_classes() {
        for (code, expected) in [
            ("53300", (Throttled, Shown)),
            ("53400", (Limited, Shown)),
            ("53100", (Unavailable, Shown)),
            ("22021", (InvalidText, Withheld)),
            ("22P05", (InvalidText, Withheld)),
            ("22012", (UnreadableValue, Withheld)),
            ("54000", (ValueTooLarge, Shown)),
            ("54001", (Statement, Shown)),
            ("42501", (AccessDenied, Shown)),
            ("42P01", (Statement, Shown)),
            ("42703", (Statement, Shown)),
            ("42704", (Statement, Shown)),
            ("42883", (Statement, Shown)),
            ("42601", (Statement, Withheld)),
            ("28P01", (AccessDenied, Shown)),
            ("XX000", (Statement, Shown)),
            ("XX001", (Corrupted, Shown)),
            ("XX002", (Corrupted, Shown)),
            ("55P03", (Unavailable, Shown)),
            ("55000", (Statement, Shown)),
            ("57014", (Unavailable, Shown)),
            ("57P01", (Unavailable, Shown)),
            ("40001", (Unavailable, Shown)),
            ("3F000", (Statement, Shown)),
            ("72000", (Statement, Withheld)),
        ] {
            assert_eq!(classify(&SqlState::from_code(code)), expected, "{code}");
        }
    }

    #[test]
    fn messages_that_may_quote_values_are_withheld() {
        // Integrity violation, PL/pgSQL's RAISE, states of users' own functions, a state that is
        // too short.
        for code in ["23505", "P0001", "ABCDE", "99999", ""] {
            assert_eq!(classify(&SqlState::from_code(code)), (UnreadableValue, Withheld), "{code}");
        }
    }
}
