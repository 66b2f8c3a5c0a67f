//! What may be said of the policies, from the intervals and nothing else.

use std::fmt;

use anyhow::{Context, Result};

use super::{
    Line, Policy,
    intervals::{Interval, POWER, impressions_needed, least_lift},
};
use crate::{statistics::float, summary::count};

/// A lift that would be worth having: a fifth more clicks.
const LIFT: f64 = 0.2;

/// The comparison, and what it would take to make it better.
#[derive(Debug)]
pub(crate) struct Conclusion {
    /// Clicks and impressions of the policies that have a log.
    logs: Vec<(Policy, usize, usize)>,
    pairs: Vec<Pair>,
    /// The rate at random, which a lift is measured from.
    rate: f64,
    /// How many impressions of each policy show [`LIFT`].
    needed: f64,
    /// The least lift that as many impressions as there are show.
    least: Option<f64>,
    /// Of how many rows replay keeps one.
    replay_keeps_one_of: usize,
    /// How many weighted rows are worth one of the policy's own, for each weighted estimate.
    rows_per_own: f64,
}

/// Two policies, and which of them is above the other by all their intervals.
#[derive(Debug, PartialEq)]
struct Pair {
    policies: (Policy, Policy),
    better: Option<Policy>,
}

impl Conclusion {
    pub(crate) fn new(lines: &[Line], items: usize) -> Result<Self> {
        let random = lines
            .iter()
            .find(|line| line.policy == Policy::Random && line.compared)
            .context("there is nothing to compare with")?;
        let weights = lines
            .iter()
            .filter(|line| line.policy == Policy::Thompson && line.compared)
            .filter_map(|line| Some((&line.whole, line.whole.weights?)))
            .map(|(whole, weights)| float(whole.rows as u64) / weights.effective_rows);
        Ok(Self {
            logs: lines
                .iter()
                .filter(|line| line.policy != Policy::Thompson && line.compared)
                .map(|line| (line.policy, line.whole.clicks, line.whole.rows))
                .collect(),
            pairs: [
                (Policy::Thompson, Policy::Random),
                (Policy::Bts, Policy::Random),
                (Policy::Thompson, Policy::Bts),
            ]
            .map(|policies| Pair::new(policies, lines))
            .into(),
            rate: random.whole.rate,
            needed: impressions_needed(random.whole.rate, LIFT)?,
            least: least_lift(random.whole.rate, float(random.whole.rows as u64))?,
            replay_keeps_one_of: items,
            rows_per_own: weights.fold(1.0, f64::max),
        })
    }
}

impl Pair {
    fn new(policies: (Policy, Policy), lines: &[Line]) -> Self {
        let of = |policy| -> Vec<Interval> {
            let lines = lines
                .iter()
                .filter(|line| line.policy == policy && line.compared);
            lines
                .flat_map(|line| line.whole.intervals.iter().map(|(_, interval)| *interval))
                .collect()
        };
        let (first, second) = (of(policies.0), of(policies.1));
        let better = if all_above(&first, &second) {
            Some(policies.0)
        } else if all_above(&second, &first) {
            Some(policies.1)
        } else {
            None
        };
        Self { policies, better }
    }
}

/// Of nothing, nothing is said.
fn all_above(some: &[Interval], others: &[Interval]) -> bool {
    !some.is_empty()
        && !others.is_empty()
        && some
            .iter()
            .all(|one| others.iter().all(|other| one.is_above(*other)))
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let logs = self.logs.iter().map(|(policy, clicks, rows)| {
            format!(
                "{policy} has {} clicks in {} impressions",
                count(*clicks),
                count(*rows)
            )
        });
        writeln!(f, "  {}.", logs.collect::<Vec<_>>().join(", "))?;
        let mut overlapping = Vec::new();
        for Pair { policies, better } in &self.pairs {
            let (first, second) = policies;
            match better {
                Some(better) => {
                    let worse = if better == first { second } else { first };
                    writeln!(f, "  {better} is above {worse} in every interval.")?;
                }
                None => overlapping.push(format!("{first} and {second}")),
            }
        }
        if !overlapping.is_empty() {
            writeln!(f, "  The intervals of {} overlap:", overlapping.join(", "))?;
            match overlapping.len() == self.pairs.len() {
                true => writeln!(f, "  these rows cannot tell the policies apart.")?,
                false => writeln!(f, "  nothing is said of these.")?,
            }
        }
        writeln!(
            f,
            "  To see a lift of {:.0} % over {:.3} % with {:.0} % power (two-sided, 5 %), about {} impressions of each",
            100.0 * LIFT,
            100.0 * self.rate,
            100.0 * POWER,
            about(self.needed)
        )?;
        writeln!(
            f,
            "  policy are needed; of somebody else's log, about {} rows if weighted as here, or {} if replayed.",
            about(self.needed * self.rows_per_own),
            about(self.needed * float(self.replay_keeps_one_of as u64))
        )?;
        match self.least {
            Some(lift) => writeln!(
                f,
                "  With as many impressions as there are, only a lift of {:.0} % or more would be seen.",
                100.0 * lift
            ),
            None => writeln!(
                f,
                "  With as many impressions as there are, no lift would be seen."
            ),
        }
    }
}

/// A number to three digits, with its thousands apart.
fn about(number: f64) -> String {
    let magnitude = 10_f64.powf((number.log10().floor() - 2.0).max(0.0));
    let rounded = (number / magnitude).round() * magnitude;
    format!("{rounded:.0}")
        .parse::<u64>()
        .map_or_else(|_| format!("{rounded:.0}"), count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimators::Estimate;

    fn line(policy: Policy, intervals: &[(f64, f64)], compared: bool) -> Line {
        let named = |&(low, high): &(f64, f64)| ("Wilson", Interval { low, high });
        Line {
            policy,
            how: "its own log",
            whole: Estimate {
                rows: 10_000,
                clicks: 38,
                rate: 0.0038,
                intervals: intervals.iter().map(named).collect(),
                weights: None,
            },
            positions: Vec::new(),
            compared,
        }
    }

    #[test]
    fn a_policy_is_better_only_if_all_its_intervals_are_above_all_of_the_other() {
        use Policy::{Bts, Random, Thompson};
        let better = |lines: &[Line]| Pair::new((Thompson, Random), lines).better;
        let random = || line(Random, &[(0.1, 0.2)], true);
        for (intervals, expected) in [
            (&[(0.3, 0.4), (0.21, 0.5)][..], Some(Thompson)),
            (&[(0.3, 0.4), (0.19, 0.5)], None),
            (&[(0.0, 0.05), (0.01, 0.09)], Some(Random)),
            (&[(0.0, 0.05), (0.3, 0.4)], None),
        ] {
            assert_eq!(
                better(&[random(), line(Thompson, intervals, true)]),
                expected
            );
        }
        let parts = [
            random(),
            line(Thompson, &[(0.3, 0.4)], true),
            line(Thompson, &[(0.1, 0.9)], false),
            line(Bts, &[(0.1, 0.9)], true),
        ];
        assert_eq!(better(&parts), Some(Thompson));
    }

    #[test]
    fn a_policy_without_an_estimate_is_neither_better_nor_worse() {
        let lines = [line(Policy::Random, &[(0.1, 0.2)], true)];
        assert_eq!(
            Pair::new((Policy::Thompson, Policy::Random), &lines).better,
            None
        );
    }

    #[test]
    fn numbers_are_rounded_to_what_is_known_of_them() {
        for (number, text) in [
            (113_127.4, "113,000"),
            (9_049_600.0, "9,050,000"),
            (999.6, "1,000"),
            (87.4, "87"),
        ] {
            assert_eq!(about(number), text);
        }
    }
}
