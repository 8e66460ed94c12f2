//! `bit`, `varbit` and `uuid`: raw bits that are printed as digits.

use super::print;

/// `bit` and `varbit`: the number of bits, then the bits, the first in the highest place.
pub(super) fn write_bit(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let length = printed_bit_size(raw)?;
    let end = out.len() + length;
    for byte in &raw[size_of::<i32>()..] {
        out.extend((0..8).rev().map(|place| b'0' + (byte >> place & 1)));
    }
    out.truncate(end);
    Some(())
}

/// Returns the length of the text, which is about eight times the length of the sent value.
pub(super) fn printed_bit_size(raw: &[u8]) -> Option<usize> {
    let (length, bytes) = raw.split_first_chunk()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    (bytes.len() == length.div_ceil(8)).then_some(length)
}

/// `uuid`: 16 bytes.
pub(super) fn write_uuid(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let raw: &[u8; 16] = raw.try_into().ok()?;
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (i, byte) in raw.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at..at + 2].copy_from_slice(&print::hex_byte(*byte));
        at += 2;
    }
    out.extend_from_slice(&text);
    Some(())
}
