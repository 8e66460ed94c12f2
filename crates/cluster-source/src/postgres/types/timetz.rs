//! `timetz`: a `time`, and the zone in seconds west of Greenwich.

use super::{print, time};

pub(super) fn write(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (micros, zone) = raw.split_first_chunk::<8>()?;
    let zone = i32::from_be_bytes(zone.try_into().ok()?);
    let seconds = zone.unsigned_abs();
    if seconds >= 100 * 3600 {
        return None;
    }
    time::write(micros, out)?;
    out.push(if zone <= 0 { b'+' } else { b'-' });
    out.extend_from_slice(&print::two(seconds / 3600));
    // Minutes and seconds appear only where they are needed.
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
