//! `macaddr` and `macaddr8`: six and eight bytes.

use super::print;

pub(super) fn write(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !matches!(raw.len(), 6 | 8) {
        return None;
    }
    for (i, byte) in raw.iter().enumerate() {
        if i > 0 {
            out.push(b':');
        }
        out.extend_from_slice(&print::hex_byte(*byte));
    }
    Some(())
}
