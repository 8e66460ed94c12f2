//! `int2`: two bytes, big-endian.

pub(super) fn read(raw: &[u8]) -> Option<i16> {
    raw.try_into().ok().map(i16::from_be_bytes)
}
