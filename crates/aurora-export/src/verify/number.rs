//! Numbers of any size, as servers print them.

use bigdecimal::BigDecimal;

/// A number in PostgreSQL's order, in which NaN is the largest value.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(super) enum Number {
    NegativeInfinity,
    Finite(BigDecimal),
    Infinity,
    NaN,
}

impl Number {
    /// Parses a number. Returns `None` if the text is not a number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "-Infinity" => Self::NegativeInfinity,
            "Infinity" => Self::Infinity,
            "NaN" => Self::NaN,
            // Exponents are refused, because they allow numbers of any length.
            _ if text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')) => {
                Self::Finite(text.parse().ok()?)
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ordered_as_postgresql_orders_them() {
        let numbers =
            ["-Infinity", "-1.5", "-1.4999999999999999999999", "0.00", "12345678901234567890", "Infinity", "NaN"];
        let numbers = numbers.map(|text| Number::parse(text).unwrap());
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert_eq!(Number::parse("1.50"), Number::parse("1.5"));
        for text in ["", "1e999999999", "x", "--1", "1.2.3"] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }
}
