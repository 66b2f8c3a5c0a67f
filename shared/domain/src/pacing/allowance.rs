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

/// Tokens that may be given out in a minute for a budget in clicks or conversions, whatever the plan:
/// without impressions nothing is learned of how many bring a click.
const PROBES_A_MINUTE: f64 = 10.0;

/// How fast units of a budget may be leased.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    unit_ms: f64,
    used_to: Instant,
}

impl Allowance {
    /// Returns the allowance at `now` after it was used up to `used_to`, if it ever was; `None` where
    /// the budget is not spread over time.
    pub fn of(
        terms: &Terms,
        used: Used,
        tokens_per_unit: u32,
        used_to: Option<Instant>,
        now: Instant,
    ) -> Option<Self> {
        let planned = terms.units_a_minute(used, now)? * ABOVE_PLAN;
        let probes = match terms.pricing.is_by_impression() {
            true => 0.0,
            false => PROBES_A_MINUTE / f64::from(tokens_per_unit.max(1)),
        };
        let unit_ms = 60_000.0 / planned.max(probes).max(f64::MIN_POSITIVE);
        // A whole unit must have room, however long it takes; moments are whole milliseconds.
        let unit_s = (unit_ms.ceil() + 1.0) / 1000.0;
        let accumulates = Duration::try_from_secs_f64(unit_s).unwrap_or(Duration::MAX);
        let earliest = now - accumulates.clamp(BURST, LONGEST);
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

/// The longest time that a unit is waited for.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
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
            let allowance = Allowance::of(terms, used, 1, used_to, now).unwrap();
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

    #[test]
    fn few_clicks_a_day_are_probed_for_at_a_rate_of_their_own() {
        let terms = terms(Pricing::Cpc, 24, 24);
        let used = Used { total: 0, today: 0 };
        for (tokens_per_unit, seconds) in [(1, 6), (50, 300), (1_000_000, 3_272)] {
            let allowance = Allowance::of(&terms, used, tokens_per_unit, None, START).unwrap();
            let one = allowance.after(1).since(allowance.after(0)).as_secs();
            assert_eq!(one, seconds, "{tokens_per_unit} tokens a click");
        }
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
