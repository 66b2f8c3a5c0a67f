//! A request: the instance that gets it, what that knows, what it gives out, and what it asks of
//! DynamoDB meanwhile.

use std::time::Duration;

use domain::{
    Instant,
    allocation::{Given, allocate},
};
use rand::RngExt as _;

use crate::{
    books::Event,
    budgets::{AGE_LIMIT, REFRESH, TOKEN_LIFE},
    campaigns::PLACEMENTS,
    cost::assumed,
    instances::Tally,
    marks::Mark,
    meter::{Key, eventual, written},
    roll_up::TALLY_PARTS,
    simulation::Simulation,
    traffic::about,
};

/// `SNAPSHOT_REFRESH_S` of `allocations` and `TRACKING_TOKEN_LIFETIME_S`.
const CONTENT_REFRESH: Duration = Duration::from_secs(7);
const FREE_TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// An instance tells its tally after so long and so many requests, or after long.
const TELL_EVERY: Duration = Duration::from_secs(60);
const TELL_WORTHWHILE: u32 = 50;
const TELL_AT_LAST: Duration = Duration::from_secs(600);
/// What a tally takes for each pair of creative and placement.
const TALLIED_BYTES: usize = 14;

const HEAD_BYTES: usize = 300;

/// A campaign that was given.
struct Served {
    campaign: u16,
    creative: u8,
    lease: Option<u32>,
}

impl Simulation {
    /// Serves a request.
    pub(crate) fn request(&mut self, now: Instant) {
        let device = self.activity.draw(&mut self.rng);
        // The same device is the same person.
        let person = (device.wrapping_mul(0x9e37_79b9) >> 16) as usize % self.people.len();
        let lot: f64 = self.rng.random();
        let placement = usize::from(lot >= PLACEMENTS[0].1);
        let busy_s = 0.003 + about(assumed::ALLOCATION_S - 0.003, &mut self.rng);
        let until = now + Duration::from_secs_f64(busy_s);
        let (id, new) = self.instances.place(now, until, &mut self.rng);
        self.look(id, new, now);
        let Some(instance) = self.instances.get(id) else {
            return;
        };
        let leases = instance.in_hand(now, &self.books.keys, &self.budgets);
        let lineup = &mut self.lineups[instance.delivery];
        *lineup = match lineup.is_due(now) {
            true => lineup.renewed(now),
            false => lineup.at(now),
        };
        let bytes = self.devices.size(device);
        self.meter.read(Key::Device, device.into(), eventual(bytes));
        let showings = self.devices.showings(device);
        let request = &self.people[person][placement];
        let given = Given {
            request,
            profile: None,
            segments: None,
            config: None,
            showings: &showings,
            leases: &leases,
            member: None,
            now,
        };
        let allocation = allocate(lineup, &given, &mut self.rng);

        let totals = &mut self.totals;
        totals.requests += 1;
        totals.slots += u64::from(PLACEMENTS[placement].2);
        totals.filled += allocation.placed.len() as u64;
        let house = allocation.placed.iter().filter(|it| it.campaign.house);
        totals.house += house.count() as u64;
        totals.capped += allocation.capped.len() as u64;
        totals.leaseless += u64::from(!allocation.wanted.is_empty());
        totals.stale += u64::from(now.since(lineup.delivery().at) > AGE_LIMIT);
        let wanted: Vec<u16> = allocation
            .wanted
            .iter()
            .map(|it| self.books.place(it.key))
            .collect();
        let mut served = Vec::with_capacity(allocation.placed.len());
        for placed in &allocation.placed {
            let campaign = self.books.place(placed.campaign.key);
            let lease = placed
                .leased
                .then(|| instance.take(campaign, now))
                .flatten();
            let creative =
                self.books.campaigns[usize::from(campaign)].creative(placed.creative.key);
            served.push(Served {
                campaign,
                creative,
                lease,
            });
        }
        let leased = served.iter().filter(|it| it.lease.is_some());
        for campaign in wanted.into_iter().chain(leased.map(|it| it.campaign)) {
            if let Some(terms) = &self.books.campaigns[usize::from(campaign)].terms {
                instance.want(campaign, terms, now, &mut self.budgets, &mut self.meter);
            }
        }
        self.tell(id, served.len(), now);
        for served in served {
            self.send(device, &served, now);
        }
    }

    /// Looks for newer heads beside the request, where it is time to; an instance that is new waits
    /// for them.
    fn look(&mut self, id: u32, new: bool, now: Instant) {
        let newest = self.lineups.len() - 1;
        let Some(instance) = self.instances.get(id) else {
            return;
        };
        if instance.looked_for_content + CONTENT_REFRESH <= now {
            instance.looked_for_content = now;
            self.totals.content_heads += 1;
            self.meter.read(Key::ContentHead, 0, eventual(HEAD_BYTES));
        }
        self.totals.gets += u64::from(new);
        instance.delivery = instance.newer;
        if instance.looked_for_delivery + REFRESH <= now {
            instance.looked_for_delivery = now;
            self.totals.delivery_heads += 1;
            self.meter.read(Key::DeliveryHead, 0, eventual(HEAD_BYTES));
            self.totals.gets += u64::from(instance.newer != newest);
            instance.newer = newest;
        }
        if new {
            instance.delivery = instance.newer;
        }
    }

    /// Counts a request in its instance's tally, and writes that where it is time to.
    fn tell(&mut self, id: u32, served: usize, now: Instant) {
        let Some(instance) = self.instances.get(id) else {
            return;
        };
        let tally = &mut instance.tally;
        let since = *tally.since.get_or_insert(now);
        tally.requests += 1;
        tally.served += served as u32;
        let kept = now.since(since);
        let worthwhile = kept >= TELL_EVERY && tally.requests >= TELL_WORTHWHILE;
        if !worthwhile && kept < TELL_AT_LAST {
            return;
        }
        let pairs = self.books.campaigns.len() * 2 * PLACEMENTS.len();
        let bytes = TALLIED_BYTES * (tally.served as usize).min(pairs);
        *tally = Tally::default();
        self.totals.tallies += 1;
        let part = u64::from(id) % TALLY_PARTS;
        self.meter.write(Key::Tallies, part, written(bytes));
        self.roll_up.tell(bytes);
    }

    fn send(&mut self, device: u32, served: &Served, now: Instant) {
        let campaign = &mut self.books.campaigns[usize::from(served.campaign)];
        campaign.served += 1;
        let life = if campaign.has_budget {
            TOKEN_LIFE
        } else {
            FREE_TOKEN_LIFE
        };
        let lapses_at = served.lease.map(|id| self.budgets.lease(id).lapses_at);
        let expires_at = lapses_at.map_or(now + life, |lapses| lapses.min(now + life));
        let impression = Mark {
            issued: now,
            expires_at,
            device,
            lease: served.lease,
            campaign: served.campaign,
            creative: served.creative,
            event: Event::Impression,
            again: false,
            offline: false,
        };
        self.on_their_way.send(impression, &mut self.rng);
    }
}
