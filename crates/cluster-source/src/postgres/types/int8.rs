//! `int8`: eight bytes, big-endian.

pub(super) fn read(raw: &[u8]) -> Option<i64> {
    raw.try_into().ok().map(i64::from_be_bytes)
}
