//! What should go out in the next minute.

use std::time::Duration;

use super::Curve;
use crate::{Instant, content::campaigns::Pacing};

const MINUTE: Duration = Duration::from_secs(60);

/// What is left of a budget, and of the time to use it up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) pacing: Pacing,
    /// Units that the whole budget leaves.
    pub(super) total: Option<f64>,
    /// Units that the day's budget leaves.
    pub(super) today: Option<f64>,
    pub(super) flight_ends_at: Option<Instant>,
    pub(super) day_ends_at: Instant,
}

impl Plan {
    /// The units that the minute from `now` on should bring, or the first minute of a flight that
    /// has not begun; `None` where nothing is to be spread: what goes out as soon as possible, and
    /// a total without an end of its flight and without a daily limit.
    ///
    /// Today's share of the total is what today's rest weighs of the flight's rest, and never more
    /// than the day's own limit leaves; the minute's share of that is what the minute weighs of
    /// today's rest.
    pub(super) fn units_a_minute(&self, curve: &Curve, now: Instant) -> Option<f64> {
        if self.pacing == Pacing::Asap {
            return None;
        }
        let day_ends_at = self
            .flight_ends_at
            .map_or(self.day_ends_at, |end| end.min(self.day_ends_at));
        // The last minute, and what comes after it, is one minute long.
        let rest_of_day = curve.between(now, day_ends_at.max(now + MINUTE));
        let share = self.flight_ends_at.and_then(|end| {
            let rest_of_flight = curve.between(now, end.max(now + MINUTE));
            let part = (rest_of_day / rest_of_flight).min(1.0);
            self.total.map(|total| total * part)
        });
        let today = match (share, self.today) {
            (Some(share), Some(limit)) => share.min(limit),
            (Some(one), None) => one,
            (None, Some(limit)) => self.total.map_or(limit, |total| total.min(limit)),
            (None, None) => return None,
        };
        let minute = curve.between(now, now + MINUTE);
        Some(today.max(0.0) * (minute / rest_of_day).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn plan(total: Option<f64>, today: Option<f64>, ends: Option<&str>) -> Plan {
        Plan {
            pacing: Pacing::Even,
            total,
            today,
            flight_ends_at: ends.map(at),
            // Midnight in Seoul.
            day_ends_at: at("2026-03-01T15:00:00Z"),
        }
    }

    #[test]
    fn a_budget_is_spread_over_what_is_left_of_its_day_and_flight() {
        let now = at("2026-03-01T14:00:00Z");
        let two_hours = Some("2026-03-01T16:00:00Z");
        let soon = Some("2026-03-01T14:10:00Z");
        for (total, today, ends, expected) in [
            (Some(1_200.0), None, two_hours, Some(10.0)),
            (Some(1_200.0), Some(60.0), two_hours, Some(1.0)),
            (Some(1_200.0), Some(6_000.0), two_hours, Some(10.0)),
            (None, Some(600.0), two_hours, Some(10.0)),
            (None, Some(600.0), None, Some(10.0)),
            (Some(60.0), Some(600.0), None, Some(1.0)),
            (Some(100.0), None, soon, Some(10.0)),
            (Some(100.0), None, Some("2026-03-01T14:00:30Z"), Some(100.0)),
            (Some(100.0), None, None, None),
            (Some(0.0), None, two_hours, Some(0.0)),
        ] {
            let rate = plan(total, today, ends).units_a_minute(&Curve::UNIFORM, now);
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
            let same = match (rate, expected) {
                (Some(rate), Some(expected)) => near(rate, expected),
                (rate, expected) => rate == expected,
            };
            assert!(same, "{total:?} {today:?} {ends:?}: {rate:?}");
        }
        let asap = Plan {
            pacing: Pacing::Asap,
            ..plan(Some(1.0), None, two_hours)
        };
        assert_eq!(asap.units_a_minute(&Curve::UNIFORM, now), None);
    }

    #[test]
    fn a_busy_hour_gets_more_of_the_budget() {
        let mut day = [1; 24];
        day[15] = 3;
        let curve = Curve::of(&[day]);
        let now = at("2026-03-01T14:00:00Z");
        let plan = Plan {
            day_ends_at: at("2026-03-02T00:00:00Z"),
            ..plan(Some(1_200.0), None, Some("2026-03-01T16:00:00Z"))
        };
        let rate = plan.units_a_minute(&curve, now).unwrap();
        assert!(
            (rate - 5.0).abs() < 1e-9,
            "a quarter in the first hour: {rate}"
        );
    }
}
