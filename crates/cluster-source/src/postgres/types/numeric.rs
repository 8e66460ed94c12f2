//! `numeric`: digits to base 10,000 with a weight, a sign, and the number of decimals to print.

use super::DecodeError::{self, Malformed, Unrepresentable};
use super::print;

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// The server's own limit on decimals.
const MAX_DECIMALS: u16 = 0x3FFF;

/// A value as it is sent.
struct Numeric<'a> {
    sign: Sign,
    /// The power of 10,000 that the first digit counts.
    weight: i32,
    /// The number of decimals to print.
    decimals: u16,
    /// Each should be below 10,000. The readers check that, because they read every digit anyway.
    digits: &'a [[u8; 2]],
}

enum Sign {
    Positive,
    Negative,
    NotFinite(&'static [u8]),
}

impl<'a> Numeric<'a> {
    #[inline]
    fn parse(raw: &'a [u8]) -> Option<Self> {
        let ([a, b, c, d, e, f, g, h], digits) = raw.split_first_chunk()?;
        let sign = match u16::from_be_bytes([*e, *f]) {
            POSITIVE => Sign::Positive,
            NEGATIVE => Sign::Negative,
            NAN => Sign::NotFinite(b"NaN"),
            INFINITY => Sign::NotFinite(b"Infinity"),
            NEGATIVE_INFINITY => Sign::NotFinite(b"-Infinity"),
            _ => return None,
        };
        let (digits, []) = digits.as_chunks::<2>() else { return None };
        let count = usize::from(u16::from_be_bytes([*a, *b]));
        let decimals = u16::from_be_bytes([*g, *h]);
        let weight = i32::from(i16::from_be_bytes([*c, *d]));
        (digits.len() == count && decimals <= MAX_DECIMALS).then_some(Self { sign, weight, decimals, digits })
    }
}

/// Appends what `::text` gives.
pub(super) fn write(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let Numeric { sign, weight, decimals, digits } = Numeric::parse(raw)?;
    match sign {
        Sign::Positive => {}
        Sign::Negative => out.push(b'-'),
        Sign::NotFinite(name) => {
            out.extend_from_slice(name);
            return Some(());
        }
    }
    if digits.iter().any(|digit| u16::from_be_bytes(*digit) > 9999) {
        return None;
    }
    // The digit `i` places after the first, 0 where none is stored.
    let digit = |i: i32| {
        let stored = usize::try_from(i).ok().and_then(|i| digits.get(i));
        stored.map_or(0, |digit| u32::from(u16::from_be_bytes(*digit)))
    };
    if weight < 0 {
        out.push(b'0');
    } else {
        let first = print::four(digit(0));
        let zeros = first.iter().take(3).take_while(|c| **c == b'0').count();
        out.extend_from_slice(&first[zeros..]);
        for i in 1..=weight {
            out.extend_from_slice(&print::four(digit(i)));
        }
    }
    if decimals > 0 {
        out.push(b'.');
        let end = out.len() + usize::from(decimals);
        let mut i = weight + 1;
        while out.len() < end {
            out.extend_from_slice(&print::four(digit(i)));
            i += 1;
        }
        out.truncate(end);
    }
    Some(())
}

/// Returns the value times ten to the power of `scale`. Its absolute value is below ten to the
/// power of `precision`.
#[inline]
pub(super) fn decimal(raw: &[u8], precision: u8, scale: u8) -> Result<i128, DecodeError> {
    let Numeric { sign, weight, digits, .. } = Numeric::parse(raw).ok_or(Malformed)?;
    let negative = match sign {
        Sign::Positive => false,
        Sign::Negative => true,
        Sign::NotFinite(_) => return Err(Unrepresentable),
    };
    let mut value: i128 = 0;
    // The power of ten that the previous digit counts, in units of the last decimal kept.
    let mut power = (weight + 1) * 4 + i32::from(scale);
    for digit in digits {
        let digit = u16::from_be_bytes(*digit);
        if digit > 9999 {
            return Err(Malformed);
        }
        power -= 4;
        // Divides away this digit's decimal places beyond the scale. A column of this scale has
        // only zeros there.
        let beyond = match power {
            0.. => 1,
            -3..0 => 10_u16.pow(power.unsigned_abs()),
            _ => 10_000,
        };
        if digit % beyond != 0 {
            return Err(Unrepresentable);
        }
        let append = |value: i128| value.checked_mul((10_000 / beyond).into())?.checked_add((digit / beyond).into());
        value = append(value).ok_or(Unrepresentable)?;
    }
    if value != 0 && power > 0 {
        let power = 10_i128.checked_pow(power.unsigned_abs()).ok_or(Unrepresentable)?;
        value = value.checked_mul(power).ok_or(Unrepresentable)?;
    }
    if value >= 10_i128.pow(u32::from(precision)) {
        return Err(Unrepresentable);
    }
    Ok(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(weight: i16, sign: u16, decimals: u16, digits: &[u16]) -> Vec<u8> {
        let header = [digits.len() as u16, weight as u16, sign, decimals];
        header.iter().chain(digits).flat_map(|n| n.to_be_bytes()).collect()
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        for (raw, precision, scale, value) in [
            (numeric(0, 0, 0, &[]), 5, 2, Ok(0)),
            (numeric(0, 0, 2, &[12, 3400]), 5, 2, Ok(1234)),
            (numeric(0, NEGATIVE, 2, &[1000, 0]), 5, 2, Err(Unrepresentable)),
            (numeric(0, NEGATIVE, 2, &[999, 9900]), 5, 2, Ok(-99_999)),
            (numeric(-1, 0, 2, &[500]), 5, 2, Ok(5)),
            (numeric(-1, 0, 3, &[50]), 5, 2, Err(Unrepresentable)),
            (numeric(2, 0, 0, &[1]), 9, 0, Ok(100_000_000)),
            (
                numeric(6, 0, 10, &[9999, 9999, 9999, 9999, 9999, 9999, 9999, 123, 4567, 8900]),
                38,
                10,
                Ok(99_999_999_999_999_999_999_999_999_990_123_456_789),
            ),
            (numeric(0, 0, 5, &[1, 0, 1000]), 9, 5, Ok(100_001)),
            (numeric(8, 0, 0, &[9999; 9]), 38, 2, Ok((10_i128.pow(36) - 1) * 100)),
            (numeric(9, 0, 0, &[9999; 10]), 38, 0, Err(Unrepresentable)),
            (numeric(0, NAN, 0, &[]), 38, 0, Err(Unrepresentable)),
            (numeric(0, NEGATIVE_INFINITY, 0, &[]), 38, 0, Err(Unrepresentable)),
            (numeric(0, 1, 0, &[]), 38, 0, Err(Malformed)),
            (numeric(0, 0, 0, &[10_000]), 38, 0, Err(Malformed)),
            (numeric(0, 0, 0, &[1])[..9].to_vec(), 38, 0, Err(Malformed)),
            (vec![0; 7], 38, 0, Err(Malformed)),
            (numeric(i16::MAX, 0, 0, &[1]), 38, 0, Err(Unrepresentable)),
            (numeric(i16::MIN, 0, 0, &[1]), 38, 38, Err(Unrepresentable)),
        ] {
            assert_eq!(decimal(&raw, precision, scale), value, "{raw:?}");
        }
    }
}
