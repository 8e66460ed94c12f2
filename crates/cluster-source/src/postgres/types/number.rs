//! `bool`, the integers and the floating-point numbers: big-endian bytes.

pub(super) fn bool(raw: &[u8]) -> Option<bool> {
    match raw {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

pub(super) fn int2(raw: &[u8]) -> Option<i16> {
    raw.try_into().ok().map(i16::from_be_bytes)
}

pub(super) fn int4(raw: &[u8]) -> Option<i32> {
    raw.try_into().ok().map(i32::from_be_bytes)
}

pub(super) fn int8(raw: &[u8]) -> Option<i64> {
    raw.try_into().ok().map(i64::from_be_bytes)
}

/// Keeps every NaN and negative zero as it is.
pub(super) fn float4(raw: &[u8]) -> Option<f32> {
    raw.try_into().ok().map(f32::from_be_bytes)
}

/// Keeps every NaN and negative zero as it is.
pub(super) fn float8(raw: &[u8]) -> Option<f64> {
    raw.try_into().ok().map(f64::from_be_bytes)
}
