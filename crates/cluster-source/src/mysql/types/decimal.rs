//! `DECIMAL`: the server sends it as text with all its digits.

use crate::mysql::fields::string;

/// The digits that fit any `u64`.
const MAX_NARROW_DIGITS: usize = 18;

/// Takes a number with `scale` digits after the point off the front of a row. Returns it in units
/// of its last digit.
#[inline]
pub(super) fn read(row: &mut &[u8], scale: u8) -> Option<i128> {
    let text = string(row)?;
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, text),
    };
    let whole = digits.len().checked_sub(if scale == 0 { 0 } else { usize::from(scale) + 1 })?;
    let (whole, fraction) = digits.split_at(whole);
    let fraction = match fraction.split_first() {
        Some((b'.', fraction)) => fraction,
        Some(_) => return None,
        None => fraction,
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // Most numbers are short and need no wide arithmetic.
    let value = if whole.len() + fraction.len() <= MAX_NARROW_DIGITS {
        i128::from(narrow(fraction, narrow(whole, 0)?)?)
    } else {
        i128::try_from(wide(fraction, wide(whole, 0)?)?).ok()?
    };
    Some(if negative { -value } else { value })
}

fn narrow(digits: &[u8], mut value: u64) -> Option<u64> {
    for &byte in digits {
        value = value * 10 + u64::from(digit(byte)?);
    }
    Some(value)
}

fn wide(digits: &[u8], mut value: u128) -> Option<u128> {
    for &byte in digits {
        value = value.checked_mul(10)?.checked_add(digit(byte)?.into())?;
    }
    Some(value)
}

fn digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str, scale: u8) -> Option<i128> {
        let sent = [&[text.len() as u8], text.as_bytes()].concat();
        let mut row = &sent[..];
        read(&mut row, scale)
    }

    #[test]
    fn digits_become_units_of_the_last_one() {
        assert_eq!(decode("0", 0), Some(0));
        assert_eq!(decode("-0.05", 2), Some(-5));
        assert_eq!(decode("00012.30", 2), Some(1230));
        assert_eq!(decode(".5", 1), Some(5));
        assert_eq!(decode("99999999999999999999999999999999999999", 0), Some(10_i128.pow(38) - 1));
        assert_eq!(decode("-9999999999999999999.9999999999999999999", 19), Some(1 - 10_i128.pow(38)));
        for (text, scale) in [("", 0), ("-", 0), ("1.5", 0), ("15", 1), ("1,5", 1), ("1.5", 2), ("x", 0), ("1e3", 0)] {
            assert_eq!(decode(text, scale), None, "{text}");
        }
    }
}
