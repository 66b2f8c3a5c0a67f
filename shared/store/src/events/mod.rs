//! Events that apps tell: each counted once, in sums by day.
//!
//! Nothing of an event is kept but a hash of its id, for a month, and one more in a count. Both are
//! written in one transaction, so that neither a lost answer nor a call that is sent again can lose an
//! event or count it twice. An attempt that was carried out although its answer was lost is known by
//! its stamp: the next attempt of the same call finds its own ids and counts them as told; every other
//! call finds them repeated.
//!
//! A count is spread over [`SHARDS`] items, and a transaction adds to one shard of each count that it
//! moves; whoever meets another transaction there goes on to the next one. A day's count is the sum of
//! its shards, read when a report asks for it: a Query for each shard, whose few hundred items fit into
//! one answer.
//!
//! Actions on the Marks table: counting PutItem, UpdateItem; counts Query.

mod counts;

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use domain::{
    Day, DeviceKey, Instant,
    events::{Counter, Event},
};
use futures_util::{StreamExt, TryStreamExt, stream};

pub use self::counts::EventCounts;
use crate::{
    Stamp, StoreError, Table,
    keys::{self, Key},
    table::{ABSENT, EXPIRES_AT, Item, has_stamp, key_item, number, pause, set_stamp},
    transaction::{Attempt, Transaction},
};

/// How many items a count is spread over. Transactions on one item exclude each other for the ten or
/// twenty milliseconds that each takes, and a banner that everybody is shown is in most of them: this
/// is room for several hundred calls a second.
const SHARDS: u8 = 16;

/// The most writes of one transaction. DynamoDB takes a hundred; smaller ones are in each other's way
/// for a shorter time.
const MOST_WRITES: usize = 50;

/// How many transactions of a call are under way at once.
const AT_ONCE: usize = 4;

/// How long events are tried to be counted: others may be in the way. Before it a call may have waited
/// two seconds for the gate, two for what is published and 200 ms for a second look: 7.2 s in all, of
/// the ten that a function has.
const PATIENCE: Duration = Duration::from_secs(3);

/// Counts events.
#[derive(Debug, Clone)]
pub struct Events {
    table: Table,
}

/// What came of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It counts.
    Counted,
    /// It was counted before.
    Repeated,
}

/// An event that is about to be counted.
struct Pending {
    /// Its place in the call.
    place: usize,
    key: Key,
    remembered_until: Instant,
    day: Day,
    counter: Counter,
}

impl Events {
    /// Takes the Marks table.
    pub fn new(marks: Table) -> Self {
        Self { table: marks }
    }

    /// Counts events that a device told, if it said which it is: each unless it was counted before.
    /// Gives what came of each, in their order.
    ///
    /// # Errors
    /// Some of them may be counted all the same: sent again, these are repeated.
    pub async fn count(
        &self,
        events: &[Event],
        device: Option<DeviceKey>,
        stamp: Stamp,
    ) -> Result<Vec<Outcome>, StoreError> {
        let counted = tokio::time::timeout(PATIENCE, self.count_patiently(events, device, stamp));
        counted.await.unwrap_or_else(|elapsed| {
            Err(StoreError::TimedOut {
                operation: "TransactWriteItems",
                place: self.table.name().to_owned(),
                source: Box::new(elapsed),
            })
        })
    }

    async fn count_patiently(
        &self,
        events: &[Event],
        device: Option<DeviceKey>,
        stamp: Stamp,
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut met = HashSet::new();
        let first_of_their_ids = events
            .iter()
            .enumerate()
            .filter(|(_, event)| met.insert(&event.id));
        let pending = first_of_their_ids.map(|(place, event)| Pending {
            place,
            key: keys::client_event(device, &event.id),
            remembered_until: event.remembered_until,
            day: event.day,
            counter: event.counter.clone(),
        });
        let shards = (0..).map(|nth| stamp.as_u64().wrapping_add(nth));
        let portions = portions(pending).into_iter().zip(shards);
        let counted: Vec<Vec<usize>> = stream::iter(portions)
            .map(|(portion, shard)| self.count_portion(portion, shard, stamp))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let counted: HashSet<usize> = counted.into_iter().flatten().collect();
        let outcome = |place| match counted.contains(&place) {
            true => Outcome::Counted,
            false => Outcome::Repeated,
        };
        Ok((0..events.len()).map(outcome).collect())
    }

    /// Counts as many events as one transaction takes, but for those that were counted before. Gives
    /// the places of those that count.
    async fn count_portion(
        &self,
        mut pending: Vec<Pending>,
        mut shard: u64,
        stamp: Stamp,
    ) -> Result<Vec<usize>, StoreError> {
        let mut counted = Vec::new();
        let (mut round, mut was_unanswered) = (0, false);
        while !pending.is_empty() {
            let attempt = self.transaction(&pending, shard, stamp)?.attempt().await;
            match attempt {
                Ok(Attempt::Done) => {
                    counted.extend(pending.iter().map(|event| event.place));
                    break;
                }
                Ok(Attempt::Refused(found)) => {
                    let before = pending.len();
                    pending = absent(pending, &found, stamp, &mut counted);
                    if pending.len() == before {
                        return Err(self.table.conflict("TransactWriteItems"));
                    }
                    continue;
                }
                Err(error @ StoreError::Throttled { .. }) => {
                    tracing::debug!(%error, round, "other events are being counted");
                }
                // Whether it was carried out shows once more: it is asked for again.
                Err(error) if error.is_transient() && !was_unanswered => {
                    tracing::debug!(%error, "events were not answered");
                    was_unanswered = true;
                }
                Err(error) => return Err(error),
            }
            pause(round).await;
            shard = shard.wrapping_add(1);
            round += 1;
        }
        Ok(counted)
    }

    /// The ids first, in their order; then the counts.
    fn transaction(
        &self,
        pending: &[Pending],
        shard: u64,
        stamp: Stamp,
    ) -> Result<Transaction<'_>, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let mut counts: BTreeMap<(Day, &Counter), u64> = BTreeMap::new();
        for event in pending {
            transaction = transaction.put_if(event.item(stamp), ABSENT, [])?;
            *counts.entry((event.day, &event.counter)).or_default() += 1;
        }
        let shard = u8::try_from(shard % u64::from(SHARDS)).unwrap_or(0);
        for ((day, counter), count) in counts {
            let key = keys::event_count(day, shard, counter);
            let add = format!("ADD {COUNT} :count");
            transaction = transaction.update(&key, &add, [(":count", number(count))])?;
        }
        Ok(transaction)
    }
}

impl Pending {
    fn item(&self, stamp: Stamp) -> Item {
        let mut item = key_item(&self.key);
        let expires_at = number(self.remembered_until.as_seconds());
        item.insert(EXPIRES_AT.to_owned(), expires_at);
        set_stamp(&mut item, stamp);
        item
    }
}

/// The attribute of a shard's count.
const COUNT: &str = "n";

/// Portions that fit into a transaction each, the counts that they move included.
fn portions(pending: impl Iterator<Item = Pending>) -> Vec<Vec<Pending>> {
    let mut portions = Vec::new();
    let mut portion: Vec<Pending> = Vec::new();
    let mut counts = HashSet::new();
    for event in pending {
        counts.insert((event.day, event.counter.clone()));
        if portion.len() + 1 + counts.len() > MOST_WRITES {
            portions.push(std::mem::take(&mut portion));
            counts = HashSet::from([(event.day, event.counter.clone())]);
        }
        portion.push(event);
    }
    if !portion.is_empty() {
        portions.push(portion);
    }
    portions
}

/// The events that nothing was found of. Those that an attempt of this call wrote, whose answer was
/// lost, are counted.
fn absent(
    pending: Vec<Pending>,
    found: &[Option<Item>],
    stamp: Stamp,
    counted: &mut Vec<usize>,
) -> Vec<Pending> {
    let mut absent = Vec::new();
    for (nth, event) in pending.into_iter().enumerate() {
        match found.get(nth) {
            Some(Some(there)) if has_stamp(there, stamp) => counted.push(event.place),
            Some(Some(_)) => {}
            _ => absent.push(event),
        }
    }
    absent
}
