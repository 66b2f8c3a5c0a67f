//! The leases that an instance holds.
//!
//! They are taken beside requests: a request that meets a campaign without a lease goes on without
//! the campaign, and those after it find the lease.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{Instant, pacing::Terms};
use kit::problem::Chain;

use super::{Budgets, Lease, Lives, Refusal, Taken};
use crate::{
    StoreError,
    flight::{Flight, Flights},
};

/// A lease is sized for the units of this time, in seconds.
const AHEAD_S: f64 = 30.0;

/// The next lease is taken when less than this part of the units of that time is in hand.
const LOW: u32 = 4;

/// How long nothing is asked for after a refusal, or a failure.
const COOL_DOWN: Duration = Duration::from_secs(5);

/// The longest that a hint of when to ask again is gone by.
const LONGEST_COOL_DOWN: Duration = Duration::from_secs(30);

/// The most campaigns that are remembered; those without a unit are forgotten beyond.
const REMEMBERED: usize = 10_000;

/// The end of time.
const NEVER: Instant = Instant::from_millis(i64::MAX);

/// The leases of one instance. Clones share them.
#[derive(Clone)]
pub struct Leases(Arc<Inner>);

struct Inner {
    budgets: Budgets,
    lives: Lives,
    holdings: Mutex<Holdings>,
}

/// What is held, by campaign key.
struct Holdings {
    campaigns: HashMap<u64, Campaign>,
    /// Of which units may be given out, as it was last looked at: what requests go by.
    in_hand: Arc<HashSet<u64>>,
    /// When the first of their leases is over.
    until: Instant,
}

#[derive(Default)]
struct Campaign {
    held: VecDeque<Held>,
    demand: Demand,
    quiet_until: Instant,
    flights: Arc<Flights>,
}

/// A lease, and the units of it that were not given out.
struct Held {
    lease: Lease,
    units: u32,
}

/// How many units were asked for lately: a sum in which each counts less as time goes by.
#[derive(Debug, Clone, Copy, Default)]
struct Demand {
    level: f64,
    at: Instant,
}

/// A lease that is being taken.
#[derive(Debug)]
pub struct Taking(Flight);

impl Taking {
    /// Waits for its end, no longer than `limit`.
    pub async fn landed_within(self, limit: Duration) {
        self.0.landed_within(limit).await;
    }
}

impl Leases {
    /// Holds nothing yet.
    pub fn new(budgets: Budgets, lives: Lives) -> Self {
        Self(Arc::new(Inner {
            budgets,
            lives,
            holdings: Mutex::default(),
        }))
    }

    /// The campaigns, by key, of which units may be given out at `now`.
    pub fn in_hand(&self, now: Instant) -> Arc<HashSet<u64>> {
        let mut holdings = self.0.holdings();
        if now >= holdings.until {
            holdings.look(now);
        }
        Arc::clone(&holdings.in_hand)
    }

    /// Takes a unit to give out: the lease to name, and the moment after which the token must not
    /// count.
    pub fn take(&self, campaign: u64, now: Instant) -> Option<(u64, Instant)> {
        let mut holdings = self.0.holdings();
        let held = holdings.campaigns.get_mut(&campaign)?;
        let (lease, left) = held.take(now)?;
        if left == 0 {
            Arc::make_mut(&mut holdings.in_hand).remove(&campaign);
        }
        Some(lease)
    }

    /// Sees to it that units are at hand: for a campaign that was drawn and had none, and for one of
    /// which a unit was just taken. Begins to take a lease called `id` beside the request where too
    /// few are in hand, unless one is being taken or was refused a moment ago.
    pub fn want(&self, terms: &Terms, id: u64, now: Instant) -> Option<Taking> {
        let campaigns = &mut self.0.holdings().campaigns;
        if campaigns.len() >= REMEMBERED {
            campaigns.retain(|_, campaign| campaign.units(now) > 0);
        }
        let campaign = campaigns.entry(terms.campaign).or_default();
        let units = campaign.units(now);
        if units == 0 {
            campaign.demand.note(now);
        }
        let ahead = campaign.demand.units_ahead(now);
        if units > ahead / LOW || now < campaign.quiet_until {
            return None;
        }
        let (inner, terms) = (Arc::clone(&self.0), terms.clone());
        let flight = campaign.flights.join(now, || async move {
            let lives = inner.lives;
            let taken = inner.budgets.take(&terms, ahead, id, lives, now).await;
            inner.land(&terms, taken, now);
        });
        Some(Taking(flight))
    }

    /// Gives back what was not given out: at the end of an instance, as far as its time allows. What
    /// is not given back lapses.
    pub async fn give_back(&self) {
        let held: Vec<Held> = {
            let mut holdings = self.0.holdings();
            holdings.in_hand = Arc::default();
            let all = holdings.campaigns.values_mut();
            all.flat_map(|campaign| campaign.held.drain(..)).collect()
        };
        for Held { lease, units } in held.into_iter().filter(|held| held.units > 0) {
            if let Err(error) = self.0.budgets.give_back(&lease, units.into()).await {
                tracing::warn!(error = %Chain(&error), "a lease was not given back, and will lapse");
            }
        }
    }
}

impl Inner {
    fn land(&self, terms: &Terms, taken: Result<Taken, StoreError>, now: Instant) {
        let quiet_for = match taken {
            Ok(Taken::Lease(lease)) => return self.holdings().add(lease),
            Ok(Taken::Refused(Refusal::NotLeasing(Some(from)))) => from.since(now),
            Ok(Taken::Refused(Refusal::Spent)) => LONGEST_COOL_DOWN,
            Ok(Taken::Refused(Refusal::NotLeasing(None) | Refusal::Elsewhen)) => COOL_DOWN,
            Err(error) => {
                let campaign = format!("{:016x}", terms.campaign);
                tracing::warn!(campaign, error = %Chain(&error), "no lease");
                COOL_DOWN
            }
        };
        let campaigns = &mut self.holdings().campaigns;
        campaigns.entry(terms.campaign).or_default().quiet_until =
            now + quiet_for.clamp(COOL_DOWN, LONGEST_COOL_DOWN);
    }

    fn holdings(&self) -> MutexGuard<'_, Holdings> {
        self.holdings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Holdings {
    fn default() -> Self {
        Self {
            campaigns: HashMap::new(),
            in_hand: Arc::default(),
            until: NEVER,
        }
    }
}

impl Holdings {
    fn add(&mut self, lease: Lease) {
        self.until = self.until.min(lease.serve_until);
        Arc::make_mut(&mut self.in_hand).insert(lease.campaign);
        let units = u32::try_from(lease.chunk).unwrap_or(u32::MAX);
        let campaign = self.campaigns.entry(lease.campaign).or_default();
        campaign.held.push_back(Held { lease, units });
    }

    /// Drops the leases whose time is over.
    fn look(&mut self, now: Instant) {
        let campaigns = &mut self.campaigns;
        Arc::make_mut(&mut self.in_hand)
            .retain(|key| campaigns.get_mut(key).is_some_and(|it| it.units(now) > 0));
        let held = campaigns.values().flat_map(|campaign| &campaign.held);
        let ends = held.map(|held| held.lease.serve_until);
        self.until = ends.min().unwrap_or(NEVER);
    }
}

impl Campaign {
    /// Takes a unit: the lease to name, the moment after which the token must not count, and how many
    /// units are left.
    fn take(&mut self, now: Instant) -> Option<((u64, Instant), u32)> {
        let units = self.units(now);
        let held = self.held.iter_mut().find(|held| held.units > 0)?;
        held.units -= 1;
        self.demand.note(now);
        Some((
            (held.lease.id, held.lease.lapses_at),
            units.saturating_sub(1),
        ))
    }

    /// Units that may be given out; leases whose time is over are dropped, and will lapse.
    fn units(&mut self, now: Instant) -> u32 {
        self.held.retain(|held| now < held.lease.serve_until);
        self.held.iter().map(|held| held.units).sum()
    }
}

impl Demand {
    fn note(&mut self, now: Instant) {
        self.level = self.level_at(now) + 1.0;
        self.at = now;
    }

    /// At a steady rate the level comes to the units of [`AHEAD_S`].
    fn units_ahead(&self, now: Instant) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float saturates, and it is not negative"
        )]
        let units = self.level_at(now).ceil() as u32;
        units.max(1)
    }

    fn level_at(&self, now: Instant) -> f64 {
        self.level * (-now.since(self.at).as_secs_f64() / AHEAD_S).exp()
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_demand_is_known_for_what_the_time_ahead_brings() {
        let mut demand = Demand::default();
        let start = Instant::from_seconds(1_000_000);
        assert_eq!(demand.units_ahead(start), 1);
        for tenth in 0..1_200 {
            demand.note(start + Duration::from_millis(100 * tenth));
        }
        let busy = demand.units_ahead(start + Duration::from_secs(120));
        assert!((280..=320).contains(&busy), "{busy} of 300");
        assert_eq!(demand.units_ahead(start + Duration::from_secs(600)), 1);
    }
}
