//! The reader: the newest version of a kind, in memory, whatever happens to the database.
//!
//! Actions on the Content table: GetItem; on the bucket: s3:GetObject.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use domain::{Instant, content::Kind};
use kit::problem::Chain;

use crate::{
    Blobs, Table,
    flight::{Flight, Flights},
    published::shelf::{Loader, Shelf, Snapshot},
};

/// How long a request waits for a look at the head when what is held may be stale.
const STALE_PATIENCE: Duration = Duration::from_millis(100);

/// How long a request waits for a look at the head where what is held does not do.
const LOOK_PATIENCE: Duration = Duration::from_millis(200);

/// Requests for what is in no snapshot begin a look no more often than this.
const MISSES_EVERY: Duration = Duration::from_secs(1);

/// How long a request waits for the head when the snapshot may not be served without confirmation
/// while the database answers. An allocation has 200 ms where the database does not.
const CONFIRM_PATIENCE: Duration = Duration::from_millis(150);

/// How long a request waits for a snapshot when there is none that may be served.
const COLD_PATIENCE: Duration = Duration::from_secs(2);

/// When a snapshot is looked after, and how long it may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The head is looked at no more often than this, beside requests.
    pub refresh: Duration,
    /// A snapshot that was confirmed longer ago is worth a short wait.
    pub stale: Duration,
    /// One that was confirmed longer ago, as of an instance that was idle, is confirmed before it is
    /// served, while the database answers.
    pub confirm: Duration,
    /// One that was confirmed longer ago than this is not served at all.
    pub age_limit: Duration,
}

/// There is nothing that may be served: no snapshot, or one beyond the age limit, and no database
/// to get another from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no snapshot of {} that may be served", .kind.as_str())]
pub struct SnapshotUnavailable {
    /// What was asked for.
    pub kind: Kind,
}

/// Serves the newest version of a kind from memory. Clones share the snapshot.
///
/// Ages go by the wall clock that callers read, from the moment before the head was last seen to
/// name what is held: a process that was frozen for an hour wakes up with an hour-old snapshot.
pub struct Reader<T>(Arc<Inner<T>>);

struct Inner<T> {
    shelf: Arc<Shelf<T>>,
    freshness: Freshness,
    /// When the head was last looked for, in milliseconds.
    tried_at: AtomicI64,
    /// When it was last looked for because of a miss, in milliseconds.
    missed_at: AtomicI64,
    flights: Flights,
}

impl<T: Default + Send + Sync + 'static> Reader<T> {
    /// A reader that holds nothing yet.
    pub fn new(
        kind: Kind,
        content: Table,
        blobs: Blobs,
        load: Loader<T>,
        freshness: Freshness,
    ) -> Self {
        Self(Arc::new(Inner {
            shelf: Arc::new(Shelf::new(kind, content, blobs, load)),
            freshness,
            tried_at: AtomicI64::new(i64::MIN),
            missed_at: AtomicI64::new(i64::MIN),
            flights: Flights::default(),
        }))
    }

    /// What to serve now.
    ///
    /// - Confirmed within `refresh`: at once, and nothing is asked.
    /// - Within `stale`: at once, while one look at the head goes on beside.
    /// - Within `confirm`: after waiting for that look, but no longer than 100 ms from its start.
    /// - Within `age_limit`: after the head was read and what it names was loaded. Where the database
    ///   does not answer within 150 ms, or the artefact within two seconds: what is held.
    /// - Older, or nothing held: after waiting for it up to two seconds, or not at all.
    pub async fn current(&self, now: Instant) -> Result<Arc<Snapshot<T>>, SnapshotUnavailable> {
        let Freshness {
            stale,
            confirm,
            age_limit,
            ..
        } = self.0.freshness;
        let Some(age) = self.age(now).filter(|age| *age <= age_limit) else {
            return self.newest(now).await.ok_or_else(|| self.unavailable());
        };
        if age > confirm {
            if let Some(look) = self.confirming_look(now) {
                look.confirmed_within(now, CONFIRM_PATIENCE, COLD_PATIENCE)
                    .await;
            }
        } else if let Some(look) = self.look_if_due(now)
            && age > stale
        {
            let waited = now.since(look.began_at());
            look.landed_within(STALE_PATIENCE.saturating_sub(waited))
                .await;
        }
        self.0.shelf.held().ok_or_else(|| self.unavailable())
    }

    /// What is served after a look at the head that begins now, or is under way: for whoever knows of
    /// something newer than what is held. Waits up to two seconds.
    pub async fn newest(&self, now: Instant) -> Option<Arc<Snapshot<T>>> {
        self.look(now).landed_within(COLD_PATIENCE).await;
        self.servable(now)
    }

    /// What is served after a short look at the head: for whoever was asked for something that is not
    /// held, and that another process may have told of. A second after such a look there is no other,
    /// so that asking for what is not there costs little.
    pub async fn after_miss(&self, now: Instant) -> Option<Arc<Snapshot<T>>> {
        let look = match is_within(&self.0.missed_at, MISSES_EVERY, now) {
            true => self.0.flights.under_way(now),
            false => {
                self.0.missed_at.store(now.as_millis(), Ordering::Release);
                Some(self.look(now))
            }
        };
        if let Some(look) = look {
            look.landed_within(LOOK_PATIENCE).await;
        }
        self.servable(now)
    }

    /// What the head was seen to name by a short look that began no earlier than `now`: for whoever
    /// would do harm by what is older. `None` where it cannot be had.
    pub async fn confirmed(&self, now: Instant) -> Option<Arc<Snapshot<T>>> {
        self.look(now).landed_within(LOOK_PATIENCE).await;
        let held = self.0.shelf.held();
        held.filter(|_| self.age(now).is_some_and(|age| age.is_zero()))
    }

    /// Looks at the head if that is due, and waits for it up to two seconds: for the time at start
    /// or after a response, when nobody waits.
    pub async fn warm(&self, now: Instant) {
        let look = match self.0.shelf.held() {
            Some(_) => self.look_if_due(now),
            None => Some(self.look(now)),
        };
        if let Some(look) = look {
            look.landed_within(COLD_PATIENCE).await;
        }
    }

    /// How long ago what is held was last known to be the newest; `None` when nothing is held.
    pub fn age(&self, now: Instant) -> Option<Duration> {
        self.0.shelf.age(now)
    }

    /// The [`Self::age`] once it says something of the source: a process that was frozen for an
    /// hour holds what is an hour old until the look that it began has landed. `None` until then,
    /// unless the look before failed.
    pub fn settled_age(&self, now: Instant) -> Option<Duration> {
        let settled = self.0.shelf.is_failing() || self.0.flights.under_way(now).is_none();
        self.age(now).filter(|_| settled)
    }

    /// Which version is held; 0 where nothing was published, `None` when nothing is known yet.
    pub fn version(&self) -> Option<u64> {
        self.0.shelf.held().map(|snapshot| snapshot.version)
    }

    fn servable(&self, now: Instant) -> Option<Arc<Snapshot<T>>> {
        let age = self.age(now)?;
        let held = self.0.shelf.held()?;
        (age <= self.0.freshness.age_limit).then_some(held)
    }

    /// The look that is under way; else a new one, unless the last was a moment ago.
    fn look_if_due(&self, now: Instant) -> Option<Flight> {
        if is_within(&self.0.tried_at, self.0.freshness.refresh, now) {
            return self.0.flights.under_way(now);
        }
        Some(self.look(now))
    }

    /// The look that confirms a snapshot after a pause. One that began before the pause does not.
    fn confirming_look(&self, now: Instant) -> Option<Flight> {
        let Freshness {
            refresh, confirm, ..
        } = self.0.freshness;
        if is_within(&self.0.tried_at, refresh, now) {
            return self.0.flights.under_way(now);
        }
        Some(self.look_recent(now, confirm))
    }

    fn look(&self, now: Instant) -> Flight {
        self.look_recent(now, Duration::MAX)
    }

    /// Joins the look that is under way if it began less than `limit` ago, or begins one.
    fn look_recent(&self, now: Instant, limit: Duration) -> Flight {
        self.0.flights.join_recent(now, limit, |progress| {
            self.0.tried_at.store(now.as_millis(), Ordering::Release);
            let shelf = Arc::clone(&self.0.shelf);
            async move {
                if let Err(failure) = shelf.refresh(now, &progress).await {
                    let held = shelf.held().map(|snapshot| snapshot.version);
                    let kind = shelf.kind.as_str();
                    tracing::warn!(kind, held, error = %Chain(&failure), "the snapshot stays as it is");
                }
            }
        })
    }

    fn unavailable(&self) -> SnapshotUnavailable {
        SnapshotUnavailable {
            kind: self.0.shelf.kind,
        }
    }
}

/// Whether a moment was less than `period` ago. One to come was not: a clock that was set back must
/// not put off the next look until it has caught up.
fn is_within(moment: &AtomicI64, period: Duration, now: Instant) -> bool {
    let moment = Instant::from_millis(moment.load(Ordering::Acquire));
    moment <= now && now.since(moment) < period
}

impl<T> Clone for Reader<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("kind", &self.0.shelf.kind.as_str())
            .finish_non_exhaustive()
    }
}
