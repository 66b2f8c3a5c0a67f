//! How many units a campaign would bring if nothing held it back, and the probability that brings as
//! many as are wanted.

use std::collections::VecDeque;

use super::Curve;
use crate::Instant;

/// How many minutes are looked back at.
pub const LOOK_BACK: usize = 15;

/// After so many minutes a minute counts half.
const HALF_LIFE_MIN: f64 = 3.0;

/// From so many units on the last minutes tell more than chance does.
const TELLING: f64 = 30.0;

/// In so many of the last minutes much is still on its way from devices.
const ARRIVING_MIN: u32 = 2;

/// The least probability: less would leave nothing to learn the demand from.
pub(super) const LEAST: f64 = 0.000_1;

/// The most that a probability grows by in a minute. It may fall by any.
const RISE: f64 = 2.0;

/// Units that were counted in the last complete minutes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Minutes {
    /// The minute (since 1970) after the last of them.
    pub end: u32,
    /// How many in each, the oldest first.
    pub counts: Vec<u32>,
}

/// The probabilities that were in force, by the minute (since 1970) from which on; `None` where
/// something else held the campaign back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Passes(VecDeque<(u32, Option<f32>)>);

impl Minutes {
    /// The minutes, the newest first, with what they brought.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = (u32, f64)> {
        let minutes = (0..self.end).rev();
        let counts = self.counts.iter().rev().take(LOOK_BACK);
        minutes.zip(counts.map(|count| f64::from(*count)))
    }
}

impl Passes {
    /// Notes what is in force from a minute on; 0 for what did not go out at all.
    pub fn note(&mut self, minute: u32, pass: f32) {
        self.push(minute, Some(pass));
    }

    /// Notes that from a minute on leases hold the campaign to its plan: what comes then tells nothing
    /// of the demand.
    pub fn note_planned(&mut self, minute: u32) {
        self.push(minute, None);
    }

    fn push(&mut self, minute: u32, pass: Option<f32>) {
        self.0.retain(|(at, _)| *at < minute);
        self.0.push_back((minute, pass));
        while self.0.len() > 2 * LOOK_BACK {
            self.0.pop_front();
        }
    }

    /// The same all the time: the best that a worker which remembers nothing can go by.
    pub fn constant(pass: f32) -> Self {
        Self(VecDeque::from([(0, Some(pass))]))
    }

    /// What was in force in a minute, if that is known.
    pub(super) fn at(&self, minute: u32) -> Option<f64> {
        let since = self.0.iter().rev().find(|(at, _)| *at <= minute);
        since.and_then(|(_, pass)| pass.map(f64::from))
    }
}

/// Units that a minute brings at `now` if everything passes: what the last minutes brought against what
/// they let pass and what they weigh in the day's shape, newer minutes counting more. `None` where
/// nothing was let pass in minutes of which most has come in.
///
/// A ratio of sums, and not a correction of the last probability by the last error: it does not
/// overshoot while impressions are still on their way from devices.
pub(super) fn demand_per_minute(
    minutes: &Minutes,
    passes: &Passes,
    curve: &Curve,
    now: Instant,
) -> Option<f64> {
    let brought: f64 = minutes.newest_first().map(|(_, count)| count).sum();
    let half_life = if brought < TELLING {
        f64::INFINITY
    } else {
        HALF_LIFE_MIN
    };
    let (mut units, mut open, mut weight) = (0.0, 0.0, 1.0);
    let mut last = None;
    for (minute, count) in minutes.newest_first() {
        let Some(pass) = passes.at(minute) else {
            continue;
        };
        let pass = pass * curve.at(Instant::from_minutes(minute));
        // A burst shows in one minute, and is believed at once.
        if last.is_none() && pass > 0.0 && count >= TELLING {
            last = Some(count / pass);
        }
        if minute + ARRIVING_MIN < now.as_minutes() {
            units += weight * count;
            open += weight * pass;
            weight *= (-1.0 / half_life).exp2();
        }
    }
    let demand = (open > 0.0).then_some(units / open);
    let burst = last.filter(|last| demand.is_none_or(|demand| *last > 2.0 * demand));
    burst.or(demand).map(|demand| demand * curve.at(now))
}

/// The probability that brings `target` units a minute, after `last`: the same while nothing is known
/// of the demand, and more where nothing comes.
pub(super) fn next_pass(target: f64, demand: Option<f64>, last: f64) -> f64 {
    let last = last.max(LEAST);
    let highest = (last * RISE).min(1.0);
    let Some(demand) = demand else {
        return last.min(1.0);
    };
    if demand <= 0.0 {
        return highest;
    }
    let wanted = target / demand;
    let next = if wanted > last / 2.0 {
        // Half of the way (in proportions): what is left to do is most likely chance.
        (wanted * last).sqrt()
    } else {
        wanted
    };
    next.min(highest).clamp(LEAST, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(end: u32, counts: &[u32]) -> Minutes {
        Minutes {
            end,
            counts: counts.to_vec(),
        }
    }

    fn passes(noted: &[(u32, f32)]) -> Passes {
        let mut passes = Passes::default();
        for (minute, pass) in noted {
            passes.note(*minute, *pass);
        }
        passes
    }

    fn demand_per_minute(minutes: &Minutes, passes: &Passes) -> Option<f64> {
        let now = Instant::from_minutes(minutes.end + ARRIVING_MIN);
        super::demand_per_minute(minutes, passes, &Curve::UNIFORM, now)
    }

    #[test]
    fn demand_is_what_came_against_what_was_let_pass() {
        let near = |found: Option<f64>, expected: f64| (found.unwrap() - expected).abs() < 1.0;
        let steady = passes(&[(0, 0.25)]);
        assert!(near(
            demand_per_minute(&minutes(100, &[50; 15]), &steady),
            200.0
        ));
        let halved = passes(&[(0, 0.5), (95, 0.25)]);
        let counts: Vec<u32> = [vec![100; 10], vec![50; 5]].concat();
        assert!(near(
            demand_per_minute(&minutes(100, &counts), &halved),
            200.0
        ));
        assert_eq!(demand_per_minute(&minutes(100, &[]), &steady), None);
        assert_eq!(
            demand_per_minute(&minutes(100, &[0; 15]), &steady),
            Some(0.0)
        );
        assert_eq!(
            demand_per_minute(&minutes(100, &[3; 15]), &passes(&[(0, 0.0)])),
            None
        );
        assert_eq!(
            demand_per_minute(&minutes(100, &[3; 15]), &Passes::default()),
            None
        );
    }

    #[test]
    fn a_burst_is_believed_in_its_first_minute() {
        let counts: Vec<u32> = [vec![50; 14], vec![500]].concat();
        let demand = demand_per_minute(&minutes(100, &counts), &passes(&[(0, 0.5)]));
        assert_eq!(demand, Some(1_000.0));
    }

    #[test]
    fn a_probability_falls_at_once_and_rises_step_by_step() {
        assert_eq!(next_pass(10.0, Some(1_000.0), 1.0), 0.01);
        assert_eq!(next_pass(1_000.0, Some(1_000.0), 0.01), 0.02);
        assert_eq!(next_pass(10.0, None, 0.3), 0.3);
        assert_eq!(next_pass(10.0, Some(0.0), 0.3), 0.6);
        assert_eq!(next_pass(10.0, Some(0.0), 0.9), 1.0);
        assert_eq!(next_pass(0.0, Some(1e9), 1.0), LEAST);
        assert_eq!(next_pass(5.0, Some(10.0), 0.5), 0.5);
    }

    #[test]
    fn what_was_in_force_is_remembered_by_the_minute() {
        let passes = passes(&[(10, 0.1), (12, 0.2), (12, 0.3)]);
        let at = |minute| passes.at(minute).map(|pass| (10.0 * pass).round());
        let expected = [None, Some(1.0), Some(1.0), Some(3.0), Some(3.0)];
        assert_eq!([9, 10, 11, 12, 99].map(at), expected);
        let constant = Passes::constant(0.5);
        assert_eq!([0, 99].map(|minute| constant.at(minute)), [Some(0.5); 2]);
    }

    #[test]
    fn minutes_under_leases_that_keep_to_the_plan_tell_nothing_of_demand() {
        let mut passes = Passes::default();
        passes.note(50, 0.1);
        passes.note_planned(90);
        assert_eq!(
            [89, 90, 99].map(|minute| passes.at(minute).is_some()),
            [true, false, false]
        );
        assert_eq!(demand_per_minute(&minutes(100, &[30; 10]), &passes), None);
        passes.note(97, 0.1);
        let demand = demand_per_minute(&minutes(100, &[30; 10]), &passes).unwrap();
        assert!((demand - 300.0).abs() < 0.1, "{demand}");
    }

    #[test]
    fn minutes_that_are_still_coming_in_or_were_before_its_time_tell_nothing_of_demand() {
        let of = |counts: &[u32], passes: &Passes| {
            let now = Instant::from_minutes(100);
            let counts = minutes(100, counts);
            super::demand_per_minute(&counts, passes, &Curve::UNIFORM, now).map(f64::round)
        };
        let counts: Vec<u32> = [vec![20; 13], vec![10, 1]].concat();
        assert_eq!(of(&counts, &Passes::constant(1.0)), Some(20.0));
        let counts: Vec<u32> = [vec![0; 10], vec![10; 5]].concat();
        assert_eq!(of(&counts, &passes(&[(95, 0.5)])), Some(20.0));
        assert_eq!(of(&counts, &passes(&[(98, 0.5)])), None);
        let burst: Vec<u32> = [vec![0; 14], vec![100]].concat();
        assert_eq!(of(&burst, &passes(&[(98, 0.5)])), Some(200.0));
    }
}
