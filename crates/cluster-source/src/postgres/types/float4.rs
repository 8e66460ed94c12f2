//! `float4`: four bytes of IEEE 754, big-endian, so that every NaN and negative zero arrives as it is.

pub(super) fn read(raw: &[u8]) -> Option<f32> {
    raw.try_into().ok().map(f32::from_be_bytes)
}
