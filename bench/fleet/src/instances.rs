//! Instances of `allocations`: which of them gets a request, which are frozen or killed, and what each
//! holds. The way in which an instance sizes its leases, and when it asks for another, is that of
//! `store::budgets::Leases`.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashSet, VecDeque},
    str::FromStr,
    time::Duration,
};

use anyhow::{Error, bail};
use domain::{Instant, pacing::Terms};
use rand::{Rng, RngExt as _};

use crate::{
    budgets::{Budgets, Refusal},
    meter::Meter,
};

/// Which instance gets a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Any: as many as the load's share of the peak's.
    Spread,
    /// The one that was used last of those that are not busy, or a new one.
    Packed,
}

impl FromStr for Placement {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(match text {
            "spread" => Self::Spread,
            "packed" => Self::Packed,
            _ => bail!("a placement is spread or packed, not {text}"),
        })
    }
}

/// A minute's chance of an instance to be frozen for some minutes, and to be killed.
const FROZEN: f64 = 0.004;
const KILLED: f64 = 0.000_5;
/// How long it is frozen at most, in minutes.
const FROZEN_MIN: u32 = 25;

/// Of instances that the platform ends, how many have the time to give back what they leased.
const IN_PEACE: f64 = 0.9;

/// An instance that was not used for so long is ended.
const IDLE: Duration = Duration::from_secs(420);

const AHEAD_S: f64 = 30.0;
const LOW: u32 = 4;
const FIRST: u32 = 32;
/// Leases of campaigns that had none, and of those that had one lately: at once, and a second.
const NEW: (f64, f64) = (8.0, 1.0);
const FURTHER: (f64, f64) = (64.0, 4.0);
const NEW_ATTEMPTS: (f64, f64) = (64.0, 8.0);
const FURTHER_ATTEMPTS: (f64, f64) = (128.0, 16.0);
const REMEMBERED_FOR: Duration = Duration::from_secs(120);
const PAST: Duration = Duration::from_secs(180);
const COOL_DOWN: Duration = Duration::from_secs(5);
const SPENT_COOL_DOWN: Duration = Duration::from_secs(30);
const LONGEST_COOL_DOWN: Duration = Duration::from_secs(120);

/// One instance.
#[derive(Debug)]
pub(crate) struct Instance {
    /// The delivery it goes by, and the newer one that it was given beside its last request.
    pub(crate) delivery: usize,
    pub(crate) newer: usize,
    pub(crate) looked_for_delivery: Instant,
    pub(crate) looked_for_content: Instant,
    pub(crate) tally: Tally,
    used_at: Instant,
    /// By campaign.
    leases: BTreeMap<u16, Holding>,
    new: Taps,
    further: Taps,
    new_attempts: Taps,
    further_attempts: Taps,
}

/// How many leases were taken lately: a level that sinks as time goes by.
#[derive(Debug, Clone, Copy, Default)]
struct Taps {
    level: f64,
    at: Instant,
}

/// What an instance has not told yet.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) since: Option<Instant>,
    pub(crate) requests: u32,
    pub(crate) served: u32,
}

/// The leases of one campaign in one instance.
#[derive(Debug, Default)]
struct Holding {
    held: VecDeque<(u32, u32, Instant)>,
    /// A lease that was granted and is known from the next request on.
    landing: Option<u32>,
    level: f64,
    level_at: Instant,
    quiet_until: Instant,
    leased_at: Instant,
}

/// All instances.
pub(crate) struct Instances {
    placement: Placement,
    most: u32,
    all: Vec<Option<Instance>>,
    /// Those that can take a request; the one used last is last.
    ready: Vec<u32>,
    busy: BinaryHeap<Reverse<(i64, u32)>>,
    frozen: Vec<(Instant, u32)>,
    pub(crate) started: u64,
    pub(crate) most_at_once: usize,
}

impl Instances {
    /// None yet; of those that are spread at most so many at the peak.
    pub(crate) fn new(placement: Placement, most: u32) -> Self {
        Self {
            placement,
            most,
            all: Vec::new(),
            ready: Vec::new(),
            busy: BinaryHeap::new(),
            frozen: Vec::new(),
            started: 0,
            most_at_once: 0,
        }
    }

    pub(crate) fn get(&mut self, id: u32) -> Option<&mut Instance> {
        self.all[id as usize].as_mut()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ready.len() + self.busy.len() + self.frozen.len()
    }

    /// How many can take a request.
    pub(crate) fn at_work(&self) -> usize {
        self.ready.len() + self.busy.len()
    }

    /// The instance that gets a request at `now`, which keeps it busy until `until`; whether it is
    /// new.
    pub(crate) fn place(
        &mut self,
        now: Instant,
        until: Instant,
        rng: &mut impl Rng,
    ) -> (u32, bool) {
        match self.placement {
            Placement::Spread if self.ready.is_empty() => {
                let id = self.start(now);
                self.ready.push(id);
                (id, true)
            }
            Placement::Spread => {
                let id = self.ready[rng.random_range(0..self.ready.len())];
                (
                    id,
                    self.all[id as usize].as_ref().is_some_and(Instance::is_new),
                )
            }
            Placement::Packed => {
                while let Some(Reverse((end, id))) = self.busy.peek().copied()
                    && end <= now.as_millis()
                {
                    self.busy.pop();
                    self.ready.push(id);
                }
                let (id, new) = match self.ready.pop() {
                    Some(id) => (id, false),
                    None => (self.start(now), true),
                };
                self.busy.push(Reverse((until.as_millis(), id)));
                (id, new)
            }
        }
    }

    /// Lets a minute begin: instances come, go, freeze and thaw as `load`, a part of the peak's, and
    /// chance will have it.
    pub(crate) fn turn(
        &mut self,
        load: f64,
        now: Instant,
        keys: &[u64],
        budgets: &mut Budgets,
        meter: &mut Meter,
        rng: &mut impl Rng,
    ) {
        let mut thawed = Vec::new();
        self.frozen.retain(|(until, id)| {
            let thaws = *until <= now;
            thawed.extend(thaws.then_some(*id));
            !thaws
        });
        self.ready.extend(thawed);
        let mut ended = Vec::new();
        let mut ready = Vec::with_capacity(self.ready.len());
        for id in std::mem::take(&mut self.ready) {
            let idle = self.placement == Placement::Packed
                && self.all[id as usize]
                    .as_ref()
                    .is_some_and(|it| it.used_at + IDLE < now);
            if rng.random_bool(KILLED) {
                self.all[id as usize] = None;
            } else if idle {
                ended.push(id);
            } else if self.placement == Placement::Spread && rng.random_bool(FROZEN) {
                let minutes = rng.random_range(1..=FROZEN_MIN);
                self.frozen
                    .push((now + Duration::from_secs(60 * u64::from(minutes)), id));
            } else {
                ready.push(id);
            }
        }
        self.ready = ready;
        if self.placement == Placement::Spread {
            let wanted = (f64::from(self.most) * load).ceil().max(1.0) as usize;
            while self.ready.len() < wanted {
                let id = self.start(now);
                self.ready.push(id);
            }
            while self.ready.len() > wanted {
                ended.push(
                    self.ready
                        .swap_remove(rng.random_range(0..self.ready.len())),
                );
            }
        }
        for id in ended {
            let instance = self.all[id as usize].take();
            if let Some(instance) = instance
                && rng.random_bool(IN_PEACE)
            {
                instance.give_back(keys, budgets, meter);
            }
        }
        self.most_at_once = self.most_at_once.max(self.len());
    }

    fn start(&mut self, now: Instant) -> u32 {
        let id = self.all.len() as u32;
        self.all.push(Some(Instance {
            delivery: 0,
            newer: 0,
            looked_for_delivery: Instant::default(),
            looked_for_content: Instant::default(),
            tally: Tally::default(),
            used_at: now,
            leases: BTreeMap::new(),
            new: Taps::default(),
            further: Taps::default(),
            new_attempts: Taps::default(),
            further_attempts: Taps::default(),
        }));
        self.started += 1;
        id
    }
}

impl Instance {
    /// Whether it has not served yet.
    fn is_new(&self) -> bool {
        self.looked_for_content == Instant::default()
    }

    /// The campaigns, by key, of which it may give something out under a lease, as a request begins.
    pub(crate) fn in_hand(
        &mut self,
        now: Instant,
        keys: &[u64],
        budgets: &Budgets,
    ) -> HashSet<u64> {
        self.used_at = now;
        self.leases.retain(|_, holding| !holding.is_forgotten(now));
        let mut in_hand = HashSet::new();
        for (campaign, holding) in &mut self.leases {
            if let Some(id) = holding.landing.take() {
                let lease = budgets.lease(id);
                holding
                    .held
                    .push_back((id, lease.tokens, lease.serve_until));
                holding.leased_at = now;
            }
            if holding.units(now) > 0 {
                in_hand.insert(keys[usize::from(*campaign)]);
            }
        }
        in_hand
    }

    /// Takes a unit to give out.
    pub(crate) fn take(&mut self, campaign: u16, now: Instant) -> Option<u32> {
        let holding = self.leases.get_mut(&campaign)?;
        let (id, units, _) = holding.held.iter_mut().find(|(_, units, _)| *units > 0)?;
        *units -= 1;
        let id = *id;
        holding.note(now);
        Some(id)
    }

    /// Sees to it that units are at hand.
    pub(crate) fn want(
        &mut self,
        campaign: u16,
        terms: &Terms,
        now: Instant,
        budgets: &mut Budgets,
        meter: &mut Meter,
    ) {
        let holding = self.leases.entry(campaign).or_default();
        let units = holding.units(now);
        if units == 0 {
            holding.note(now);
        }
        let ahead = (holding.level_at(now).ceil() as u32).max(FIRST);
        if units > ahead / LOW || now < holding.quiet_until || holding.landing.is_some() {
            return;
        }
        let is_known = now.since(holding.leased_at) < REMEMBERED_FOR;
        let (attempts, of_attempts) = match is_known {
            true => (&mut self.further_attempts, FURTHER_ATTEMPTS),
            false => (&mut self.new_attempts, NEW_ATTEMPTS),
        };
        let (taps, bound) = match is_known {
            true => (&mut self.further, FURTHER),
            false => (&mut self.new, NEW),
        };
        if !attempts.is_free(of_attempts, now) || !taps.take(bound, now) {
            return;
        }
        attempts.take(of_attempts, now);
        let quiet_for = match budgets.take(campaign, terms, ahead, now, meter) {
            Ok(lease) => {
                holding.landing = Some(lease);
                return;
            }
            Err(Refusal::Spent) => SPENT_COOL_DOWN,
            Err(Refusal::Later(from)) => from.since(now).clamp(COOL_DOWN, LONGEST_COOL_DOWN),
        };
        taps.return_one(bound, now);
        holding.quiet_until = now + quiet_for;
    }

    fn give_back(self, keys: &[u64], budgets: &mut Budgets, meter: &mut Meter) {
        for (campaign, holding) in self.leases {
            for (id, units, _) in holding.held.into_iter().filter(|(_, units, _)| *units > 0) {
                budgets.give_back(id, units, keys[usize::from(campaign)], meter);
            }
        }
    }
}

impl Taps {
    fn take(&mut self, bound: (f64, f64), now: Instant) -> bool {
        let is_free = self.is_free(bound, now);
        if is_free {
            let level = self.level_at(bound, now) + 1.0;
            *self = Self { level, at: now };
        }
        is_free
    }

    fn is_free(&self, bound: (f64, f64), now: Instant) -> bool {
        self.level_at(bound, now) + 1.0 <= bound.0
    }

    fn return_one(&mut self, bound: (f64, f64), now: Instant) {
        let level = (self.level_at(bound, now) - 1.0).max(0.0);
        *self = Self { level, at: now };
    }

    fn level_at(&self, (_, a_second): (f64, f64), now: Instant) -> f64 {
        let sunk = now.since(self.at).as_secs_f64() * a_second;
        (self.level - sunk).max(0.0)
    }
}

impl Holding {
    /// Whether it makes no difference to forget it: it holds nothing, asks for nothing, and what it
    /// knows of the demand is long past.
    fn is_forgotten(&self, now: Instant) -> bool {
        self.held.is_empty()
            && self.landing.is_none()
            && self.quiet_until <= now
            && self.level_at + PAST <= now
    }

    fn units(&mut self, now: Instant) -> u32 {
        self.held.retain(|(_, _, serve_until)| now < *serve_until);
        self.held.iter().map(|(_, units, _)| units).sum()
    }

    fn note(&mut self, now: Instant) {
        self.level = self.level_at(now) + 1.0;
        self.level_at = now;
    }

    fn level_at(&self, now: Instant) -> f64 {
        self.level * (-now.since(self.level_at).as_secs_f64() / AHEAD_S).exp()
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn packed_requests_go_where_the_last_went_unless_it_is_busy() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut instances = Instances::new(Placement::Packed, 1);
        let at = Instant::from_millis;
        let mut place = |from, until| instances.place(at(from), at(until), &mut rng);
        assert_eq!(place(0, 10), (0, true));
        assert_eq!(place(5, 20), (1, true));
        assert_eq!(place(10, 12), (0, false));
        assert_eq!(place(30, 40), (1, false));
    }
}
