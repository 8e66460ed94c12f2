//! `timestamptz`: a `timestamp` in UTC, which is the session's time zone.

use super::timestamp;

pub(super) fn write(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    timestamp::write_with_zone(raw, b"+00", out)
}
