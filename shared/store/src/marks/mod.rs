//! Marks: impressions, clicks and conversions, each counted once. They are the facts; every
//! number that is told of them is derived by the roll-up.
//!
//! A mark's key is made of what its tracking token says: bucket (campaign, minute of issue, shard)
//! and request, slot and kind. Sent a hundred times, it is one item.
//!
//! The roll-up must find what has changed without looking through the table, so the first mark that
//! a process counts for a bucket in a minute of the clock is preceded by an entry of the bucket in
//! that minute. Entries are spread over partitions by campaign. The first entry that a process makes
//! in a minute is preceded by one in the index of active minutes, so that a roll-up with a backlog
//! reads no minute in which nothing happened.
//!
//! The roll-up adds the marks of a minute and a creative up to a *sum*, bills a campaign's day from its
//! sums within its budget, and sets the day's *totals* to what was billed.
//!
//! An impression uses up what is limited, a device's caps and the lease it was served under, in the
//! transaction that puts it. Where one of them is at its end it is kept all the same, `over_cap`.
//!
//! Actions on the Marks table: counting GetItem, PutItem, UpdateItem; roll-up GetItem, Query,
//! PutItem; totals GetItem, Query. Counting on the Devices table: GetItem, UpdateItem; on the Budgets
//! table: UpdateItem.

pub(crate) mod active;
mod arrivals;
mod campaign;
mod charging;
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
    caps::Charge,
    content::campaigns::{ConversionsAfter, Pricing},
    marks::MarkKind,
    tracking::{self, Token},
};
use serde::{Deserialize, Serialize};

pub(crate) use self::totals::days;
pub use self::{
    delivered::{Delivered, OutcomesOfDay, RECENT_MINUTES},
    roll_up::{Published, RollUp, Summary},
    totals::Totals,
};
use crate::{
    Stamp, StoreError, Table,
    keys::{self, Key},
    table::{ABSENT, Item, has_stamp, number, set_stamp},
};

/// How long a mark is kept after it was issued.
pub const MARK_RETENTION: Duration = Duration::from_secs(35 * 24 * 3600);

/// How long it stays entered which buckets had marks in a minute: the roll-up may be late by that.
pub const ARRIVAL_RETENTION: Duration = Duration::from_secs(3 * 24 * 3600);

/// How many partitions a minute's entries are spread over. A thousand campaigns on a hundred
/// instances make 1,700 entries a second, a tenth of them here.
const PARTS: u8 = 16;

/// How many times that a mark was sent again are noted.
const MOST_REPEATS: u32 = 100;

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
    /// Of an impression: the counters of the token's device that it moves, none of them past its end.
    pub charges: &'a [Charge],
    /// Of a conversion: what the device must have sent for the token before it counts; `None` if
    /// nothing. The roll-up checks it, because both may be on their way at once.
    pub conversions_after: Option<ConversionsAfter>,
    /// Whether a machine sent it: it is kept, and counts nowhere.
    pub flagged: bool,
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
    /// It counts, unless the roll-up finds a budget at its end or no click before a conversion.
    Counted,
    /// It is kept and does not count: a cap or a lease was used up before.
    OverCap,
    /// It is kept and does not count: a machine sent it.
    Flagged,
    /// It is there already.
    Repeated,
}

/// Where counting takes place.
#[derive(Debug, Clone)]
pub struct Tables {
    /// The Marks table.
    pub marks: Table,
    /// The Devices table, of the same database.
    pub devices: Table,
    /// The Budgets table, of the same database.
    pub budgets: Table,
}

/// Counts marks. Clones share what they have entered.
#[derive(Debug, Clone)]
pub struct Marks {
    table: Table,
    devices: Table,
    budgets: Table,
    entered: Arc<Mutex<Entered>>,
}

/// What this process has entered.
#[derive(Debug, Default)]
struct Entered {
    /// Buckets, by the minutes in which their marks arrived.
    buckets: HashSet<(u32, Bucket)>,
    /// Active minutes.
    minutes: HashSet<u32>,
}

/// A campaign's minute: its marks lie in [`tracking::SHARDS`] partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
struct Bucket {
    minute: u32,
    campaign: u64,
}

/// A mark as it is stored: what sums need. The device is left out because no sum needs it, and a mark
/// would outlive a member who is forgotten.
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
    /// Was sent by a machine: counts nowhere.
    #[serde(default)]
    flagged: bool,
    /// What a conversion needs; conversions of versions before need nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conversions_after: Option<ConversionsAfter>,
    /// How often it was sent again, as far as that was noticed.
    #[serde(default, skip_serializing_if = "is_zero")]
    repeats: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names: Option<Names>,
    at: Instant,
}

impl Marks {
    /// Takes the tables.
    pub fn new(tables: Tables) -> Self {
        let Tables {
            marks,
            devices,
            budgets,
        } = tables;
        Self {
            table: marks,
            devices,
            budgets,
            entered: Arc::default(),
        }
    }

    /// Counts a mark, unless it is there already. An error leaves it to the sender to try again.
    pub async fn count(&self, mark: Mark<'_>, stamp: Stamp) -> Result<Outcome, StoreError> {
        self.enter(Bucket::of(mark.token), mark.at.as_minutes())
            .await?;
        if mark.uses_something() {
            self.charge(&mark, stamp).await
        } else {
            self.put(&mark, stamp, false).await
        }
    }

    /// Notes that a mark which is there was sent again, up to a hundred times: reports show it.
    pub async fn note_repeat(&self, token: &Token, kind: MarkKind) -> Result<(), StoreError> {
        let key = key_of(token, kind, false);
        let condition =
            "attribute_exists(pk) AND (attribute_not_exists(repeats) OR repeats < :most)";
        let values = [(":one", number(1)), (":most", number(MOST_REPEATS))];
        let noted = self
            .table
            .update(&key, "ADD repeats :one", Some(condition), values);
        match noted.await {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }

    /// Puts a mark where none is, or says what came of the one that is there.
    async fn put(
        &self,
        mark: &Mark<'_>,
        stamp: Stamp,
        over_cap: bool,
    ) -> Result<Outcome, StoreError> {
        let item = self.item(mark, stamp, over_cap)?;
        Ok(match self.table.put_where(item, ABSENT, []).await? {
            Some(there) => outcome(&there, stamp),
            None if mark.flagged => Outcome::Flagged,
            None if over_cap => Outcome::OverCap,
            None => Outcome::Counted,
        })
    }

    fn item(&self, mark: &Mark<'_>, stamp: Stamp, over_cap: bool) -> Result<Item, StoreError> {
        let token = mark.token;
        let item = MarkItem {
            creative: token.creative,
            placement: token.placement,
            kind: mark.kind,
            pricing: token.pricing,
            price_micros: token.price_micros,
            over_cap,
            flagged: mark.flagged,
            conversions_after: match mark.kind {
                MarkKind::Conversion => mark.conversions_after,
                MarkKind::Impression | MarkKind::Click => None,
            },
            repeats: 0,
            lease: token.lease,
            names: mark.names.cloned(),
            at: mark.at,
        };
        let expires_at = Bucket::of(token).expires_at();
        let mut item = self.table.encode_until(&mark.key(), &item, expires_at)?;
        set_stamp(&mut item, stamp);
        Ok(item)
    }

    /// Enters the bucket in the minute before its first mark of this process in that minute. Doing it
    /// twice is doing it once.
    async fn enter(&self, bucket: Bucket, arrived_in: u32) -> Result<(), StoreError> {
        let minute_is_entered = {
            let entered = self.entered();
            if entered.buckets.contains(&(arrived_in, bucket)) {
                return Ok(());
            }
            entered.minutes.contains(&arrived_in)
        };
        if !minute_is_entered {
            active::enter(&self.table, arrived_in).await?;
        }
        let key = keys::arrival(arrived_in, bucket.part(), bucket.campaign, bucket.minute);
        let expires_at = Instant::from_minutes(arrived_in) + ARRIVAL_RETENTION;
        let entry = self.table.encode_until(&key, &bucket, expires_at)?;
        self.table.put(entry).await?;
        let mut entered = self.entered();
        if entered.buckets.len() >= REMEMBERED {
            *entered = Entered::default();
        }
        entered.buckets.insert((arrived_in, bucket));
        entered.minutes.insert(arrived_in);
        Ok(())
    }

    fn entered(&self) -> std::sync::MutexGuard<'_, Entered> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mark<'_> {
    fn key(&self) -> Key {
        key_of(self.token, self.kind, self.flagged)
    }

    /// Whether it uses up what is limited: an impression that counts, of a device with caps to it, or
    /// a mark that is paid for and was served under a lease.
    fn uses_something(&self) -> bool {
        let is_charged = self.kind == MarkKind::Impression && self.charged().is_some();
        !self.flagged && (is_charged || self.used_lease().is_some())
    }

    /// Returns the lease of which it uses a unit. A conversion uses none: it may come when its lease
    /// has lapsed long ago.
    fn used_lease(&self) -> Option<u64> {
        let is_paid = MarkKind::paid_by(self.token.pricing) == self.kind;
        let is_in_time = self.kind != MarkKind::Conversion;
        self.token.lease.filter(|_| is_paid && is_in_time)
    }

    /// The device and those of its counters that are moved.
    fn charged(&self) -> Option<(DeviceKey, &[Charge])> {
        let device = self.token.device?;
        (!self.charges.is_empty()).then_some((device, self.charges))
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn key_of(token: &Token, kind: MarkKind, flagged: bool) -> Key {
    let shard = tracking::shard(&token.request);
    let bucket = keys::marks(token.campaign, token.issue_minute, shard);
    let request = RandomId::from_bytes(token.request);
    if flagged {
        keys::flagged_mark(bucket, request, token.slot, kind.as_str())
    } else {
        keys::mark(bucket, request, token.slot, kind.as_str())
    }
}

/// What came of the mark that is there: if it is this very write, whose answer was lost, that.
fn outcome(there: &Item, stamp: Stamp) -> Outcome {
    let is = |name: &str| {
        let found = there.get(name).and_then(|value| value.as_bool().ok());
        found == Some(&true)
    };
    match () {
        () if !has_stamp(there, stamp) => Outcome::Repeated,
        () if is("flagged") => Outcome::Flagged,
        () if is("over_cap") => Outcome::OverCap,
        () => Outcome::Counted,
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
