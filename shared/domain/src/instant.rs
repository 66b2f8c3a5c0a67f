//! A moment: what every timestamp of the product is.

use std::{
    fmt,
    ops::{Add, Sub},
    str::FromStr,
    time::Duration,
};

use crate::define::BadText;

/// A moment in milliseconds since 1970-01-01T00:00:00Z.
///
/// Written as RFC 3339 in UTC with milliseconds; read from RFC 3339 with any offset. There is no
/// `now`: the time is always handed in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

impl Instant {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// The last millisecond of a second since the epoch. A time that its source knows to the second
    /// names all of that second: what happens "at" it may have happened at any of its milliseconds.
    pub const fn end_of_second(seconds: i64) -> Self {
        Self(Self::from_seconds(seconds).0.saturating_add(999))
    }

    /// From whole minutes since the epoch.
    pub const fn from_minutes(minutes: u32) -> Self {
        Self(minutes as i64 * 60_000)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Whole minutes since the epoch, rounded down; zero before it.
    pub fn as_minutes(self) -> u32 {
        u32::try_from(self.0.div_euclid(60_000).max(0)).unwrap_or(u32::MAX)
    }

    /// How long after `earlier` this is; zero when it is before.
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// Reads a time as a program on a phone may write it: RFC 3339 with a blank for the `T`, without
    /// seconds, with a fraction of any length behind `.` or `,`, with an offset such as `+0900`, `+09`
    /// or `UTC`, and with a zone in brackets behind it, which is ignored. A time without an offset is
    /// not read, because nothing says which moment it is.
    pub fn from_reported(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = match text.strip_suffix(']') {
            Some(text) => text.split_once('[')?.0,
            None => text,
        };
        let (date, rest) = text.split_at_checked(10)?;
        let rest = rest.strip_prefix(['T', 't', ' '])?;
        let offset_at = rest.find(|c: char| !(c.is_ascii_digit() || ":.,".contains(c)))?;
        let (clock, offset) = rest.split_at_checked(offset_at)?;
        let (clock, fraction) = match clock.split_once(['.', ',']) {
            Some((clock, fraction)) => (clock, Some(fraction)),
            None => (clock, None),
        };
        let seconds = if clock.len() == 5 { ":00" } else { "" };
        // Nanoseconds at most; finer parts are cut off.
        let fraction = fraction.map(|digits| format!(".{}", digits.get(..9).unwrap_or(digits)));
        let fraction = fraction.unwrap_or_default();
        let offset = utc_offset(offset.trim())?;
        format!("{date}T{clock}{seconds}{fraction}{offset}")
            .parse()
            .ok()
    }

    /// The nearest moment that the calendar can name.
    pub(crate) fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.timestamp())
    }
}

impl FromStr for Instant {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let bad = BadText {
            expected: "an RFC 3339 date and time with an offset",
        };
        if !has_rfc3339_shape(text.as_bytes()) {
            return Err(bad);
        }
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| bad)?;
        Ok(Self(timestamp.as_millisecond()))
    }
}

/// An offset from UTC as RFC 3339 writes it.
fn utc_offset(text: &str) -> Option<String> {
    if ["Z", "UTC", "GMT"]
        .iter()
        .any(|utc| text.eq_ignore_ascii_case(utc))
    {
        return Some("Z".to_owned());
    }
    let digits = text.strip_prefix(['+', '-', '\u{2212}'])?;
    let sign = if text.starts_with('+') { '+' } else { '-' };
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { "00" } else { minutes };
    Some(format!("{sign}{hours}:{minutes}"))
}

/// The date-time production of RFC 3339, section 5.6. The calendar library that reads it afterwards
/// would accept more (week dates, zone names, a blank for the `T`).
fn has_rfc3339_shape(text: &[u8]) -> bool {
    const SHAPE: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let Some((start, rest)) = text.split_at_checked(SHAPE.len()) else {
        return false;
    };
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        literal => byte.eq_ignore_ascii_case(literal),
    };
    let offset = match rest.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            match fraction.split_at_checked(digits) {
                Some((_, offset)) if digits > 0 => offset,
                _ => return false,
            }
        }
        None => rest,
    };
    start.iter().zip(SHAPE).all(fits)
        && match offset {
            [b'Z' | b'z'] => true,
            [b'+' | b'-', tail @ ..] => tail.len() == 5 && tail.iter().zip(b"dd:dd").all(fits),
            _ => false,
        }
}

text_in_json!(Instant);

impl schemars::JsonSchema for Instant {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reported_time_is_read_in_every_way_that_programs_write_it() {
        let moment: Instant = "2026-03-01T00:29:05Z".parse().unwrap();
        for text in [
            "2026-03-01T00:29:05Z",
            "2026-03-01t00:29:05z",
            "2026-03-01 00:29:05Z",
            "2026-03-01 00:29:05 UTC",
            " 2026-03-01T00:29:05 GMT ",
            "2026-03-01T09:29:05+0900",
            "2026-03-01T09:29:05+09",
            "2026-03-01T09:29:05 +0900",
            "2026-03-01T09:29:05+09:00[Asia/Seoul]",
            "2026-02-28T18:59:05-05:30",
            "2026-02-28T18:59:05\u{2212}0530",
            "2026-03-01T00:29:05.0000000000001Z",
            "2026-03-01T00:29:05,000Z",
        ] {
            assert_eq!(Instant::from_reported(text), Some(moment), "{text}");
        }
        let without_seconds = Instant::from_reported("2026-03-01T09:29+09:00");
        assert_eq!(without_seconds, "2026-03-01T00:29:00Z".parse().ok());
        let fraction = Instant::from_reported("2026-03-01T09:29:05.1239999999+0900");
        assert_eq!(fraction, "2026-03-01T00:29:05.123Z".parse().ok());
        for text in [
            "",
            "soon",
            "2026-03-01",
            "2026-03-01T00:29:05",
            "2026-03-01T00:29:05.Z",
            "2026-03-01T25:29:05Z",
            "2026-02-30T00:29:05Z",
            "2026-03-01T00:29:05+9",
            "2026-03-01T00:29:05+090",
            "2026-03-01T00:29:05+09000",
            "2026-03-01T00:29:05]",
            "가나다라-03-01T00:29:05Z",
            "1772324945000",
        ] {
            assert_eq!(Instant::from_reported(text), None, "{text}");
        }
    }

    #[test]
    fn reads_any_offset_and_writes_utc_with_milliseconds() {
        for (text, written) in [
            ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00.000Z"),
            ("2026-03-01T09:00:00+09:00", "2026-03-01T00:00:00.000Z"),
            ("2026-03-01t00:00:00.1234z", "2026-03-01T00:00:00.123Z"),
            ("1969-12-31T23:59:59.999-00:00", "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(text.parse::<Instant>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn refuses_what_is_not_rfc_3339() {
        for bad in [
            "",
            "2026-03-01",
            "2026-03-01T00:00:00",
            "2026-03-01 00:00:00Z",
            "2026-03-01T00:00Z",
            "2026-03-01T00:00:00.Z",
            "2026-03-01T00:00:00+0900",
            "2026-03-01T00:00:00+09:00[Asia/Seoul]",
            "2026-02-30T00:00:00Z",
            "2026-03-01T24:00:00Z",
            "+02026-03-01T00:00:00Z",
            "1772323200",
        ] {
            assert!(bad.parse::<Instant>().is_err(), "{bad}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends_of_time() {
        let late = Instant::from_millis(i64::MAX) + Duration::from_secs(1);
        assert_eq!(late.as_millis(), i64::MAX);
        assert!(late.to_string().starts_with("9999-12-3"));
        assert_eq!(
            Instant::from_millis(1).since(Instant::from_millis(5)),
            Duration::ZERO
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in -62_135_596_800_000i64..253_402_207_000_000) {
            let instant = Instant::from_millis(millis);
            prop_assert_eq!(instant.to_string().parse::<Instant>().unwrap(), instant);
        }
    }
}
