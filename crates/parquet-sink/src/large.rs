//! Computes the statistics of columns that hold large values, from the batch itself.
//!
//! The parquet writer keeps copies of the smallest and the largest value. That takes too much
//! memory where one value may have hundreds of megabytes. But a row group without statistics
//! misleads readers: DataFusion answers `min(id)` from the row groups that have statistics. So
//! these columns get bounds of the kind that the writer makes: the first bytes of the value,
//! rounded outwards.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

use crate::properties::LARGE_COLUMN;

/// Maximum size of a bound in bytes. The parquet writer has the same limit.
const BOUND_BYTES: usize = 64;

/// Returns the statistics of a column of byte strings or lists of byte strings, if it is a large
/// one.
pub(crate) fn statistics(column: &ArrayRef) -> Option<Statistics> {
    let (values, absent) = match column.data_type() {
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            // In the file, a NULL list and an empty list each take a place without a value.
            let without_elements = (0..list.len()).filter(|&row| list.is_null(row) || list.value_length(row) == 0);
            (list.values(), without_elements.count())
        }
        _ => (column, 0),
    };
    if values.to_data().get_slice_memory_size().ok()? <= LARGE_COLUMN {
        return None;
    }
    let (min, max, is_text) = match values.data_type() {
        DataType::Utf8 => {
            let text = values.as_string::<i32>();
            let (min, max) = extremes(text.iter().map(|value| value.map(str::as_bytes)));
            (min, max, true)
        }
        DataType::Binary => {
            let (min, max) = extremes(values.as_binary::<i32>().iter());
            (min, max, false)
        }
        _ => return None,
    };
    let nulls = (values.null_count() + absent) as u64;
    let (min, max) = (min.map(|value| lower(value, is_text)), max.and_then(|value| upper(value, is_text)));
    let exact = |bound: &Option<Bound>| bound.as_ref().is_some_and(|bound| bound.exact);
    let (min_exact, max_exact) = (exact(&min), exact(&max));
    let bytes = |bound: Bound| ByteArray::from(bound.bytes);
    let values = ValueStatistics::new(min.map(bytes), max.map(bytes), None, Some(nulls), false)
        .with_min_is_exact(min_exact)
        .with_max_is_exact(max_exact);
    Some(Statistics::ByteArray(values))
}

fn extremes<'a>(values: impl Iterator<Item = Option<&'a [u8]>>) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
    values.flatten().fold((None, None), |(min, max), value| {
        let less = min.is_none_or(|min| value < min);
        let greater = max.is_none_or(|max| value > max);
        (if less { Some(value) } else { min }, if greater { Some(value) } else { max })
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    bytes: Vec<u8>,
    exact: bool,
}

/// Returns a lower bound of `value` of at most [`BOUND_BYTES`]. A text is cut between characters.
fn lower(value: &[u8], is_text: bool) -> Bound {
    let mut end = value.len().min(BOUND_BYTES);
    while is_text && value.get(end).is_some_and(|byte| is_continuation(*byte)) {
        end -= 1;
    }
    Bound { bytes: value[..end].to_vec(), exact: end == value.len() }
}

/// Returns an upper bound of `value` of at most [`BOUND_BYTES`], or `None` if there is none.
fn upper(value: &[u8], is_text: bool) -> Option<Bound> {
    let mut bound = lower(value, is_text);
    if bound.exact {
        return Some(bound);
    }
    let bytes = &mut bound.bytes;
    if !is_text {
        while bytes.last() == Some(&u8::MAX) {
            bytes.pop();
        }
        *bytes.last_mut()? += 1;
        return Some(bound);
    }
    let mut text: Vec<char> = std::str::from_utf8(bytes).ok()?.chars().collect();
    let next = |last: char| {
        let next = match last {
            '\u{D7FF}' => '\u{E000}',
            last => char::from_u32(u32::from(last) + 1)?,
        };
        // A longer character could make the bound longer than the limit.
        (next.len_utf8() == last.len_utf8()).then_some(next)
    };
    while let Some(last) = text.pop() {
        if let Some(next) = next(last) {
            text.push(next);
            return Some(Bound { bytes: String::from_iter(text).into_bytes(), exact: false });
        }
    }
    None
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_of_short_values_are_the_values() {
        let exact = |value: &[u8]| Bound { bytes: value.to_vec(), exact: true };
        assert_eq!(lower(b"abc", true), exact(b"abc"));
        assert_eq!(upper(b"abc", false), Some(exact(b"abc")));
        assert_eq!(upper(&[0xFF; 65], false), None);
        assert_eq!(upper("\u{10FFFF}".repeat(20).as_bytes(), true), None);
    }

    proptest! {
        #[test]
        fn bounds_of_text_enclose_it(text in "(a|é|\u{7FF}|\u{D7FF}|\u{FFFF}|\u{10FFFF}|😀){0,80}") {
            let value = text.as_bytes();
            let low = lower(value, true);
            prop_assert!(low.bytes.len() <= BOUND_BYTES && low.bytes.as_slice() <= value);
            prop_assert!(std::str::from_utf8(&low.bytes).is_ok());
            if let Some(high) = upper(value, true) {
                prop_assert!(high.bytes.len() <= BOUND_BYTES && high.bytes.as_slice() >= value);
                prop_assert!(std::str::from_utf8(&high.bytes).is_ok());
            }
        }

        #[test]
        fn bounds_of_bytes_enclose_them(value in prop::collection::vec(prop_oneof![Just(0xFF), any::<u8>()], 0..100)) {
            prop_assert!(lower(&value, false).bytes <= value);
            if let Some(high) = upper(&value, false) {
                prop_assert!(high.bytes.len() <= BOUND_BYTES && high.bytes >= value);
            }
        }
    }
}
