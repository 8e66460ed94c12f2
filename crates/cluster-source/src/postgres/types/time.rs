//! `time`: microseconds since midnight, up to and including 24:00:00.

use super::print;

const DAY: u64 = 86_400_000_000;

pub(super) fn write(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let micros = u64::from_be_bytes(raw.try_into().ok()?);
    if micros > DAY {
        return None;
    }
    print::time_of_day(micros, out);
    Some(())
}
