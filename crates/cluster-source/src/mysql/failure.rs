//! What the server's error packets mean.

use crate::error::SourceError;

/// A server's error.
#[derive(Debug, thiserror::Error)]
#[error("error {code}: {message}")]
struct ServerError {
    code: u16,
    message: String,
}

/// Errors whose message quotes no value of a row and no statement (which may hold values of keys).
const SPEAKING: &[u16] = &[
    1016, 1017, 1030, 1033, 1034, 1035, 1037, 1038, 1040, 1041, 1044, 1045, 1049, 1053, 1129, 1130, 1135, 1142, 1143,
    1146, 1153, 1158, 1159, 1160, 1161, 1194, 1195, 1203, 1205, 1213, 1226, 1227, 1251, 1317, 1370, 1412, 1449, 1524,
    1698, 1712, 1820, 1862, 1927, 1969, 3024, 3032, 3118, 3159, 4031,
];

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
        1153 => SourceError::ValueTooLarge { column: None },
        // Out of memory or threads, shutdown, network, lock timeout and deadlock, interrupted, killed, timed out, offline,
        // disconnected.
        1037 | 1038 | 1041 | 1053 | 1135 | 1158..=1161 | 1205 | 1213 | 1317 | 1927 | 1969 | 3024 | 3032 | 4031 => {
            SourceError::Unavailable { source }
        }
        // Keys or rows that can't be right, tables marked as crashed, broken indexes, files that are not there.
        1034 | 1194 | 1195 | 1712 | 1812 | 1877 | 1932 => SourceError::Corrupted { source },
        // Division by zero, a number out of range, what is no JSON: in a column that is computed when it is read.
        1365 | 1690 | 3140 | 3141 | 3156 => SourceError::UnreadableValue { source },
        _ => SourceError::Query { source },
    }
}

/// A statement took longer than the session allows: MariaDB's `ER_STATEMENT_TIMEOUT`, MySQL's `ER_QUERY_TIMEOUT`.
const TIMEOUTS: [u16; 2] = [1969, 3024];

/// Whether a statement took longer than the session allows.
pub(super) fn is_timeout(error: &SourceError) -> bool {
    let SourceError::Unavailable { source } = error else { return false };
    source.downcast_ref::<ServerError>().is_some_and(|error| TIMEOUTS.contains(&error.code))
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
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = of_packet(&bytes);
        }
    }
}
