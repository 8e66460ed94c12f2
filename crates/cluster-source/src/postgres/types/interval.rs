//! `interval`: microseconds, days and months, each with its own sign, in the style `postgres`:
//! `1 year 2 mons -3 days +04:05:06.7`.

use super::print;

/// Since this version the ends of the range are infinite. In earlier versions they are ordinary
/// values.
const INFINITE_SINCE: i32 = 170_000;

pub(super) fn write(raw: &[u8], server_version: i32, out: &mut Vec<u8>) -> Option<()> {
    let (micros, rest) = raw.split_first_chunk()?;
    let (days, months) = rest.split_first_chunk()?;
    let micros = i64::from_be_bytes(*micros);
    let days = i32::from_be_bytes(*days);
    let months = i32::from_be_bytes(months.try_into().ok()?);
    if server_version >= INFINITE_SINCE {
        let infinity: &[u8] = match (micros, days, months) {
            (i64::MAX, i32::MAX, i32::MAX) => b"infinity",
            (i64::MIN, i32::MIN, i32::MIN) => b"-infinity",
            _ => b"",
        };
        if !infinity.is_empty() {
            out.extend_from_slice(infinity);
            return Some(());
        }
    }

    let mut parts = Parts { any_written: false, after_negative: false };
    parts.write(months / 12, "year", out);
    parts.write(months % 12, "mon", out);
    parts.write(days, "day", out);
    if micros != 0 || !parts.any_written {
        if parts.any_written {
            out.push(b' ');
        }
        if micros < 0 {
            out.push(b'-');
        } else if parts.after_negative {
            out.push(b'+');
        }
        let micros = micros.unsigned_abs();
        let seconds = micros / 1_000_000;
        print::padded(seconds / 3600, 2, out);
        let ([a, b], [c, d]) = (print::two((seconds / 60 % 60) as u32), print::two((seconds % 60) as u32));
        out.extend_from_slice(&[b':', a, b, b':', c, d]);
        print::fraction((micros % 1_000_000) as u32, out);
    }
    Some(())
}

/// What the sign and separator of the next part depend on.
struct Parts {
    any_written: bool,
    /// The previous part was negative. A positive part needs a sign then.
    after_negative: bool,
}

impl Parts {
    fn write(&mut self, value: i32, unit: &str, out: &mut Vec<u8>) {
        if value == 0 {
            return;
        }
        if self.any_written {
            out.push(b' ');
        }
        if value < 0 {
            out.push(b'-');
        } else if self.after_negative {
            out.push(b'+');
        }
        print::padded(u64::from(value.unsigned_abs()), 1, out);
        out.push(b' ');
        out.extend_from_slice(unit.as_bytes());
        if value != 1 {
            out.push(b's');
        }
        self.any_written = true;
        self.after_negative = value < 0;
    }
}
