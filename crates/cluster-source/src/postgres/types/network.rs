//! `inet`, `cidr`, `macaddr` and `macaddr8`.

use super::print;

const IPV4: u8 = 2;
const IPV6: u8 = 3;

/// `inet` and `cidr`: family, bits of the mask, a flag that tells the two types apart, the
/// address's length, and the address. `::text` always prints the mask.
pub(super) fn write_inet(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let ([family, bits, _, length], address) = raw.split_first_chunk()?;
    if usize::from(*length) != address.len() || usize::from(*bits) > address.len() * 8 {
        return None;
    }
    match *family {
        IPV4 => ipv4(*address.as_array()?, out),
        IPV6 => ipv6(address.as_array()?, out),
        _ => return None,
    }
    out.push(b'/');
    print::padded(u64::from(*bits), 1, out);
    Some(())
}

fn ipv4(address: [u8; 4], out: &mut Vec<u8>) {
    for (i, byte) in address.into_iter().enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        print::padded(u64::from(byte), 1, out);
    }
}

/// Follows the server's rules, which differ from those of `std`: groups have no leading zeros, `::`
/// replaces the first of the longest runs of at least two zero groups, and an IPv4 address within
/// an IPv6 one is printed as IPv4.
fn ipv6(address: &[u8; 16], out: &mut Vec<u8>) {
    let mut groups = [0; 8];
    for (group, pair) in groups.iter_mut().zip(address.as_chunks().0) {
        *group = u16::from_be_bytes(*pair);
    }
    let (start, end) = longest_zeros(&groups);
    let mut i = 0;
    while i < groups.len() {
        if i == start && start < end {
            out.extend_from_slice(if end == groups.len() { b"::" } else { b":" });
            i = end;
            continue;
        }
        if i > 0 {
            out.push(b':');
        }
        if i == 6 && start == 0 && (end == 6 || (end == 5 && groups[5] == 0xFFFF)) {
            let [.., a, b, c, d] = *address;
            return ipv4([a, b, c, d], out);
        }
        print::hex(groups[i], out);
        i += 1;
    }
}

/// Returns the first of the longest runs of zero groups as a half-open range. It is empty if no run
/// is longer than one.
fn longest_zeros(groups: &[u16; 8]) -> (usize, usize) {
    let (mut best, mut start) = ((0, 0), 0);
    for (i, group) in groups.iter().enumerate() {
        if *group != 0 {
            start = i + 1;
        } else if i + 1 - start > (best.1 - best.0).max(1) {
            best = (start, i + 1);
        }
    }
    best
}

/// `macaddr` and `macaddr8`: six and eight bytes.
pub(super) fn write_macaddr(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !matches!(raw.len(), 6 | 8) {
        return None;
    }
    for (i, byte) in raw.iter().enumerate() {
        if i > 0 {
            out.push(b':');
        }
        out.extend_from_slice(&print::hex_byte(*byte));
    }
    Some(())
}
