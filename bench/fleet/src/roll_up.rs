//! What the roll-up reads and writes in each of its runs, as `store::marks` has it: the arrivals of
//! the last minutes, the buckets that they name, the sums of those campaigns' days, and what it sets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::meter::{Key, Meter, Spread, consistent};

/// How many partitions a bucket, a minute's arrivals and a minute's tallies are spread over.
pub(crate) const SHARDS: u64 = domain::tracking::SHARDS as u64;
pub(crate) const ARRIVAL_PARTS: u64 = 16;
pub(crate) const TALLY_PARTS: u64 = 4;

/// How many minutes' arrivals a run reads: those that may still get some.
const UNSETTLED_MIN: usize = 5;

/// What items take, in bytes.
const MARK_BYTES: usize = 330;
const ARRIVAL_BYTES: usize = 130;
const SUM_BYTES: usize = 400;

/// A campaign's sums of a day have one item for each of its creatives and minutes.
const CREATIVES: usize = 2;
/// A campaign's totals of a day have one item for each creative and placement.
const TOTALS: u64 = 4;

/// A run takes so long.
const RUN_S: f64 = 20.0;
const AT_ONCE: Spread = Spread {
    whole_s: RUN_S,
    key_s: 1.0,
};
const SLOWLY: Spread = Spread {
    whole_s: RUN_S,
    key_s: RUN_S,
};

/// A campaign and a minute of issue, since the start.
type Bucket = (u16, u32);

/// What there is to be rolled up.
#[derive(Debug, Default)]
pub(crate) struct RollUp {
    /// How many marks each bucket has.
    buckets: BTreeMap<Bucket, u32>,
    /// The last minutes: which buckets had marks in each, the newest last.
    arrivals: VecDeque<BTreeMap<Bucket, u32>>,
    /// How many minutes of the day each campaign had marks in.
    minutes: BTreeMap<u16, usize>,
    tallies: u64,
}

impl RollUp {
    /// A mark was put.
    pub(crate) fn put(&mut self, campaign: u16, minute: u32) {
        let bucket = (campaign, minute);
        let marks = self.buckets.entry(bucket).or_default();
        if *marks == 0 {
            *self.minutes.entry(campaign).or_default() += 1;
        }
        *marks += 1;
        if self.arrivals.is_empty() {
            self.arrivals.push_back(BTreeMap::new());
        }
        if let Some(arrived) = self.arrivals.back_mut() {
            *arrived.entry(bucket).or_default() += 1;
        }
    }

    /// A tally of so many bytes was written.
    pub(crate) fn tell(&mut self, bytes: usize) {
        self.tallies += bytes as u64;
    }

    /// A run, at the begin of a minute.
    pub(crate) fn run(&mut self, keys: &[u64], meter: &mut Meter) {
        for arrived in &self.arrivals {
            let bytes = arrived.len() * ARRIVAL_BYTES / ARRIVAL_PARTS as usize;
            for part in 0..ARRIVAL_PARTS {
                meter.read_over(Key::Arrivals, part, consistent(bytes), AT_ONCE);
            }
        }
        let due: BTreeSet<Bucket> = self
            .arrivals
            .iter()
            .flat_map(BTreeMap::keys)
            .copied()
            .collect();
        for bucket in &due {
            let marks = self.buckets.get(bucket).copied().unwrap_or(0) as usize;
            let units = consistent(marks * MARK_BYTES / SHARDS as usize);
            for shard in 0..SHARDS {
                let id = shard_id(keys[usize::from(bucket.0)], bucket.1, shard);
                meter.read_over(Key::Mark, id, units, AT_ONCE);
            }
        }
        let changed: BTreeMap<u16, u64> = self.changed();
        let campaigns: BTreeSet<u16> = due.iter().map(|(campaign, _)| *campaign).collect();
        for campaign in campaigns {
            let key = keys[usize::from(campaign)];
            let minutes = self.minutes.get(&campaign).copied().unwrap_or(0);
            let day = consistent(minutes * CREATIVES * SUM_BYTES);
            // The day's sums, and those of the last minutes.
            meter.read_over(Key::Sums, key, day, AT_ONCE);
            meter.read_over(
                Key::Sums,
                key,
                consistent(20 * CREATIVES * SUM_BYTES),
                AT_ONCE,
            );
            // The terms, the last bill before, and the bills from this day on.
            meter.read_over(Key::Books, key, 3.0, AT_ONCE);
            meter.read_over(Key::Totals, 0, 1.0, SLOWLY);
            meter.read_over(Key::Delivered, 0, 1.0, SLOWLY);
            if let Some(buckets) = changed.get(&campaign) {
                meter.write_over(Key::Sums, key, buckets * CREATIVES as u64, 1.0, AT_ONCE);
                meter.write_over(Key::Books, key, 1, 1.0, AT_ONCE);
                meter.write_over(Key::Totals, 0, TOTALS, 1.0, SLOWLY);
                meter.write_over(Key::Tallied, 0, 1, 1.0, SLOWLY);
                meter.read_over(Key::Tallied, 0, 1.0, SLOWLY);
            }
            meter.write_over(Key::Delivered, 0, 1, 1.0, SLOWLY);
        }
        for part in 0..TALLY_PARTS {
            let units = consistent((self.tallies / TALLY_PARTS) as usize);
            meter.read_over(Key::Tallies, part, units * UNSETTLED_MIN as f64, AT_ONCE);
        }
        self.tallies = 0;
        self.arrivals.push_back(BTreeMap::new());
        while self.arrivals.len() > UNSETTLED_MIN {
            self.arrivals.pop_front();
        }
    }

    /// How many buckets of each campaign had marks in the minute that has just ended.
    fn changed(&self) -> BTreeMap<u16, u64> {
        let mut changed = BTreeMap::new();
        for (campaign, _) in self.arrivals.back().into_iter().flat_map(BTreeMap::keys) {
            *changed.entry(*campaign).or_default() += 1;
        }
        changed
    }
}

/// What a partition of marks is called here.
pub(crate) fn shard_id(campaign: u64, minute: u32, shard: u64) -> u64 {
    campaign ^ (u64::from(minute) << 8) ^ shard
}
