//! `bit` and `varbit`: the number of bits, then the bits, the first in the highest place.

pub(super) fn write(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let length = printed_size(raw)?;
    let end = out.len() + length;
    for byte in &raw[size_of::<i32>()..] {
        out.extend((0..8).rev().map(|place| b'0' + (byte >> place & 1)));
    }
    out.truncate(end);
    Some(())
}

/// How long the text is: eight times what is sent.
pub(super) fn printed_size(raw: &[u8]) -> Option<usize> {
    let (length, bytes) = raw.split_first_chunk()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    (bytes.len() == length.div_ceil(8)).then_some(length)
}
