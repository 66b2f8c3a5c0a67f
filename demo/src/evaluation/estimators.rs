//! What a policy's click rate would have been, from a log of another one: inverse propensity
//! scoring, plain and self-normalised.
//!
//! A logged impression stands for as many of the policy's own as the policy is likelier to show its
//! item than the log's policy was: the weight. The plain estimate divides by the impressions and is
//! right on average (Horvitz and Thompson 1952); the self-normalised one divides by the weights and
//! is a little wrong on average but less spread (Swaminathan and Joachims 2015).
//!
//! Both get three intervals. The usual two, normal and bootstrap, trust the rows to show how much
//! the weighted clicks vary; with a handful of clicks, of which a heavy one may not have come up at all,
//! they are too narrow and too low. Wilson's, of the effective rows, takes the variation from the weights
//! of all rows instead.

use anyhow::{Result, ensure};
use rand::{Rng, RngExt as _};

use super::{intervals::Interval, log::Logged};

/// How often rows are drawn anew for a bootstrap interval.
pub(crate) const REPLICATES: usize = 2_000;

/// A logged impression in the light of a policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Weighted {
    /// Where it was: 1 to 3.
    pub(crate) position: u8,
    /// How many of the policy's impressions it stands for.
    pub(crate) weight: f64,
    /// Whether it was clicked.
    pub(crate) clicked: bool,
}

impl Weighted {
    /// Under a policy that shows the impression's item with this probability.
    pub(crate) fn new(row: &Logged, probability: f64) -> Self {
        Self {
            position: row.position,
            weight: probability / row.propensity,
            clicked: row.clicked,
        }
    }

    /// An impression of the policy itself.
    pub(crate) fn own(row: &Logged) -> Self {
        Self::new(row, row.propensity)
    }

    fn reward(&self) -> f64 {
        match self.clicked {
            true => self.weight,
            false => 0.0,
        }
    }
}

/// How a click rate is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Estimator {
    /// Clicks per impression of the policy itself.
    Counted,
    /// Inverse propensity scoring.
    InversePropensity,
    /// Inverse propensity scoring, self-normalised.
    SelfNormalised,
}

/// A click rate and how sure it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) rows: usize,
    pub(crate) clicks: usize,
    pub(crate) rate: f64,
    /// Intervals by name, the most trustworthy first.
    pub(crate) intervals: Vec<(&'static str, Interval)>,
    /// What the weights do; `None` where there are none.
    pub(crate) weights: Option<Weights>,
}

/// How unequal weights are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Weights {
    /// As many impressions of the policy itself would be as sure (Kish 1965): `(Σw)² / Σw²`.
    pub(crate) effective_rows: f64,
    /// The largest weight.
    pub(crate) largest: f64,
}

impl Estimator {
    /// Estimates a policy's click rate from these rows.
    ///
    /// # Errors
    /// There are fewer than two rows, or none of them could have been the policy's.
    pub(crate) fn estimate(self, rows: &[Weighted], rng: &mut impl Rng) -> Result<Estimate> {
        let sums: Sums = rows.iter().collect();
        ensure!(
            rows.len() >= 2 && sums.weight > 0.0,
            "there is nothing to estimate a click rate from"
        );
        let rate = self.rate(&sums);
        let clicks = rows.iter().filter(|row| row.clicked).count();
        let weights = Weights::of(rows, &sums);
        let wilson = weights.wilson(rate)?;
        let mut intervals = vec![("Wilson", wilson)];
        if self != Self::Counted {
            let normal = Interval::normal(rate, self.standard_error(rate, rows, &sums))?;
            intervals.push(("normal", normal));
            intervals.push(("bootstrap", self.bootstrap(rows, rng)));
        }
        Ok(Estimate {
            rows: rows.len(),
            clicks,
            rate,
            intervals,
            weights: (self != Self::Counted).then_some(weights),
        })
    }

    fn rate(self, sums: &Sums) -> f64 {
        match self {
            Self::Counted | Self::InversePropensity => sums.reward / sums.rows,
            Self::SelfNormalised => sums.reward / sums.weight,
        }
    }

    /// The plain estimate is a mean; the self-normalised one is a ratio, and its error that of its
    /// linear approximation (the delta method).
    fn standard_error(self, rate: f64, rows: &[Weighted], sums: &Sums) -> f64 {
        let squares = |deviation: &dyn Fn(&Weighted) -> f64| -> f64 {
            rows.iter().map(|row| deviation(row).powi(2)).sum()
        };
        match self {
            Self::Counted | Self::InversePropensity => {
                let squares = squares(&|row| row.reward() - rate);
                (squares / (sums.rows - 1.0) / sums.rows).sqrt()
            }
            Self::SelfNormalised => {
                squares(&|row| row.reward() - row.weight * rate).sqrt() / sums.weight
            }
        }
    }

    /// Draws as many rows with replacement, again and again, and sees how the estimate varies. A
    /// draw in which no row has weight says nothing and is left out.
    fn bootstrap(self, rows: &[Weighted], rng: &mut impl Rng) -> Interval {
        let mut draw = || -> Sums {
            let drawn = || rows.get(rng.random_range(0..rows.len()));
            std::iter::repeat_with(drawn)
                .take(rows.len())
                .flatten()
                .collect()
        };
        let estimates = (0..REPLICATES)
            .map(|_| draw())
            .filter(|sums| sums.weight > 0.0)
            .map(|sums| self.rate(&sums))
            .collect();
        Interval::percentile(estimates)
    }
}

impl Weights {
    /// The interval of a rate that was counted in the effective rows. Of the policy's own impressions
    /// these are all, and it is the plain one.
    fn wilson(self, rate: f64) -> Result<Interval> {
        Interval::wilson(rate.min(1.0) * self.effective_rows, self.effective_rows)
    }

    fn of(rows: &[Weighted], sums: &Sums) -> Self {
        let squares: f64 = rows.iter().map(|row| row.weight.powi(2)).sum();
        Self {
            effective_rows: sums.weight.powi(2) / squares,
            largest: rows.iter().map(|row| row.weight).fold(0.0, f64::max),
        }
    }
}

#[derive(Default)]
struct Sums {
    rows: f64,
    weight: f64,
    reward: f64,
}

impl<'w> FromIterator<&'w Weighted> for Sums {
    fn from_iter<T: IntoIterator<Item = &'w Weighted>>(rows: T) -> Self {
        rows.into_iter().fold(Self::default(), |sums, row| Self {
            rows: sums.rows + 1.0,
            weight: sums.weight + row.weight,
            reward: sums.reward + row.reward(),
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;
    use Estimator::{Counted, InversePropensity, SelfNormalised};

    fn rows(rows: &[(f64, bool)]) -> Vec<Weighted> {
        let row = |&(weight, clicked)| Weighted {
            position: 1,
            weight,
            clicked,
        };
        rows.iter().map(row).collect()
    }

    fn estimate(estimator: Estimator, rows: &[Weighted]) -> Estimate {
        let mut rng = StdRng::seed_from_u64(1);
        estimator.estimate(rows, &mut rng).unwrap()
    }

    fn interval(estimate: &Estimate, name: &str) -> Interval {
        let mut intervals = estimate.intervals.iter();
        intervals.find(|(its, _)| *its == name).unwrap().1
    }

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-4, "{a} instead of {b}");
    }

    #[test]
    fn the_estimates_agree_with_a_calculation_by_hand() {
        // Rewards 2, 0, 1, 0 over weights 2, 1, 1, 0.
        let rows = rows(&[(2.0, true), (1.0, false), (1.0, true), (0.0, false)]);

        let plain = estimate(InversePropensity, &rows);
        near(plain.rate, 3.0 / 4.0);
        // The variance of the rewards is 11/12, that of their mean a fourth of it.
        let half = 1.95996 * (11.0_f64 / 48.0).sqrt();
        near(interval(&plain, "normal").low, (0.75 - half).max(0.0));
        near(interval(&plain, "normal").high, (0.75 + half).min(1.0));

        let normalised = estimate(SelfNormalised, &rows);
        near(normalised.rate, 3.0 / 4.0);
        // Deviations w(r - 3/4) are 1/2, -3/4, 1/4, 0; their squares add up to 7/8; Σw = 4.
        near(
            interval(&normalised, "normal").low,
            0.75 - 1.95996 * (7.0_f64 / 8.0).sqrt() / 4.0,
        );
        let weights = normalised.weights.unwrap();
        near(weights.effective_rows, 16.0 / 6.0);
        near(weights.largest, 2.0);
        let effective = Interval::wilson(2.0, 16.0 / 6.0).unwrap();
        assert_eq!(interval(&normalised, "Wilson"), effective);
    }

    #[test]
    fn what_was_counted_has_the_plain_interval_and_no_weights() {
        let counted = estimate(
            Counted,
            &rows(&[(1.0, true), (1.0, false), (1.0, true), (1.0, false)]),
        );
        assert_eq!((counted.rows, counted.clicks, counted.rate), (4, 2, 0.5));
        let wilson = Interval::wilson(2.0, 4.0).unwrap();
        assert_eq!(counted.intervals, [("Wilson", wilson)]);
        assert_eq!(counted.weights, None);
    }

    #[test]
    fn the_two_differ_where_the_weights_do_not_add_up_to_the_rows() {
        let rows = rows(&[(3.0, true), (3.0, false)]);
        near(estimate(InversePropensity, &rows).rate, 1.5);
        near(estimate(SelfNormalised, &rows).rate, 0.5);
    }

    #[test]
    fn of_its_own_log_a_policy_has_the_rate_that_was_counted() {
        let row = Logged {
            day: "2019-11-24".parse().unwrap(),
            item: 0,
            position: 2,
            clicked: true,
            propensity: 0.3,
        };
        let own = Weighted::own(&row);
        assert_eq!((own.weight, own.position, own.clicked), (1.0, 2, true));
        assert_eq!(Weighted::new(&row, 0.6).weight, 2.0);
    }

    #[test]
    fn nothing_is_estimated_from_nothing() {
        let mut rng = StdRng::seed_from_u64(1);
        for few in [&[][..], &[(1.0, true)], &[(0.0, true), (0.0, false)]] {
            assert!(SelfNormalised.estimate(&rows(few), &mut rng).is_err());
        }
    }

    /// Impressions of three items that a skewed policy showed, weighted for one that prefers what
    /// the first seldom shows.
    fn simulated(count: usize, rng: &mut StdRng) -> Vec<Weighted> {
        const SHOWN: [f64; 3] = [0.5, 0.3, 0.2];
        (0..count)
            .map(|_| {
                let draw: f64 = rng.random();
                let item = usize::from(draw > 0.5) + usize::from(draw > 0.8);
                Weighted {
                    position: 1,
                    weight: WANTED[item] / SHOWN[item],
                    clicked: rng.random_bool(RATES[item]),
                }
            })
            .collect()
    }

    const WANTED: [f64; 3] = [0.1, 0.3, 0.6];
    const RATES: [f64; 3] = [0.02, 0.05, 0.10];
    const TRUTH: f64 = 0.1 * 0.02 + 0.3 * 0.05 + 0.6 * 0.10;

    #[test]
    fn normal_intervals_cover_the_truth_19_times_in_20() {
        const LOGS: usize = 3_000;
        let mut rng = StdRng::seed_from_u64(5);
        for estimator in [InversePropensity, SelfNormalised] {
            let (mut covered, mut total) = (0, 0.0);
            for _ in 0..LOGS {
                let rows = simulated(1_000, &mut rng);
                let sums: Sums = rows.iter().collect();
                let rate = estimator.rate(&sums);
                let error = estimator.standard_error(rate, &rows, &sums);
                let interval = Interval::normal(rate, error).unwrap();
                covered += usize::from(interval.covers(TRUTH));
                total += rate;
            }
            // Of 3,000 logs 0.95 are 2,850 with a standard deviation of 12; a skewed mean of 1,000
            // rows falls short of it by about 1 %.
            assert!(
                (2_790..2_890).contains(&covered),
                "{estimator:?}: {covered}"
            );
            // The mean of 3,000 estimates has a standard error of 0.0002.
            near_truth(total / LOGS as f64);
        }
    }

    fn near_truth(rate: f64) {
        assert!((rate - TRUTH).abs() < 0.001, "{rate} instead of {TRUTH}");
    }

    #[test]
    fn bootstrap_intervals_cover_the_truth_19_times_in_20() {
        const LOGS: usize = 300;
        let mut rng = StdRng::seed_from_u64(6);
        for estimator in [InversePropensity, SelfNormalised] {
            let covered = (0..LOGS)
                .filter(|_| {
                    let rows = simulated(300, &mut rng);
                    estimator.bootstrap(&rows, &mut rng).covers(TRUTH)
                })
                .count();
            // Of 300 logs 0.95 are 285 with a standard deviation of 4.
            assert!((270..=296).contains(&covered), "{estimator:?}: {covered}");
        }
    }

    #[test]
    fn wilson_intervals_cover_a_rare_rate_19_times_in_20() {
        const LOGS: usize = 3_000;
        let mut rng = StdRng::seed_from_u64(7);
        let covered = (0..LOGS)
            .filter(|_| {
                let clicks = (0..2_000).filter(|_| rng.random_bool(0.004)).count();
                Interval::wilson(clicks as f64, 2_000.0)
                    .unwrap()
                    .covers(0.004)
            })
            .count();
        // Counts are whole, so the coverage of one rate is not exactly 0.95.
        assert!((2_780..2_910).contains(&covered), "{covered}");
    }

    #[test]
    fn with_few_clicks_and_heavy_weights_only_the_wilson_interval_holds() {
        const LOGS: usize = 2_000;
        const RATE: f64 = 0.004;
        let mut rng = StdRng::seed_from_u64(9);
        let (mut wilson, mut normal) = (0, 0);
        for _ in 0..LOGS {
            // Of ten items shown alike, the policy shows one six times in ten.
            let rows: Vec<Weighted> = (0..2_000)
                .map(|_| Weighted {
                    position: 1,
                    weight: if rng.random_bool(0.1) { 6.0 } else { 4.0 / 9.0 },
                    clicked: rng.random_bool(RATE),
                })
                .collect();
            let sums: Sums = rows.iter().collect();
            let rate = SelfNormalised.rate(&sums);
            let error = SelfNormalised.standard_error(rate, &rows, &sums);
            let usual = Interval::normal(rate, error).unwrap();
            let effective = Weights::of(&rows, &sums).wilson(rate).unwrap();
            normal += usize::from(usual.covers(RATE));
            wilson += usize::from(effective.covers(RATE));
        }
        // Of 2,000 logs 0.95 are 1,900 with a standard deviation of 10.
        assert!(wilson > 1_870, "{wilson}");
        assert!(normal < 1_750, "{normal}");
    }

    #[test]
    fn the_seed_fixes_a_bootstrap() {
        let rows = simulated(200, &mut StdRng::seed_from_u64(8));
        assert_eq!(
            estimate(SelfNormalised, &rows),
            estimate(SelfNormalised, &rows)
        );
    }
}
