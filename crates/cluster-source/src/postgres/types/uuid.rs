//! `uuid`: 16 bytes.

const HEX: &[u8; 16] = b"0123456789abcdef";

pub(super) fn write(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let raw: &[u8; 16] = raw.try_into().ok()?;
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (i, byte) in raw.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 15)];
        at += 2;
    }
    out.extend_from_slice(&text);
    Some(())
}
