//! Computes the measures of a column from the values in the files. The server computes the same
//! measures.

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

/// How the values of a column are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison {
    pub form: Form,
    pub list: bool,
    /// Whether floating-point numbers are hashed as MySQL prints them.
    pub printed: bool,
    /// Maximum number of distinct values that are counted.
    pub max_distinct: usize,
}

/// A column has a type that no export has.
#[derive(Debug, thiserror::Error)]
#[error("a column has a type that exports don't have")]
pub(super) struct UnknownType;

/// The measures of a column.
pub(super) struct Tally {
    comparison: Comparison,
    values: u64,
    hash: u128,
    /// The hashes of distinct values. `None` when there are too many.
    distinct: Option<HashSet<u64>>,
    least: Option<Bound>,
    greatest: Option<Bound>,
    sum: BigDecimal,
    /// Whether the column holds a text that should be a number and is not.
    has_invalid_number: bool,
    /// The canonical form of the current value.
    canonical: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
enum Bound {
    Number(Number),
    Integer(i128, i8),
    Float(f64),
    Bytes(Vec<u8>),
}

/// A value of an array.
enum Value<'a> {
    /// The unscaled value and the number of digits after the point.
    Integer(i128, i8),
    Single(f32),
    Double(f64),
    Bytes(&'a [u8]),
    Uuid([u8; 16]),
}

impl Tally {
    pub(super) fn new(comparison: Comparison) -> Self {
        Self {
            comparison,
            values: 0,
            hash: 0,
            distinct: Some(HashSet::new()),
            least: None,
            greatest: None,
            sum: BigDecimal::default(),
            has_invalid_number: false,
            canonical: Vec::new(),
        }
    }

    /// Adds the values of an array.
    pub(super) fn add(&mut self, array: &ArrayRef) -> Result<(), UnknownType> {
        let mut sum = 0_i128;
        for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
            self.values += 1;
            self.canonical.clear();
            if self.comparison.list {
                self.list(array, row)?;
            } else {
                let value = value(array, row)?;
                canonical(&value, self.comparison, &mut self.canonical);
                if let (Value::Integer(number, scale), true) = (&value, self.comparison.form.has_sum()) {
                    sum = sum.checked_add(*number).unwrap_or_else(|| {
                        self.sum += BigDecimal::new(sum.into(), i64::from(*scale));
                        *number
                    });
                }
                self.bound(&value);
            }
            let hash = hash(&self.canonical);
            self.hash += u128::from(hash);
            if let Some(distinct) = &mut self.distinct {
                distinct.insert(hash);
                if distinct.len() > self.comparison.max_distinct {
                    self.distinct = None;
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
                canonical(&value(&elements, at)?, self.comparison, &mut element);
                self.canonical.extend(digits(&element).into_bytes());
            } else {
                self.canonical.push(b'-');
            }
        }
        Ok(())
    }

    /// Extends the bounds to include a value. Its canonical form is in `self.canonical`.
    fn bound(&mut self, value: &Value<'_>) {
        let bytes = self.canonical.as_slice();
        let bound = match (self.comparison.form, value) {
            (Form::ExactText, _) => {
                let Some(number) = std::str::from_utf8(bytes).ok().and_then(Number::parse) else {
                    self.has_invalid_number = true;
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
                let outside = |bound: &Option<Bound>, exceeds: fn(&[u8], &[u8]) -> bool| match bound {
                    Some(Bound::Bytes(bound)) => exceeds(bytes, bound),
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
            && self.least.as_ref().is_none_or(|bound| least.is_below(bound))
        {
            self.least = Some(least);
        }
        if let Some(greatest) = greatest
            && self.greatest.as_ref().is_none_or(|bound| bound.is_below(&greatest))
        {
            self.greatest = Some(greatest);
        }
    }

    /// Adds the measures of another part of the column.
    pub(super) fn merge(&mut self, other: Self) {
        self.values += other.values;
        self.hash += other.hash;
        self.distinct = match (self.distinct.take(), other.distinct) {
            (Some(mut distinct), Some(others)) => {
                distinct.extend(others);
                Some(distinct).filter(|distinct| distinct.len() <= self.comparison.max_distinct)
            }
            _ => None,
        };
        self.widen(other.least, other.greatest);
        self.sum += other.sum;
        self.has_invalid_number |= other.has_invalid_number;
    }

    /// Returns whether the distinct values were counted.
    pub(super) fn is_counted(&self) -> bool {
        self.distinct.is_some()
    }

    /// Returns the names of the measures in which the server differs. `rows` is the number of rows
    /// in the files, `server_rows` that of the server.
    pub(super) fn differences(&self, rows: u64, measures: &Measures, server_rows: u64) -> Vec<&'static str> {
        let number = |text: &Option<String>| text.as_deref().map_or(Some(BigDecimal::default()), finite);
        let distinct = self.distinct.as_ref().map(|distinct| distinct.len() as u64);
        let nulls = |rows: u64, values: u64| i128::from(rows) - i128::from(values);
        [
            ("NULLs", nulls(rows, self.values) == nulls(server_rows, measures.values)),
            ("distinct values", distinct.is_none() || distinct == measures.distinct),
            (
                "minimum",
                self.comparison.list || is_equal(self.least.as_ref(), measures.least.as_deref(), self.comparison.form),
            ),
            (
                "maximum",
                self.comparison.list
                    || is_equal(self.greatest.as_ref(), measures.greatest.as_deref(), self.comparison.form),
            ),
            ("sum", !self.comparison.form.has_sum() || number(&measures.sum).is_some_and(|sum| sum == self.sum)),
            ("hash", measures.hash.as_deref().unwrap_or("0") == self.hash.to_string()),
            ("numbers", !self.has_invalid_number),
        ]
        .into_iter()
        .filter_map(|(name, equal)| (!equal).then_some(name))
        .collect()
    }
}

impl Bound {
    /// Returns whether the bound is below `other`. NaN is above all numbers, and zeros of either
    /// sign are equal.
    fn is_below(&self, other: &Self) -> bool {
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

/// Returns whether a bound equals the one that the server gives.
fn is_equal(bound: Option<&Bound>, text: Option<&str>, form: Form) -> bool {
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

/// Returns the SHA-256 of bytes in hexadecimal digits.
fn digits(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the first fifteen hexadecimal digits of the SHA-256 of bytes as a number.
fn hash(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)) >> 4
}

/// Returns the value in a row, which must not be NULL.
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
fn canonical(value: &Value<'_>, comparison: Comparison, out: &mut Vec<u8>) {
    match value {
        Value::Integer(truth, _) if comparison.form == Form::Boolean => out.push(if *truth == 0 { b'f' } else { b't' }),
        Value::Integer(number, scale) => decimal(*number, *scale, out),
        Value::Single(number) if comparison.printed => printed(f64::from(*number), out),
        Value::Double(number) if comparison.printed => printed(*number, out),
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

/// Writes a number whose last `scale` digits stand after the point.
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
        let comparison = Comparison { form, list: false, printed: false, max_distinct: 3 };
        let parts = arrays.iter().map(|array| {
            let mut tally = Tally::new(comparison);
            tally.add(array).unwrap();
            tally
        });
        let mut whole = Tally::new(comparison);
        parts.for_each(|part| whole.merge(part));
        whole
    }

    fn measures(values: u64, distinct: u64, least: &str, greatest: &str, sum: Option<&str>, hash: u64) -> Measures {
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
        let right = measures(2, 2, "-5", "3", Some("-2"), hash(b"3") + hash(b"-5"));
        assert_eq!(tally.differences(3, &right, 3), Vec::<&str>::new());
        assert_eq!(tally.differences(3, &right, 4), ["NULLs"]);
        let wrong = measures(1, 3, "-4", "2", Some("2"), 7);
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
        let right = measures(4, 1, value, value, Some(sum), hash(value.as_bytes()) * 4);
        assert_eq!(tally.differences(4, &right, 4), Vec::<&str>::new());
    }

    #[test]
    fn numbers_may_be_text() {
        let array: ArrayRef = Arc::new(StringArray::from(vec!["1.50", "NaN", "-Infinity"]));
        let hash: u64 = [&b"1.50"[..], b"NaN", b"-Infinity"].iter().map(|value| hash(value)).sum();
        let right = measures(3, 3, "-Infinity", "NaN", Some("1.5"), hash);
        assert_eq!(tally(Form::ExactText, &[Arc::clone(&array)]).differences(3, &right, 3), Vec::<&str>::new());
        let more: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        assert!(tally(Form::ExactText, &[array, more]).differences(4, &right, 4).contains(&"numbers"));
    }

    #[test]
    fn too_many_distinct_values_are_not_counted() {
        let array: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
        let right = measures(4, 9, &digits(b"a"), &digits(b"d"), None, 0);
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
