//! Tallies: how much was asked for, given out and held back by caps, as far as instances tell.
//!
//! They are best effort: an instance counts in memory and writes one item every now and then; what it
//! had not written when it was ended is lost. Nothing is billed from them.
//!
//! Actions on the Marks table: PutItem; the roll-up reads them.

mod document;

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use domain::{Id, Instant};

pub(crate) use self::document::Document;
use crate::{
    Stamp, StoreError, Table,
    keys::{self, Key},
    marks::active,
    table::{Item, key_item, number},
};

/// How many partitions a minute's tallies are spread over: a thousand instances write some twenty
/// items a second.
pub(crate) const PARTS: u8 = 4;

/// How long a tally is kept for the roll-up.
const RETENTION: Duration = Duration::from_secs(3 * 24 * 3600);

/// An instance tells no more often than this, and not of fewer requests than these,
const EVERY: Duration = Duration::from_secs(60);
const WORTHWHILE: u64 = 50;

/// unless it has kept them for so long.
const AT_LAST: Duration = Duration::from_secs(600);

/// A tally that could not be written, or whose answer was lost, is written again in its place within
/// this time: later, the roll-up is past that minute.
const AGAIN_WITHIN: Duration = Duration::from_secs(120);

/// The attribute with the document.
const DOCUMENT: &str = "document";

/// Counts what this instance gives out. Clones share their counts.
#[derive(Debug, Clone)]
pub struct Tallies {
    table: Table,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    document: Document,
    /// Allocations that were counted since the last was written.
    requests: u64,
    /// When the first of them was.
    since: Option<Instant>,
    /// Names this instance's items; drawn by the first of them.
    instance: Option<Stamp>,
    /// The number of the next item.
    next: u64,
    /// When and under which number writing was tried in vain.
    tried: Option<(Instant, u64)>,
}

impl Tallies {
    /// Takes the Marks table.
    pub fn new(marks: Table) -> Self {
        Self {
            table: marks,
            state: Arc::default(),
        }
    }

    /// An allocation at `now` asked for so many slots of a placement; `id` is the placement's id,
    /// where it is one that campaigns name.
    pub fn request(&self, placement: u64, id: Option<&Id>, slots: u32, now: Instant) {
        let mut state = self.state();
        state.requests += 1;
        state.since.get_or_insert(now);
        state.document.request(placement, id, slots);
    }

    /// A slot of a placement was filled.
    pub fn served(&self, campaign: u64, creative: u64, placement: u64) {
        self.state().document.served(campaign, creative, placement);
    }

    /// A frequency cap held a campaign back that would have been in the draw.
    pub fn capped(&self, campaign: u64) {
        self.state().document.capped(campaign);
    }

    /// Whether it is time to [`Self::flush`].
    pub fn due(&self, now: Instant) -> bool {
        let state = self.state();
        let Some(since) = state.since else {
            return false;
        };
        let kept = now.since(since);
        kept >= AT_LAST || (kept >= EVERY && state.requests >= WORTHWHILE)
    }

    /// Writes what was counted as one item. What cannot be written is counted on.
    pub async fn flush(&self, now: Instant, stamp: Stamp) -> Result<(), StoreError> {
        let Some(taken) = self.take(now, stamp) else {
            return Ok(());
        };
        if let Err(error) = self.write(&taken, now).await {
            self.put_back(taken);
            return Err(error);
        }
        Ok(())
    }

    /// Enters the minute in the index that the roll-up reads, then writes the item.
    async fn write(&self, taken: &Taken, now: Instant) -> Result<(), StoreError> {
        active::enter(&self.table, taken.at.as_minutes()).await?;
        self.table.put(taken.item(now)).await?;
        Ok(())
    }

    fn take(&self, now: Instant, stamp: Stamp) -> Option<Taken> {
        let mut state = self.state();
        let since = state.since.take()?;
        let instance = *state.instance.get_or_insert(stamp);
        let again = state.tried.take();
        let again = again.filter(|(tried_at, _)| now.since(*tried_at) <= AGAIN_WITHIN);
        let (at, number) = again.unwrap_or_else(|| {
            state.next += 1;
            (now, state.next)
        });
        Some(Taken {
            document: mem::take(&mut state.document),
            requests: mem::take(&mut state.requests),
            since,
            instance,
            at,
            number,
        })
    }

    fn put_back(&self, taken: Taken) {
        let mut state = self.state();
        state.document.add(&taken.document);
        state.requests += taken.requests;
        state.since = Some(taken.since);
        // Perhaps it was written after all: the next, which contains it, takes its place.
        state.tried = Some((taken.at, taken.number));
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is about to be written.
struct Taken {
    document: Document,
    requests: u64,
    since: Instant,
    instance: Stamp,
    at: Instant,
    number: u64,
}

impl Taken {
    fn item(&self, now: Instant) -> Item {
        let mut item = key_item(&self.key());
        let bytes = Blob::new(self.document.to_bytes());
        item.insert(DOCUMENT.into(), AttributeValue::B(bytes));
        let expires_at = (now + RETENTION).as_seconds();
        item.insert("expires_at".into(), number(expires_at));
        item
    }

    fn key(&self) -> Key {
        let minute = self.at.as_minutes();
        let part = u8::try_from(self.instance.as_u64() % u64::from(PARTS)).unwrap_or(0);
        keys::tally(minute, part, self.instance, self.number)
    }
}

/// The document of an item, if it is one that can be read.
pub(crate) fn document(item: &Item) -> Option<Document> {
    let bytes = item.get(DOCUMENT)?.as_b().ok()?;
    Document::from_bytes(bytes.as_ref())
}
