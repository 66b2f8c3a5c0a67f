//! Reading counts: a day is the sum of its shards.

use std::collections::BTreeMap;

use domain::{
    Day,
    events::{Counter, EventCount},
};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{COUNT, SHARDS};
use crate::{
    StoreError, Table, keys,
    marks::days,
    query::{Range, Read},
    table::{number_in, sort_key},
};

/// How many shards are read at once.
const READS_AT_ONCE: usize = 64;

/// Reads what events come to.
#[derive(Debug, Clone)]
pub struct EventCounts {
    table: Table,
}

impl EventCounts {
    /// Takes the Marks table.
    pub fn new(marks: Table) -> Self {
        Self { table: marks }
    }

    /// What was counted on every day (UTC) from `from` to `to`, both included, in the order of days
    /// and counters: everything whose counting was answered before.
    pub async fn between(&self, from: Day, to: Day) -> Result<Vec<EventCount>, StoreError> {
        let shards = days(from, to)
            .into_iter()
            .flat_map(|day| (0..SHARDS).map(move |shard| (day, shard)));
        let mut read = stream::iter(shards)
            .map(|(day, shard)| self.shard(day, shard))
            .buffer_unordered(READS_AT_ONCE);
        let mut sums: BTreeMap<(Day, Counter), u64> = BTreeMap::new();
        while let Some((day, counts)) = read.try_next().await? {
            for (counter, count) in counts {
                let sum = sums.entry((day, counter)).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        let count = |((day, counter), count)| EventCount {
            day,
            counter,
            count,
        };
        Ok(sums.into_iter().map(count).collect())
    }

    async fn shard(&self, day: Day, shard: u8) -> Result<(Day, Vec<(Counter, u64)>), StoreError> {
        let range = Range::all(keys::event_counts(day, shard), Read::Consistent);
        let (items, _) = self.table.query(&range, usize::MAX).await?;
        let count = |item| {
            let counter = sort_key(item).and_then(keys::event_counter_of)?;
            Some((counter, number_in(item, COUNT)?))
        };
        let counts: Option<Vec<_>> = items.iter().map(count).collect();
        let corrupt = || StoreError::corrupt(self.table.name(), "no count of events");
        Ok((day, counts.ok_or_else(corrupt)?))
    }
}
