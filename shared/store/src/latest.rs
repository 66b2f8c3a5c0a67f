//! One item in memory: read before the first request that needs it, then again beside requests.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use domain::Instant;
use kit::{BoxFuture, problem::Chain};

use crate::{
    StoreError,
    flight::{Flight, Flights},
};

/// An answer that is older than what is held is believed only when that was confirmed longer ago
/// than this: a replica lags behind for seconds, a table that was set back stays so.
const LAG: Duration = Duration::from_secs(60);

/// A look that began longer ago is given up on: one item is read in less time, unless the process
/// was frozen meanwhile.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// Reads the value.
type Load<T> = Box<dyn Fn() -> BoxFuture<Result<T, StoreError>> + Send + Sync>;

/// The last value that was read. Clones share it.
pub(crate) struct Latest<T>(Arc<Inner<T>>);

/// A value, and when the read that gave it began.
pub(crate) struct Held<T> {
    pub(crate) value: T,
    pub(crate) read_at: Instant,
}

struct Inner<T> {
    what: &'static str,
    load: Load<T>,
    /// Whether the first is not older than the second.
    follows: fn(&T, &T) -> bool,
    held: ArcSwapOption<Held<T>>,
    /// When it was last looked for, in milliseconds.
    tried_at: AtomicI64,
    flights: Flights,
}

impl<T: Send + Sync + 'static> Latest<T> {
    /// Holds nothing yet. `what` is its name in logs.
    pub(crate) fn new<F>(
        what: &'static str,
        load: impl Fn() -> F + Send + Sync + 'static,
        follows: fn(&T, &T) -> bool,
    ) -> Self
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        Self(Arc::new(Inner {
            what,
            load: Box::new(move || Box::pin(load())),
            follows,
            held: ArcSwapOption::empty(),
            tried_at: AtomicI64::new(i64::MIN),
            flights: Flights::default(),
        }))
    }

    /// What is held now.
    pub(crate) fn held(&self) -> Option<Arc<Held<T>>> {
        self.0.held.load_full()
    }

    /// Looks again, beside, where the last look began `refresh` ago; gives the look that is under
    /// way.
    pub(crate) fn look_if_due(&self, now: Instant, refresh: Duration) -> Option<Flight> {
        match self.since_last_try(now) {
            Some(age) if age < refresh => self.0.flights.under_way(now),
            _ => Some(self.look(now, Duration::ZERO)),
        }
    }

    /// Looks again, but not before the last look began `pause` ago; or joins the look that is under
    /// way.
    pub(crate) fn look(&self, now: Instant, pause: Duration) -> Flight {
        self.0.flights.join_recent(now, LOST_AFTER, |_| {
            let waited = self.since_last_try(now).unwrap_or(pause);
            let begins_at = now + pause.saturating_sub(waited);
            let inner = Arc::clone(&self.0);
            inner
                .tried_at
                .store(begins_at.as_millis(), Ordering::Release);
            async move {
                tokio::time::sleep(begins_at.since(now)).await;
                if let Err(error) = inner.read(begins_at).await {
                    let what = inner.what;
                    tracing::warn!(what, error = %Chain(&error), "what is held stays as it is");
                }
            }
        })
    }

    /// `None` before the first look, and where the clock was set back: that must not put off the
    /// next look until it has caught up.
    fn since_last_try(&self, now: Instant) -> Option<Duration> {
        let tried_at = Instant::from_millis(self.0.tried_at.load(Ordering::Acquire));
        (tried_at <= now).then(|| now.since(tried_at))
    }
}

impl<T> Inner<T> {
    async fn read(&self, began_at: Instant) -> Result<(), StoreError> {
        let held = self.held.load_full();
        let value = (self.load)().await?;
        let lags = held.as_ref().is_some_and(|held| {
            !(self.follows)(&value, &held.value) && began_at.since(held.read_at) < LAG
        });
        if !lags {
            let read = Some(Arc::new(Held {
                value,
                read_at: began_at,
            }));
            // A look that was given up on may land after a later one: what that one holds stays.
            self.held.compare_and_swap(&held, read);
        }
        Ok(())
    }
}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Latest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Latest({})", self.0.what)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    const NOW: Instant = Instant::from_seconds(1_000);
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Counts its reads; what is read is what the second number says.
    fn counting() -> (Latest<u64>, Arc<AtomicU64>, Arc<AtomicU64>) {
        let (reads, value) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(1)));
        let (count, read) = (Arc::clone(&reads), Arc::clone(&value));
        let load = move || {
            count.fetch_add(1, Ordering::SeqCst);
            let value = read.load(Ordering::SeqCst);
            async move { Ok(value) }
        };
        (Latest::new("number", load, |a, b| a >= b), reads, value)
    }

    async fn looked(latest: &Latest<u64>, now: Instant, refresh_s: u64) -> Option<u64> {
        if let Some(flight) = latest.look_if_due(now, Duration::from_secs(refresh_s)) {
            flight.landed_within(PATIENCE).await;
        }
        latest.held().map(|held| held.value)
    }

    #[tokio::test]
    async fn it_is_read_again_when_it_is_due_and_not_before() {
        let (latest, reads, value) = counting();
        assert!(latest.held().is_none());
        assert_eq!(looked(&latest, NOW, 3).await, Some(1));
        value.store(2, Ordering::SeqCst);
        let after = |seconds| NOW + Duration::from_secs(seconds);
        assert_eq!(looked(&latest, after(2), 3).await, Some(1));
        assert_eq!(looked(&latest, after(3), 3).await, Some(2));
        assert_eq!(reads.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_replica_that_lags_is_not_believed_but_a_table_that_was_set_back_is() {
        let (latest, _, value) = counting();
        value.store(7, Ordering::SeqCst);
        assert_eq!(looked(&latest, NOW, 3).await, Some(7));
        value.store(6, Ordering::SeqCst);
        let after = |seconds| NOW + Duration::from_secs(seconds);
        assert_eq!(looked(&latest, after(5), 3).await, Some(7));
        assert_eq!(looked(&latest, after(60), 3).await, Some(6));
    }

    #[tokio::test]
    async fn a_read_from_before_a_pause_is_not_waited_for() {
        let count = Arc::new(AtomicU64::new(0));
        let reads = Arc::clone(&count);
        let load = move || {
            let nth = reads.fetch_add(1, Ordering::SeqCst);
            async move {
                match nth {
                    0 => std::future::pending().await,
                    nth => Ok(nth),
                }
            }
        };
        let latest = Latest::new("number", load, |_, _| true);
        latest.look_if_due(NOW, Duration::from_secs(3)).unwrap();
        let later = NOW + Duration::from_secs(60);
        assert_eq!(looked(&latest, later, 3).await, Some(1));
    }

    #[tokio::test]
    async fn who_asks_for_more_than_one_look_a_pause_waits() {
        let (latest, reads, _) = counting();
        let pause = Duration::from_millis(300);
        latest.look(NOW, pause).landed_within(PATIENCE).await;
        let began = std::time::Instant::now();
        let soon = NOW + Duration::from_millis(100);
        let flights: Vec<_> = (0..9).map(|_| latest.look(soon, pause)).collect();
        for flight in flights {
            flight.landed_within(PATIENCE).await;
        }
        assert_eq!(reads.load(Ordering::SeqCst), 2);
        assert!(began.elapsed() >= Duration::from_millis(200));
    }
}
