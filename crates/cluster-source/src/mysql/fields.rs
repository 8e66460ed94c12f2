//! The fields of packets: fixed bytes, and integers and strings with their length in front.

use super::wire::ERR_HEADER;
use crate::error::SourceError;

/// The byte that stands for NULL in a text row.
const NULL: u8 = 0xFB;

/// Takes a length-encoded integer off the front.
#[inline]
pub(super) fn integer(rest: &mut &[u8]) -> Option<u64> {
    let (first, after) = rest.split_first()?;
    let width = match first {
        0xFC => 2,
        0xFD => 3,
        0xFE => 8,
        // NULL in a text row, and the start of an error packet.
        &NULL | &ERR_HEADER => return None,
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

/// Takes a fixed number of bytes off the front.
#[inline]
pub(super) fn fixed<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (value, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*value)
}

/// A row of a text result. Each value is NULL or the text that the server prints.
pub(super) struct TextRow<'a>(Vec<Option<&'a [u8]>>);

impl<'a> TextRow<'a> {
    pub(super) fn parse(mut payload: &'a [u8], columns: u64) -> Result<Self, SourceError> {
        let mut values = Vec::new();
        for _ in 0..columns {
            if let Some((&NULL, after)) = payload.split_first() {
                values.push(None);
                payload = after;
            } else {
                values.push(Some(string(&mut payload).ok_or(SourceError::Protocol("truncated row"))?));
            }
        }
        Ok(Self(values))
    }

    /// Returns the number of values.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns a text, or `None` for NULL.
    pub(super) fn text(&self, column: usize) -> Result<Option<&'a str>, SourceError> {
        let value = self.0.get(column).ok_or(SourceError::Protocol("too few values in result row"))?;
        let text = value.map(std::str::from_utf8).transpose();
        text.map_err(|_| SourceError::Protocol("invalid text in result row"))
    }

    /// Returns a value that is never NULL, with each invalid byte replaced by U+FFFD.
    pub(super) fn lossy(&self, column: usize) -> Result<String, SourceError> {
        let value =
            self.0.get(column).copied().flatten().ok_or(SourceError::Protocol("unexpected NULL in result row"))?;
        Ok(String::from_utf8_lossy(value).into_owned())
    }

    /// Returns a text that is never NULL.
    pub(super) fn name(&self, column: usize) -> Result<&'a str, SourceError> {
        self.text(column)?.ok_or(SourceError::Protocol("unexpected NULL in result row"))
    }

    /// Returns a number, or `None` for NULL.
    pub(super) fn number(&self, column: usize) -> Result<Option<u64>, SourceError> {
        let number = self.text(column)?.map(str::parse).transpose();
        number.map_err(|_| SourceError::Protocol("invalid number in result row"))
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
