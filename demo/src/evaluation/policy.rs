//! The product's own learning, played on a log.
//!
//! What is learnt of an item is pooled over the positions. Apart, each of the 240 pairs of item and
//! position would have 42 impressions and 0.16 clicks to learn from; pooled, an item has 125 and
//! 0.5, and the positions' rates are within each other's intervals.

use std::collections::BTreeMap;

use domain::{
    Day,
    learning::{self, Evidence, HALF_LIFE, Posterior},
    marks::Counts,
};
use rand::Rng;

use super::log::Logged;

/// Thompson sampling over the items of a log, by the rows that it was taught.
#[derive(Debug)]
pub(crate) struct Learner {
    today: Day,
    arms: Vec<Arm>,
}

#[derive(Debug)]
struct Arm {
    item: usize,
    totals: BTreeMap<Day, Counts>,
    posterior: Posterior,
}

impl Learner {
    /// Knows nothing yet.
    pub(crate) fn new(items: usize, today: Day) -> Self {
        let arm = |item| Arm {
            item,
            totals: BTreeMap::new(),
            posterior: Posterior::default(),
        };
        Self {
            today,
            arms: (0..items).map(arm).collect(),
        }
    }

    /// Lets what is known fade to what it is worth on this day.
    pub(crate) fn turn_to(&mut self, today: Day) {
        if today != self.today {
            self.today = today;
            for arm in &mut self.arms {
                arm.believe(today);
            }
        }
    }

    /// Takes in what came of an impression.
    pub(crate) fn learn(&mut self, row: &Logged) {
        if let Some(arm) = self.arms.get_mut(row.item) {
            *arm.totals.entry(row.day).or_default() += Counts {
                impressions: 1,
                clicks: row.clicked.into(),
                ..Counts::default()
            };
            arm.believe(self.today);
        }
    }

    /// The item to show.
    pub(crate) fn choose(&self, rng: &mut impl Rng) -> Option<usize> {
        let arms = self.arms.iter().map(|arm| (arm, arm.posterior));
        learning::choose(arms, rng).map(|arm| arm.item)
    }

    /// How likely each item is to be shown, by so many choices.
    pub(crate) fn probabilities(&self, draws: u32, rng: &mut impl Rng) -> Vec<f64> {
        let mut chosen = vec![0_u32; self.arms.len()];
        for _ in 0..draws {
            if let Some(count) = self.choose(rng).and_then(|item| chosen.get_mut(item)) {
                *count += 1;
            }
        }
        chosen
            .into_iter()
            .map(|count| f64::from(count) / f64::from(draws))
            .collect()
    }
}

impl Arm {
    fn believe(&mut self, today: Day) {
        let totals = self.totals.iter().map(|(day, counts)| (*day, *counts));
        self.posterior = Posterior::new(Evidence::as_of(today, HALF_LIFE, totals));
    }
}

/// The rows that the learner would have seen, had it been in charge: it chooses at each row of a log
/// of uniform choices, and where it chooses what was shown, the row counts and is learnt from (Li,
/// Chu, Langford, Wang, "Unbiased Offline Evaluation of Contextual-bandit-based News Article
/// Recommendation Algorithms", 2011).
pub(crate) fn replay(log: &[Logged], learner: &mut Learner, rng: &mut impl Rng) -> Vec<Logged> {
    let mut kept = Vec::new();
    for row in log {
        learner.turn_to(row.day);
        if learner.choose(rng) == Some(row.item) {
            learner.learn(row);
            kept.push(*row);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

    use super::*;

    fn day() -> Day {
        "2019-11-24".parse().unwrap()
    }

    fn row(item: usize, clicked: bool) -> Logged {
        Logged {
            day: day(),
            item,
            position: 1,
            clicked,
            propensity: 0.5,
        }
    }

    #[test]
    fn with_one_item_every_row_is_kept() {
        let log = [row(0, false), row(0, true), row(0, false)];
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!(replay(&log, &mut Learner::new(1, day()), &mut rng), log);
    }

    #[test]
    fn replay_finds_the_rate_of_what_the_learner_comes_to_choose() {
        let mut rng = StdRng::seed_from_u64(2);
        let rates = [0.1, 0.5, 0.1];
        let log: Vec<Logged> = (0..30_000)
            .map(|_| {
                let item = rng.random_range(0..3);
                row(item, rng.random_bool(rates[item]))
            })
            .collect();
        let kept = replay(&log, &mut Learner::new(3, day()), &mut rng);
        let clicks = kept.iter().filter(|row| row.clicked).count();
        assert!((9_500..10_500).contains(&kept.len()), "{}", kept.len());
        assert!((0.48..0.52).contains(&(clicks as f64 / kept.len() as f64)));
    }

    #[test]
    fn an_untaught_learner_shows_every_item_alike_and_a_taught_one_what_was_clicked() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut learner = Learner::new(4, day());
        let even = learner.probabilities(20_000, &mut rng);
        assert!(
            even.iter().all(|chance| (chance - 0.25).abs() < 0.015),
            "{even:?}"
        );
        for number in 0..4_000 {
            learner.learn(&row(number % 4, number % 40 == 2));
        }
        let taught = learner.probabilities(20_000, &mut rng);
        assert!(taught[2] > 0.999, "{taught:?}");
        assert!((taught.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_known_fades_with_the_days() {
        let mut learner = Learner::new(1, day());
        for _ in 0..100 {
            learner.learn(&row(0, true));
        }
        let fresh = learner.arms[0].posterior.mean();
        learner.turn_to(day().plus_days(70));
        assert!(learner.arms[0].posterior.mean() < fresh / 10.0);
    }
}
