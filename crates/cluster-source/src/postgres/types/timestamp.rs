//! `timestamp`: microseconds since 2000-01-01 00:00:00; the ends of the range are infinite.

use super::print;

const DAY: i64 = 86_400_000_000;

pub(super) fn write(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    write_with_zone(raw, b"", out)
}

/// The zone stands before the era: `0044-03-15 12:00:00+00 BC`.
pub(super) fn write_with_zone(raw: &[u8], zone: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match i64::from_be_bytes(raw.try_into().ok()?) {
        i64::MAX => out.extend_from_slice(b"infinity"),
        i64::MIN => out.extend_from_slice(b"-infinity"),
        micros => {
            let before_christ = print::date(micros.div_euclid(DAY), out);
            out.push(b' ');
            print::time_of_day(micros.rem_euclid(DAY).unsigned_abs(), out);
            out.extend_from_slice(zone);
            if before_christ {
                out.extend_from_slice(b" BC");
            }
        }
    }
    Some(())
}
