//! `int4`: four bytes, big-endian.

pub(super) fn read(raw: &[u8]) -> Option<i32> {
    raw.try_into().ok().map(i32::from_be_bytes)
}
