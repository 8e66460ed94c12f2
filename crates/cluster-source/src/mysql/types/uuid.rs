//! MariaDB's `UUID`: the server sends it as text.

/// Returns the bytes of 32 hexadecimal digits in five groups.
#[inline]
pub(super) fn read(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let mut uuid = [0; 16];
    let mut at = 0;
    for (i, byte) in uuid.iter_mut().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            if text[at] != b'-' {
                return None;
            }
            at += 1;
        }
        *byte = digit(text[at])? << 4 | digit(text[at + 1])?;
        at += 2;
    }
    Some(uuid)
}

fn digit(byte: u8) -> Option<u8> {
    // A hexadecimal digit fits a byte.
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_groups_are_bytes() {
        let bytes = [0x12, 0x3E, 0x45, 0x67, 0xE8, 0x9B, 0x12, 0xD3, 0xA4, 0x56, 0x42, 0x66, 0x55, 0x44, 0x00, 0xFF];
        assert_eq!(read(b"123e4567-e89b-12d3-a456-4266554400ff"), Some(bytes));
        assert_eq!(read(b"123E4567-E89B-12D3-A456-4266554400FF"), Some(bytes));
        for text in [
            &b""[..],
            b"123e4567e89b12d3a4564266554400ff",
            b"123e4567-e89b-12d3-a456-4266554400f",
            b"123e4567-e89b-12d3-a456-4266554400fff",
            b"123e4567-e89b-12d3-a456+4266554400ff",
            b"123e4567-e89b-12d3-a45-64266554400ff",
            b"123e4567-e89b-12d3-a456-4266554400fg",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
