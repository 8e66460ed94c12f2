//! The proleptic Gregorian calendar, which MySQL's dates follow.

/// Returns the number of days in a month. The month zero, which MySQL allows for an unknown month,
/// has 31.
pub(super) fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 0000-03-01 to 1970-01-01.
const UNIX_EPOCH: i32 = 719_468;

/// Returns the days from 1970-01-01 to a date. Counts years from March, so that a leap day is the
/// last day of a year.
#[inline]
pub(super) fn days_since_epoch(year: u16, month: u8, day: u8) -> i32 {
    let (month, day) = (i32::from(month), i32::from(day));
    let year = i32::from(year) - i32::from(month <= 2);
    // Every five months from March or from August have 153 days.
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - UNIX_EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_follows_the_day_before() {
        let mut expected = days_since_epoch(0, 1, 1);
        for year in 0..=9999 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    assert_eq!(days_since_epoch(year, month, day), expected);
                    expected += 1;
                }
            }
        }
        assert_eq!(days_since_epoch(1970, 1, 1), 0);
    }
}
