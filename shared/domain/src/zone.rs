//! Time zones and what a clock on the wall shows in them.

use std::{borrow::Cow, fmt, str::FromStr, sync::LazyLock};

use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use crate::{Instant, define::BadText};

/// The zones come with the binary, so that every instance knows the same ones and nothing is read
/// from the machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The name of a time zone of the IANA database, such as `Asia/Seoul`.
#[derive(Clone)]
pub struct TimeZoneName {
    name: Cow<'static, str>,
    zone: TimeZone,
}

/// What a clock and a calendar on a wall show at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallTime {
    /// The date.
    pub day: Day,
    /// The hour, 0–23.
    pub hour: u8,
    /// The minute, 0–59.
    pub minute: u8,
    /// The day of the week.
    pub weekday: Weekday,
}

impl TimeZoneName {
    /// Coordinated Universal Time.
    pub fn utc() -> Self {
        Self {
            name: Cow::Borrowed("UTC"),
            zone: TimeZone::UTC,
        }
    }

    /// The name, in the database's spelling.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The first moment of the next day in this zone, which may be 23 or 25 hours long.
    pub fn day_ends_at(&self, instant: Instant) -> Instant {
        let tomorrow = self.wall_time(instant).day.next();
        let midnight = tomorrow.0.to_zoned(self.zone.clone());
        midnight.map_or(Instant::from_millis(i64::MAX), |midnight| {
            Instant::from_millis(midnight.timestamp().as_millisecond())
        })
    }

    /// How far clocks in this zone are from UTC when they show `local`; which they may never do, or
    /// twice.
    pub(crate) fn offset_at(&self, local: jiff::civil::DateTime) -> AmbiguousOffset {
        self.zone.to_ambiguous_timestamp(local).offset()
    }

    /// What a clock in this zone shows at `instant`.
    pub fn wall_time(&self, instant: Instant) -> WallTime {
        let local = self.zone.to_datetime(instant.timestamp());
        WallTime {
            day: Day(local.date()),
            hour: u8::try_from(local.hour()).unwrap_or(0),
            minute: u8::try_from(local.minute()).unwrap_or(0),
            weekday: match local.weekday() {
                jiff::civil::Weekday::Monday => Weekday::Monday,
                jiff::civil::Weekday::Tuesday => Weekday::Tuesday,
                jiff::civil::Weekday::Wednesday => Weekday::Wednesday,
                jiff::civil::Weekday::Thursday => Weekday::Thursday,
                jiff::civil::Weekday::Friday => Weekday::Friday,
                jiff::civil::Weekday::Saturday => Weekday::Saturday,
                jiff::civil::Weekday::Sunday => Weekday::Sunday,
            },
        }
    }
}

impl Default for TimeZoneName {
    fn default() -> Self {
        Self::utc()
    }
}

impl PartialEq for TimeZoneName {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for TimeZoneName {}

impl fmt::Debug for TimeZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Display for TimeZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for TimeZoneName {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let bad = BadText {
            expected: "the name of a time zone in the IANA database",
        };
        if text.len() > 64 {
            return Err(bad);
        }
        let zone = ZONES.get(text).map_err(|_| bad)?;
        Ok(Self {
            name: zone.iana_name().unwrap_or(text).to_owned().into(),
            zone,
        })
    }
}

text_in_json!(TimeZoneName);

impl schemars::JsonSchema for TimeZoneName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeZoneName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": 64,
            "format": "time-zone",
            "examples": ["Asia/Seoul"],
        })
    }
}

closed_set! {
    /// A day of the week.
    pub enum Weekday {
        /// Monday.
        Monday = "mon",
        /// Tuesday.
        Tuesday = "tue",
        /// Wednesday.
        Wednesday = "wed",
        /// Thursday.
        Thursday = "thu",
        /// Friday.
        Friday = "fri",
        /// Saturday.
        Saturday = "sat",
        /// Sunday.
        Sunday = "sun",
    }
}

/// A date without a time, written `2026-03-01`; which stretch of time it is, depends on a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(jiff::civil::Date);

impl Day {
    /// The year, for ages.
    pub fn year(self) -> i16 {
        self.0.year()
    }

    /// The day of an instant in UTC.
    pub fn of(instant: Instant) -> Self {
        TimeZoneName::utc().wall_time(instant).day
    }

    /// Its first moment in UTC.
    pub fn begin_in_utc(self) -> Instant {
        let epoch = jiff::civil::date(1970, 1, 1);
        Instant::from_seconds(self.0.duration_since(epoch).as_secs())
    }

    /// So many days later, or earlier; the calendar's ends hold what goes beyond them.
    pub fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(jiff::Span::new().days(days)))
    }

    /// How many days it is after `earlier`; negative where it is before.
    pub fn days_since(self, earlier: Self) -> i64 {
        self.0.duration_since(earlier.0).as_hours() / 24
    }

    /// The day after; the last day that the calendar can name has none but itself.
    pub fn next(self) -> Self {
        Self(self.0.tomorrow().unwrap_or(self.0))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Day {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let bad = BadText {
            expected: "a date such as 2026-03-01",
        };
        // The calendar library would read a week date too.
        let fits = |(byte, shape): (u8, u8)| match shape {
            b'd' => byte.is_ascii_digit(),
            literal => byte == literal,
        };
        if text.len() != 10 || !text.bytes().zip(*b"dddd-dd-dd").all(fits) {
            return Err(bad);
        }
        text.parse().map(Self).map_err(|_| bad)
    }
}

text_in_json!(Day);

impl schemars::JsonSchema for Day {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Day".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_follows_its_zone_through_daylight_saving() {
        for (zone, instant, day, hour, weekday) in [
            ("UTC", "2026-03-01T23:30:00Z", "2026-03-01", 23, "sun"),
            ("Asia/Seoul", "2026-03-01T23:30:00Z", "2026-03-02", 8, "mon"),
            (
                "America/New_York",
                "2026-03-08T06:59:00Z",
                "2026-03-08",
                1,
                "sun",
            ),
            (
                "America/New_York",
                "2026-03-08T07:00:00Z",
                "2026-03-08",
                3,
                "sun",
            ),
        ] {
            let wall = zone
                .parse::<TimeZoneName>()
                .unwrap()
                .wall_time(instant.parse().unwrap());
            assert_eq!(
                (
                    wall.day.to_string().as_str(),
                    wall.hour,
                    wall.weekday.as_str()
                ),
                (day, hour, weekday)
            );
        }
    }

    #[test]
    fn a_day_ends_at_its_zones_midnight() {
        for (zone, instant, end) in [
            ("UTC", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00.000Z"),
            (
                "Asia/Seoul",
                "2026-03-01T14:59:59.999Z",
                "2026-03-01T15:00:00.000Z",
            ),
            (
                "Asia/Seoul",
                "2026-03-01T15:00:00Z",
                "2026-03-02T15:00:00.000Z",
            ),
            // Clocks are put forward: 23 hours.
            (
                "America/New_York",
                "2026-03-08T05:00:00Z",
                "2026-03-09T04:00:00.000Z",
            ),
        ] {
            let zone = zone.parse::<TimeZoneName>().unwrap();
            let end_found = zone.day_ends_at(instant.parse().unwrap());
            assert_eq!(end_found.to_string(), end, "{zone} {instant}");
        }
    }

    #[test]
    fn only_zones_of_the_database_are_zones() {
        let zone: TimeZoneName = "asia/seoul".parse().unwrap();
        assert_eq!(zone.as_str(), "Asia/Seoul");
        for bad in ["", "Mars/Olympus", "+09:00", "../etc/passwd"] {
            assert!(bad.parse::<TimeZoneName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn days_are_dates_and_nothing_more() {
        let day: Day = "2026-02-28".parse().unwrap();
        assert_eq!(day.next().to_string(), "2026-03-01");
        assert_eq!(Day::of(day.begin_in_utc()), day);
        assert_eq!(day.begin_in_utc().as_seconds() % 86_400, 0);
        for bad in [
            "",
            "2026-2-28",
            "20260228",
            "2026-W09-6",
            "2026-02-29",
            "2026-02-28T00:00:00Z",
        ] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }
}
