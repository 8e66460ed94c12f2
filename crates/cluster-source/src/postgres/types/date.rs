//! `date`: days since 2000-01-01; the ends of the range are infinite.

use super::print;

pub(super) fn write(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
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
