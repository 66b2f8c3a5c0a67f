//! Marks: impressions, clicks and conversions, each counted once. They are the facts; every
//! number that is told of them is derived by the roll-up.
//!
//! A mark's key is made of what its tracking token says: bucket (campaign, minute of issue, shard)
//! and request, slot and kind. Sent a hundred times, it is one item.
//!
//! The roll-up must find what has changed without looking through the table, so the first mark that
//! a process counts for a bucket in a minute of the clock is preceded by an entry of the bucket in
//! that minute. Entries are spread over partitions by campaign.
//!
//! The roll-up adds the marks of a minute and a creative up to a *sum*, bills a campaign's day from its
//! sums within its budget, and sets the day's *totals* to what was billed.
//!
//! Actions on the Marks table: counting PutItem; roll-up GetItem, Query, PutItem, and before the first
//! one Scan; totals GetItem, Query.

mod arrivals;
mod campaign;
mod delivered;
mod progress;
mod roll_up;
mod setter;
mod sums;
mod tallied;
mod terms;
mod totals;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    DeviceKey, Id, Instant, RandomId,
    content::campaigns::Pricing,
    marks::MarkKind,
    tracking::{self, Token},
};
use serde::{Deserialize, Serialize};

pub use self::{
    delivered::{Delivered, OutcomesOfDay, RECENT_MINUTES},
    roll_up::{Published, RollUp, Summary},
    totals::Totals,
};
use crate::{
    Stamp, StoreError, Table, keys,
    table::{ABSENT, Put},
};

/// How long a mark is kept after it was issued.
pub const MARK_RETENTION: Duration = Duration::from_secs(35 * 24 * 3600);

/// How long it stays entered which buckets had marks in a minute: the roll-up may be late by that.
pub const ARRIVAL_RETENTION: Duration = Duration::from_secs(3 * 24 * 3600);

/// How many partitions a minute's entries are spread over. A thousand campaigns on a hundred
/// instances make 1,700 entries a second, a tenth of them here.
const PARTS: u8 = 16;

/// The most entries that are remembered.
const REMEMBERED: usize = 50_000;

/// One impression, click or conversion, as its token tells it.
#[derive(Debug, Clone, Copy)]
pub struct Mark<'a> {
    /// The token, which is known to be ours and not to have expired.
    pub token: &'a Token,
    /// What happened.
    pub kind: MarkKind,
    /// The ids behind the token's keys, where they are known.
    pub names: Option<&'a Names>,
    /// When it happened.
    pub at: Instant,
}

/// The ids behind a mark's keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Names {
    /// The campaign.
    pub campaign: Id,
    /// The creative.
    pub creative: Id,
    /// The placement.
    pub placement: Id,
}

/// What counting a mark came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It counts.
    Counted,
    /// It was counted before.
    Repeated,
}

/// Counts marks. Clones share what they have entered.
#[derive(Debug, Clone)]
pub struct Marks {
    table: Table,
    entered: Arc<Mutex<Entered>>,
}

/// What this process has entered: buckets, by the minutes in which their marks arrived.
type Entered = HashSet<(u32, Bucket)>;

/// A campaign's minute: its marks lie in [`tracking::SHARDS`] partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
struct Bucket {
    minute: u32,
    campaign: u64,
}

/// A mark as it is stored: what sums need, and what tells where it came from.
#[derive(Debug, Serialize, Deserialize)]
struct MarkItem {
    creative: u64,
    placement: u64,
    kind: MarkKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pricing: Option<Pricing>,
    price_micros: u64,
    /// Came after a cap or a budget was used up.
    over_cap: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<DeviceKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names: Option<Names>,
    at: Instant,
}

impl Marks {
    /// Takes the Marks table.
    pub fn new(marks: Table) -> Self {
        Self {
            table: marks,
            entered: Arc::default(),
        }
    }

    /// Counts a mark, unless it is there already. An error leaves it to the sender to try again.
    pub async fn count(&self, mark: Mark<'_>, stamp: Stamp) -> Result<Outcome, StoreError> {
        let token = mark.token;
        let bucket = Bucket::of(token);
        self.enter(bucket, mark.at.as_minutes()).await?;
        let shard = tracking::shard(&token.request);
        let key = keys::mark(
            keys::marks(bucket.campaign, bucket.minute, shard),
            RandomId::from_bytes(token.request),
            token.slot,
            mark.kind.as_str(),
        );
        let item = MarkItem {
            creative: token.creative,
            placement: token.placement,
            kind: mark.kind,
            pricing: token.pricing,
            price_micros: token.price_micros,
            over_cap: false,
            device: token.device,
            lease: token.lease,
            names: mark.names.cloned(),
            at: mark.at,
        };
        let item = self.table.encode_until(&key, &item, bucket.expires_at())?;
        Ok(match self.table.put_once(item, stamp, ABSENT, []).await? {
            Put::Done => Outcome::Counted,
            Put::Exists(_) => Outcome::Repeated,
        })
    }

    /// Enters the bucket in the minute before its first mark of this process in that minute. Doing it
    /// twice is doing it once.
    async fn enter(&self, bucket: Bucket, arrived_in: u32) -> Result<(), StoreError> {
        if self.entered().contains(&(arrived_in, bucket)) {
            return Ok(());
        }
        let key = keys::arrival(arrived_in, bucket.part(), bucket.campaign, bucket.minute);
        let expires_at = Instant::from_minutes(arrived_in) + ARRIVAL_RETENTION;
        let entry = self.table.encode_until(&key, &bucket, expires_at)?;
        self.table.put(entry).await?;
        let mut entered = self.entered();
        if entered.len() >= REMEMBERED {
            entered.clear();
        }
        entered.insert((arrived_in, bucket));
        Ok(())
    }

    fn entered(&self) -> std::sync::MutexGuard<'_, Entered> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    fn of(token: &Token) -> Self {
        Self {
            minute: token.issue_minute,
            campaign: token.campaign,
        }
    }

    /// A campaign's entries of a minute lie together; campaigns are spread.
    fn part(self) -> u8 {
        u8::try_from(self.campaign % u64::from(PARTS)).unwrap_or(0)
    }

    fn expires_at(self) -> Instant {
        Instant::from_minutes(self.minute) + MARK_RETENTION
    }
}
