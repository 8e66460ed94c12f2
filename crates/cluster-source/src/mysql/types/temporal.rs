//! `DATE`, `TIME`, `DATETIME` and `TIMESTAMP`: the server sends their parts, without trailing parts
//! that are zero.

use crate::mysql::calendar::{days_in_month, days_since_epoch};
use crate::mysql::fields::fixed;

/// The parts of a date with a time. Any part may be zero.
#[derive(Default)]
struct Parts {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    micros: u32,
}

impl Parts {
    #[inline]
    fn take(row: &mut &[u8]) -> Option<Self> {
        let [length] = fixed(row)?;
        let mut parts = Self::default();
        if !matches!(length, 0 | 4 | 7 | 11) {
            return None;
        }
        if length >= 4 {
            let [a, b, month, day] = fixed(row)?;
            (parts.year, parts.month, parts.day) = (u16::from_le_bytes([a, b]), month, day);
        }
        if length >= 7 {
            [parts.hour, parts.minute, parts.second] = fixed(row)?;
        }
        if length == 11 {
            parts.micros = u32::from_le_bytes(fixed(row)?);
        }
        Some(parts)
    }

    /// Returns the days since 1970, or `None` if month or day is zero or not in the calendar.
    #[inline]
    fn day(&self) -> Option<i32> {
        if !(1..=12).contains(&self.month) || self.day == 0 || self.day > days_in_month(self.year, self.month) {
            return None;
        }
        Some(days_since_epoch(self.year, self.month, self.day))
    }

    /// Returns the microseconds since 1970, or `None` if the date is not in the calendar.
    #[inline]
    fn instant(&self) -> Option<i64> {
        let seconds = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        Some((i64::from(self.day()?) * 86_400 + seconds) * 1_000_000 + i64::from(self.micros))
    }
}

/// Takes a date with a time off the front of a row. Returns the microseconds since 1970,
/// `Some(None)` for a date that is not in the calendar, or `None` for malformed bytes.
#[inline]
#[allow(clippy::option_option, reason = "malformed, not in the calendar, valid")]
pub(super) fn instant(row: &mut &[u8]) -> Option<Option<i64>> {
    let parts = Parts::take(row)?;
    let in_range = parts.hour < 24 && parts.minute < 60 && parts.second < 60 && parts.micros < 1_000_000;
    in_range.then(|| parts.instant())
}

/// Takes a date off the front of a row. Returns the days since 1970, `Some(None)` for a date that
/// is not in the calendar, or `None` for malformed bytes.
#[inline]
#[allow(clippy::option_option, reason = "malformed, not in the calendar, valid")]
pub(super) fn day(row: &mut &[u8]) -> Option<Option<i32>> {
    Some(Parts::take(row)?.day())
}

/// Takes a date off the front of a row and writes it as the server prints it. Zero and partial
/// dates are valid.
#[inline]
pub(super) fn write_date(row: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
    let Parts { year, month, day, .. } = Parts::take(row)?;
    if year > 9999 || month > 12 || day > 31 {
        return None;
    }
    let [hundreds, years] = [(year / 100) as u8, (year % 100) as u8];
    for (pair, separator) in [(hundreds, None), (years, None), (month, Some(b'-')), (day, Some(b'-'))] {
        out.extend(separator);
        write_pair(pair, out);
    }
    Some(())
}

/// The hours of the largest and, with a minus sign, of the smallest `TIME`: `838:59:59`.
const MAX_HOURS: u32 = 838;

/// Takes a time off the front of a row and writes it as the server prints it, with `scale` digits
/// after the point of the seconds.
#[inline]
pub(super) fn write_time(row: &mut &[u8], scale: u8, out: &mut Vec<u8>) -> Option<()> {
    let [length] = fixed(row)?;
    if !matches!(length, 0 | 8 | 12) {
        return None;
    }
    let (mut negative, mut days, mut time) = (0, 0, [0; 3]);
    if length >= 8 {
        [negative] = fixed(row)?;
        days = u32::from_le_bytes(fixed(row)?);
        time = fixed(row)?;
    }
    let micros = if length == 12 { u32::from_le_bytes(fixed(row)?) } else { 0 };
    let [hour, minute, second] = time;
    let hours = days.checked_mul(24)?.checked_add(hour.into())?;
    if hours > MAX_HOURS || minute > 59 || second > 59 || micros > 999_999 {
        return None;
    }
    if negative != 0 {
        out.push(b'-');
    }
    if hours >= 100 {
        out.push(b'0' + (hours / 100) as u8);
    }
    write_pair((hours % 100) as u8, out);
    for part in [minute, second] {
        out.push(b':');
        write_pair(part, out);
    }
    if scale > 0 {
        out.push(b'.');
        let mut unit = 100_000;
        for _ in 0..scale {
            out.push(b'0' + (micros / unit % 10) as u8);
            unit /= 10;
        }
    }
    Some(())
}

/// Writes a number below 100 in two digits.
fn write_pair(number: u8, out: &mut Vec<u8>) {
    out.extend([b'0' + number / 10, b'0' + number % 10]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn datetime(year: u16, month: u8, day: u8) -> Vec<u8> {
        [&[4], &year.to_le_bytes()[..], &[month, day]].concat()
    }

    fn instant_of(sent: &[u8]) -> Option<Option<i64>> {
        instant(&mut &sent[..])
    }

    #[test]
    fn dates_without_an_instant_are_told_from_malformed_ones() {
        assert_eq!(instant_of(&[0]), Some(None));
        assert_eq!(instant_of(&datetime(2020, 0, 1)), Some(None));
        assert_eq!(instant_of(&datetime(2020, 2, 0)), Some(None));
        assert_eq!(instant_of(&datetime(2021, 2, 29)), Some(None));
        assert_eq!(instant_of(&datetime(1900, 2, 29)), Some(None));
        assert_eq!(instant_of(&[5, 0, 0]), None);
        assert_eq!(instant_of(&[7, 0xE4, 7, 1, 1, 24, 0, 0]), None);
        for (sent, is) in [(&[0][..], Some(None)), (&datetime(2021, 2, 29), Some(None)), (&[5, 0, 0], None)] {
            assert_eq!(day(&mut &sent[..]), is);
        }
        assert_eq!(day(&mut &datetime(1969, 12, 31)[..]), Some(Some(-1)));
    }

    #[test]
    fn instants_are_those_of_the_calendar() {
        assert_eq!(instant_of(&datetime(1970, 1, 1)), Some(Some(0)));
        assert_eq!(instant_of(&datetime(2000, 2, 29)), Some(Some(951_782_400_000_000)));
        assert_eq!(instant_of(&datetime(0, 1, 1)), Some(Some(-62_167_219_200_000_000)));
        let last = [&[11], &9999_u16.to_le_bytes()[..], &[12, 31, 23, 59, 59], &999_999_u32.to_le_bytes()].concat();
        assert_eq!(instant_of(&last), Some(Some(253_402_300_799_999_999)));
    }

    #[test]
    fn times_are_printed_as_the_server_does() {
        let text = |sent: &[u8], digits| {
            let mut out = Vec::new();
            write_time(&mut &sent[..], digits, &mut out).map(|()| String::from_utf8(out).unwrap())
        };
        assert_eq!(text(&[0], 0).unwrap(), "00:00:00");
        assert_eq!(text(&[0], 3).unwrap(), "00:00:00.000");
        let most = [&[12, 1], &34_u32.to_le_bytes()[..], &[22, 59, 59], &999_999_u32.to_le_bytes()].concat();
        assert_eq!(text(&most, 6).unwrap(), "-838:59:59.999999");
        assert_eq!(text(&[8, 1, 0, 0, 0, 0, 0, 0, 1], 0).unwrap(), "-00:00:01");
        assert_eq!(text(&[8, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 1], 0), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..14), digits in 0..7_u8) {
            let mut out = Vec::new();
            let _ = instant(&mut &bytes[..]);
            let _ = day(&mut &bytes[..]);
            let _ = write_date(&mut &bytes[..], &mut out);
            let _ = write_time(&mut &bytes[..], digits, &mut out);
            prop_assert!(out.is_ascii());
        }
    }
}
