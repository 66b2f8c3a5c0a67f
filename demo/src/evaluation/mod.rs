//! What learning would have earned, from logs alone: the product's Thompson sampling, the store's
//! own and a uniform draw, held against each other without showing anything to anybody.
//!
//! Three ways lead from a log of random choices to the click rate of a policy that did not make
//! them: its own impressions where there are any, replay, and inverse propensity scoring. None of
//! them conjures up clicks. What comes out are intervals, and a policy is called better only where
//! they are apart.

mod conclusion;
mod estimators;
mod intervals;
mod log;
mod policy;
mod report;

use std::{collections::HashSet, fmt};

use anyhow::{Context, Result};
use rand::{SeedableRng as _, rngs::StdRng};

use crate::statistics::float;
use conclusion::Conclusion;
use estimators::{Estimate, Estimator, Weighted};
use log::{Logged, Logs};
use policy::{Learner, replay};

pub(crate) use intervals::Interval;

/// So many choices of a frozen learner say how likely it shows each item. A chance of 1 in 80 is
/// then known to 3 % of itself, which is small beside what 38 clicks leave open.
const CHOICES: u32 = 100_000;

/// What was found out, to be printed.
#[derive(Debug)]
pub struct Evaluation {
    seed: u64,
    lines: Vec<Line>,
    cross_check: CrossCheck,
    bts: Propensities,
    conclusion: Conclusion,
}

/// Who chooses what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// A uniform draw.
    Random,
    /// The store's own Bernoulli Thompson sampling.
    Bts,
    /// The product's.
    Thompson,
}

/// An estimate of a policy's click rate.
#[derive(Debug)]
struct Line {
    policy: Policy,
    /// How it was estimated, and from which rows.
    how: &'static str,
    whole: Estimate,
    /// The same at each position, where that is asked for; `None` where there are no rows for it.
    positions: Vec<Option<Estimate>>,
    /// Whether the policies are compared by it.
    compared: bool,
}

/// Whether the estimators find what is known: the rate of random choices, from the log of others.
#[derive(Debug)]
struct CrossCheck {
    counted: f64,
    /// For each interval, by estimator and name, whether it covers the counted rate.
    covers: Vec<(&'static str, &'static str, bool)>,
}

/// What a log tells of its policy's probabilities.
#[derive(Debug)]
struct Propensities {
    pairs: usize,
    distinct: usize,
}

/// Evaluates the policies on the logs that come with the demo.
///
/// # Errors
/// The logs are damaged.
pub fn evaluate(seed: u64) -> Result<Evaluation> {
    Evaluation::of(&Logs::read()?, seed)
}

impl Evaluation {
    fn of(logs: &Logs, seed: u64) -> Result<Self> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut lines = Vec::new();
        for (policy, log) in [(Policy::Random, &logs.random), (Policy::Bts, &logs.bts)] {
            let rows: Vec<Weighted> = log.iter().map(Weighted::own).collect();
            let line = Line::new(policy, "its own log", Estimator::Counted, &rows, &mut rng)?;
            lines.push(line.by_position(Estimator::Counted, &rows, &mut rng));
        }
        lines.extend(thompson(logs, &mut rng)?);
        let first = lines.len();
        let even = 1.0 / float(logs.items as u64);
        let random: Vec<Weighted> = logs
            .bts
            .iter()
            .map(|row| Weighted::new(row, even))
            .collect();
        for (estimator, how) in [
            (Estimator::InversePropensity, "IPS on bts"),
            (Estimator::SelfNormalised, "SNIPS on bts"),
        ] {
            let mut line = Line::new(Policy::Random, how, estimator, &random, &mut rng)?;
            line.compared = false;
            lines.push(line);
        }
        let counted = lines.first().context("random was not counted")?.whole.rate;
        let checked = lines.get(first..).unwrap_or_default();
        Ok(Self {
            seed,
            cross_check: CrossCheck::new(counted, checked),
            bts: Propensities::of(&logs.bts),
            conclusion: Conclusion::new(&lines, logs.items)?,
            lines,
        })
    }
}

/// The product's sampler: played on the random log from its first row, and frozen after either half
/// of it and evaluated on the other one. Both halves together are as many rows as the log has, and
/// stand for the mean of the two frozen policies; that either was taught by the rows of the other is
/// not in their intervals.
fn thompson(logs: &Logs, rng: &mut StdRng) -> Result<Vec<Line>> {
    let log = &logs.random;
    let first_day = log.first().context("the random log is empty")?.day;
    let kept: Vec<Weighted> = replay(log, &mut Learner::new(logs.items, first_day), rng)
        .iter()
        .map(Weighted::own)
        .collect();
    let counted = Estimator::Counted;
    let replayed = Line::new(Policy::Thompson, "replay on random", counted, &kept, rng)?;

    let (early, late) = log.split_at(log.len() / 2);
    let on_late = weighted(early, late, logs.items, rng)?;
    let on_early = weighted(late, early, logs.items, rng)?;
    let both = [on_early.as_slice(), on_late.as_slice()].concat();

    let mut lines = vec![replayed.by_position(counted, &kept, rng)];
    for (estimator, of_late, of_early, of_both) in [
        (
            Estimator::InversePropensity,
            "IPS, 1st half on 2nd",
            "IPS, 2nd half on 1st",
            "IPS, both",
        ),
        (
            Estimator::SelfNormalised,
            "SNIPS, 1st half on 2nd",
            "SNIPS, 2nd half on 1st",
            "SNIPS, both",
        ),
    ] {
        for (how, rows) in [(of_late, &on_late), (of_early, &on_early)] {
            let mut line = Line::new(Policy::Thompson, how, estimator, rows, rng)?;
            line.compared = false;
            lines.push(line);
        }
        let line = Line::new(Policy::Thompson, of_both, estimator, &both, rng)?;
        lines.push(line.by_position(estimator, &both, rng));
    }
    Ok(lines)
}

/// Rows in the light of a learner that was taught by others and learns no more. What it was taught is
/// as old to it as on the last day of that.
fn weighted(
    taught: &[Logged],
    rows: &[Logged],
    items: usize,
    rng: &mut StdRng,
) -> Result<Vec<Weighted>> {
    let last = taught.last().context("there is nothing to learn from")?;
    let mut learner = Learner::new(items, last.day);
    taught.iter().for_each(|row| learner.learn(row));
    let chances = learner.probabilities(CHOICES, rng);
    rows.iter()
        .map(|row| {
            let chance = chances.get(row.item).context("an item is unknown")?;
            Ok(Weighted::new(row, *chance))
        })
        .collect()
}

impl Line {
    fn new(
        policy: Policy,
        how: &'static str,
        estimator: Estimator,
        rows: &[Weighted],
        rng: &mut StdRng,
    ) -> Result<Self> {
        let whole = estimator
            .estimate(rows, rng)
            .with_context(|| format!("{policy}, {how}"))?;
        Ok(Self {
            policy,
            how,
            whole,
            positions: Vec::new(),
            compared: true,
        })
    }

    /// Adds the same for each of the three positions.
    fn by_position(mut self, estimator: Estimator, rows: &[Weighted], rng: &mut StdRng) -> Self {
        self.positions = (1..=3)
            .map(|position| {
                let here = rows.iter().filter(|row| row.position == position);
                let here: Vec<Weighted> = here.copied().collect();
                estimator.estimate(&here, rng).ok()
            })
            .collect();
        self
    }
}

impl CrossCheck {
    fn new(counted: f64, lines: &[Line]) -> Self {
        let covers = lines.iter().flat_map(|line| {
            let intervals = line.whole.intervals.iter();
            intervals.map(|(name, interval)| (line.how, *name, interval.covers(counted)))
        });
        Self {
            counted,
            covers: covers.collect(),
        }
    }
}

impl Propensities {
    fn of(log: &[Logged]) -> Self {
        let pairs: HashSet<_> = log.iter().map(|row| (row.item, row.position)).collect();
        let distinct: HashSet<_> = log
            .iter()
            .map(|row| (row.item, row.position, row.propensity.to_bits()))
            .collect();
        Self {
            pairs: pairs.len(),
            distinct: distinct.len(),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Random => "random",
            Self::Bts => "bts",
            Self::Thompson => "thompson",
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;

    use super::*;

    /// Logs of two items, of which the second is clicked often: one of uniform choices, and one of
    /// a policy that prefers the second.
    fn logs(rates: [f64; 2], impressions: usize) -> Logs {
        let mut rng = StdRng::seed_from_u64(4);
        let mut log = |second: f64| -> Vec<Logged> {
            (0..impressions)
                .map(|number| {
                    let item = usize::from(rng.random_bool(second));
                    Logged {
                        day: "2019-11-24".parse().unwrap(),
                        item,
                        position: [1, 2, 3][number % 3],
                        clicked: rng.random_bool(rates[item]),
                        propensity: [1.0 - second, second][item],
                    }
                })
                .collect()
        };
        Logs {
            items: 2,
            random: log(0.5),
            bts: log(0.8),
        }
    }

    #[test]
    fn where_learning_helps_and_the_rows_suffice_it_is_found_to_help() {
        let evaluation = Evaluation::of(&logs([0.02, 0.3], 3_000), 1).unwrap();
        let rates: Vec<f64> = evaluation
            .lines
            .iter()
            .filter(|line| line.policy == Policy::Thompson)
            .map(|line| line.whole.rate)
            .collect();
        assert_eq!(rates.len(), 7);
        assert!(
            rates.iter().all(|rate| (rate - 0.3).abs() < 0.04),
            "{rates:?}"
        );
        let text = evaluation.to_string();
        assert!(
            text.contains("thompson is above random in every interval"),
            "{text}"
        );
        assert!(!text.contains("cannot tell"), "{text}");
        assert!(
            evaluation
                .cross_check
                .covers
                .iter()
                .all(|(_, _, covers)| *covers)
        );
    }

    #[test]
    fn where_all_items_are_alike_nobody_is_called_better() {
        let text = Evaluation::of(&logs([0.05, 0.05], 1_500), 1)
            .unwrap()
            .to_string();
        assert!(
            text.contains("these rows cannot tell the policies apart"),
            "{text}"
        );
        assert!(!text.contains("above"), "{text}");
    }

    #[test]
    fn the_seed_fixes_every_figure() {
        let logs = logs([0.1, 0.2], 300);
        let text = |seed| Evaluation::of(&logs, seed).unwrap().to_string();
        assert_eq!(text(1), text(1));
    }

    #[test]
    fn a_policy_that_learnt_has_more_than_one_probability_of_a_pair() {
        let Logs { mut bts, .. } = logs([0.1, 0.1], 100);
        let Propensities { pairs, distinct } = Propensities::of(&bts);
        assert_eq!((pairs, distinct), (6, 6));
        bts[0].propensity = 0.123;
        assert_eq!(Propensities::of(&bts).distinct, 7);
    }
}
