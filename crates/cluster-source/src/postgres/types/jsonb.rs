//! `jsonb`: a version, which is 1, and the text.

pub(super) fn write(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let text = raw.strip_prefix(&[1])?;
    out.extend_from_slice(text);
    Some(())
}
