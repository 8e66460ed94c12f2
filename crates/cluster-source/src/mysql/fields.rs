//! Numbers and strings with their length in front, as packets hold them.

use crate::error::SourceError;

/// Takes a length-encoded integer off the front.
#[inline]
pub(super) fn integer(rest: &mut &[u8]) -> Option<u64> {
    let (first, after) = rest.split_first()?;
    let width = match first {
        0xFC => 2,
        0xFD => 3,
        0xFE => 8,
        // NULL in a text row, and an error: no integers.
        0xFB | 0xFF => return None,
        _ => {
            *rest = after;
            return Some(u64::from(*first));
        }
    };
    let (bytes, after) = after.split_at_checked(width)?;
    *rest = after;
    let mut number = [0; 8];
    number[..width].copy_from_slice(bytes);
    Some(u64::from_le_bytes(number))
}

/// Takes a length-encoded string off the front.
#[inline]
pub(super) fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(integer(rest)?).ok()?;
    let (value, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(value)
}

/// Takes bytes of a fixed number off the front.
#[inline]
pub(super) fn fixed<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (value, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*value)
}

/// A row of a text result: each value as the server prints it, or NULL.
pub(super) struct TextRow<'a>(Vec<Option<&'a [u8]>>);

impl<'a> TextRow<'a> {
    pub fn parse(mut payload: &'a [u8], columns: u64) -> Result<Self, SourceError> {
        let mut values = Vec::new();
        for _ in 0..columns {
            if let Some((0xFB, after)) = payload.split_first() {
                values.push(None);
                payload = after;
            } else {
                values.push(Some(string(&mut payload).ok_or(SourceError::Protocol("a row without its end"))?));
            }
        }
        Ok(Self(values))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// A text, `None` for NULL.
    pub fn text(&self, column: usize) -> Result<Option<&'a str>, SourceError> {
        let value = self.0.get(column).ok_or(SourceError::Protocol("a row with too few values"))?;
        let text = value.map(std::str::from_utf8).transpose();
        text.map_err(|_| SourceError::Protocol("a name or number that is no text"))
    }

    /// A value that is never NULL, with every byte that belongs to no text replaced.
    pub fn lossy(&self, column: usize) -> Result<String, SourceError> {
        let value = self.0.get(column).copied().flatten().ok_or(SourceError::Protocol("NULL where it can't be"))?;
        Ok(String::from_utf8_lossy(value).into_owned())
    }

    /// A text that is never NULL.
    pub fn name(&self, column: usize) -> Result<&'a str, SourceError> {
        self.text(column)?.ok_or(SourceError::Protocol("NULL where it can't be"))
    }

    /// A number, `None` for NULL.
    pub fn number(&self, column: usize) -> Result<Option<u64>, SourceError> {
        let number = self.text(column)?.map(str::parse).transpose();
        number.map_err(|_| SourceError::Protocol("a number that is none"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_come_in_four_widths() {
        for (bytes, number) in [
            (&[250_u8][..], 250),
            (&[0xFC, 0xFB, 0], 251),
            (&[0xFD, 0, 0, 1], 1 << 16),
            (&[0xFE, 0, 0, 0, 1, 0, 0, 0, 0], 1 << 24),
        ] {
            let mut rest = bytes;
            assert_eq!(integer(&mut rest), Some(number));
            assert!(rest.is_empty());
        }
        assert_eq!(integer(&mut &[0xFB][..]), None);
        assert_eq!(string(&mut &[3, b'a', b'b'][..]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), columns in 0..5_u64) {
            let _ = TextRow::parse(&bytes, columns);
        }
    }
}
