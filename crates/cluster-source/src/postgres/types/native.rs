//! Values as Parquet's own types have them, for exports that ask for those. What has no equal there is told apart from what
//! is malformed: a table with such a value is left out and reported.

/// Days and microseconds from 1970-01-01, Parquet's first, to 2000-01-01, PostgreSQL's.
const DAYS: i32 = 10_957;
const MICROS: i64 = 946_684_800_000_000;

const DAY: i64 = 86_400_000_000;

/// Why a value was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// Its bytes are not what its type allows.
    Malformed,
    /// It has no equal.
    Unrepresentable,
    /// There is no room for it beside what else is in the batch.
    TooLarge,
}

use Unread::{Malformed, Unrepresentable};

/// Days since 1970-01-01.
#[inline]
pub(super) fn date(raw: &[u8]) -> Result<i32, Unread> {
    match i32::from_be_bytes(raw.try_into().map_err(|_| Malformed)?) {
        i32::MAX | i32::MIN => Err(Unrepresentable),
        days => days.checked_add(DAYS).ok_or(Unrepresentable),
    }
}

/// Microseconds since 1970-01-01 00:00:00.
#[inline]
pub(super) fn timestamp(raw: &[u8]) -> Result<i64, Unread> {
    match i64::from_be_bytes(raw.try_into().map_err(|_| Malformed)?) {
        i64::MAX | i64::MIN => Err(Unrepresentable),
        micros => micros.checked_add(MICROS).ok_or(Unrepresentable),
    }
}

/// Microseconds since midnight. A day of Parquet ends before 24:00:00.
#[inline]
pub(super) fn time(raw: &[u8]) -> Result<i64, Unread> {
    match i64::from_be_bytes(raw.try_into().map_err(|_| Malformed)?) {
        DAY => Err(Unrepresentable),
        micros @ 0..DAY => Ok(micros),
        _ => Err(Malformed),
    }
}

/// `numeric` times ten to the power of `scale`, below ten to the power of `precision`.
#[inline]
pub(super) fn decimal(raw: &[u8], precision: u8, scale: u8) -> Result<i128, Unread> {
    let ([a, b, c, d, e, f, _, _], digits) = raw.split_first_chunk().ok_or(Malformed)?;
    let count = usize::from(u16::from_be_bytes([*a, *b]));
    let weight = i32::from(i16::from_be_bytes([*c, *d]));
    let negative = match u16::from_be_bytes([*e, *f]) {
        0x0000 => false,
        0x4000 => true,
        // NaN and the infinities.
        0xC000 | 0xD000 | 0xF000 => return Err(Unrepresentable),
        _ => return Err(Malformed),
    };
    let (digits, []) = digits.as_chunks::<2>() else { return Err(Malformed) };
    if digits.len() != count {
        return Err(Malformed);
    }
    let mut value: i128 = 0;
    // The power of ten of the ones of the digit before, in units of the last decimal kept.
    let mut power = (weight + 1) * 4 + i32::from(scale);
    for digit in digits {
        let digit = u16::from_be_bytes(*digit);
        if digit > 9999 {
            return Err(Malformed);
        }
        power -= 4;
        // Decimal places of this digit that are beyond the scale: zeros, in a column declared so.
        let beyond = match power {
            0.. => 1,
            -3..0 => 10_u16.pow(power.unsigned_abs()),
            _ => 10_000,
        };
        if digit % beyond != 0 {
            return Err(Unrepresentable);
        }
        let more = |value: i128| value.checked_mul((10_000 / beyond).into())?.checked_add((digit / beyond).into());
        value = more(value).ok_or(Unrepresentable)?;
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
    #![allow(clippy::unwrap_used)]
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
            (numeric(0, 0x4000, 2, &[1000, 0]), 5, 2, Err(Unrepresentable)),
            (numeric(0, 0x4000, 2, &[999, 9900]), 5, 2, Ok(-99_999)),
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
            (numeric(0, 0xC000, 0, &[]), 38, 0, Err(Unrepresentable)),
            (numeric(0, 0xF000, 0, &[]), 38, 0, Err(Unrepresentable)),
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

    #[test]
    fn times_count_from_1970_and_have_ends() {
        assert_eq!(date(&0_i32.to_be_bytes()), Ok(10_957));
        assert_eq!(date(&(-10_957_i32).to_be_bytes()), Ok(0));
        assert_eq!(timestamp(&(-MICROS).to_be_bytes()), Ok(0));
        assert_eq!(time(&(DAY - 1).to_be_bytes()), Ok(DAY - 1));
        for n in [i32::MAX, i32::MIN] {
            assert_eq!(date(&n.to_be_bytes()), Err(Unrepresentable));
        }
        for n in [i64::MAX, i64::MIN, i64::MAX - MICROS + 1] {
            assert_eq!(timestamp(&n.to_be_bytes()), Err(Unrepresentable));
        }
        assert_eq!(time(&DAY.to_be_bytes()), Err(Unrepresentable));
        assert_eq!(time(&(-1_i64).to_be_bytes()), Err(Malformed));
        assert_eq!((date(&[1]), timestamp(&[1]), time(&[])), (Err(Malformed), Err(Malformed), Err(Malformed)));
    }
}
