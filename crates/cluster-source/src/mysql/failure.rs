//! What the server's error packets mean.

use crate::error::SourceError;

/// A server's error.
#[derive(Debug, thiserror::Error)]
#[error("error {code}: {message}")]
struct ServerError {
    code: u16,
    message: String,
}

/// The disk is full.
const DISK_FULL: u16 = 1021;
/// A file can't be opened, found, or read as what it should be.
const CANT_OPEN_FILE: u16 = 1016;
const FILE_NOT_FOUND: u16 = 1017;
const NOT_FORM_FILE: u16 = 1033;
const OLD_KEY_FILE: u16 = 1035;
/// A storage engine has an error of its own, whose number the message begins with.
const STORAGE_ENGINE: u16 = 1030;
const UNKNOWN_DATABASE: u16 = 1049;
const UNKNOWN_TABLE: u16 = 1051;
const UNKNOWN_COLUMN: u16 = 1054;
/// A temporary table is full.
const TABLE_FULL: u16 = 1114;
const NO_SUCH_TABLE: u16 = 1146;
const NO_SUCH_KEY: u16 = 1176;
const LOCK_TABLE_FULL: u16 = 1206;
/// The bytes of a key are no text in its character set.
const INVALID_CHARACTERS: u16 = 1300;
/// A table was altered after the transaction began that reads it.
const DEFINITION_CHANGED: u16 = 1412;
const TABLESPACE_DISCARDED: u16 = 1814;

/// Errors whose message quotes no value of a row and no statement (which may hold values of keys).
const SPEAKING: &[u16] = &[
    1016, 1017, 1021, 1030, 1033, 1034, 1035, 1037, 1038, 1040, 1041, 1044, 1045, 1049, 1051, 1053, 1114, 1129, 1130,
    1135, 1142, 1143, 1146, 1153, 1158, 1159, 1160, 1161, 1176, 1184, 1194, 1195, 1203, 1205, 1206, 1213, 1226, 1227,
    1251, 1317, 1370, 1412, 1449, 1524, 1698, 1712, 1814, 1820, 1862, 1927, 1969, 3024, 3032, 3118, 3159, 4031,
];

/// What `STORAGE_ENGINE` says where there is no memory, and no disk space.
const NO_RESOURCES: [&str; 2] = ["12", "28"];

/// The error in a payload that begins with [`MARK`].
pub(super) fn of_packet(payload: &[u8]) -> SourceError {
    let Some((code, rest)) = payload.get(1..).and_then(|rest| rest.split_first_chunk()) else {
        return SourceError::Protocol("an error without a number");
    };
    let code = u16::from_le_bytes(*code);
    // The state, which the number determines, is left out before the login.
    let message = if rest.first() == Some(&b'#') { rest.get(6..).unwrap_or_default() } else { rest };
    let message = if SPEAKING.contains(&code) {
        String::from_utf8_lossy(message).into_owned()
    } else {
        "message withheld, it may quote data".to_owned()
    };
    let number = message.split(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty()).unwrap_or_default();
    let lacks_resources = NO_RESOURCES.contains(&number);
    let source = Box::new(ServerError { code, message });
    match code {
        // Too many connections, of all or of this user.
        1040 | 1203 | 1226 => SourceError::Throttled { source },
        // Access denied, host blocked or unknown, unknown plugin, account locked, password expired.
        1044 | 1045 | 1129 | 1130 | 1142 | 1143 | 1227 | 1251 | 1370 | 1524 | 1698 | 1820 | 1862 | 3118 => {
            SourceError::AccessDenied { source }
        }
        // The server wants TLS.
        3159 => SourceError::Untrusted { source },
        // Shutdown, network, lock timeout and deadlock, interrupted, killed, timed out, offline, disconnected.
        1053 | 1158..=1161 | 1205 | 1213 | 1317 | 1927 | 1969 | 3024 | 3032 | 4031 => {
            SourceError::Unavailable { source }
        }
        // Memory, threads.
        1037 | 1038 | 1041 | 1135 | DISK_FULL | TABLE_FULL | LOCK_TABLE_FULL => SourceError::Exhausted { source },
        STORAGE_ENGINE if lacks_resources => SourceError::Exhausted { source },
        // Keys or rows that can't be right, tables marked as crashed, broken indexes, files that are not there.
        1034 | 1194 | 1195 | 1712 | 1812 | 1877 | 1932 => SourceError::Corrupted { source },
        CANT_OPEN_FILE | FILE_NOT_FOUND | NOT_FORM_FILE | OLD_KEY_FILE | STORAGE_ENGINE | TABLESPACE_DISCARDED => {
            SourceError::Corrupted { source }
        }
        UNKNOWN_DATABASE | UNKNOWN_TABLE | UNKNOWN_COLUMN | NO_SUCH_TABLE | NO_SUCH_KEY | DEFINITION_CHANGED => {
            SourceError::Changed { source }
        }
        INVALID_CHARACTERS => SourceError::InvalidText { column: None },
        // Division by zero, a number out of range, what is no JSON: in a column that is computed when it is read.
        1365 | 1690 | 3140 | 3141 | 3156 => SourceError::UnreadableValue { source },
        _ => SourceError::Query { source },
    }
}

/// A statement was ended before it had ended: MariaDB's `ER_STATEMENT_TIMEOUT`, MySQL's `ER_QUERY_TIMEOUT`, and
/// `ER_QUERY_INTERRUPTED`, which MySQL says instead where it is deep in a join.
const INTERRUPTED: [u16; 3] = [1969, 3024, 1317];

/// Whether a statement was ended before it had ended.
pub(super) fn is_interruption(error: &SourceError) -> bool {
    let SourceError::Unavailable { source } = error else { return false };
    source.downcast_ref::<ServerError>().is_some_and(|error| INTERRUPTED.contains(&error.code))
}

/// The error in a payload that comes in place of a row: the statement was taken, so what is unknown is about a row.
pub(super) fn of_row(payload: &[u8]) -> SourceError {
    match of_packet(payload) {
        SourceError::Query { source } => SourceError::UnreadableValue { source },
        error => error,
    }
}

/// The first byte of an error packet.
pub(super) const MARK: u8 = 0xFF;

#[cfg(test)]
mod tests {
    use std::error::Error;

    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn errors_are_told_apart_and_quote_no_data() {
        assert_eq!(of_packet(b"\xff\x10\x04Too many connections").kind(), ErrorKind::Throttled);
        assert_eq!(of_packet(b"\xff\x15\x04#28000Access denied").kind(), ErrorKind::AccessDenied);
        assert_eq!(of_packet(b"\xff\x1d\x04#08S01Server shutdown").kind(), ErrorKind::Unavailable);
        let text = |error: &SourceError| error.source().unwrap().to_string();
        assert_eq!(text(&of_packet(b"\xff\x15\x04#28000Access denied")), "error 1045: Access denied");
        assert!(!text(&of_packet(b"\xff\x26\x04#23000Duplicate entry 'secret'")).contains("secret"));
        // 1064 is an error of a statement of ours, whatever the table.
        assert_eq!(of_packet(b"\xff\x28\x04#42000You have an error").kind(), ErrorKind::Internal);
        let full = of_packet(b"\xff\xfd\x03#HY000Disk full (/tmp/#sql1); waiting");
        assert_eq!(
            (full.kind(), text(&full).as_str()),
            (ErrorKind::Unavailable, "error 1021: Disk full (/tmp/#sql1); waiting")
        );
        for (message, corrupted) in [("28 \"No space left on device\"", false), ("194 \"Tablespace is missing\"", true)]
        {
            let message = format!("Got error {message} from storage engine");
            let error = of_packet(&[b"\xff\x06\x04#HY000", message.as_bytes()].concat());
            assert_eq!(matches!(error, SourceError::Corrupted { .. }), corrupted, "{message}");
            assert_eq!(matches!(error, SourceError::Exhausted { .. }), !corrupted, "{message}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = of_packet(&bytes);
        }
    }
}
