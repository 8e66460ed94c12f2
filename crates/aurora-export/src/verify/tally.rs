//! What the files say of one column, computed from their values: the counterpart of what the server says.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use bigdecimal::BigDecimal;
use cluster_source::profile::{Form, Measures};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::number::Number;
use super::print::print;

/// How the values of a column are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub form: Form,
    pub list: bool,
    /// Floating-point numbers are hashed as MySQL prints them.
    pub printed: bool,
    /// As many different values are counted at most.
    pub most: usize,
}

/// A type that no column of an export has.
#[derive(Debug, thiserror::Error)]
#[error("values of a type that exports don't have")]
pub(super) struct UnknownType;

/// What there is to say of a column.
pub(super) struct Tally {
    look: Look,
    values: u64,
    hash: u128,
    /// The hashes of different values, absent when there are too many.
    different: Option<HashSet<u64>>,
    least: Option<Bound>,
    greatest: Option<Bound>,
    sum: BigDecimal,
    /// A text that must be a number is none.
    is_no_number: bool,
    canonical: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
enum Bound {
    Number(Number),
    Integer(i128, i8),
    Float(f64),
    Bytes(Vec<u8>),
}

/// A value as it is in an array.
enum Value<'a> {
    /// With its digits after the point.
    Integer(i128, i8),
    Single(f32),
    Double(f64),
    Bytes(&'a [u8]),
    Uuid([u8; 16]),
}

impl Tally {
    pub fn new(look: Look) -> Self {
        Self {
            look,
            values: 0,
            hash: 0,
            different: Some(HashSet::new()),
            least: None,
            greatest: None,
            sum: BigDecimal::default(),
            is_no_number: false,
            canonical: Vec::new(),
        }
    }

    /// Adds the values of an array.
    pub fn add(&mut self, array: &ArrayRef) -> Result<(), UnknownType> {
        let mut sum = 0_i128;
        for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
            self.values += 1;
            self.canonical.clear();
            if self.look.list {
                self.list(array, row)?;
            } else {
                let value = value(array, row)?;
                canonical(&value, self.look, &mut self.canonical);
                if let (Value::Integer(number, scale), true) = (&value, self.look.form.has_sum()) {
                    sum = sum.checked_add(*number).unwrap_or_else(|| {
                        self.sum += BigDecimal::new(sum.into(), i64::from(*scale));
                        *number
                    });
                }
                self.bound(&value);
            }
            let hash = hash(&self.canonical);
            self.hash += u128::from(hash);
            if let Some(different) = &mut self.different {
                different.insert(hash);
                if different.len() > self.look.most {
                    self.different = None;
                }
            }
        }
        if let DataType::Decimal128(_, scale) = array.data_type() {
            self.sum += BigDecimal::new(sum.into(), i64::from(*scale));
        } else {
            self.sum += BigDecimal::from(sum);
        }
        Ok(())
    }

    /// Writes the canonical form of a list: the hashes of its elements.
    fn list(&mut self, array: &ArrayRef, row: usize) -> Result<(), UnknownType> {
        let elements = array.as_list_opt::<i32>().ok_or(UnknownType)?.value(row);
        let mut element = Vec::new();
        for at in 0..elements.len() {
            if at > 0 {
                self.canonical.push(b',');
            }
            if elements.is_valid(at) {
                element.clear();
                canonical(&value(&elements, at)?, self.look, &mut element);
                self.canonical.extend(digits(&element).into_bytes());
            } else {
                self.canonical.push(b'-');
            }
        }
        Ok(())
    }

    /// Widens the bounds to a value, whose canonical form is at hand.
    fn bound(&mut self, value: &Value<'_>) {
        let bytes = self.canonical.as_slice();
        let bound = match (self.look.form, value) {
            (Form::ExactText, _) => {
                let Some(number) = std::str::from_utf8(bytes).ok().and_then(Number::parse) else {
                    self.is_no_number = true;
                    return;
                };
                if let Number::Finite(number) = &number {
                    self.sum += number;
                }
                Bound::Number(number)
            }
            (_, Value::Integer(number, scale)) => Bound::Integer(*number, *scale),
            (_, Value::Single(number)) => Bound::Float(f64::from(*number)),
            (_, Value::Double(number)) => Bound::Float(*number),
            (_, Value::Bytes(_) | Value::Uuid(_)) => {
                // Only a new bound is copied.
                let outside = |bound: &Option<Bound>, is: fn(&[u8], &[u8]) -> bool| match bound {
                    Some(Bound::Bytes(bound)) => is(bytes, bound),
                    _ => true,
                };
                if outside(&self.least, |a, b| a < b) {
                    self.least = Some(Bound::Bytes(bytes.to_vec()));
                }
                if outside(&self.greatest, |a, b| a > b) {
                    self.greatest = Some(Bound::Bytes(bytes.to_vec()));
                }
                return;
            }
        };
        self.widen(Some(bound.clone()), Some(bound));
    }

    fn widen(&mut self, least: Option<Bound>, greatest: Option<Bound>) {
        if let Some(least) = least
            && self.least.as_ref().is_none_or(|bound| least.is_before(bound))
        {
            self.least = Some(least);
        }
        if let Some(greatest) = greatest
            && self.greatest.as_ref().is_none_or(|bound| bound.is_before(&greatest))
        {
            self.greatest = Some(greatest);
        }
    }

    /// Adds what is said of another part of the column.
    pub fn merge(&mut self, other: Self) {
        self.values += other.values;
        self.hash += other.hash;
        self.different = match (self.different.take(), other.different) {
            (Some(mut different), Some(others)) => {
                different.extend(others);
                Some(different).filter(|different| different.len() <= self.look.most)
            }
            _ => None,
        };
        self.widen(other.least, other.greatest);
        self.sum += other.sum;
        self.is_no_number |= other.is_no_number;
    }

    /// Whether different values were counted.
    pub fn is_counted(&self) -> bool {
        self.different.is_some()
    }

    /// What the server says otherwise, of a table of that many rows here and there.
    pub fn differences(&self, rows: u64, measures: &Measures, server_rows: u64) -> Vec<&'static str> {
        let number = |text: &Option<String>| text.as_deref().map_or(Some(BigDecimal::default()), finite);
        let different = self.different.as_ref().map(|different| different.len() as u64);
        let nulls = |rows: u64, values: u64| i128::from(rows) - i128::from(values);
        [
            ("NULLs", nulls(rows, self.values) == nulls(server_rows, measures.values)),
            ("distinct values", different.is_none() || different == measures.distinct),
            ("minimum", self.look.list || is(self.least.as_ref(), measures.least.as_deref(), self.look.form)),
            ("maximum", self.look.list || is(self.greatest.as_ref(), measures.greatest.as_deref(), self.look.form)),
            ("sum", !self.look.form.has_sum() || number(&measures.sum).is_some_and(|sum| sum == self.sum)),
            ("hash", measures.hash.as_deref().unwrap_or("0") == self.hash.to_string()),
            ("numbers", !self.is_no_number),
        ]
        .into_iter()
        .filter_map(|(what, equal)| (!equal).then_some(what))
        .collect()
    }
}

impl Bound {
    /// Whether it is the smaller one. NaN is above all numbers, and zeros of either sign are equal.
    fn is_before(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a < b,
            (Self::Integer(a, _), Self::Integer(b, _)) => a < b,
            (Self::Float(a), Self::Float(b)) => a < b || !a.is_nan() && b.is_nan(),
            (Self::Bytes(a), Self::Bytes(b)) => a < b,
            _ => false,
        }
    }
}

fn finite(text: &str) -> Option<BigDecimal> {
    match Number::parse(text)? {
        Number::Finite(number) => Some(number),
        _ => None,
    }
}

/// Whether a bound is the one the server gives.
fn is(bound: Option<&Bound>, text: Option<&str>, form: Form) -> bool {
    let (bound, text) = match (bound, text) {
        (Some(bound), Some(text)) => (bound, text),
        (bound, text) => return bound.is_none() && text.is_none(),
    };
    match bound {
        Bound::Number(number) => Number::parse(text).as_ref() == Some(number),
        Bound::Integer(number, scale) => finite(text) == Some(BigDecimal::new((*number).into(), i64::from(*scale))),
        Bound::Float(number) => {
            let parsed = match form {
                Form::Single => text.parse::<f32>().map(f64::from),
                _ => text.parse(),
            };
            parsed.is_ok_and(|other| other == *number || other.is_nan() && number.is_nan())
        }
        Bound::Bytes(bytes) => digits(bytes) == text,
    }
}

/// The SHA-256 of bytes in hexadecimal digits.
fn digits(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first fifteen hexadecimal digits of the SHA-256 of bytes, as a number.
fn hash(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)) >> 4
}

/// A value that is not NULL.
fn value(array: &ArrayRef, row: usize) -> Result<Value<'_>, UnknownType> {
    macro_rules! integer {
        ($type:ty) => {
            Value::Integer(array.as_primitive::<$type>().value(row).into(), 0)
        };
    }
    Ok(match array.data_type() {
        DataType::Boolean => Value::Integer(array.as_boolean().value(row).into(), 0),
        DataType::Int8 => integer!(Int8Type),
        DataType::Int16 => integer!(Int16Type),
        DataType::Int32 => integer!(Int32Type),
        DataType::Int64 => integer!(Int64Type),
        DataType::UInt8 => integer!(UInt8Type),
        DataType::UInt16 => integer!(UInt16Type),
        DataType::UInt32 => integer!(UInt32Type),
        DataType::UInt64 => integer!(UInt64Type),
        DataType::Date32 => integer!(Date32Type),
        DataType::Time64(TimeUnit::Microsecond) => integer!(Time64MicrosecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => integer!(TimestampMicrosecondType),
        DataType::Decimal128(_, scale) => Value::Integer(array.as_primitive::<Decimal128Type>().value(row), *scale),
        DataType::Float32 => Value::Single(array.as_primitive::<arrow_array::types::Float32Type>().value(row)),
        DataType::Float64 => Value::Double(array.as_primitive::<arrow_array::types::Float64Type>().value(row)),
        DataType::Utf8 => Value::Bytes(array.as_string::<i32>().value(row).as_bytes()),
        DataType::Binary => Value::Bytes(array.as_binary::<i32>().value(row)),
        DataType::FixedSizeBinary(16) => {
            Value::Uuid(array.as_fixed_size_binary().value(row).try_into().map_err(|_| UnknownType)?)
        }
        _ => return Err(UnknownType),
    })
}

/// Writes a value in its canonical form.
fn canonical(value: &Value<'_>, look: Look, out: &mut Vec<u8>) {
    match value {
        Value::Integer(truth, _) if look.form == Form::Boolean => out.push(if *truth == 0 { b'f' } else { b't' }),
        Value::Integer(number, scale) => decimal(*number, *scale, out),
        Value::Single(number) if look.printed => printed(f64::from(*number), out),
        Value::Double(number) if look.printed => printed(*number, out),
        Value::Single(number) => out.extend(number.to_be_bytes()),
        Value::Double(number) => out.extend(number.to_be_bytes()),
        Value::Bytes(bytes) => out.extend(*bytes),
        Value::Uuid(uuid) => {
            let mut text = Uuid::encode_buffer();
            out.extend(Uuid::from_bytes(*uuid).hyphenated().encode_lower(&mut text).bytes());
        }
    }
}

fn printed(number: f64, out: &mut Vec<u8>) {
    let mut text = String::new();
    print(number, &mut text);
    out.extend(text.into_bytes());
}

/// Writes a number whose last `scale` digits are after the point.
fn decimal(number: i128, scale: i8, out: &mut Vec<u8>) {
    let scale = usize::from(scale.unsigned_abs());
    let digits = format!("{:0>1$}", number.unsigned_abs(), scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if number < 0 {
        out.push(b'-');
    }
    out.extend(whole.bytes());
    if scale > 0 {
        out.push(b'.');
        out.extend(fraction.bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Decimal128Array, Int64Array, StringArray};

    use super::*;

    fn tally(form: Form, arrays: &[ArrayRef]) -> Tally {
        let look = Look { form, list: false, printed: false, most: 3 };
        let parts = arrays.iter().map(|array| {
            let mut tally = Tally::new(look);
            tally.add(array).unwrap();
            tally
        });
        let mut whole = Tally::new(look);
        parts.for_each(|part| whole.merge(part));
        whole
    }

    fn said(values: u64, distinct: u64, least: &str, greatest: &str, sum: Option<&str>, hash: u64) -> Measures {
        Measures {
            values,
            distinct: Some(distinct),
            least: Some(least.to_owned()),
            greatest: Some(greatest.to_owned()),
            sum: sum.map(str::to_owned),
            hash: Some(hash.to_string()),
        }
    }

    #[test]
    fn each_measure_is_compared() {
        let arrays: [ArrayRef; 2] =
            [Arc::new(Int64Array::from(vec![Some(3), None])), Arc::new(Int64Array::from(vec![-5]))];
        let tally = tally(Form::Exact, &arrays);
        let right = said(2, 2, "-5", "3", Some("-2"), hash(b"3") + hash(b"-5"));
        assert_eq!(tally.differences(3, &right, 3), Vec::<&str>::new());
        assert_eq!(tally.differences(3, &right, 4), ["NULLs"]);
        let wrong = said(1, 3, "-4", "2", Some("2"), 7);
        let all = ["NULLs", "distinct values", "minimum", "maximum", "sum", "hash"];
        assert_eq!(tally.differences(3, &wrong, 3), all);
        assert_eq!(tally.differences(3, &Measures::default(), 2), all);
    }

    #[test]
    fn sums_of_decimals_may_be_larger_than_any_of_them() {
        let most = 10_i128.pow(38) - 1;
        let array = Decimal128Array::from(vec![most; 4]).with_precision_and_scale(38, 2).unwrap();
        let tally = tally(Form::Exact, &[Arc::new(array)]);
        let sum = "3999999999999999999999999999999999999.96";
        let value = "999999999999999999999999999999999999.99";
        let right = said(4, 1, value, value, Some(sum), hash(value.as_bytes()) * 4);
        assert_eq!(tally.differences(4, &right, 4), Vec::<&str>::new());
    }

    #[test]
    fn numbers_that_are_text_may_be_none() {
        let array: ArrayRef = Arc::new(StringArray::from(vec!["1.50", "NaN", "-Infinity"]));
        let hash: u64 = [&b"1.50"[..], b"NaN", b"-Infinity"].iter().map(|value| hash(value)).sum();
        let right = said(3, 3, "-Infinity", "NaN", Some("1.5"), hash);
        assert_eq!(tally(Form::ExactText, &[Arc::clone(&array)]).differences(3, &right, 3), Vec::<&str>::new());
        let more: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        assert!(tally(Form::ExactText, &[array, more]).differences(4, &right, 4).contains(&"numbers"));
    }

    #[test]
    fn more_different_values_than_wanted_are_not_counted() {
        let array: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
        let right = said(4, 9, &digits(b"a"), &digits(b"d"), None, 0);
        let tally = tally(Form::Text, &[array]);
        assert!(!tally.is_counted());
        assert_eq!(tally.differences(4, &right, 4), ["hash"]);
    }

    #[test]
    fn decimals_have_all_digits_of_their_scale() {
        for (number, scale, text) in
            [(0, 2, "0.00"), (-1, 2, "-0.01"), (1234, 2, "12.34"), (-7, 0, "-7"), (5, 5, "0.00005")]
        {
            let mut out = Vec::new();
            decimal(number, scale, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
