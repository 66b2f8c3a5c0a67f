//! DynamoDB's units: how many each kind of key takes, and the most that any one key takes in a second.
//!
//! A read unit is 4 KB read consistently, or 8 KB eventually; a write unit is 1 KB; in a transaction
//! each counts twice.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/capacity-unit-calculations.html>

use std::collections::HashMap;

/// What one partition takes in a second, in write and read units.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>
pub(crate) const PARTITION_WRITES: f64 = 1_000.0;
pub(crate) const PARTITION_READS: f64 = 3_000.0;

/// A kind of partition key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Device,
    Mark,
    Arrivals,
    Sums,
    Books,
    Totals,
    Delivered,
    Tallies,
    Tallied,
    Accounts,
    Leases,
    DeliveryHead,
    ContentHead,
}

impl Key {
    pub(crate) const ALL: [Self; 13] = [
        Self::Device,
        Self::Mark,
        Self::Arrivals,
        Self::Sums,
        Self::Books,
        Self::Totals,
        Self::Delivered,
        Self::Tallies,
        Self::Tallied,
        Self::Accounts,
        Self::Leases,
        Self::DeliveryHead,
        Self::ContentHead,
    ];

    /// Its table, and what its partitions are.
    pub(crate) const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Device => ("Devices", "device"),
            Self::Mark => ("Marks", "mark: campaign, minute, shard"),
            Self::Arrivals => ("Marks", "arrivals: minute, part"),
            Self::Sums => ("Marks", "sums: day, campaign"),
            Self::Books => ("Marks", "terms, billed: campaign"),
            Self::Totals => ("Marks", "totals: day"),
            Self::Delivered => ("Marks", "delivered"),
            Self::Tallies => ("Marks", "tallies: minute, part"),
            Self::Tallied => ("Marks", "tallied: day"),
            Self::Accounts => ("Budgets", "accounts: part"),
            Self::Leases => ("Budgets", "budget: campaign"),
            Self::DeliveryHead => ("Budgets", "delivery"),
            Self::ContentHead => ("Content", "head: campaigns"),
        }
    }
}

/// What flows to or from a kind of key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flow {
    pub(crate) calls: u64,
    pub(crate) units: f64,
    /// The most units in a second.
    pub(crate) peak: f64,
    /// The most units of one key in a second.
    pub(crate) hottest: f64,
    this_second: f64,
    keys: HashMap<u64, f64>,
}

/// How a burst of work is spread: over so many seconds as a whole, and on each key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) whole_s: f64,
    pub(crate) key_s: f64,
}

const AT_ONCE: Spread = Spread {
    whole_s: 1.0,
    key_s: 1.0,
};

/// Counts units.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    reads: [Flow; Key::ALL.len()],
    writes: [Flow; Key::ALL.len()],
}

impl Meter {
    pub(crate) fn reads(&self, key: Key) -> &Flow {
        &self.reads[key as usize]
    }

    pub(crate) fn writes(&self, key: Key) -> &Flow {
        &self.writes[key as usize]
    }

    pub(crate) fn read(&mut self, key: Key, id: u64, units: f64) {
        self.reads[key as usize].add(id, 1, units, AT_ONCE);
    }

    pub(crate) fn write(&mut self, key: Key, id: u64, units: f64) {
        self.writes[key as usize].add(id, 1, units, AT_ONCE);
    }

    /// Reads that come to a number on average, of so many units each.
    pub(crate) fn read_many(&mut self, key: Key, id: u64, calls: f64, units: f64) {
        let flow = &mut self.reads[key as usize];
        flow.add(id, calls.round() as u64, calls * units, AT_ONCE);
    }

    pub(crate) fn read_over(&mut self, key: Key, id: u64, units: f64, spread: Spread) {
        self.reads[key as usize].add(id, 1, units, spread);
    }

    /// So many writes of so many units each.
    pub(crate) fn write_over(&mut self, key: Key, id: u64, count: u64, units: f64, spread: Spread) {
        self.writes[key as usize].add(id, count, count as f64 * units, spread);
    }

    /// Ends a second.
    pub(crate) fn turn(&mut self) {
        self.reads
            .iter_mut()
            .chain(&mut self.writes)
            .for_each(Flow::turn);
    }

    /// All units that were read and written.
    pub(crate) fn units(&self) -> (f64, f64) {
        let sum = |flows: &[Flow]| flows.iter().map(|flow| flow.units).sum();
        (sum(&self.reads), sum(&self.writes))
    }
}

impl Flow {
    fn add(&mut self, id: u64, calls: u64, units: f64, spread: Spread) {
        self.calls += calls;
        self.units += units;
        self.this_second += units / spread.whole_s;
        *self.keys.entry(id).or_default() += units / spread.key_s;
    }

    fn turn(&mut self) {
        let hottest = self.keys.drain().map(|(_, units)| units);
        self.hottest = hottest.fold(self.hottest, f64::max);
        self.peak = self.peak.max(self.this_second);
        self.this_second = 0.0;
    }
}

/// Units of reading so many bytes consistently.
pub(crate) fn consistent(bytes: usize) -> f64 {
    bytes.div_ceil(4096).max(1) as f64
}

/// Units of reading so many bytes eventually consistently.
pub(crate) fn eventual(bytes: usize) -> f64 {
    consistent(bytes) / 2.0
}

/// Units of writing so many bytes.
pub(crate) fn written(bytes: usize) -> f64 {
    bytes.div_ceil(1024).max(1) as f64
}

/// Units of writing an item of at most 1 KB in a transaction.
pub(crate) const IN_TRANSACTION: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hottest_key_is_that_of_its_worst_second() {
        let mut meter = Meter::default();
        for (second, id) in [(0, 1), (0, 1), (0, 2), (1, 1), (1, 2), (1, 3), (1, 4)] {
            if second == 1 && id == 1 {
                meter.turn();
            }
            meter.write(Key::Mark, id, 2.0);
        }
        meter.turn();
        let flow = meter.writes(Key::Mark);
        assert_eq!((flow.calls, flow.units), (7, 14.0));
        assert_eq!((flow.peak, flow.hottest), (8.0, 4.0));
        assert_eq!(meter.units(), (0.0, 14.0));
    }

    #[test]
    fn units_are_rounded_up() {
        assert_eq!([0, 4096, 4097].map(consistent), [1.0, 1.0, 2.0]);
        assert_eq!([0, 4097].map(eventual), [0.5, 1.0]);
        assert_eq!([1, 1024, 1025].map(written), [1.0, 1.0, 2.0]);
    }
}
