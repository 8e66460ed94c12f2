//! `uuid`: 16 bytes.

use super::print;

pub(super) fn write(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
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
