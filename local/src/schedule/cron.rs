//! EventBridge's six-field cron, without its `L`, `W` and `#`.

use std::{collections::BTreeSet, str::FromStr};

use jiff::{Timestamp, ToSpan, civil::DateTime, tz::TimeZone};

/// Searches end this many years ahead: a 29 February is at most eight years away.
const YEARS_AHEAD: i16 = 9;

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Minutes, hours, days of the month, months, days of the week (1 is Sunday) and years.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: BTreeSet<i16>,
    hours: BTreeSet<i16>,
    /// `None` is `?`.
    days: Option<BTreeSet<i16>>,
    months: BTreeSet<i16>,
    /// `None` is `?`.
    weekdays: Option<BTreeSet<i16>>,
    years: BTreeSet<i16>,
}

impl Cron {
    pub(super) fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let utc = TimeZone::UTC;
        let mut at = utc.to_datetime(now).checked_add(1.minute()).ok()?;
        at = at.with().second(0).subsec_nanosecond(0).build().ok()?;
        let end = at.year().checked_add(YEARS_AHEAD)?;
        while at.year() <= end {
            if !self.has_day(at) {
                at = at.date().tomorrow().ok()?.at(0, 0, 0, 0);
            } else if !self.hours.contains(&at.hour().into()) {
                at = at
                    .with()
                    .minute(0)
                    .build()
                    .ok()?
                    .checked_add(1.hour())
                    .ok()?;
            } else if !self.minutes.contains(&at.minute().into()) {
                at = at.checked_add(1.minute()).ok()?;
            } else {
                return utc.to_timestamp(at).ok();
            }
        }
        None
    }

    fn has_day(&self, at: DateTime) -> bool {
        let within = |field: &Option<BTreeSet<i16>>, value: i8| match field {
            Some(values) => values.contains(&value.into()),
            None => true,
        };
        let weekday = at.weekday().to_sunday_one_offset();
        self.years.contains(&at.year())
            && self.months.contains(&at.month().into())
            && within(&self.days, at.day())
            && within(&self.weekdays, weekday)
    }
}

impl FromStr for Cron {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays, years] = fields.as_slice() else {
            return Err("expected six fields".to_owned());
        };
        if (*days == "?") == (*weekdays == "?") {
            return Err("one of day-of-month and day-of-week is ?".to_owned());
        }
        let unless_open = |text: &str, low, high, names: &[&str]| match text {
            "?" => Ok(None),
            _ => field(text, low, high, names).map(Some),
        };
        Ok(Self {
            minutes: field(minutes, 0, 59, &[])?,
            hours: field(hours, 0, 23, &[])?,
            days: unless_open(days, 1, 31, &[])?,
            months: field(months, 1, 12, &MONTHS)?,
            weekdays: unless_open(weekdays, 1, 7, &WEEKDAYS)?,
            years: field(years, 1970, 2199, &[])?,
        })
    }
}

/// A list of `*`, `a`, `a-b`, each with an optional `/step`.
fn field(text: &str, low: i16, high: i16, names: &[&str]) -> Result<BTreeSet<i16>, String> {
    let refused = || format!("{text} is not supported here (from {low} to {high})");
    let value = |text: &str| {
        let named = names
            .iter()
            .zip(1..)
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        named
            .map(|(_, number)| number)
            .or_else(|| text.parse().ok())
            .filter(|number| (low..=high).contains(number))
            .ok_or_else(refused)
    };
    let mut values = BTreeSet::new();
    for item in text.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => {
                let step: usize = step
                    .parse()
                    .ok()
                    .filter(|step| *step > 0)
                    .ok_or_else(refused)?;
                (range, Some(step))
            }
            None => (item, None),
        };
        let (from, to) = match (range, range.split_once('-'), step) {
            ("*", _, _) => (low, high),
            (_, Some((from, to)), _) => (value(from)?, value(to)?),
            (_, None, Some(_)) => (value(range)?, high),
            (_, None, None) => (value(range)?, value(range)?),
        };
        if from > to {
            return Err(refused());
        }
        values.extend((from..=to).step_by(step.unwrap_or(1)));
    }
    Ok(values)
}
