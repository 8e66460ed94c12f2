//! The server's error packets, as errors of this crate.

use std::error::Error;

use super::codes::*;
use crate::error::SourceError;

/// An error that the server reported.
#[derive(Debug, thiserror::Error)]
#[error("error {code}: {message}")]
struct ServerError {
    code: u16,
    message: String,
}

/// The variant of [`SourceError`] that an error code becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Throttled,
    AccessDenied,
    Untrusted,
    Unavailable,
    Exhausted,
    Corrupted,
    Changed,
    InvalidText,
    UnreadableValue,
    Query,
}

/// Whether the text of an error may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    /// It quotes no value of a row and no statement. A statement may hold the values of keys.
    Shown,
    Withheld,
}

/// What each known error code means. The message of an unknown code is withheld.
const KNOWN: &[(u16, Class, Message)] = &[
    (ER_CON_COUNT_ERROR, Class::Throttled, Message::Shown),
    (ER_TOO_MANY_USER_CONNECTIONS, Class::Throttled, Message::Shown),
    (ER_USER_LIMIT_REACHED, Class::Throttled, Message::Shown),
    (ER_DBACCESS_DENIED_ERROR, Class::AccessDenied, Message::Shown),
    (ER_ACCESS_DENIED_ERROR, Class::AccessDenied, Message::Shown),
    (ER_HOST_IS_BLOCKED, Class::AccessDenied, Message::Shown),
    (ER_HOST_NOT_PRIVILEGED, Class::AccessDenied, Message::Shown),
    (ER_TABLEACCESS_DENIED_ERROR, Class::AccessDenied, Message::Shown),
    (ER_COLUMNACCESS_DENIED_ERROR, Class::AccessDenied, Message::Shown),
    (ER_SPECIFIC_ACCESS_DENIED_ERROR, Class::AccessDenied, Message::Shown),
    (ER_NOT_SUPPORTED_AUTH_MODE, Class::AccessDenied, Message::Shown),
    (ER_PROCACCESS_DENIED_ERROR, Class::AccessDenied, Message::Shown),
    (ER_PLUGIN_IS_NOT_LOADED, Class::AccessDenied, Message::Shown),
    (ER_ACCESS_DENIED_NO_PASSWORD_ERROR, Class::AccessDenied, Message::Shown),
    (ER_MUST_CHANGE_PASSWORD, Class::AccessDenied, Message::Shown),
    (ER_MUST_CHANGE_PASSWORD_LOGIN, Class::AccessDenied, Message::Shown),
    (ER_ACCOUNT_HAS_BEEN_LOCKED, Class::AccessDenied, Message::Shown),
    (ER_ACCOUNT_HAS_BEEN_LOCKED_MARIADB, Class::AccessDenied, Message::Shown),
    (ER_SECURE_TRANSPORT_REQUIRED, Class::Untrusted, Message::Shown),
    (ER_SERVER_SHUTDOWN, Class::Unavailable, Message::Shown),
    (ER_NET_READ_ERROR, Class::Unavailable, Message::Shown),
    (ER_NET_READ_INTERRUPTED, Class::Unavailable, Message::Shown),
    (ER_NET_ERROR_ON_WRITE, Class::Unavailable, Message::Shown),
    (ER_NET_WRITE_INTERRUPTED, Class::Unavailable, Message::Shown),
    (ER_LOCK_WAIT_TIMEOUT, Class::Unavailable, Message::Shown),
    (ER_LOCK_DEADLOCK, Class::Unavailable, Message::Shown),
    (ER_QUERY_INTERRUPTED, Class::Unavailable, Message::Shown),
    (ER_CONNECTION_KILLED, Class::Unavailable, Message::Shown),
    (ER_STATEMENT_TIMEOUT, Class::Unavailable, Message::Shown),
    (ER_QUERY_TIMEOUT, Class::Unavailable, Message::Shown),
    (ER_SERVER_OFFLINE_MODE, Class::Unavailable, Message::Shown),
    (ER_CLIENT_INTERACTION_TIMEOUT, Class::Unavailable, Message::Shown),
    (ER_DISK_FULL, Class::Exhausted, Message::Shown),
    (ER_OUTOFMEMORY, Class::Exhausted, Message::Shown),
    (ER_OUT_OF_SORTMEMORY, Class::Exhausted, Message::Shown),
    (ER_OUT_OF_RESOURCES, Class::Exhausted, Message::Shown),
    (ER_RECORD_FILE_FULL, Class::Exhausted, Message::Shown),
    (ER_CANT_CREATE_THREAD, Class::Exhausted, Message::Shown),
    (ER_LOCK_TABLE_FULL, Class::Exhausted, Message::Shown),
    (ER_CANT_OPEN_FILE, Class::Corrupted, Message::Shown),
    (ER_FILE_NOT_FOUND, Class::Corrupted, Message::Shown),
    // See `STORAGE_EXHAUSTED` for the exceptions.
    (ER_GET_ERRNO, Class::Corrupted, Message::Shown),
    (ER_NOT_FORM_FILE, Class::Corrupted, Message::Shown),
    (ER_NOT_KEYFILE, Class::Corrupted, Message::Shown),
    (ER_OLD_KEYFILE, Class::Corrupted, Message::Shown),
    (ER_CRASHED_ON_USAGE, Class::Corrupted, Message::Shown),
    (ER_CRASHED_ON_REPAIR, Class::Corrupted, Message::Shown),
    (ER_INDEX_CORRUPT, Class::Corrupted, Message::Shown),
    (ER_TABLESPACE_MISSING, Class::Corrupted, Message::Withheld),
    (ER_TABLESPACE_DISCARDED, Class::Corrupted, Message::Shown),
    (ER_TABLE_CORRUPT, Class::Corrupted, Message::Withheld),
    (ER_NO_SUCH_TABLE_IN_ENGINE, Class::Corrupted, Message::Withheld),
    (ER_BAD_DB_ERROR, Class::Changed, Message::Shown),
    (ER_BAD_TABLE_ERROR, Class::Changed, Message::Shown),
    (ER_BAD_FIELD_ERROR, Class::Changed, Message::Withheld),
    (ER_NO_SUCH_TABLE, Class::Changed, Message::Shown),
    (ER_KEY_DOES_NOT_EXISTS, Class::Changed, Message::Shown),
    (ER_TABLE_DEF_CHANGED, Class::Changed, Message::Shown),
    (ER_INVALID_CHARACTER_STRING, Class::InvalidText, Message::Withheld),
    // A generated column is computed when it is read.
    (ER_DIVISION_BY_ZERO, Class::UnreadableValue, Message::Withheld),
    (ER_DATA_OUT_OF_RANGE, Class::UnreadableValue, Message::Withheld),
    (ER_INVALID_JSON_TEXT, Class::UnreadableValue, Message::Withheld),
    (ER_INVALID_JSON_TEXT_IN_PARAM, Class::UnreadableValue, Message::Withheld),
    (ER_INVALID_JSON_VALUE_FOR_CAST, Class::UnreadableValue, Message::Withheld),
    (ER_NET_PACKET_TOO_LARGE, Class::Query, Message::Shown),
    (ER_NEW_ABORTING_CONNECTION, Class::Query, Message::Shown),
    (ER_NO_SUCH_USER, Class::Query, Message::Shown),
];

/// The errors of a storage engine that are no damage: it has no memory (ENOMEM, 12), or no disk
/// space (ENOSPC, 28).
const STORAGE_EXHAUSTED: [&str; 2] = ["12", "28"];

/// The server ended a statement before the statement had its result.
const INTERRUPTIONS: [u16; 3] = [ER_STATEMENT_TIMEOUT, ER_QUERY_TIMEOUT, ER_QUERY_INTERRUPTED];

/// Returns the error in the payload of an error packet.
pub(super) fn from_packet(payload: &[u8]) -> SourceError {
    let Some((code, rest)) = payload.get(1..).and_then(|rest| rest.split_first_chunk()) else {
        return SourceError::Protocol("error packet without a code");
    };
    let code = u16::from_le_bytes(*code);
    // Before the login the server leaves out the SQLSTATE. The code implies it.
    let message = if rest.first() == Some(&b'#') { rest.get(6..).unwrap_or_default() } else { rest };
    let message = String::from_utf8_lossy(message).into_owned();
    let (class, visibility) = classify(code, &message);
    let message = match visibility {
        Message::Shown => message,
        Message::Withheld => "message withheld, it may quote data".to_owned(),
    };
    class.with_source(Box::new(ServerError { code, message }))
}

fn classify(code: u16, message: &str) -> (Class, Message) {
    if code == ER_GET_ERRNO {
        let mut numbers = message.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
        if numbers.next().is_some_and(|number| STORAGE_EXHAUSTED.contains(&number)) {
            return (Class::Exhausted, Message::Shown);
        }
    }
    let known = KNOWN.iter().find(|(known, ..)| *known == code);
    known.map_or((Class::Query, Message::Withheld), |&(_, class, message)| (class, message))
}

impl Class {
    fn with_source(self, source: Box<dyn Error + Send + Sync>) -> SourceError {
        match self {
            Self::Throttled => SourceError::Throttled { source },
            Self::AccessDenied => SourceError::AccessDenied { source },
            Self::Untrusted => SourceError::Untrusted { source },
            Self::Unavailable => SourceError::Unavailable { source },
            Self::Exhausted => SourceError::Exhausted { source },
            Self::Corrupted => SourceError::Corrupted { source },
            Self::Changed => SourceError::Changed { source },
            Self::InvalidText => SourceError::InvalidText { column: None },
            Self::UnreadableValue => SourceError::UnreadableValue { source },
            Self::Query => SourceError::Query { source },
        }
    }
}

/// Returns the error in a payload that comes in place of a row. The server has accepted the
/// statement by then, so an error of an unknown code is about a row.
pub(super) fn from_row(payload: &[u8]) -> SourceError {
    match from_packet(payload) {
        SourceError::Query { source } => SourceError::UnreadableValue { source },
        error => error,
    }
}

/// Returns whether the server ended a statement early.
pub(super) fn is_interruption(error: &SourceError) -> bool {
    let SourceError::Unavailable { source } = error else { return false };
    source.downcast_ref::<ServerError>().is_some_and(|error| INTERRUPTIONS.contains(&error.code))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use export_task::warning::SkipReason;
    use proptest::prelude::*;

    use super::super::wire::ERR_HEADER;
    use super::*;
    use crate::error::ErrorKind;

    /// Codes that the table doesn't have.
    const ER_DUP_ENTRY: u16 = 1062;
    const ER_PARSE_ERROR: u16 = 1064;

    fn packet(code: u16, message: &str) -> Vec<u8> {
        [&[ERR_HEADER], &code.to_le_bytes()[..], b"#HY000", message.as_bytes()].concat()
    }

    fn cause(error: &SourceError) -> String {
        error.source().unwrap().to_string()
    }

    #[test]
    fn each_code_has_one_class() {
        let codes: HashSet<u16> = KNOWN.iter().map(|(code, ..)| *code).collect();
        assert_eq!(codes.len(), KNOWN.len());
    }

    #[test]
    fn codes_become_errors_of_their_class() {
        for (code, kind) in [
            (ER_CON_COUNT_ERROR, ErrorKind::Throttled),
            (ER_ACCESS_DENIED_ERROR, ErrorKind::AccessDenied),
            (ER_SECURE_TRANSPORT_REQUIRED, ErrorKind::AccessDenied),
            (ER_LOCK_DEADLOCK, ErrorKind::Unavailable),
            (ER_DISK_FULL, ErrorKind::Unavailable),
            (ER_INDEX_CORRUPT, ErrorKind::Skip(SkipReason::DataCorrupted)),
            (ER_NO_SUCH_TABLE, ErrorKind::Skip(SkipReason::TableChanged)),
            (ER_INVALID_CHARACTER_STRING, ErrorKind::Skip(SkipReason::InvalidText)),
            (ER_DIVISION_BY_ZERO, ErrorKind::Skip(SkipReason::UnreadableValue)),
            (ER_NET_PACKET_TOO_LARGE, ErrorKind::Internal),
            (ER_PARSE_ERROR, ErrorKind::Internal),
        ] {
            assert_eq!(from_packet(&packet(code, "text")).kind(), kind, "{code}");
        }
    }

    #[test]
    fn messages_are_shown_unless_they_may_quote_data() {
        assert_eq!(cause(&from_packet(b"\xff\x10\x04Too many connections")), "error 1040: Too many connections");
        assert_eq!(cause(&from_packet(b"\xff\x15\x04#28000Access denied")), "error 1045: Access denied");
        let duplicate = from_packet(&packet(ER_DUP_ENTRY, "Duplicate entry 'secret'"));
        assert!(!cause(&duplicate).contains("secret"));
    }

    #[test]
    fn an_unknown_error_in_place_of_a_row_is_about_the_row() {
        let error = from_row(&packet(ER_PARSE_ERROR, "text"));
        assert_eq!(error.kind(), ErrorKind::Skip(SkipReason::UnreadableValue));
    }

    #[test]
    fn a_storage_engine_without_resources_is_not_corrupt() {
        for (message, kind) in [
            ("28 \"No space left on device\"", ErrorKind::Unavailable),
            ("194 \"Tablespace is missing\"", ErrorKind::Skip(SkipReason::DataCorrupted)),
        ] {
            let error = from_packet(&packet(ER_GET_ERRNO, &format!("Got error {message} from storage engine")));
            assert_eq!(error.kind(), kind, "{message}");
        }
    }

    #[test]
    fn interruptions_are_recognized() {
        assert!(is_interruption(&from_packet(&packet(ER_QUERY_TIMEOUT, "text"))));
        assert!(!is_interruption(&from_packet(&packet(ER_LOCK_DEADLOCK, "text"))));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = from_packet(&bytes);
        }
    }
}
