//! Computes values between two keys. The planner looks for a cut near such a value. A row need not
//! have it, and a bad value is harmless, because the cut is the key that the server finds there.

use export_task::range::KeyKind;

use super::calendar::days_in_month;

/// Returns a value about half way between two values of a column. If the server's order is that of
/// the written values, the result is above `low` and at most `high`. Returns `None` if there is no
/// such value.
pub(super) fn midpoint(kind: &KeyKind, low: &str, high: &str) -> Option<String> {
    match kind {
        KeyKind::Integer => Some(integer(low.parse().ok()?, high.parse().ok()?)?.to_string()),
        KeyKind::Decimal => decimal(low, high),
        KeyKind::Date => date(low, high),
        KeyKind::Bytes => bytes(low, high),
        KeyKind::Text { collation, .. } => text(collation, low, high),
    }
}

/// Returns whether the server accepts a value as a constant to compare a column with. MySQL refuses
/// a date that a column may hold but that isn't in the calendar. It accepts zero for an unknown
/// part.
pub(super) fn is_valid_constant(kind: &KeyKind, value: &str) -> bool {
    *kind != KeyKind::Date || is_valid_date(value).unwrap_or(false)
}

fn is_valid_date(value: &str) -> Option<bool> {
    let date = value.split(' ').next()?;
    let (year, rest) = date.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse::<u8>().ok()?);
    // To the server the year zero is not a leap year.
    let last = if (year, month) == (0, 2) { 28 } else { days_in_month(year, month) };
    Some(day <= last)
}

fn integer(low: i128, high: i128) -> Option<i128> {
    let middle = low.checked_add(high.checked_sub(low)?.checked_add(1)?.div_euclid(2))?;
    (middle > low && middle <= high).then_some(middle)
}

/// Both values have as many digits after the point as the column.
fn decimal(low: &str, high: &str) -> Option<String> {
    let scale = low.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let units = |text: &str| text.replace('.', "").parse::<i128>().ok();
    let middle = integer(units(low)?, units(high)?)?;
    if scale == 0 {
        return Some(middle.to_string());
    }
    let digits = format!("{:0width$}", middle.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    Some(format!("{}{whole}.{fraction}", if middle < 0 { "-" } else { "" }))
}

/// Calculates as if each month had 31 days. The result has a day from 1 to 28, which each month
/// has.
fn date(low: &str, high: &str) -> Option<String> {
    // Months, days, hours, minutes, seconds, and the units of a second's fraction.
    let mut radices = vec![12, 31, 24, 60, 60];
    let fraction = low.split_once('.').map_or("", |(_, fraction)| fraction);
    radices.push(10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?);
    let parts =
        |text: &str| text.split(['-', ' ', ':', '.']).map(|part| part.parse().ok()).collect::<Option<Vec<i128>>>();
    let number = |text: &str| {
        let parts = parts(text)?;
        let (year, rest) = parts.split_first()?;
        // Months and days start at one.
        let rest = rest.iter().zip([1, 1, 0, 0, 0, 0]).map(|(part, first)| part - first);
        rest.zip(&radices).try_fold(*year, |sum, (part, radix)| sum.checked_mul(*radix)?.checked_add(part))
    };
    let mut rest = integer(number(low)?, number(high)?)?;
    if rest < 0 {
        return None;
    }
    let part_count = parts(low)?.len();
    let mut parts: Vec<i128> = Vec::new();
    for radix in radices.iter().take(part_count - 1).rev() {
        parts.insert(0, rest.rem_euclid(*radix));
        rest = rest.div_euclid(*radix);
    }
    let (month, day) = (parts.first()? + 1, parts.get(1)?.min(&27) + 1);
    let mut text = format!("{rest:04}-{month:02}-{day:02}");
    for (separator, part) in [' ', ':', ':'].into_iter().zip(parts.get(2..)?) {
        text += &format!("{separator}{part:02}");
    }
    if let Some(part) = parts.get(5) {
        text += &format!(".{part:0width$}", width = fraction.len());
    }
    Some(text)
}

/// Hexadecimal digits of eight bytes. The sum of two such numbers fits into an `i128`.
const BYTES_DIGITS: usize = 16;

/// Compares the bytes after the common prefix as fractions, so missing bytes count as zero.
fn bytes(low: &str, high: &str) -> Option<String> {
    let common = low.bytes().zip(high.bytes()).take_while(|(a, b)| a == b).count() / 2 * 2;
    let number = |text: &str| {
        let digits = text.get(common..text.len().min(common + BYTES_DIGITS))?;
        i128::from_str_radix(&format!("{digits:0<BYTES_DIGITS$}"), 16).ok()
    };
    let middle = integer(number(low)?, number(high)?)?;
    Some(format!("{}{middle:0BYTES_DIGITS$X}", low.get(..common)?))
}

/// Takes the three characters after the common prefix as the digits of a number. A character above
/// all those of the two keys may not be in the column's character set, so the result contains none.
/// Most collations ignore case. Those that order by code point (`_bin`) don't.
fn text(collation: &str, low: &str, high: &str) -> Option<String> {
    let folded = |text: &str| if collation.ends_with("_bin") { text.to_owned() } else { text.to_lowercase() };
    let (low, high) = (folded(low), folded(high));
    let radix = low.chars().chain(high.chars()).max().map_or(1, |c| i128::from(u32::from(c)) + 1);
    let common = low.chars().zip(high.chars()).take_while(|(a, b)| a == b).count();
    let number = |text: &str| {
        let mut digits = text.chars().skip(common);
        (0..3).fold(0, |sum, _| sum * radix + digits.next().map_or(0, |c| i128::from(u32::from(c))))
    };
    let middle = integer(number(&low), number(&high))?;
    let digits = [middle / radix / radix, middle / radix % radix, middle % radix];
    let mut text: String = low.chars().take(common).collect();
    // A digit is below 0x110000, because `radix` is at most that. Surrogates are not characters.
    text.extend(digits.iter().map_while(|&c| char::from_u32(c as u32).filter(|&c| c >= ' ')));
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text_kind() -> KeyKind {
        KeyKind::Text { charset: "utf8mb4".to_owned(), collation: "utf8mb4_bin".to_owned() }
    }

    #[test]
    fn each_kind_has_midpoints() {
        assert_eq!(midpoint(&KeyKind::Integer, "0", "18446744073709551615").unwrap(), "9223372036854775808");
        assert_eq!(midpoint(&KeyKind::Integer, "-5", "-4").unwrap(), "-4");
        assert_eq!(midpoint(&KeyKind::Decimal, "-1.50", "1.50").unwrap(), "0.00");
        assert_eq!(midpoint(&KeyKind::Decimal, "-0.10", "-0.02").unwrap(), "-0.06");
        assert_eq!(midpoint(&KeyKind::Date, "2020-01-01", "2020-12-31").unwrap(), "2020-07-01");
        assert_eq!(
            midpoint(&KeyKind::Date, "2019-12-31 00:00:00.00", "2020-12-31 23:59:59.99").unwrap(),
            "2020-06-28 12:00:00.00"
        );
        assert_eq!(midpoint(&KeyKind::Bytes, "AB00", "AB80").unwrap(), "AB4000000000000000");
        assert_eq!(midpoint(&text_kind(), "aa", "ac").unwrap(), "ab");
        assert_eq!(midpoint(&text_kind(), "01AA", "01ZZ").map(|t| ("01AA".."01ZZ").contains(&t.as_str())), Some(true));
        let (charset, collation) = ("utf8mb4".to_owned(), "utf8mb4_general_ci".to_owned());
        let folding = KeyKind::Text { charset, collation };
        assert_eq!(
            midpoint(&folding, "Apple", "banana").map(|t| ("apple".."banana").contains(&t.as_str())),
            Some(true)
        );
        assert_eq!(midpoint(&text_kind(), "same", "same"), None);
        // The result is in the character set of the keys.
        let found = ["0aF", "aa", "customer", "é"].map(|high| midpoint(&text_kind(), "0a", high).unwrap());
        assert!(found[..3].iter().all(|text| text.is_ascii()) && found[3].chars().all(|c| c <= 'é'), "{found:?}");
        // Before the year 0000 there is no date.
        assert_eq!(midpoint(&KeyKind::Date, "0000-00-00", "0000-01-05"), None);
        assert_eq!(midpoint(&KeyKind::Integer, "5", "5"), None);
    }

    #[test]
    fn impossible_dates_are_not_valid_constants() {
        for (date, valid) in [
            ("2024-02-29", true),
            ("2023-02-29", false),
            ("1900-02-29", false),
            ("0000-02-29", false),
            ("0000-02-28", true),
            ("2000-02-29 10:00:00.5", true),
            ("2023-04-31 00:00:00", false),
            ("0000-00-00", true),
            ("2023-00-31", true),
            ("2023-12-00", true),
        ] {
            assert_eq!(is_valid_constant(&KeyKind::Date, date), valid, "{date}");
        }
        assert!(is_valid_constant(&text_kind(), "2023-02-30"));
    }

    proptest! {
        #[test]
        fn integers_are_halved(low: i64, high: i64) {
            let (low, high) = (low.min(high), low.max(high));
            let found = midpoint(&KeyKind::Integer, &low.to_string(), &high.to_string());
            match found {
                Some(middle) => prop_assert!((low + 1..=high).contains(&middle.parse().unwrap())),
                None => prop_assert_eq!(low, high),
            }
        }

        #[test]
        fn arbitrary_keys_never_panic(low in ".{0,20}", high in ".{0,20}") {
            for kind in [KeyKind::Integer, KeyKind::Decimal, KeyKind::Date, KeyKind::Bytes, text_kind()] {
                let _ = midpoint(&kind, &low, &high);
            }
        }

        #[test]
        fn bytes_are_halved(low in prop::collection::vec(any::<u8>(), 16), high in prop::collection::vec(any::<u8>(), 16)) {
            let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02X}")).collect::<String>();
            let (low, high) = (hex(low.as_slice().min(&high)), hex(high.as_slice().max(&low)));
            if let Some(middle) = midpoint(&KeyKind::Bytes, &low, &high) {
                prop_assert!(middle > low);
            }
        }
    }
}
