//! `float8`: eight bytes of IEEE 754, big-endian, so that every NaN and negative zero arrives as it is.

pub(super) fn read(raw: &[u8]) -> Option<f64> {
    raw.try_into().ok().map(f64::from_be_bytes)
}
