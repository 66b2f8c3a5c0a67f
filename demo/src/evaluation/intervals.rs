//! How sure one can be of a click rate, and how much it takes to be surer. All intervals are of 95 %.

use std::fmt;

use anyhow::Result;
use statrs::distribution::{ContinuousCDF, Normal};

/// Of a hundred intervals, as many as may miss the truth: 5.
const MISS: f64 = 0.05;

/// How often a lift that is there should be seen.
pub(crate) const POWER: f64 = 0.8;

/// Where a rate may well lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Interval {
    /// Wilson's score interval of a proportion (1927), which holds for few clicks too. Of nothing,
    /// every rate is possible.
    pub(crate) fn wilson(clicks: f64, shown: f64) -> Result<Self> {
        if shown <= 0.0 {
            return Ok(Self {
                low: 0.0,
                high: 1.0,
            });
        }
        let z = z(1.0 - MISS / 2.0)?;
        let rate = clicks / shown;
        let scale = 1.0 + z * z / shown;
        let centre = (rate + z * z / (2.0 * shown)) / scale;
        let half = z / scale * (rate * (1.0 - rate) / shown + z * z / (4.0 * shown * shown)).sqrt();
        Ok(Self::around(centre, half))
    }

    /// The interval of an estimate that is spread normally.
    pub(crate) fn normal(rate: f64, standard_error: f64) -> Result<Self> {
        Ok(Self::around(rate, z(1.0 - MISS / 2.0)? * standard_error))
    }

    /// What the middle of these estimates spans; by nearest rank.
    pub(crate) fn percentile(mut estimates: Vec<f64>) -> Self {
        estimates.sort_unstable_by(f64::total_cmp);
        let at = |percentage: usize| {
            let rank = (estimates.len() * percentage).div_ceil(1_000).max(1);
            estimates.get(rank - 1).copied().unwrap_or(f64::NAN)
        };
        Self {
            low: at(25),
            high: at(975),
        }
    }

    /// Whether the rate lies in it.
    pub(crate) fn covers(self, rate: f64) -> bool {
        (self.low..=self.high).contains(&rate)
    }

    /// Whether it lies above another one as a whole.
    pub(crate) fn is_above(self, other: Self) -> bool {
        self.low > other.high
    }

    /// A click rate is between 0 and 1, whatever the formula says.
    fn around(centre: f64, half: f64) -> Self {
        Self {
            low: (centre - half).max(0.0),
            high: (centre + half).min(1.0),
        }
    }
}

/// In per cent.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.3}–{:.3}", 100.0 * self.low, 100.0 * self.high);
        f.pad(&text)
    }
}

/// How many impressions each of two policies needs so that a lift of the rate by this part is seen
/// with [`POWER`]: the two-sided test of two proportions (Fleiss, Levin, Paik, "Statistical Methods
/// for Rates and Proportions", 2003, section 4.2, without continuity correction).
pub(crate) fn impressions_needed(rate: f64, lift: f64) -> Result<f64> {
    let lifted = rate * (1.0 + lift);
    let mean = (rate + lifted) / 2.0;
    let same = z(1.0 - MISS / 2.0)? * (2.0 * mean * (1.0 - mean)).sqrt();
    let apart = z(POWER)? * (rate * (1.0 - rate) + lifted * (1.0 - lifted)).sqrt();
    Ok(((same + apart) / (lifted - rate)).powi(2))
}

/// The least lift that so many impressions of each policy show with [`POWER`], found by halving;
/// `None` if they would not even show a rate of 1.
pub(crate) fn least_lift(rate: f64, impressions: f64) -> Result<Option<f64>> {
    let (mut unseen, mut seen) = (0.0, 1.0 / rate - 1.0);
    if impressions_needed(rate, seen)? > impressions {
        return Ok(None);
    }
    while seen - unseen > 1e-6 {
        let middle = f64::midpoint(unseen, seen);
        match impressions_needed(rate, middle)? > impressions {
            true => unseen = middle,
            false => seen = middle,
        }
    }
    Ok(Some(seen))
}

/// The quantile of the standard normal distribution.
fn z(probability: f64) -> Result<f64> {
    Ok(Normal::new(0.0, 1.0)?.inverse_cdf(probability))
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

    use super::*;

    fn near(interval: Interval, low: f64, high: f64) {
        assert!(
            (interval.low - low).abs() < 5e-5 && (interval.high - high).abs() < 5e-5,
            "{interval:?}"
        );
    }

    #[test]
    fn wilson_agrees_with_the_literature() {
        // Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I.
        for (clicks, shown, low, high) in [
            (81.0, 263.0, 0.2553, 0.3662),
            (15.0, 148.0, 0.0624, 0.1605),
            (0.0, 20.0, 0.0, 0.1611),
            (1.0, 29.0, 0.0061, 0.1718),
        ] {
            near(Interval::wilson(clicks, shown).unwrap(), low, high);
        }
        near(Interval::wilson(0.0, 0.0).unwrap(), 0.0, 1.0);
    }

    #[test]
    fn a_normal_interval_does_not_leave_the_possible() {
        near(Interval::normal(0.5, 0.1).unwrap(), 0.3040, 0.6960);
        near(Interval::normal(0.01, 0.01).unwrap(), 0.0, 0.0296);
    }

    #[test]
    fn percentiles_leave_a_fortieth_on_either_side() {
        let estimates = (1..=1_000).rev().map(f64::from).collect();
        let expected = Interval {
            low: 25.0,
            high: 975.0,
        };
        assert_eq!(Interval::percentile(estimates), expected);
    }

    #[test]
    fn intervals_that_touch_are_not_apart() {
        let interval = |low, high| Interval { low, high };
        assert!(interval(0.3, 0.4).is_above(interval(0.1, 0.2)));
        assert!(!interval(0.2, 0.4).is_above(interval(0.1, 0.2)));
        assert!(!interval(0.1, 0.2).is_above(interval(0.3, 0.4)));
        assert!(interval(0.1, 0.2).covers(0.2) && !interval(0.1, 0.2).covers(0.21));
    }

    #[test]
    fn the_impressions_needed_agree_with_a_calculation_by_hand() {
        // 0.5 against 0.6: (1.95996 √(2·0.55·0.45) + 0.84162 √(0.25 + 0.24))² / 0.1² = 387.3.
        assert!((impressions_needed(0.5, 0.2).unwrap() - 387.3).abs() < 0.1);
        let lift = least_lift(0.5, 387.34).unwrap().unwrap();
        assert!((lift - 0.2).abs() < 1e-3, "{lift}");
        assert_eq!(least_lift(0.004, 2.0).unwrap(), None);
    }

    #[test]
    fn that_many_impressions_do_show_the_lift_four_times_in_five() {
        let (rate, lift) = (0.05, 0.5);
        let impressions = impressions_needed(rate, lift).unwrap().ceil();
        let mut rng = StdRng::seed_from_u64(11);
        let mut clicks = |rate: f64| {
            (0..impressions as u32)
                .filter(|_| rng.random_bool(rate))
                .count() as f64
        };
        let seen = (0..2_000)
            .filter(|_| {
                let (a, b) = (clicks(rate), clicks(rate * (1.0 + lift)));
                let mean = (a + b) / (2.0 * impressions);
                let error = (2.0 * mean * (1.0 - mean) / impressions).sqrt();
                ((b - a) / impressions / error).abs() > 1.95996
            })
            .count();
        // Two thousand draws of 0.8 have a standard deviation of 18.
        assert!((1_540..1_660).contains(&seen), "{seen}");
    }
}
