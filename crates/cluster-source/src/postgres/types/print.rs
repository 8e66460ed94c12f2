//! Prints numbers and dates as the server does.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Returns two hexadecimal digits.
#[inline]
pub(super) fn hex_byte(byte: u8) -> [u8; 2] {
    [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]
}

/// Appends hexadecimal digits without leading zeros.
pub(super) fn hex(n: u16, out: &mut Vec<u8>) {
    let [high, low] = n.to_be_bytes();
    let ([a, b], [c, d]) = (hex_byte(high), hex_byte(low));
    let zeros = n.leading_zeros().min(15) as usize / 4;
    out.extend_from_slice(&[a, b, c, d][zeros..]);
}

/// `00` to `99`.
const PAIRS: &[u8; 200] = b"00010203040506070809101112131415161718192021222324252627282930313233343536373839\
404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/// Returns two digits. `n` is below 100.
#[inline]
pub(super) fn two(n: u32) -> [u8; 2] {
    let at = (n % 100) as usize * 2;
    [PAIRS[at], PAIRS[at + 1]]
}

/// Returns four digits. `n` is below 10,000.
#[inline]
pub(super) fn four(n: u32) -> [u8; 4] {
    let ([a, b], [c, d]) = (two(n / 100), two(n));
    [a, b, c, d]
}

/// Appends decimal digits, at least `width` of them, padded with zeros.
pub(super) fn padded(mut n: u64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while n > 0 {
        start -= 1;
        digits[start] = b'0' + (n % 10) as u8;
        n /= 10;
    }
    out.extend_from_slice(&digits[start.min(digits.len() - width)..]);
}

/// Appends `.` and up to six digits without trailing zeros. Appends nothing if `micros` is 0.
#[inline]
pub(super) fn fraction(micros: u32, out: &mut Vec<u8>) {
    if micros == 0 {
        return;
    }
    let ([a, b], [c, d, e, f]) = (two(micros / 10_000), four(micros % 10_000));
    let mut digits: &[u8] = &[b'.', a, b, c, d, e, f];
    while let [rest @ .., b'0'] = digits {
        digits = rest;
    }
    out.extend_from_slice(digits);
}

/// Appends a time of day, up to 24 hours, as `HH:MM:SS` with its fraction.
#[inline]
pub(super) fn time_of_day(micros: u64, out: &mut Vec<u8>) {
    let seconds = (micros / 1_000_000) as u32;
    let ([a, b], [c, d], [e, f]) = (two(seconds / 3600), two(seconds / 60 % 60), two(seconds % 60));
    out.extend_from_slice(&[a, b, b':', c, d, b':', e, f]);
    fraction((micros % 1_000_000) as u32, out);
}

/// Appends `YYYY-MM-DD` for a day counted from 2000-01-01, in the proleptic Gregorian calendar like
/// the server. Returns whether the day is before year 1: the caller then adds ` BC` at the end of
/// the whole text.
#[inline]
pub(super) fn date(days: i64, out: &mut Vec<u8>) -> bool {
    // Years that start on March 1st have their leap day last (H. Hinnant, "chrono-Compatible
    // Low-Level Date Algorithms").
    let days = days + 730_425;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097) as u32;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = i64::from(year_of_era) + era * 400 + i64::from(month <= 2);

    let before_christ = year <= 0;
    // There is no year 0: the year before 1 is 1 BC.
    let printed = if before_christ { 1 - year } else { year }.unsigned_abs();
    if printed < 10_000 {
        out.extend_from_slice(&four(printed as u32));
    } else {
        padded(printed, 4, out);
    }
    let ([a, b], [c, d]) = (two(month), two(day));
    out.extend_from_slice(&[b'-', a, b, b'-', c, d]);
    before_christ
}
