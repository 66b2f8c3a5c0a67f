//! Pacing: with which probability a campaign passes in the next minute, and how near its budget's
//! end is.
//!
//! Once a minute, for each campaign whose budget ends ([`Terms`]): what is left is spread over what
//! is left of its flight by the traffic's own daily shape ([`Curve`]), which gives the units of the
//! next minute; the last minutes' units against the probabilities that were in force ([`Passes`]) give
//! the demand; one by the other gives the probability. Errors need no correction of their own: what
//! went out too much or too little is in what is left a minute later. `asap`, and a total without an
//! end of flight and without a daily limit (there is nothing to spread it over), pass as they come.
//!
//! Where nothing is known of the demand, and near the end, leases hold the campaign to its plan
//! ([`Allowance`]). It leaves them with the probability that brings the plan if every slot of the
//! stack is its, and finds its level from below.
//!
//! The numbers are those of some minutes ago. What must have gone out since is taken off what is left
//! before it is spread, but not before it is asked how near the end is: there the worst counts.

mod allowance;
mod curve;
mod demand;
mod nearness;
mod plan;
mod terms;

use std::time::Duration;

pub use allowance::{Allowance, SPREAD_LEASE};
pub use curve::Curve;
pub use demand::{LOOK_BACK, Minutes, Passes};
pub use terms::{Counted, Spread, Terms};

use self::{
    demand::{LEAST, demand_per_minute, next_pass},
    nearness::{ESTABLISHED_MIN, Nearness},
    plan::Plan,
};
use crate::{
    Day, Instant,
    content::campaigns::Pacing,
    delivery::{Throttle, Zone},
};

/// How far a campaign has come, by the last count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Everything that was answered before this moment is counted.
    pub as_of: Instant,
    /// In all.
    pub total: Counted,
    /// A day in the campaign's zone.
    pub day: Day,
    /// On that day.
    pub today: Counted,
    /// Paid impressions, clicks or conversions of the last complete minutes.
    pub recent: Minutes,
}

/// Units that were used in all, and today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// In all.
    pub total: u64,
    /// Today, in the campaign's zone.
    pub today: u64,
}

impl Progress {
    /// A campaign of which nothing was counted.
    pub fn none(as_of: Instant) -> Self {
        Self {
            as_of,
            total: Counted::default(),
            day: Day::of(as_of),
            today: Counted::default(),
            recent: Minutes::default(),
        }
    }

    /// In units, at `now`: of a day that is over nothing counts today.
    pub fn used(&self, terms: &Terms, now: Instant) -> Used {
        let is_today = self.day == terms.zone.wall_time(now).day;
        let today = if is_today { terms.used(&self.today) } else { 0 };
        Used {
            total: terms.used(&self.total),
            today,
        }
    }
}

/// A campaign as pacing sees it.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// Its budget.
    pub terms: &'a Terms,
    /// How it is to be spread.
    pub pacing: Pacing,
    /// The first moment of its flight.
    pub starts_at: Instant,
    /// The first moment after its flight.
    pub ends_at: Option<Instant>,
    /// How far it has come.
    pub progress: &'a Progress,
    /// How it was held back in the last minutes.
    pub passes: &'a Passes,
    /// How it was held back last; `None` for a campaign that is new.
    pub last: Option<Throttle>,
}

/// What is known of the whole stack.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The shape of its days.
    pub curve: &'a Curve,
    /// Impressions of all campaigns in a busy minute of this time of day; `None` where that is not
    /// known.
    pub traffic_per_minute: Option<f64>,
    /// Slots that requests ask for in a busy minute of this time of day, whether or not they are
    /// filled; `None` where that is not known.
    pub slots_per_minute: Option<f64>,
    /// For how long an instance goes on with the last delivery it has read, and the life of the
    /// tokens of budgeted campaigns.
    pub exposure: Duration,
    /// The time.
    pub now: Instant,
}

/// What is to hold in the next minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// How the campaign is held back.
    pub throttle: Throttle,
    /// The units that the minute should bring, where they are planned.
    pub target: Option<f64>,
}

/// How a campaign is to be held back in the next minute.
pub fn step(situation: &Situation<'_>, around: &Surroundings<'_>) -> Step {
    let Situation {
        terms,
        progress,
        passes,
        last,
        ..
    } = *situation;
    let now = around.now;
    let used = progress.used(terms, now);
    let left_total = terms.total.map(|total| total.saturating_sub(used.total));
    let left_today = terms.daily.map(|daily| daily.saturating_sub(used.today));
    let demand = demand_per_minute(&progress.recent, passes, around.curve, now);
    let unseen = unseen_units(progress, passes, demand, now);
    #[expect(clippy::cast_precision_loss, reason = "an estimate follows")]
    let after_unseen = |left: u64| (left as f64 - unseen).max(0.0);
    let begins = now.max(situation.starts_at);
    let plan = Plan {
        pacing: situation.pacing,
        total: left_total.map(after_unseen),
        today: left_today.map(after_unseen),
        flight_ends_at: situation.ends_at,
        day_ends_at: terms.zone.day_ends_at(begins),
    };
    let target = plan.units_a_minute(around.curve, begins);
    let slots = around.slots_per_minute.filter(|it| *it > 0.0);
    let was_open = last.filter(|last| last.zone == Zone::Open);
    let pass = match (target, was_open) {
        (None, _) => 1.0,
        (Some(target), Some(last)) => next_pass(target, demand, last.pass.into()),
        // As if every slot might be its: it finds its level from below.
        (Some(target), None) => slots.map_or(1.0, |slots| next_pass(target, Some(slots), 1.0)),
    };
    let nearness = Nearness {
        left: [left_total, left_today]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(u64::MAX),
        peak_per_minute: peak_per_minute(situation, demand, pass, around),
        unseen: around.exposure + now.since(progress.as_of),
    };
    let zone = match nearness.zone(last.map(|last| last.zone)) {
        Zone::Open if was_open.is_none() && !can_be_held(target, slots) => Zone::Exact,
        zone => zone,
    };
    // Under leases it is they that hold it to its plan.
    let pass = if zone == Zone::Open { pass } else { 1.0 };
    #[expect(clippy::cast_possible_truncation, reason = "a probability")]
    let pass = pass as f32;
    Step {
        throttle: Throttle { pass, zone },
        target,
    }
}

/// Returns whether a probability can hold a campaign to its plan of so many units a minute, where any
/// of the slots might be its.
fn can_be_held(target: Option<f64>, slots: Option<f64>) -> bool {
    target.is_none_or(|target| slots.is_some_and(|slots| target >= slots * LEAST))
}

/// What went out since the last count, by the demand and the probabilities in force.
fn unseen_units(progress: &Progress, passes: &Passes, demand: Option<f64>, now: Instant) -> f64 {
    let counted_to = progress.as_of.as_minutes().max(progress.recent.end);
    let minutes = counted_to..now.as_minutes();
    // A count that is hours old tells nothing of the time since.
    let passed: f64 = minutes
        .rev()
        .take(2 * LOOK_BACK)
        .filter_map(|minute| passes.at(minute))
        .sum();
    demand.unwrap_or(0.0) * passed
}

/// The most that a minute of the near future may bring: the most that one of the last did, or what
/// the next probability lets pass in this hour or the next; of a campaign that is hardly known, all
/// that the traffic may bring.
fn peak_per_minute(
    situation: &Situation<'_>,
    demand: Option<f64>,
    pass: f64,
    around: &Surroundings<'_>,
) -> Option<f64> {
    let Situation {
        terms, progress, ..
    } = situation;
    let recent = &progress.recent;
    let own = recent
        .newest_first()
        .map(|(_, count)| count)
        .fold(0.0, f64::max);
    let seen = recent.newest_first().filter(|(_, count)| *count > 0.0);
    let hour = Duration::from_secs(3600);
    let growth = around.curve.at(around.now + hour) / around.curve.at(around.now);
    let forecast = demand.unwrap_or(0.0) * pass * growth.clamp(1.0, 4.0);
    let peak = own.max(forecast);
    if seen.count() >= ESTABLISHED_MIN {
        return Some(peak);
    }
    let traffic = around.traffic_per_minute.filter(|it| *it > 0.0)?;
    let of_traffic = traffic / f64::from(terms.tokens_per_unit(&progress.total));
    Some(peak.max(of_traffic))
}

#[cfg(test)]
mod tests;
