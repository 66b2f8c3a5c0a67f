//! The leases that an instance holds.
//!
//! They are taken in the background: a request that meets a campaign without a lease goes on without
//! the campaign, and those after it find the lease. How many are taken in a second is bounded
//! ([`Bound`]): where many campaigns want one, most of them wait, because a database that is busy with
//! leases would not return devices.

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

/// A lease is sized for at least so many tokens, as far as the budget allows: the first of a campaign
/// would be of one, and soon be followed by another.
const FIRST: u32 = 32;

/// Leases of campaigns of which nothing is in hand and nothing was: so many at once, then so many a
/// second.
const NEW: Bound = Bound {
    at_once: 8.0,
    a_second: 1.0,
};

/// Leases of campaigns that had one a short time ago.
const FURTHER: Bound = Bound {
    at_once: 64.0,
    a_second: 4.0,
};

/// Attempts to take a lease of a new campaign. One that is refused writes nothing and is not counted
/// in [`NEW`]: campaigns that can have no lease now do not keep other new ones from theirs.
const NEW_ATTEMPTS: Bound = Bound {
    at_once: 64.0,
    a_second: 8.0,
};

/// Attempts to take a further lease. They have a bound of their own, so that many refused new campaigns
/// do not keep those that are being served from their next lease.
const FURTHER_ATTEMPTS: Bound = Bound {
    at_once: 128.0,
    a_second: 16.0,
};

/// A campaign is a new one again when it had no lease for so long.
const REMEMBERED_FOR: Duration = Duration::from_secs(120);

/// The next lease is taken when less than this part of the units of that time is in hand.
const LOW: u32 = 4;

/// How long nothing is asked for after a refusal, or a failure.
const COOL_DOWN: Duration = Duration::from_secs(5);

/// How long no lease of a spent budget is requested: units of leases that lapse are free again.
const SPENT_COOL_DOWN: Duration = Duration::from_secs(30);

/// A refusal may name a moment to wait for. No instance waits longer than this, because leases that
/// lapse unused free their part of the plan earlier.
const LONGEST_COOL_DOWN: Duration = Duration::from_secs(120);

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
    new: Taps,
    further: Taps,
    new_attempts: Taps,
    further_attempts: Taps,
}

/// How many leases may be taken.
#[derive(Debug, Clone, Copy)]
struct Bound {
    at_once: f64,
    a_second: f64,
}

/// What is used of a [`Bound`]: a level that sinks as time goes by.
#[derive(Debug, Clone, Copy, Default)]
struct Taps {
    level: f64,
    at: Instant,
}

#[derive(Default)]
struct Campaign {
    held: VecDeque<Held>,
    demand: Demand,
    quiet: Option<Quiet>,
    leased_at: Option<Instant>,
    flights: Arc<Flights>,
}

/// A refusal or failure: under these terms no lease is requested before a moment. It says nothing of
/// the terms that a later publication brings.
struct Quiet {
    terms: Terms,
    until: Instant,
}

/// A lease, and the tokens of it that were not given out.
struct Held {
    lease: Lease,
    tokens: u32,
}

/// How many tokens were asked for lately: a sum in which each counts less as time goes by.
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

    /// The campaigns, by key, of which tokens may be given out at `now`.
    pub fn in_hand(&self, now: Instant) -> Arc<HashSet<u64>> {
        let mut holdings = self.0.holdings();
        if now >= holdings.until {
            holdings.look(now);
        }
        Arc::clone(&holdings.in_hand)
    }

    /// Takes a token to give out: the lease to name, and the moment after which the token must not
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

    /// Sees to it that tokens are at hand: for a campaign that was drawn and had none, and for one of
    /// which a token was just taken. Begins to take a lease called `id` in the background where too
    /// few are in hand, unless one is being taken, was refused a moment ago, or too many leases were
    /// taken lately.
    pub fn want(&self, terms: &Terms, id: u64, now: Instant) -> Option<Taking> {
        let holdings = &mut *self.0.holdings();
        let campaigns = &mut holdings.campaigns;
        if !campaigns.contains_key(&terms.campaign) {
            // Nothing is remembered of the many that must wait: a request may meet thousands.
            let may_begin =
                holdings.new.is_free(NEW, now) && holdings.new_attempts.is_free(NEW_ATTEMPTS, now);
            if !may_begin {
                return None;
            }
            if campaigns.len() >= REMEMBERED {
                campaigns.retain(|_, campaign| campaign.tokens(now) > 0);
            }
        }
        let campaign = campaigns.entry(terms.campaign).or_default();
        let tokens = campaign.tokens(now);
        if tokens == 0 {
            campaign.demand.note(now);
        }
        let ahead = campaign.demand.tokens_ahead(now).max(FIRST);
        if tokens > ahead / LOW || campaign.is_quiet(terms, now) {
            return None;
        }
        if let Some(flight) = campaign.flights.under_way(now) {
            return Some(Taking(flight));
        }
        let leased_at = campaign.leased_at;
        let is_known = leased_at.is_some_and(|at| now.since(at) < REMEMBERED_FOR);
        let (attempts, of_attempts, leases, of_leases) = match is_known {
            true => (
                &mut holdings.further_attempts,
                FURTHER_ATTEMPTS,
                &mut holdings.further,
                FURTHER,
            ),
            false => (
                &mut holdings.new_attempts,
                NEW_ATTEMPTS,
                &mut holdings.new,
                NEW,
            ),
        };
        if !attempts.is_free(of_attempts, now) || !leases.take(of_leases, now) {
            return None;
        }
        attempts.take(of_attempts, now);
        let (inner, terms) = (Arc::clone(&self.0), terms.clone());
        let flight = campaign.flights.join(now, || async move {
            let lives = inner.lives;
            let taken = inner.budgets.take(&terms, ahead, id, lives, now).await;
            inner.land(&terms, taken, is_known, now);
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
        for Held { lease, tokens } in held.into_iter().filter(|held| held.tokens > 0) {
            let given_out = lease.tokens().saturating_sub(tokens.into());
            let tokens_per_unit = lease.tokens() / lease.chunk.max(1);
            let unused = lease.dispensable(given_out, tokens_per_unit);
            if unused == 0 {
                continue;
            }
            let given = self.0.budgets.give_back(&lease, unused, given_out).await;
            if let Err(error) = given {
                tracing::warn!(error = %Chain(&error), "a lease was not given back, and will lapse");
            }
        }
    }
}

impl Inner {
    fn land(&self, terms: &Terms, taken: Result<Taken, StoreError>, is_known: bool, now: Instant) {
        let holdings = &mut *self.holdings();
        let quiet_for = match taken {
            Ok(Taken::Lease(lease)) => return holdings.add(lease, now),
            Ok(Taken::Refused(refusal)) => {
                match is_known {
                    true => holdings.further.return_one(FURTHER, now),
                    false => holdings.new.return_one(NEW, now),
                }
                refusal.cool_down(now)
            }
            Err(error) => {
                let campaign = format!("{:016x}", terms.campaign);
                tracing::warn!(campaign, error = %Chain(&error), "no lease");
                COOL_DOWN
            }
        };
        let campaign = holdings.campaigns.entry(terms.campaign).or_default();
        campaign.quiet = Some(Quiet {
            terms: terms.clone(),
            until: now + quiet_for,
        });
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
            new: Taps::default(),
            further: Taps::default(),
            new_attempts: Taps::default(),
            further_attempts: Taps::default(),
        }
    }
}

impl Holdings {
    fn add(&mut self, lease: Lease, now: Instant) {
        self.until = self.until.min(lease.serve_until);
        Arc::make_mut(&mut self.in_hand).insert(lease.campaign);
        let tokens = u32::try_from(lease.tokens()).unwrap_or(u32::MAX);
        let campaign = self.campaigns.entry(lease.campaign).or_default();
        campaign.leased_at = Some(now);
        campaign.held.push_back(Held { lease, tokens });
    }

    /// Drops the leases whose time is over.
    fn look(&mut self, now: Instant) {
        let campaigns = &mut self.campaigns;
        Arc::make_mut(&mut self.in_hand)
            .retain(|key| campaigns.get_mut(key).is_some_and(|it| it.tokens(now) > 0));
        let held = campaigns.values().flat_map(|campaign| &campaign.held);
        let ends = held.map(|held| held.lease.serve_until);
        self.until = ends.min().unwrap_or(NEVER);
    }
}

impl Refusal {
    /// Returns how long no lease is requested after it.
    fn cool_down(self, now: Instant) -> Duration {
        match self {
            Self::NotLeasing(Some(from)) | Self::Paced(from) => {
                from.since(now).clamp(COOL_DOWN, LONGEST_COOL_DOWN)
            }
            Self::Spent => SPENT_COOL_DOWN,
            Self::NotLeasing(None) | Self::Elsewhen => COOL_DOWN,
        }
    }
}

impl Campaign {
    fn is_quiet(&self, terms: &Terms, now: Instant) -> bool {
        let quiet = self.quiet.as_ref();
        quiet.is_some_and(|quiet| now < quiet.until && quiet.terms == *terms)
    }

    /// Takes a token: the lease to name, the moment after which the token must not count, and how many
    /// tokens are left.
    fn take(&mut self, now: Instant) -> Option<((u64, Instant), u32)> {
        let tokens = self.tokens(now);
        let held = self.held.iter_mut().find(|held| held.tokens > 0)?;
        held.tokens -= 1;
        self.demand.note(now);
        Some((
            (held.lease.id, held.lease.lapses_at),
            tokens.saturating_sub(1),
        ))
    }

    /// Tokens that may be given out; leases whose time is over are dropped, and will lapse.
    fn tokens(&mut self, now: Instant) -> u32 {
        self.held.retain(|held| now < held.lease.serve_until);
        let tokens = self.held.iter().map(|held| held.tokens);
        tokens.fold(0, u32::saturating_add)
    }
}

impl Taps {
    /// Notes one more, unless the bound is reached.
    fn take(&mut self, bound: Bound, now: Instant) -> bool {
        let is_free = self.is_free(bound, now);
        if is_free {
            self.set(self.level_at(bound, now) + 1.0, now);
        }
        is_free
    }

    fn is_free(&self, bound: Bound, now: Instant) -> bool {
        self.level_at(bound, now) + 1.0 <= bound.at_once
    }

    /// Takes one back that was noted.
    fn return_one(&mut self, bound: Bound, now: Instant) {
        self.set((self.level_at(bound, now) - 1.0).max(0.0), now);
    }

    fn level_at(&self, bound: Bound, now: Instant) -> f64 {
        let sunk = now.since(self.at).as_secs_f64() * bound.a_second;
        (self.level - sunk).max(0.0)
    }

    fn set(&mut self, level: f64, now: Instant) {
        // A clock that was set back must not free anything twice.
        let at = now.max(self.at);
        *self = Self { level, at };
    }
}

impl Demand {
    fn note(&mut self, now: Instant) {
        self.level = self.level_at(now) + 1.0;
        self.at = now;
    }

    /// At a steady rate the level comes to the tokens of [`AHEAD_S`].
    fn tokens_ahead(&self, now: Instant) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float saturates, and it is not negative"
        )]
        let tokens = self.level_at(now).ceil() as u32;
        tokens.max(1)
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
        assert_eq!(demand.tokens_ahead(start), 1);
        for tenth in 0..1_200 {
            demand.note(start + Duration::from_millis(100 * tenth));
        }
        let busy = demand.tokens_ahead(start + Duration::from_secs(120));
        assert!((280..=320).contains(&busy), "{busy} of 300");
        assert_eq!(demand.tokens_ahead(start + Duration::from_secs(600)), 1);
    }

    #[test]
    fn no_more_leases_are_taken_than_the_bound_allows_in_any_second() {
        let start = Instant::from_seconds(1_000_000);
        let mut taps = Taps::default();
        // A hundred campaigns a second want one for half a minute.
        let taken = |taps: &mut Taps, from: u64, to: u64| {
            let wants = (100 * from..100 * to).map(|nth| start + Duration::from_millis(10 * nth));
            wants.filter(|now| taps.take(NEW, *now)).count()
        };
        assert_eq!(taken(&mut taps, 0, 1), 8);
        let of_half_a_minute = taken(&mut taps, 1, 31);
        assert!((29..=31).contains(&of_half_a_minute), "{of_half_a_minute}");
        assert!(!taps.take(NEW, start), "the clock was set back");
    }

    #[test]
    fn what_is_returned_to_a_bound_is_free_again_and_no_more_than_that() {
        let start = Instant::from_seconds(1_000_000);
        let mut taps = Taps::default();
        let taken = |taps: &mut Taps| (0..20).filter(|_| taps.take(NEW, start)).count();
        assert_eq!(taken(&mut taps), 8);
        for _ in 0..3 {
            taps.return_one(NEW, start);
        }
        assert_eq!(taken(&mut taps), 3);
        for _ in 0..9 {
            taps.return_one(NEW, start);
        }
        assert_eq!(taken(&mut taps), 8);
    }

    #[test]
    fn a_refusal_is_gone_by_until_the_moment_it_names_or_other_terms_are_published() {
        let now = Instant::from_seconds(1_000_000);
        let paced = |seconds| Refusal::Paced(now + Duration::from_secs(seconds)).cool_down(now);
        assert_eq!(paced(2), COOL_DOWN);
        assert_eq!(paced(110), Duration::from_secs(110));
        assert_eq!(paced(86_400), LONGEST_COOL_DOWN);
        assert_eq!(Refusal::Spent.cool_down(now), Duration::from_secs(30));

        let terms = Terms {
            campaign: 3,
            pricing: domain::content::campaigns::Pricing::Impressions,
            price_micros: 0,
            zone: domain::TimeZoneName::utc(),
            daily: None,
            total: Some(70),
            spread: None,
        };
        let until = now + Duration::from_secs(170);
        let quiet = Some(Quiet {
            terms: terms.clone(),
            until,
        });
        let campaign = Campaign {
            quiet,
            ..Campaign::default()
        };
        assert!(campaign.is_quiet(&terms, now + Duration::from_secs(169)));
        assert!(!campaign.is_quiet(&terms, until));
        let total = Some(71);
        assert!(!campaign.is_quiet(&Terms { total, ..terms }, now));
    }
}
