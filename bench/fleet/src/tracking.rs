//! Marks that come in: what `track` makes of them, and what it asks of DynamoDB, as `store::marks` has
//! it: an entry of the bucket in the minute of arrival, then one transaction of the mark, the device's
//! counters and the lease, or a put where there is none of the two.

use std::time::Duration;

use domain::Instant;
use rand::RngExt as _;

use crate::{
    books::Event,
    cost::assumed,
    instances::Placement,
    marks::{BATCH, Mark},
    meter::{IN_TRANSACTION, Key, eventual},
    roll_up::{ARRIVAL_PARTS, SHARDS, shard_id},
    simulation::Simulation,
};

/// `SNAPSHOT_REFRESH_S` of `track`.
const CONTENT_REFRESH: Duration = Duration::from_secs(3);

/// So many instances more than are busy on average.
const HEADROOM: f64 = 3.0;

impl Simulation {
    /// Takes in what arrives in a second.
    pub(crate) fn marks(&mut self, second: u32, now: Instant) {
        let marks = self.on_their_way.arrive(second);
        if marks.is_empty() {
            return;
        }
        let calls: f64 = marks
            .iter()
            .map(|mark| if mark.offline { BATCH.recip() } else { 1.0 })
            .sum();
        self.totals.mark_calls += calls;
        self.totals.marks += marks.len() as u64;
        let instances = match self.options.placement {
            Placement::Spread => self.instances.at_work().max(1) as f64,
            Placement::Packed => (calls * assumed::MARK_S * HEADROOM).ceil() + 1.0,
        };
        self.totals.track_instances = self.totals.track_instances.max(instances);
        let looks = calls.min(instances / CONTENT_REFRESH.as_secs_f64());
        self.totals.track_heads += looks;
        self.meter
            .read_many(Key::ContentHead, 0, looks, eventual(0));
        for mark in marks {
            let instance = self.rng.random_range(0..instances as u32);
            self.mark(&mark, instance, now);
        }
    }

    fn mark(&mut self, mark: &Mark, instance: u32, now: Instant) {
        let campaign = &mut self.books.campaigns[usize::from(mark.campaign)];
        if mark.expires_at <= now {
            campaign.expired += u64::from(!mark.again);
            return;
        }
        let minute = mark.issued.as_minutes() - self.start.as_minutes();
        if self.entered.insert((instance, mark.campaign, minute)) {
            let part = campaign.key % ARRIVAL_PARTS;
            self.meter.write(Key::Arrivals, part, 1.0);
        }
        let shard = (mark.issued.as_millis() as u64 ^ u64::from(mark.device)) % SHARDS;
        let bucket = shard_id(campaign.key, minute, shard);
        let charges = match mark.event {
            Event::Impression => campaign.charges(mark.creative, now),
            Event::Click | Event::Conversion => Vec::new(),
        };
        let uses_lease = mark.event != Event::Conversion && campaign.paid() == Some(mark.event);
        let lease = mark.lease.filter(|_| uses_lease);
        let in_transaction = !charges.is_empty() || lease.is_some();
        let units = if in_transaction { IN_TRANSACTION } else { 1.0 };
        // A transaction that is refused is paid for all the same.
        self.meter.write(Key::Mark, bucket, units);
        for _ in &charges {
            self.meter
                .write(Key::Device, mark.device.into(), IN_TRANSACTION);
        }
        if lease.is_some() {
            self.meter.write(Key::Leases, campaign.key, IN_TRANSACTION);
        }
        if mark.again {
            // It is noted that it was sent again.
            self.meter.write(Key::Mark, bucket, 1.0);
            return;
        }
        self.roll_up.put(mark.campaign, minute);
        if !self.devices.fits(mark.device, &charges) {
            campaign.beyond_cap += 1;
        } else if lease.is_some_and(|id| !self.budgets.use_one(id)) {
            campaign.beyond_lease += 1;
        } else {
            self.devices.count(mark.device, &charges);
            campaign.enter(mark.event, mark.issued);
            return;
        }
        // The mark alone, beyond.
        self.meter.write(Key::Mark, bucket, 1.0);
    }
}
