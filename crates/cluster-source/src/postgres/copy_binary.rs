//! Parses the framing of `COPY … (FORMAT BINARY)`: a header, tuples of length-prefixed fields, and
//! a trailer (PostgreSQL manual, COPY, Binary Format). The server sends one tuple per message, but
//! this code does not rely on it.

use crate::error::SourceError;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// The first item of a buffer.
pub(super) enum Item<'a> {
    /// The item is not complete yet.
    Incomplete,
    /// The header, with its length in bytes.
    Header(usize),
    /// The fields of a tuple, and the length of the tuple in bytes.
    Tuple(Fields<'a>, usize),
    /// The trailer, which must be the last item.
    Trailer,
}

/// The fields of a complete tuple, each a value or NULL.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk()?;
        // -1 is NULL. `tuple` has rejected other negative lengths.
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.0 = rest;
            return Some(None);
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Some(value))
    }
}

/// Parses the header at the start of `buffer`.
pub(super) fn header(buffer: &[u8]) -> Result<Item<'_>, SourceError> {
    let known = buffer.len().min(SIGNATURE.len());
    if buffer[..known] != SIGNATURE[..known] {
        return Err(SourceError::Protocol("COPY without the binary signature"));
    }
    let Some((flags, rest)) = buffer[known..].split_first_chunk() else {
        return Ok(Item::Incomplete);
    };
    if known < SIGNATURE.len() {
        return Ok(Item::Incomplete);
    }
    // The upper half of the flags marks format changes that a reader must support.
    if u32::from_be_bytes(*flags) >> 16 != 0 {
        return Err(SourceError::Protocol("COPY header with unknown critical flags"));
    }
    let Some((extension, rest)) = rest.split_first_chunk() else {
        return Ok(Item::Incomplete);
    };
    let extension = usize::try_from(i32::from_be_bytes(*extension))
        .map_err(|_| SourceError::Protocol("COPY header with a negative extension length"))?;
    Ok(if rest.len() < extension { Item::Incomplete } else { Item::Header(SIGNATURE.len() + 8 + extension) })
}

/// Parses the tuple of `fields` fields, or the trailer, at the start of `buffer`.
pub(super) fn tuple(buffer: &[u8], fields: usize) -> Result<Item<'_>, SourceError> {
    let Some((count, body)) = buffer.split_first_chunk() else {
        return Ok(Item::Incomplete);
    };
    let count = i16::from_be_bytes(*count);
    if count == -1 {
        return Ok(Item::Trailer);
    }
    if usize::try_from(count) != Ok(fields) {
        return Err(SourceError::Protocol("COPY tuple with the wrong number of fields"));
    }
    let mut rest = body;
    for _ in 0..fields {
        let Some((length, after)) = rest.split_first_chunk() else {
            return Ok(Item::Incomplete);
        };
        let length = match i32::from_be_bytes(*length) {
            -1 => 0,
            length => {
                usize::try_from(length).map_err(|_| SourceError::Protocol("COPY field with a negative length"))?
            }
        };
        let Some(after) = after.get(length..) else {
            return Ok(Item::Incomplete);
        };
        rest = after;
    }
    let length = body.len() - rest.len();
    Ok(Item::Tuple(Fields(&body[..length]), 2 + length))
}
