//! The day's own shape: how much traffic each hour (UTC) brings.

use crate::Instant;

const HOURS: usize = 24;
const HOUR_MS: i64 = 3_600_000;

/// The least that an hour weighs, against 1 on average: no hour is quite without hope.
const LEAST: f64 = 0.02;

/// How much each hour of a day (UTC) weighs; the average is 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve([f64; HOURS]);

impl Curve {
    /// Every hour alike.
    pub const UNIFORM: Self = Self([1.0; HOURS]);

    /// The shape of some days' hourly numbers together; every hour alike where there are none.
    pub fn of(days: &[[u64; HOURS]]) -> Self {
        let mut hours = [0.0; HOURS];
        for day in days {
            for (sum, number) in hours.iter_mut().zip(day) {
                #[expect(clippy::cast_precision_loss, reason = "a weight")]
                let number = *number as f64;
                *sum += number;
            }
        }
        let total: f64 = hours.iter().sum();
        if total <= 0.0 {
            return Self::UNIFORM;
        }
        let scaled = hours.map(|sum| (sum * 24.0 / total).max(LEAST));
        let total: f64 = scaled.iter().sum();
        Self(scaled.map(|weight| weight * 24.0 / total))
    }

    /// What a moment's hour weighs.
    pub fn at(&self, moment: Instant) -> f64 {
        let hour = moment.as_millis().div_euclid(HOUR_MS).rem_euclid(24);
        let weight = usize::try_from(hour).ok().and_then(|hour| self.0.get(hour));
        weight.copied().unwrap_or(1.0)
    }

    /// What the time between two moments weighs, in average hours; nothing where `to` is earlier.
    pub fn between(&self, from: Instant, to: Instant) -> f64 {
        let (from, to) = (from.as_millis(), to.as_millis());
        if to <= from {
            return 0.0;
        }
        let days = (to - from).div_euclid(24 * HOUR_MS);
        let mut at = from + days * 24 * HOUR_MS;
        #[expect(clippy::cast_precision_loss, reason = "days")]
        let mut weight = days as f64 * 24.0;
        while at < to {
            let next = to.min((at.div_euclid(HOUR_MS) + 1) * HOUR_MS);
            #[expect(clippy::cast_precision_loss, reason = "an hour's milliseconds")]
            let part = (next - at) as f64 / HOUR_MS as f64;
            weight += part * self.at(Instant::from_millis(at));
            at = next;
        }
        weight
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_day_weighs_twenty_four_however_it_is_cut() {
        let mut day = [10; HOURS];
        day[3] = 0;
        day[20] = 1_000;
        let curve = Curve::of(&[day, day]);
        let start: Instant = "2026-03-01T19:30:00Z".parse().unwrap();
        let after = |hours: f64| start + Duration::from_secs_f64(3600.0 * hours);
        assert!((curve.between(start, after(24.0)) - 24.0).abs() < 1e-9);
        assert!((curve.between(start, after(24.0 * 400.0)) - 9600.0).abs() < 1e-6);
        let parts = curve.between(start, after(0.7)) + curve.between(after(0.7), after(50.0));
        assert!((parts - curve.between(start, after(50.0))).abs() < 1e-9);
        assert!(curve.between(after(0.5), after(1.5)) > 19.0, "the peak");
        assert!(curve.at(after(8.0)) > 0.0, "no hour weighs nothing");
        assert_eq!(curve.between(after(1.0), start), 0.0);
    }

    #[test]
    fn without_data_every_hour_is_alike() {
        assert_eq!(Curve::of(&[]), Curve::UNIFORM);
        assert_eq!(Curve::of(&[[0; HOURS]; 7]), Curve::UNIFORM);
    }
}
