//! Learning which creative is clicked: Thompson sampling over Beta-Bernoulli posteriors.
//!
//! What is believed of a creative's click rate is a Beta distribution: a prior, and what was counted
//! since, of which the older counts less. Each choice draws one rate per creative and takes the
//! largest, so a creative is shown as often as it may be the best one: much while little is known of
//! it, rarely once it is known to be worse. (Thompson 1933; Chapelle and Li, "An Empirical
//! Evaluation of Thompson Sampling", 2011.)
//!
//! Counts come from the roll-up and are minutes old. That is no harm: draws differ from request to
//! request, so one state of the counts spreads its choices too.

use std::time::Duration;

use rand::Rng;
use rand_distr::{Beta, Distribution};

use crate::{Day, marks::Counts};

/// After this time a count weighs half. Click rates change with seasons and as people tire of a
/// creative, within weeks; a click in some hundred impressions takes days to tell creatives apart. A
/// week is between the two, and has each weekday once.
pub const HALF_LIFE: Duration = Duration::from_hours(7 * 24);

/// The prior's clicks. With one, a new creative's likeliest rate is none at all, and its rate is
/// spread widely (the standard deviation is about the mean).
const PRIOR_CLICKS: f64 = 1.0;

/// The prior's impressions without a click. A rate of 1 in 100 is above that of most display
/// advertisements (the Open Bandit log has 4 in 1,000), so a new creative is hoped to be good and is
/// tried; and it weighs only as much as 100 impressions, so it is soon found out. The even prior,
/// Beta(1, 1), would hope for 1 in 2 and show it to nearly everybody for hundreds of impressions.
const PRIOR_MISSES: f64 = 99.0;

/// With more impressions there is nothing left to learn, and the arithmetic of a draw would lose
/// the digits that decide it.
const MOST_IMPRESSIONS: f64 = 1e9;

/// What was counted for a creative, the older the less.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Evidence {
    /// Impressions.
    pub impressions: f64,
    /// Clicks.
    pub clicks: f64,
}

impl Evidence {
    /// Sums the counts of days, each multiplied by `0.5^(age / half_life)`. A day that is yet to
    /// come counts as today: zones and clocks differ.
    pub fn as_of(
        today: Day,
        half_life: Duration,
        totals: impl IntoIterator<Item = (Day, Counts)>,
    ) -> Self {
        let mut sums = Self::default();
        for (day, counts) in totals {
            let weight = weight(today.days_since(day), half_life);
            sums.impressions += weight * float(counts.impressions);
            sums.clicks += weight * float(counts.clicks);
        }
        sums
    }
}

/// What is believed of a creative's click rate: Beta(α, β). Where nothing was counted, the prior.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Posterior {
    alpha: f64,
    beta: f64,
}

impl Posterior {
    /// The prior, and the evidence upon it.
    ///
    /// There may be more clicks than impressions: the impression's mark may be lost, or lie on an
    /// earlier day that weighs less. Then there are no impressions without a click.
    pub fn new(evidence: Evidence) -> Self {
        let Evidence {
            impressions,
            clicks,
        } = evidence;
        let misses = (impressions - clicks).max(0.0);
        let scale = (MOST_IMPRESSIONS / (clicks + misses)).min(1.0);
        Self {
            alpha: PRIOR_CLICKS + scale * clicks,
            beta: PRIOR_MISSES + scale * misses,
        }
    }

    /// The expected click rate.
    pub fn mean(&self) -> f64 {
        self.alpha / (self.alpha + self.beta)
    }

    /// Draws a click rate.
    pub fn sample(&self, rng: &mut impl Rng) -> f64 {
        // There always is a distribution, as both parameters are above zero.
        Beta::new(self.alpha, self.beta).map_or_else(|_| self.mean(), |beta| beta.sample(rng))
    }
}

impl Default for Posterior {
    fn default() -> Self {
        Self::new(Evidence::default())
    }
}

/// Draws a click rate for each arm and gives the arm with the largest; `None` where there is no arm.
/// It allocates nothing.
pub fn choose<'a, T: ?Sized>(
    arms: impl Iterator<Item = (&'a T, Posterior)>,
    rng: &mut impl Rng,
) -> Option<&'a T> {
    arms.map(|(arm, posterior)| (arm, posterior.sample(rng)))
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(arm, _)| arm)
}

/// The part that is left of a count after some days.
fn weight(age_days: i64, half_life: Duration) -> f64 {
    match u32::try_from(age_days) {
        Ok(days) if days > 0 => {
            let seconds = f64::from(days) * 86_400.0;
            0.5_f64.powf(seconds / half_life.as_secs_f64())
        }
        _ => 1.0,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "beyond 2⁵³ counts, one more or less is nothing"
)]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn counts(impressions: u64, clicks: u64) -> Counts {
        Counts {
            impressions,
            clicks,
            ..Counts::default()
        }
    }

    fn posterior(impressions: u64, clicks: u64) -> Posterior {
        let today = day("2026-03-01");
        Posterior::new(Evidence::as_of(
            today,
            HALF_LIFE,
            [(today, counts(impressions, clicks))],
        ))
    }

    /// How often each arm is chosen.
    fn choices(arms: &[Posterior], draws: u32, seed: u64) -> Vec<u32> {
        let mut rng = StdRng::seed_from_u64(seed);
        let places: Vec<usize> = (0..arms.len()).collect();
        let mut chosen = vec![0; arms.len()];
        for _ in 0..draws {
            let best = choose(places.iter().zip(arms.iter().copied()), &mut rng).unwrap();
            chosen[*best] += 1;
        }
        chosen
    }

    /// The Beta function of whole numbers: Γ(a)Γ(b)/Γ(a+b).
    fn beta_function(a: u32, b: u32) -> f64 {
        let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
        factorial(a - 1) * factorial(b - 1) / factorial(a + b - 1)
    }

    /// The chance that a draw of Beta(a) is above one of Beta(b), for whole numbers: the integral of
    /// the one's density times the other's distribution function, which then is a finite sum.
    fn chance_above((a_alpha, a_beta): (u32, u32), (b_alpha, b_beta): (u32, u32)) -> f64 {
        (0..a_alpha)
            .map(|i| {
                beta_function(b_alpha + i, b_beta + a_beta)
                    / (f64::from(a_beta + i)
                        * beta_function(1 + i, a_beta)
                        * beta_function(b_alpha, b_beta))
            })
            .sum()
    }

    #[test]
    fn an_arm_is_chosen_as_often_as_it_is_the_better_one() {
        // By hand: with A uniform and P(B ≤ x) = x², P(A > B) = ∫ x² dx = 1/3.
        assert!((chance_above((1, 1), (2, 1)) - 1.0 / 3.0).abs() < 1e-12);
        const DRAWS: u32 = 100_000;
        for (seed, (a, b)) in (0..).zip([
            ((1, 1), (1, 1)),
            ((1, 1), (2, 1)),
            ((2, 3), (3, 2)),
            ((1, 9), (2, 20)),
            ((5, 4), (1, 1)),
            ((1, 12), (3, 12)),
        ]) {
            let arm = |(alpha, beta): (u32, u32)| Posterior {
                alpha: alpha.into(),
                beta: beta.into(),
            };
            let share = f64::from(choices(&[arm(a), arm(b)], DRAWS, seed)[0]) / f64::from(DRAWS);
            let expected = chance_above(a, b);
            let deviation = (expected * (1.0 - expected) / f64::from(DRAWS)).sqrt();
            assert!(
                (share - expected).abs() < 4.0 * deviation,
                "{a:?} over {b:?}: {share} instead of {expected}"
            );
        }
    }

    #[test]
    fn arms_of_which_nothing_is_known_are_chosen_evenly() {
        let chosen = choices(&[Posterior::default(); 5], 50_000, 7);
        let chi_squared: f64 = chosen
            .iter()
            .map(|count| (f64::from(*count) - 10_000.0).powi(2) / 10_000.0)
            .sum();
        // At four degrees of freedom, one draw in a thousand is above 18.47.
        assert!(chi_squared < 18.47, "{chosen:?}");
    }

    #[test]
    fn without_an_arm_there_is_no_choice() {
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!(choose::<str>(std::iter::empty(), &mut rng), None);
        let one = [("only", Posterior::default())];
        assert_eq!(choose(one.into_iter(), &mut rng), Some("only"));
    }

    #[test]
    fn a_draw_has_the_mean_and_the_spread_of_its_distribution() {
        for (impressions, clicks) in [(0, 0), (1_000, 0), (1_000, 4), (100_000, 400)] {
            let posterior = posterior(impressions, clicks);
            let Posterior { alpha, beta } = posterior;
            let total = alpha + beta;
            let variance = alpha * beta / (total * total * (total + 1.0));
            let mut rng = StdRng::seed_from_u64(3);
            let draws: Vec<f64> = (0..40_000).map(|_| posterior.sample(&mut rng)).collect();
            let mean = draws.iter().sum::<f64>() / 40_000.0;
            let spread = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 40_000.0;
            assert!(
                (mean - posterior.mean()).abs() < 4.0 * (variance / 40_000.0).sqrt(),
                "{posterior:?}: {mean}"
            );
            assert!(
                (spread / variance - 1.0).abs() < 0.06,
                "{posterior:?}: {spread}"
            );
        }
    }

    #[test]
    fn a_count_weighs_half_after_a_half_life() {
        let today = day("2026-03-15");
        for (counted_on, left) in [
            ("2026-03-15", 1.0),
            ("2026-03-08", 0.5),
            ("2026-03-01", 0.25),
            ("2026-03-16", 1.0),
            ("0001-01-01", 0.0),
        ] {
            let evidence =
                Evidence::as_of(today, HALF_LIFE, [(day(counted_on), counts(1_000, 10))]);
            let expected = Evidence {
                impressions: 1_000.0 * left,
                clicks: 10.0 * left,
            };
            assert_eq!(evidence, expected, "{counted_on}");
        }
    }

    #[test]
    fn a_half_life_of_nothing_leaves_today() {
        let today = day("2026-03-15");
        let totals = [(today, counts(5, 1)), (day("2026-03-14"), counts(7, 2))];
        let expected = Evidence {
            impressions: 5.0,
            clicks: 1.0,
        };
        assert_eq!(Evidence::as_of(today, Duration::ZERO, totals), expected);
    }

    #[test]
    fn the_best_arm_takes_nearly_all_once_it_is_known() {
        let known = [
            posterior(100_000, 400),
            posterior(100_000, 600),
            posterior(100_000, 300),
        ];
        assert!(choices(&known, 10_000, 5)[1] > 9_990);
    }

    #[test]
    fn a_new_arm_is_tried_beside_a_known_one() {
        let chosen = choices(&[posterior(100_000, 400), Posterior::default()], 10_000, 6);
        assert!((5_500..8_000).contains(&chosen[1]), "{chosen:?}");
        let chosen = choices(&[posterior(100_000, 400), posterior(1_000, 0)], 10_000, 6);
        assert!(chosen[1] < 500, "{chosen:?}");
    }

    /// Plays two arms for 40 days in which the first is the better one, and 20 in which the second
    /// is, and gives the second's share of the last five days.
    fn share_of_the_new_best(half_life: Duration, seed: u64) -> f64 {
        const A_DAY: u32 = 500;
        let mut rng = StdRng::seed_from_u64(seed);
        let mut today = day("2026-01-01");
        let mut totals: [Vec<(Day, Counts)>; 2] = Default::default();
        let mut last = 0;
        for number in 0..60 {
            let rates = if number < 40 {
                [0.05, 0.02]
            } else {
                [0.02, 0.05]
            };
            let arms = totals.each_ref().map(|totals| {
                Posterior::new(Evidence::as_of(today, half_life, totals.iter().copied()))
            });
            let mut shown = [Counts::default(); 2];
            for _ in 0..A_DAY {
                let arm = *choose([0, 1].iter().zip(arms), &mut rng).unwrap();
                shown[arm] += counts(1, rng.random_bool(rates[arm]).into());
                last += u32::from(number >= 55 && arm == 1);
            }
            for (totals, shown) in totals.iter_mut().zip(shown) {
                totals.push((today, shown));
            }
            today = today.next();
        }
        f64::from(last) / f64::from(5 * A_DAY)
    }

    #[test]
    fn a_change_of_the_best_arm_is_followed_because_old_counts_fade() {
        let forever = Duration::from_hours(24 * 365 * 1_000);
        let mean = |half_life| {
            (0..20)
                .map(|seed| share_of_the_new_best(half_life, seed))
                .sum::<f64>()
                / 20.0
        };
        let (fading, kept) = (mean(HALF_LIFE), mean(forever));
        assert!(fading > 0.8 && kept < 0.5, "{fading} and {kept}");
    }

    proptest! {
        #[test]
        fn every_count_gives_a_rate(
            impressions in prop_oneof![0u64..2_000, any::<u64>()],
            clicks in prop_oneof![0u64..2_000, any::<u64>()],
            seed: u64,
        ) {
            let posterior = posterior(impressions, clicks);
            prop_assert!((0.0..=1.0).contains(&posterior.mean()));
            prop_assert!(posterior.alpha + posterior.beta <= MOST_IMPRESSIONS + 101.0);
            let rate = posterior.sample(&mut StdRng::seed_from_u64(seed));
            prop_assert!((0.0..=1.0).contains(&rate), "{posterior:?}: {rate}");
        }

        #[test]
        fn no_more_clicks_than_impressions_are_believed(
            impressions in 0u64..1_000, more in 1u64..1_000,
        ) {
            let Posterior { beta, .. } = posterior(impressions, impressions + more);
            prop_assert_eq!(beta, PRIOR_MISSES);
        }

        #[test]
        fn the_order_of_days_does_not_matter(
            days in prop::collection::vec((0i64..60, 0u64..1_000, 0u64..50), 0..10),
        ) {
            let today = day("2026-03-15");
            let mut totals: Vec<_> = days
                .into_iter()
                .map(|(age, seen, clicked)| (today.plus_days(-age), counts(seen, clicked)))
                .collect();
            let forth = Evidence::as_of(today, HALF_LIFE, totals.iter().copied());
            totals.reverse();
            let back = Evidence::as_of(today, HALF_LIFE, totals);
            prop_assert!((forth.impressions - back.impressions).abs() < 1e-6);
            prop_assert!((forth.clicks - back.clicks).abs() < 1e-6);
        }
    }
}
