//! Allowances: how many units of a spread budget may be leased at a moment, whatever the demand.
//!
//! A budget under leases that is spread over time is leased at the rate of its plan, a little faster:
//! units of leases that lapse are lost for that time. An account notes the moment up to which its
//! allowance is used up; each lease moves that moment on by the time that its units take at the rate
//! (a generic cell rate algorithm). So it holds over all instances, and from the first minute on, when
//! nothing is known of the demand.

use std::time::Duration;

use super::{Terms, Used};
use crate::Instant;

/// The rate above the plan.
const ABOVE_PLAN: f64 = 1.1;

/// An allowance that is not used accumulates for so long.
const BURST: Duration = Duration::from_secs(20);

/// A lease of a spread budget is served for at most this time. What was leased in a minute and the
/// time of a lease before it, and what had accumulated, is what a minute may bring at most: 2.6 times
/// the plan.
pub const SPREAD_LEASE: Duration = Duration::from_secs(60);

/// How fast units of a budget may be leased.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    unit_ms: f64,
    used_to: Instant,
}

impl Allowance {
    /// Returns the allowance at `now` after it was used up to `used_to`, if it ever was; `None` where
    /// the budget is not spread over time. Of the `used` units `live` are of leases that are out.
    ///
    /// Where none is out and no more are used than the plan has by now, the leases so far were for
    /// nothing, and the allowance is whole again. So the first clicks of a small budget are looked
    /// for one lease after the other, and it is never ahead of its plan by more than one.
    pub fn of(
        terms: &Terms,
        used: Used,
        live: u64,
        used_to: Option<Instant>,
        now: Instant,
    ) -> Option<Self> {
        let planned = terms.units_a_minute(used, now)? * ABOVE_PLAN;
        let unit_ms = 60_000.0 / planned.max(f64::MIN_POSITIVE);
        // A whole unit must have room, however long it takes; moments are whole milliseconds.
        let unit_s = (unit_ms.ceil() + 1.0) / 1000.0;
        let accumulates = Duration::try_from_secs_f64(unit_s).unwrap_or(Duration::MAX);
        let earliest = now - accumulates.clamp(BURST, LONGEST);
        let was_for_nothing = live == 0 && terms.is_within_plan(used, now);
        let used_to = used_to.filter(|_| !was_for_nothing);
        Some(Self {
            unit_ms,
            used_to: used_to.unwrap_or(earliest).max(earliest),
        })
    }

    /// Returns how many units may be leased at `now`.
    pub fn units(&self, now: Instant) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "milliseconds of some seconds; a float saturates"
        )]
        let units = (now.since(self.used_to).as_millis() as f64 / self.unit_ms + 1e-9) as u64;
        units
    }

    /// Returns the moment up to which the allowance is used up once so many units are leased.
    pub fn after(&self, units: u64) -> Instant {
        #[expect(clippy::cast_precision_loss, reason = "a time follows")]
        let seconds = units as f64 * self.unit_ms / 1000.0;
        let time = Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST);
        self.used_to + time.min(LONGEST)
    }

    /// Returns when there is something worth a lease: half of what accumulates.
    pub fn next_at(&self) -> Instant {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float saturates, and it is not negative"
        )]
        let half = (BURST.as_secs_f64() * 500.0 / self.unit_ms) as u64;
        self.after(half.max(1))
    }
}

/// The longest time that a unit is waited for: longer than any flight, and short enough that moments
/// stay within the years that RFC 3339 writes.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        TimeZoneName,
        content::campaigns::{Budget, Pricing},
        pacing::Spread,
    };

    const START: Instant = Instant::from_seconds(1_772_323_200);

    fn terms(pricing: Pricing, total: u64, hours: u64) -> Terms {
        let budget = Budget {
            pricing,
            price_micros: Some(1),
            daily: None,
            total: Some(total),
        };
        let terms = Terms::of(1, &budget, &TimeZoneName::utc()).unwrap();
        terms.spread_over(Spread {
            starts_at: START,
            ends_at: Some(START + Duration::from_secs(3600 * hours)),
        })
    }

    /// Leases as much as there is, once in so many milliseconds; units by the millisecond.
    fn leased(terms: &Terms, every_ms: i64, minutes: i64) -> Vec<(i64, u64)> {
        let (mut used_to, mut total, mut leased) = (None, 0, Vec::new());
        for ms in (0..60_000 * minutes).step_by(usize::try_from(every_ms).unwrap()) {
            let now = Instant::from_millis(START.as_millis() + ms);
            let used = Used {
                total,
                today: total,
            };
            let allowance = Allowance::of(terms, used, total, used_to, now).unwrap();
            let units = allowance.units(now);
            if units > 0 {
                used_to = Some(allowance.after(units));
                total += units;
                leased.push((ms, units));
            }
        }
        leased
    }

    #[test]
    fn no_minute_brings_more_than_three_times_the_plan_from_the_first_on() {
        for (total, hours) in [(20_000, 24), (2_400, 4), (600_000, 24), (9_000, 6)] {
            let terms = terms(Pricing::Impressions, total, hours);
            let a_minute = |minutes: u64| total * minutes / (60 * hours);
            for every_ms in [13, 700, 5_000] {
                let leased = leased(&terms, every_ms, 30);
                for minute in 0..30 {
                    // Everything that a lease of the time before may still bring.
                    let served_ms = i64::try_from(SPREAD_LEASE.as_millis()).unwrap();
                    let span = 60_000 * minute - served_ms..60_000 * (minute + 1);
                    let inside = leased.iter().filter(|(ms, _)| span.contains(ms));
                    let units: u64 = inside.map(|(_, units)| units).sum();
                    assert!(
                        units <= a_minute(3),
                        "{units} of {} in minute {minute}, every {every_ms} ms",
                        a_minute(1)
                    );
                }
                let all: u64 = leased.iter().map(|(_, units)| units).sum();
                assert!(all >= a_minute(30), "{all} of {}", a_minute(30));
            }
        }
    }

    #[test]
    fn a_plan_of_less_than_a_unit_a_minute_brings_one_unit_at_a_time() {
        let leased = leased(&terms(Pricing::Impressions, 24, 24), 1_000, 240);
        assert!(leased.iter().all(|(_, units)| *units == 1), "{leased:?}");
        assert!((4..=7).contains(&leased.len()), "{leased:?}");
        assert_eq!(leased[0].0, 0, "the first one at once");
    }

    /// How long a lease and its tokens live, until its units are free again.
    const LAPSE_MIN: u64 = 8;

    /// Units leased by the minute, where an instance wants one every minute, and each leased unit is
    /// clicked at once or never.
    fn probed(terms: &Terms, minutes: u64, is_clicked: bool) -> Vec<u64> {
        let (mut used_to, mut clicks, mut leased) = (None, 0, Vec::new());
        for minute in 0..minutes {
            let recent = leased
                .iter()
                .rev()
                .take(usize::try_from(LAPSE_MIN).unwrap());
            let live: u64 = recent.sum();
            let total = if is_clicked { clicks } else { live };
            let used = Used {
                total,
                today: total,
            };
            let now = START + Duration::from_secs(60 * minute);
            let allowance = Allowance::of(terms, used, live, used_to, now).unwrap();
            let left = terms.total.unwrap() - total;
            let units = allowance.units(now).min(left);
            if units > 0 {
                used_to = Some(allowance.after(units));
            }
            clicks += units;
            leased.push(units);
        }
        leased
    }

    proptest! {
        #[test]
        fn a_small_budget_keeps_to_its_plan_where_everything_is_clicked(
            total in 1u64..300,
            hours in 1u64..3_000,
            minutes in 1u64..600,
        ) {
            let minutes = minutes.min(60 * hours);
            let leased = probed(&terms(Pricing::Cpc, total, hours), minutes, true);
            let all: u64 = leased.iter().sum();
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let a_minute = total as f64 / (60 * hours) as f64;
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let most = 1.1 * a_minute * (minutes as f64 + 1.0) + 1.0;
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let is_planned = all as f64 <= most;
            prop_assert!(is_planned, "{} of {} in {} minutes", all, most, minutes);
            prop_assert!(leased[0] >= 1, "the first one at once");
        }

        #[test]
        fn a_small_budget_goes_on_where_nothing_is_clicked(
            total in 1u64..300,
            hours in 24u64..30_000,
        ) {
            let leased = probed(&terms(Pricing::Cpc, total, hours), 180, false);
            let longest = usize::try_from(LAPSE_MIN + 1).unwrap();
            let all_lease = leased.windows(longest).all(|some| some.iter().sum::<u64>() >= 1);
            prop_assert!(all_lease, "{:?}", leased);
        }
    }

    #[test]
    fn a_plan_of_a_unit_in_many_days_brings_its_first_at_once() {
        // One in four days, in four months, and in forty years.
        for (total, days) in [(7, 28), (1, 120), (1, 14_600)] {
            let terms = terms(Pricing::Impressions, total, 24 * days);
            let used = Used { total: 0, today: 0 };
            let allowance = Allowance::of(&terms, used, 0, None, START).unwrap();
            assert_eq!(allowance.units(START), 1, "{total} in {days} days");
            let used_to = Some(allowance.after(1));
            let used = Used { total: 1, today: 1 };
            let day = START + Duration::from_secs(24 * 3600);
            let next = Allowance::of(&terms, used, 1, used_to, day).unwrap();
            assert_eq!(next.units(day), 0, "{total} in {days} days");
        }
        let spent = Used { total: 7, today: 7 };
        let terms = terms(Pricing::Impressions, 7, 24);
        let none = Allowance::of(&terms, spent, 0, None, START).unwrap();
        assert_eq!(none.units(START), 0);
    }

    #[test]
    fn what_is_not_used_accumulates_for_some_seconds_only() {
        let terms = terms(Pricing::Impressions, 144_000, 24);
        let used = Used { total: 0, today: 0 };
        let later = START + Duration::from_secs(600);
        let allowance = Allowance::of(&terms, used, 1, Some(START), later).unwrap();
        // 101 a minute, a tenth more, for a third of a minute.
        assert_eq!(allowance.units(later), 36);
        let used_to = Some(allowance.after(36));
        let empty = Allowance::of(&terms, used, 1, used_to, later).unwrap();
        assert_eq!(empty.units(later), 0);
        assert!(empty.next_at() > later && empty.next_at() < later + BURST);
    }
}
