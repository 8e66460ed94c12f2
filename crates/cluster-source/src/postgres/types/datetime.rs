//! The date and time types. The server counts days and microseconds from 2000-01-01. Parquet counts
//! them from 1970-01-01.
//!
//! `write_*` appends what `::text` gives. `date`, `time` and `timestamp` return the value of
//! Parquet's own type.

use super::DecodeError::{self, Malformed, Unrepresentable};
use super::print;

/// Days and microseconds from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;

const DAY_MICROS: i64 = 86_400_000_000;

/// `date`: days. The ends of the range are infinite.
pub(super) fn write_date(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match i32::from_be_bytes(raw.try_into().ok()?) {
        i32::MAX => out.extend_from_slice(b"infinity"),
        i32::MIN => out.extend_from_slice(b"-infinity"),
        days => {
            if print::date(i64::from(days), out) {
                out.extend_from_slice(b" BC");
            }
        }
    }
    Some(())
}

/// `time`: microseconds since midnight, up to and including 24:00:00.
pub(super) fn write_time(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let micros = u64::from_be_bytes(raw.try_into().ok()?);
    if micros > DAY_MICROS.unsigned_abs() {
        return None;
    }
    print::time_of_day(micros, out);
    Some(())
}

/// `timetz`: a `time`, and the zone in seconds west of Greenwich.
pub(super) fn write_timetz(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (micros, zone) = raw.split_first_chunk::<8>()?;
    let zone = i32::from_be_bytes(zone.try_into().ok()?);
    let seconds = zone.unsigned_abs();
    if seconds >= 100 * 3600 {
        return None;
    }
    write_time(micros, out)?;
    out.push(if zone <= 0 { b'+' } else { b'-' });
    out.extend_from_slice(&print::two(seconds / 3600));
    // The server prints minutes and seconds only if they are not zero.
    if seconds % 3600 != 0 {
        out.push(b':');
        out.extend_from_slice(&print::two(seconds / 60 % 60));
    }
    if seconds % 60 != 0 {
        out.push(b':');
        out.extend_from_slice(&print::two(seconds % 60));
    }
    Some(())
}

/// `timestamp`: microseconds. The ends of the range are infinite.
pub(super) fn write_timestamp(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    write_with_zone(raw, b"", out)
}

/// `timestamptz`: a `timestamp` in UTC, which is the session's time zone.
pub(super) fn write_timestamptz(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    write_with_zone(raw, b"+00", out)
}

/// The zone comes before the era: `0044-03-15 12:00:00+00 BC`.
fn write_with_zone(raw: &[u8], zone: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match i64::from_be_bytes(raw.try_into().ok()?) {
        i64::MAX => out.extend_from_slice(b"infinity"),
        i64::MIN => out.extend_from_slice(b"-infinity"),
        micros => {
            let before_christ = print::date(micros.div_euclid(DAY_MICROS), out);
            out.push(b' ');
            print::time_of_day(micros.rem_euclid(DAY_MICROS).unsigned_abs(), out);
            out.extend_from_slice(zone);
            if before_christ {
                out.extend_from_slice(b" BC");
            }
        }
    }
    Some(())
}

/// Returns days since 1970-01-01.
#[inline]
pub(super) fn date(raw: &[u8]) -> Result<i32, DecodeError> {
    match i32::from_be_bytes(raw.try_into().map_err(|_| Malformed)?) {
        i32::MAX | i32::MIN => Err(Unrepresentable),
        days => days.checked_add(EPOCH_DAYS).ok_or(Unrepresentable),
    }
}

/// Returns microseconds since 1970-01-01 00:00:00.
#[inline]
pub(super) fn timestamp(raw: &[u8]) -> Result<i64, DecodeError> {
    match i64::from_be_bytes(raw.try_into().map_err(|_| Malformed)?) {
        i64::MAX | i64::MIN => Err(Unrepresentable),
        micros => micros.checked_add(EPOCH_MICROS).ok_or(Unrepresentable),
    }
}

/// Returns microseconds since midnight. A day of Parquet ends before 24:00:00.
#[inline]
pub(super) fn time(raw: &[u8]) -> Result<i64, DecodeError> {
    match i64::from_be_bytes(raw.try_into().map_err(|_| Malformed)?) {
        DAY_MICROS => Err(Unrepresentable),
        micros @ 0..DAY_MICROS => Ok(micros),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_from_1970_and_have_ends() {
        assert_eq!(date(&0_i32.to_be_bytes()), Ok(10_957));
        assert_eq!(date(&(-10_957_i32).to_be_bytes()), Ok(0));
        assert_eq!(timestamp(&(-EPOCH_MICROS).to_be_bytes()), Ok(0));
        assert_eq!(time(&(DAY_MICROS - 1).to_be_bytes()), Ok(DAY_MICROS - 1));
        for n in [i32::MAX, i32::MIN] {
            assert_eq!(date(&n.to_be_bytes()), Err(Unrepresentable));
        }
        for n in [i64::MAX, i64::MIN, i64::MAX - EPOCH_MICROS + 1] {
            assert_eq!(timestamp(&n.to_be_bytes()), Err(Unrepresentable));
        }
        assert_eq!(time(&DAY_MICROS.to_be_bytes()), Err(Unrepresentable));
        assert_eq!(time(&(-1_i64).to_be_bytes()), Err(Malformed));
        assert_eq!((date(&[1]), timestamp(&[1]), time(&[])), (Err(Malformed), Err(Malformed), Err(Malformed)));
    }
}
