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
enum Meaning {
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
    Quoted,
    /// It may quote values of a row.
    Withheld,
}

use Meaning::{
    AccessDenied, Corrupted, InvalidText, Limited, Statement, Throttled, Unavailable, UnreadableValue, ValueTooLarge,
};
use Message::{Quoted, Withheld};

/// The one table of SQLSTATE codes: single conditions first, then whole classes (the first two characters).
fn classify(state: &SqlState) -> (Meaning, Message) {
    match *state {
        SqlState::TOO_MANY_CONNECTIONS => (Throttled, Quoted),
        // A retry would meet the same limit.
        SqlState::CONFIGURATION_LIMIT_EXCEEDED => (Limited, Quoted),
        // A byte sequence that is invalid, or has no equivalent in UTF-8.
        SqlState::CHARACTER_NOT_IN_REPERTOIRE | SqlState::UNTRANSLATABLE_CHARACTER => (InvalidText, Withheld),
        // The text form of a value exceeds the server's own limit.
        SqlState::PROGRAM_LIMIT_EXCEEDED => (ValueTooLarge, Quoted),
        SqlState::INSUFFICIENT_PRIVILEGE => (AccessDenied, Quoted),
        SqlState::UNDEFINED_COLUMN
        | SqlState::UNDEFINED_FUNCTION
        | SqlState::UNDEFINED_OBJECT
        | SqlState::UNDEFINED_TABLE => (Statement, Quoted),
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => (Corrupted, Quoted),
        SqlState::LOCK_NOT_AVAILABLE => (Unavailable, Quoted),
        _ => match state.code().get(..2).unwrap_or_default() {
            // Authorization.
            "28" => (AccessDenied, Quoted),
            // Connection, transaction rollback, resources, operator intervention (which includes a query that an
            // administrator cancels), I/O.
            "08" | "40" | "53" | "57" | "58" => (Unavailable, Quoted),
            // Unsupported feature, transaction state, unknown statement, database or schema, program limit, object
            // state, internal error.
            "0A" | "25" | "26" | "3D" | "3F" | "54" | "55" | "XX" => (Statement, Quoted),
            // Cardinality, unknown cursor, syntax error, snapshot.
            "21" | "34" | "42" | "72" => (Statement, Withheld),
            // Data exceptions and integrity violations quote values. Other classes are what users' own functions
            // raise: a cast, or a column that is computed when it is read.
            _ => (UnreadableValue, Withheld),
        },
    }
}

/// Returns what an error of the COPY that reads a table means.
///
/// The COPY may call users' functions, which can contain wrong statements themselves. So of the syntax and access errors
/// only a missing table, a missing column and a missing privilege are about the COPY itself.
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

fn from_server(error: &DbError, meaning: Meaning) -> SourceError {
    let message = match classify(error.code()).1 {
        Quoted => error.message(),
        Withheld => "message withheld, it may quote data",
    };
    let source = Box::new(ServerError { code: error.code().code().to_owned(), message: message.to_owned() });
    match meaning {
        Throttled => SourceError::Throttled { source },
        Limited => SourceError::Limited { message: error.message().to_owned() },
        AccessDenied => SourceError::AccessDenied { source },
        Unavailable => SourceError::Unavailable { source },
        InvalidText => SourceError::InvalidText { column: None },
        // This routine grows the buffer that a row is gathered in. The message is in the server's language, so it
        // cannot tell a row from a value.
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
            ("53300", (Throttled, Quoted)),
            ("53400", (Limited, Quoted)),
            ("53100", (Unavailable, Quoted)),
            ("22021", (InvalidText, Withheld)),
            ("22P05", (InvalidText, Withheld)),
            ("22012", (UnreadableValue, Withheld)),
            ("54000", (ValueTooLarge, Quoted)),
            ("54001", (Statement, Quoted)),
            ("42501", (AccessDenied, Quoted)),
            ("42P01", (Statement, Quoted)),
            ("42703", (Statement, Quoted)),
            ("42704", (Statement, Quoted)),
            ("42883", (Statement, Quoted)),
            ("42601", (Statement, Withheld)),
            ("28P01", (AccessDenied, Quoted)),
            ("XX000", (Statement, Quoted)),
            ("XX001", (Corrupted, Quoted)),
            ("XX002", (Corrupted, Quoted)),
            ("55P03", (Unavailable, Quoted)),
            ("55000", (Statement, Quoted)),
            ("57014", (Unavailable, Quoted)),
            ("57P01", (Unavailable, Quoted)),
            ("40001", (Unavailable, Quoted)),
            ("3F000", (Statement, Quoted)),
            ("72000", (Statement, Withheld)),
        ] {
            assert_eq!(classify(&SqlState::from_code(code)), expected, "{code}");
        }
    }

    #[test]
    fn messages_that_may_quote_values_are_withheld() {
        // Integrity violation, PL/pgSQL's RAISE, states of users' own functions, a state that is too short.
        for code in ["23505", "P0001", "ABCDE", "99999", ""] {
            assert_eq!(classify(&SqlState::from_code(code)), (UnreadableValue, Withheld), "{code}");
        }
    }
}
