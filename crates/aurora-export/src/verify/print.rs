//! Prints floating-point numbers as MySQL and MariaDB do, in the form that keeps all digits (see
//! `cluster_source::profile`).

use std::fmt::Write;

/// Maximum number of digits before the point if the number must be padded with zeros. The server
/// prints longer numbers with an exponent.
const MAX_PADDED_DIGITS: usize = 15;

/// Appends a number.
pub(super) fn print(number: f64, out: &mut String) {
    out.push(if number.is_sign_negative() { '-' } else { '+' });
    let size = number.abs();
    let (class, scaled) = match size {
        ..1e-150 => ('2', size * 2_f64.powi(1000) * 2_f64.powi(74)),
        ..1.0 => ('1', size * 2_f64.powi(600)),
        _ => ('0', size),
    };
    out.push(class);
    // The server prints the fewest digits that identify the number. When two numbers with that many
    // digits are equally close, the server takes the even one. Rust's shortest form takes the upper
    // one. Rust's form with a given number of digits takes the even one, so it is used here.
    let shortest = format!("{scaled:e}");
    let digits = shortest.split_once('e').map_or(0, |(digits, _)| digits.replace('.', "").len());
    let even = format!("{scaled:.*e}", digits.saturating_sub(1));
    let exponent = even.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0_usize);
    if exponent >= MAX_PADDED_DIGITS && digits <= exponent + 1 {
        out.push_str(&even);
    } else {
        // Writing to a String cannot fail.
        let _ = write!(out, "{scaled:.*}", digits.saturating_sub(exponent + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_the_server_does() {
        for (number, text) in [
            (0.0, "+20"),
            (-0.0, "-20"),
            (1.0, "+01"),
            (-12.5, "-012.5"),
            (1e14, "+0100000000000000"),
            (1e15, "+01e15"),
            (1_234_567_890_123_456.0, "+01.234567890123456e15"),
            (1_234_567_890_123_456.7, "+01234567890123456.8"),
            (1_750_961_231_887_471.2, "+01750961231887471.2"),
            (1_750_961_231_887_471.8, "+01750961231887471.8"),
            (123_456_789_012_345_680.0, "+01.2345678901234568e17"),
            (0.5, "+12.0747577844404965e180"),
            (f64::MAX, "+01.7976931348623157e308"),
            (5e-324, "+21"),
        ] {
            let mut out = String::new();
            print(number, &mut out);
            assert_eq!(out, text);
        }
    }
}
