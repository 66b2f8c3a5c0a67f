//! The delivery: published by the pacing worker, read by every instance beside its requests.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use domain::{
    Instant,
    delivery::{self, Delivery},
};
use kit::{
    metrics::{self, Unit},
    problem::Chain,
};
use serde::{Deserialize, Serialize};

use crate::{
    Blobs, Stamp, StoreError, Table,
    blobs::{BlobKey, sha256},
    flight::{Flight, Flights, Progress},
    keys,
    query::Read,
    table::{ABSENT, Put, STAMP, number, string},
};

/// The most bytes of a delivery: a million throttles and as many creatives that learn.
const LIMIT_BYTES: usize = 48 << 20;

/// The bucket forgets a delivery after two days; one in which nothing changes is stored again long
/// before.
const STORED_FOR: Duration = Duration::from_secs(12 * 3600);

/// How long a request waits for the first delivery of its process.
const COLD_PATIENCE: Duration = Duration::from_millis(100);

/// How long a request waits for the head after a pause.
const CONFIRM_PATIENCE: Duration = Duration::from_millis(150);

/// How long a request waits for a newer delivery after a pause, once the head has named it.
const LOAD_PATIENCE: Duration = Duration::from_secs(2);

/// An instance tells its delivery's age no more often than this, in milliseconds.
const TELL_EVERY_MS: i64 = 60_000;

/// Publishes and reads deliveries.
#[derive(Debug, Clone)]
pub struct Deliveries {
    table: Table,
    blobs: Blobs,
}

/// Where the last delivery lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// The delivery's moment, in milliseconds since 1970.
    made_at: i64,
    /// Its bytes' checksum, which is its name.
    sha256: String,
    /// When they were stored, in milliseconds since 1970.
    stored_at: i64,
}

/// A run of the worker that no other meets.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    stamp: Stamp,
}

#[derive(Debug, Serialize, Deserialize)]
struct TurnItem {
    /// When the platform ends the run at the latest, in milliseconds since 1970.
    over_at: i64,
}

impl Deliveries {
    /// Takes the Budgets table and the bucket.
    pub fn new(budgets: Table, blobs: Blobs) -> Self {
        Self {
            table: budgets,
            blobs,
        }
    }

    /// Takes the worker's turn until `deadline`, when the platform has ended the run; `None` while
    /// another run has it.
    pub async fn take_turn(
        &self,
        stamp: Stamp,
        now: Instant,
        deadline: Instant,
    ) -> Result<Option<Turn>, StoreError> {
        let over_at = deadline.as_millis();
        let key = keys::delivery_turn();
        let item = self.table.encode(&key, &TurnItem { over_at })?;
        let condition = format!("{ABSENT} OR over_at < :now");
        let values = [(":now", number(now.as_millis()))];
        let put = self.table.put_once(item, stamp, &condition, values).await?;
        Ok(matches!(put, Put::Done).then_some(Turn { stamp }))
    }

    /// Ends a turn before its time.
    pub async fn end_turn(&self, turn: Turn) -> Result<(), StoreError> {
        let condition = format!("{STAMP} = :stamp");
        let values = [(":stamp", string(turn.stamp))];
        let key = keys::delivery_turn();
        match self.table.delete_if(&key, &condition, values).await {
            // It took longer than it might, and another run has begun.
            Err(error) if error.is_conflict() => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Publishes a delivery that is newer than the last.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the last one is as new.
    pub async fn publish(&self, delivery: &Delivery) -> Result<(), StoreError> {
        let bytes = delivery::encode(delivery);
        let sha256 = sha256(&bytes);
        let at = delivery.at;
        let last = self.head(Read::Consistent).await?;
        let kept = last.filter(|last| {
            let stored_at = Instant::from_millis(last.stored_at);
            last.sha256 == sha256 && at.since(stored_at) < STORED_FOR
        });
        let stored_at = match kept {
            Some(last) => last.stored_at,
            None => {
                self.blobs.put(&BlobKey::delivery(&sha256), bytes).await?;
                at.as_millis()
            }
        };
        let head = Head {
            made_at: at.as_millis(),
            sha256,
            stored_at,
        };
        let item = self.table.encode(&keys::delivery_head(), &head)?;
        let condition = format!("{ABSENT} OR made_at < :at");
        let values = [(":at", number(head.made_at))];
        match self.table.put_if(item, &condition, values).await {
            // The answer was lost, and another try met the first.
            Err(error) if error.is_conflict() => {
                let found = self.head(Read::Consistent).await?;
                if found == Some(head) {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            other => other,
        }
    }

    /// The last delivery; `None` where there never was one.
    pub async fn latest(&self) -> Result<Option<Delivery>, StoreError> {
        match self.head(Read::Consistent).await? {
            Some(head) => self.fetch(head).await.map(Some),
            None => Ok(None),
        }
    }

    async fn head(&self, read: Read) -> Result<Option<Head>, StoreError> {
        self.table.get(&keys::delivery_head(), read).await
    }

    /// Checks and decodes on a thread of its own: it is some milliseconds of work.
    async fn fetch(&self, head: Head) -> Result<Delivery, StoreError> {
        let place = self.table.name();
        let found = self
            .blobs
            .get(&BlobKey::delivery(&head.sha256), LIMIT_BYTES)
            .await?;
        let bytes = found.ok_or_else(|| StoreError::corrupt(place, "the delivery is missing"))?;
        let work = move || {
            if sha256(&bytes) != head.sha256 {
                return Err("another checksum".to_owned());
            }
            delivery::decode(Instant::from_millis(head.made_at), &bytes)
                .map_err(|refusal| refusal.to_string())
        };
        let decoded = tokio::task::spawn_blocking(work).await;
        decoded
            .unwrap_or_else(|panic| Err(panic.to_string()))
            .map_err(|reason| StoreError::corrupt(place, reason))
    }
}

/// The last delivery, in memory. Clones share it.
#[derive(Clone)]
pub struct DeliveryReader(Arc<Inner>);

struct Inner {
    deliveries: Deliveries,
    refresh: Duration,
    confirm: Duration,
    held: ArcSwapOption<Held>,
    /// What there is before the first: always the same one, so that whoever builds on it sees that
    /// nothing has changed.
    unknown: Arc<Delivery>,
    /// When the head was last looked for, in milliseconds.
    tried_at: AtomicI64,
    /// When the head was last read, in milliseconds.
    confirmed_at: AtomicI64,
    /// When the age was last told, in milliseconds.
    told_at: AtomicI64,
    flights: Flights,
}

struct Held {
    delivery: Arc<Delivery>,
    sha256: String,
}

impl DeliveryReader {
    /// A reader that holds nothing yet and looks for something newer once in `refresh` at most. What
    /// was confirmed longer ago than `confirm` is confirmed before it is used, while the database
    /// answers.
    pub fn new(deliveries: Deliveries, refresh: Duration, confirm: Duration) -> Self {
        Self(Arc::new(Inner {
            deliveries,
            refresh,
            confirm,
            held: ArcSwapOption::empty(),
            unknown: Arc::default(),
            tried_at: AtomicI64::new(i64::MIN),
            confirmed_at: AtomicI64::new(i64::MIN),
            told_at: AtomicI64::new(i64::MIN),
            flights: Flights::default(),
        }))
    }

    /// The last delivery that is known here, at once, while a look for a newer one goes on beside
    /// where one is due. Before the first there is one that knows nothing, and it is of 1970.
    pub fn held(&self, now: Instant) -> Arc<Delivery> {
        self.look_if_due(now);
        self.0.delivery()
    }

    /// The same; the first one is waited for, but not for long. After a pause a newer one is waited
    /// for, while the database answers.
    pub async fn current(&self, now: Instant) -> Arc<Delivery> {
        let is_cold = self.0.held.load().is_none();
        let confirmed_at = Instant::from_millis(self.0.confirmed_at.load(Ordering::Acquire));
        let paused = !is_cold && now.since(confirmed_at) > self.0.confirm;
        let limit = if paused {
            self.0.confirm
        } else {
            Duration::MAX
        };
        match self.look_if_due_within(now, limit) {
            Some(look) if is_cold => look.landed_within(COLD_PATIENCE).await,
            Some(look) if paused => {
                look.confirmed_within(now, CONFIRM_PATIENCE, LOAD_PATIENCE)
                    .await;
            }
            _ => {}
        }
        self.0.delivery()
    }

    /// Looks for a newer one, and waits until that is done: for the time when nobody waits.
    pub async fn refreshed(&self, now: Instant) -> Arc<Delivery> {
        self.look(now).landed_within(Duration::from_secs(2)).await;
        self.0.delivery()
    }

    fn look_if_due(&self, now: Instant) -> Option<Flight> {
        self.look_if_due_within(now, Duration::MAX)
    }

    /// The same; a look that began `limit` ago, before a pause, is not joined.
    fn look_if_due_within(&self, now: Instant, limit: Duration) -> Option<Flight> {
        let tried_at = Instant::from_millis(self.0.tried_at.load(Ordering::Acquire));
        // A clock that was set back must not put off the next look until it has caught up.
        if tried_at <= now && now.since(tried_at) < self.0.refresh {
            return self.0.flights.under_way(now);
        }
        Some(self.look_recent(now, limit))
    }

    fn look(&self, now: Instant) -> Flight {
        self.look_recent(now, Duration::MAX)
    }

    fn look_recent(&self, now: Instant, limit: Duration) -> Flight {
        self.0.flights.join_recent(now, limit, |progress| {
            self.0.tried_at.store(now.as_millis(), Ordering::Release);
            let inner = Arc::clone(&self.0);
            async move {
                if let Err(error) = inner.refresh(now, &progress).await {
                    tracing::warn!(error = %Chain(&error), "the delivery stays as it is");
                }
                inner.tell_age(now);
            }
        })
    }
}

impl Inner {
    fn delivery(&self) -> Arc<Delivery> {
        let held = self.held.load();
        let delivery = held.as_ref().map(|held| &held.delivery);
        Arc::clone(delivery.unwrap_or(&self.unknown))
    }

    async fn refresh(&self, now: Instant, progress: &Progress) -> Result<(), StoreError> {
        let Some(head) = self.deliveries.head(Read::Eventual).await? else {
            return Ok(());
        };
        let held = self.held.load_full();
        let sha256 = head.sha256.clone();
        let delivery = match &held {
            // An eventually consistent read may show what was before.
            Some(held) if head.made_at <= held.delivery.at.as_millis() => {
                self.confirm(now);
                return Ok(());
            }
            Some(held) if head.sha256 == held.sha256 => Delivery {
                at: Instant::from_millis(head.made_at),
                ..Delivery::clone(&held.delivery)
            },
            _ => {
                progress.loading();
                self.deliveries.fetch(head).await?
            }
        };
        let delivery = Arc::new(delivery);
        // A look that was given up on may land after a later one: what that one holds stays.
        self.held
            .compare_and_swap(&held, Some(Arc::new(Held { delivery, sha256 })));
        self.confirm(now);
        Ok(())
    }

    /// Notes that the head was read by a look that began at `now`.
    fn confirm(&self, now: Instant) {
        self.confirmed_at.store(now.as_millis(), Ordering::Release);
    }

    fn tell_age(&self, now: Instant) {
        let told_at = self.told_at.load(Ordering::Relaxed);
        let held = self.held.load();
        if let Some(held) = held.as_ref()
            && now.as_millis() >= told_at.saturating_add(TELL_EVERY_MS)
        {
            self.told_at.store(now.as_millis(), Ordering::Relaxed);
            let age = now.since(held.delivery.at).as_secs_f64();
            metrics::emit(now, "delivery_age_s", Unit::Seconds, age);
        }
    }
}

impl fmt::Debug for DeliveryReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryReader").finish_non_exhaustive()
    }
}
