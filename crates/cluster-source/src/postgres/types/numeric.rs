//! `numeric`: digits to base 10,000 with a weight, a sign, and the number of decimals to print.

use super::print;

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// The server's own limit on decimals.
const MOST_DECIMALS: usize = 0x3FFF;

pub(super) fn write(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let ([a, b, c, d, e, f, g, h], digits) = raw.split_first_chunk()?;
    let count = usize::from(u16::from_be_bytes([*a, *b]));
    let weight = i32::from(i16::from_be_bytes([*c, *d]));
    let sign = u16::from_be_bytes([*e, *f]);
    let decimals = usize::from(u16::from_be_bytes([*g, *h]));
    let (digits, []) = digits.as_chunks::<2>() else {
        return None;
    };
    if digits.len() != count || decimals > MOST_DECIMALS {
        return None;
    }
    match sign {
        POSITIVE => {}
        NEGATIVE => out.push(b'-'),
        NAN => out.extend_from_slice(b"NaN"),
        INFINITY => out.extend_from_slice(b"Infinity"),
        NEGATIVE_INFINITY => out.extend_from_slice(b"-Infinity"),
        _ => return None,
    }
    if !matches!(sign, POSITIVE | NEGATIVE) {
        return Some(());
    }
    if digits.iter().any(|digit| u16::from_be_bytes(*digit) > 9999) {
        return None;
    }
    // The digit at a power of 10,000 below the first, 0 where none is stored.
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
        let end = out.len() + decimals;
        let mut i = weight + 1;
        while out.len() < end {
            out.extend_from_slice(&print::four(digit(i)));
            i += 1;
        }
        out.truncate(end);
    }
    Some(())
}
