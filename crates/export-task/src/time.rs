//! Times in AWS's three formats. Everywhere else a time is a number of milliseconds since the
//! epoch.

use jiff::{Timestamp, tz::TimeZone};

/// Returns a time in the format of the RDS API: `2022-10-31T20:58:06.998Z`.
pub fn iso8601(millis: i64) -> String {
    zoned(millis).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Returns a time in UTC in the format of the metadata files: `Sep 10, 2020 7:13:10 AM`.
pub fn metadata(millis: i64) -> String {
    zoned(millis).strftime("%b %-d, %Y %-I:%M:%S %p").to_string()
}

/// Returns a time in UTC in the format of RDS event messages: `2022-10-31 20:58:06.998`.
pub fn event(millis: i64) -> String {
    zoned(millis).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

fn zoned(millis: i64) -> jiff::Zoned {
    // Values outside of jiff's years -9999..=9999 don't come from a clock. They become the epoch.
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    #[test]
    fn writes_times_as_aws_does() {
        let t = 1_599_721_990_005;
        assert_eq!(super::iso8601(t), "2020-09-10T07:13:10.005Z");
        assert_eq!(super::metadata(t), "Sep 10, 2020 7:13:10 AM");
        assert_eq!(super::event(t), "2020-09-10 07:13:10.005");
        assert_eq!(super::metadata(t + 12 * 3_600_000), "Sep 10, 2020 7:13:10 PM");
        assert_eq!(super::iso8601(i64::MAX), "1970-01-01T00:00:00.000Z");
    }
}
