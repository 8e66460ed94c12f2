//! Arrays, which become lists.
//!
//! An array is sent as the number of dimensions, a flag and the element type; then for each
//! dimension its length and lower bound; then the elements, each with its length (-1 for NULL).
//!
//! Each value, not its column, defines how many dimensions an array has and where they begin. A
//! list can only express one dimension whose lower bound is 1, or an empty array. Other arrays are
//! [`Unrepresentable`].

use std::sync::Arc;

use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer};
use arrow_schema::FieldRef;
use export_task::table::ParquetType;

use super::DecodeError::{self, Malformed, TooLarge, Unrepresentable};
use super::scalar::ScalarBuilder;
use crate::batch;

/// Gathers the offsets and nulls of one column's lists. Another builder holds the elements.
pub(super) struct ListBuilder {
    element: FieldRef,
    ends: Vec<i32>,
    valid: NullBufferBuilder,
}

impl ListBuilder {
    pub(super) fn new(parquet: ParquetType) -> Self {
        Self { element: batch::element(parquet), ends: vec![0], valid: NullBufferBuilder::new(0) }
    }

    /// Appends a list and adds its elements to `elements`. Returns the number of bytes that both
    /// take.
    pub(super) fn append(&mut self, raw: &[u8], elements: &mut ScalarBuilder) -> Result<usize, DecodeError> {
        let mut size = size_of::<i32>();
        each(raw, |element| {
            size += match element {
                Some(element) => elements.append(element)?,
                None => elements.append_null(),
            };
            Ok(())
        })?;
        self.ends.push(i32::try_from(elements.len()).map_err(|_| TooLarge)?);
        self.valid.append_non_null();
        Ok(size)
    }

    /// Appends NULL and returns the number of bytes it takes.
    pub(super) fn append_null(&mut self) -> usize {
        self.ends.extend(self.ends.last().copied());
        self.valid.append_null();
        size_of::<i32>()
    }

    /// Returns the array of all lists since the last call. `elements` are their elements.
    pub(super) fn finish(&mut self, elements: ArrayRef) -> ArrayRef {
        let mut next = Vec::with_capacity(self.ends.len());
        next.push(0);
        let ends = OffsetBuffer::new(std::mem::replace(&mut self.ends, next).into());
        Arc::new(ListArray::new(Arc::clone(&self.element), ends, elements, self.valid.finish()))
    }
}

/// Calls `element` for each element of an array.
fn each<'a>(
    raw: &'a [u8],
    mut element: impl FnMut(Option<&'a [u8]>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let ([dimensions, _, _], rest) = integers(raw)?;
    let (count, mut rest) = match dimensions {
        0 => (0, rest),
        1 => {
            let ([count, first], rest) = integers(rest)?;
            if first != 1 {
                return Err(Unrepresentable);
            }
            (count, rest)
        }
        2.. => return Err(Unrepresentable),
        _ => return Err(Malformed),
    };
    for _ in 0..count {
        let ([length], after) = integers(rest)?;
        rest = match usize::try_from(length) {
            Ok(length) => {
                let (value, after) = after.split_at_checked(length).ok_or(Malformed)?;
                element(Some(value))?;
                after
            }
            Err(_) if length == -1 => {
                element(None)?;
                after
            }
            Err(_) => return Err(Malformed),
        };
    }
    if count < 0 || !rest.is_empty() { Err(Malformed) } else { Ok(()) }
}

/// Returns the integers at the start of `raw` and the bytes after them.
#[inline]
fn integers<const N: usize>(raw: &[u8]) -> Result<([i32; N], &[u8]), DecodeError> {
    let mut rest = raw;
    let mut integers = [0; N];
    for integer in &mut integers {
        let (bytes, after) = rest.split_first_chunk().ok_or(Malformed)?;
        (*integer, rest) = (i32::from_be_bytes(*bytes), after);
    }
    Ok((integers, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(head: &[i32], elements: &[Option<&[u8]>]) -> Vec<u8> {
        let mut raw: Vec<u8> = head.iter().flat_map(|n| n.to_be_bytes()).collect();
        for element in elements {
            raw.extend(element.map_or(-1, |element| element.len() as i32).to_be_bytes());
            raw.extend_from_slice(element.unwrap_or_default());
        }
        raw
    }

    fn read(raw: &[u8]) -> Result<Vec<Option<&[u8]>>, DecodeError> {
        let mut elements = Vec::new();
        each(raw, |element| {
            elements.push(element);
            Ok(())
        })?;
        Ok(elements)
    }

    #[test]
    fn one_dimension_from_one_is_a_list() {
        let elements: &[Option<&[u8]>] = &[Some(b"a"), None, Some(b""), Some(b"bcd")];
        assert_eq!(read(&sent(&[1, 1, 25, 4, 1], elements)), Ok(elements.to_vec()));
        assert_eq!(read(&sent(&[0, 0, 25], &[])), Ok(Vec::new()));
    }

    #[test]
    fn other_arrays_are_not_representable() {
        for head in [&[1, 0, 25, 1, 0][..], &[1, 0, 25, 1, 2], &[1, 0, 25, 1, i32::MIN], &[2, 0, 25, 1, 1, 1, 1]] {
            assert_eq!(read(&sent(head, &[Some(b"a")])), Err(Unrepresentable), "{head:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_an_array_are_malformed() {
        let whole = sent(&[1, 0, 25, 2, 1], &[Some(b"a"), None]);
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), Err(Malformed), "{end}");
        }
        assert_eq!(read(&[&whole[..], &[0]].concat()), Err(Malformed));
        for head in [&[-1, 0, 25][..], &[1, 0, 25, -1, 1], &[1, 0, 25, 1, 1, -2], &[0, 0, 25, 0]] {
            assert_eq!(read(&sent(head, &[])), Err(Malformed), "{head:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            head in prop::collection::vec(prop_oneof![-2..3, any::<i32>()], 0..8),
            bytes in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let _ = read(&[&sent(&head, &[])[..], &bytes].concat());
        }
    }
}
