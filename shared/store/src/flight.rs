//! A single flight: work that many may ask for at once, done once at a time beside them.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::Instant;
use tokio::sync::watch;
use tracing::Instrument as _;

/// A flight that began longer ago than this is given up on: it may hang in a process that was
/// frozen, where timers count the time that the process ran.
const LOST_AFTER: Duration = Duration::from_secs(90);

/// At most one piece of work at a time, which lives on when those who wait for it go away.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    last: Mutex<Option<Flight>>,
}

/// Work under way, or done.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    began_at: Instant,
    landed: watch::Receiver<()>,
    progress: Progress,
}

/// How far the work of a flight is. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<AtomicBool>);

impl Progress {
    /// Notes that the source has answered and named something newer, which is being loaded.
    pub(crate) fn loading(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_loading(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Flights {
    /// Joins the flight that is under way; `None` when there is none.
    pub(crate) fn under_way(&self, now: Instant) -> Option<Flight> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
            .filter(|flight| flight.is_under_way(now, LOST_AFTER))
    }

    /// Joins the flight that is under way, or begins one.
    pub(crate) fn join<F>(&self, now: Instant, work: impl FnOnce() -> F) -> Flight
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.join_recent(now, LOST_AFTER, |_| work())
    }

    /// Joins the flight that is under way, or begins one if that began `limit` ago: a process that
    /// was frozen wakes up with the flight that it had begun before. The work reports its progress.
    pub(crate) fn join_recent<F>(
        &self,
        now: Instant,
        limit: Duration,
        work: impl FnOnce(Progress) -> F,
    ) -> Flight
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |flight: &&Flight| flight.is_under_way(now, limit.min(LOST_AFTER));
        if let Some(flight) = last.as_ref().filter(recent) {
            return flight.clone();
        }
        // Nothing is ever sent: the sender goes when the work ends, even by a panic.
        let (landing, landed) = watch::channel(());
        let progress = Progress::default();
        let work = work(progress.clone());
        let flight = async move {
            work.await;
            drop(landing);
        };
        // What it logs belongs to the request that began it.
        tokio::spawn(flight.in_current_span());
        let flight = Flight {
            began_at: now,
            landed,
            progress,
        };
        *last = Some(flight.clone());
        flight
    }
}

impl Flight {
    /// When it began.
    pub(crate) fn began_at(&self) -> Instant {
        self.began_at
    }

    /// Waits for its end, no longer than `limit`.
    pub(crate) async fn landed_within(mut self, limit: Duration) {
        let landed = async { while self.landed.changed().await.is_ok() {} };
        // Whether it landed shows in what it left behind.
        let _ = tokio::time::timeout(limit, landed).await;
    }

    /// Waits for the source's answer, no longer than `answer`, and for the newer value that it
    /// named, no longer than `load`. Both count from the flight's beginning.
    pub(crate) async fn confirmed_within(self, now: Instant, answer: Duration, load: Duration) {
        let waited = now.since(self.began_at);
        let landed = self.clone().landed_within(answer.saturating_sub(waited));
        landed.await;
        if self.progress.is_loading() {
            self.landed_within(load.saturating_sub(waited)).await;
        }
    }

    fn is_under_way(&self, now: Instant, limit: Duration) -> bool {
        self.landed.has_changed().is_ok() && now.since(self.began_at) < limit
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn many_join_one_flight_and_the_next_begins_another() {
        let flights = Flights::default();
        let (done, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let work = || {
            let (done, gate) = (Arc::clone(&done), Arc::clone(&gate));
            async move {
                gate.notified().await;
                done.fetch_add(1, Ordering::SeqCst);
            }
        };
        let now = Instant::from_seconds(1_000);
        let joined: Vec<_> = (0..5).map(|_| flights.join(now, work)).collect();
        gate.notify_one();
        for flight in joined {
            flight.landed_within(Duration::from_secs(5)).await;
        }
        assert_eq!(done.load(Ordering::SeqCst), 1);
        assert!(flights.under_way(now).is_none());
        gate.notify_one();
        let next = flights.join(now, work);
        next.landed_within(Duration::from_secs(5)).await;
        assert_eq!(done.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn what_a_flight_logs_belongs_to_who_began_it() {
        let _logging = tracing::subscriber::set_default(tracing_subscriber::registry());
        let request = tracing::info_span!("request");
        let seen = Arc::new(Mutex::new(None));
        let work = || {
            let seen = Arc::clone(&seen);
            async move { *seen.lock().unwrap() = tracing::Span::current().id() }
        };
        let now = Instant::from_seconds(1_000);
        let flight = request.in_scope(|| Flights::default().join(now, work));
        flight.landed_within(Duration::from_secs(5)).await;
        assert!(request.id().is_some());
        assert_eq!(*seen.lock().unwrap(), request.id());
    }

    #[tokio::test]
    async fn a_flight_that_panics_has_landed_and_one_that_hangs_is_lost_in_time() {
        let flights = Flights::default();
        let now = Instant::from_seconds(1_000);
        let broken = flights.join(now, || async { panic!("on purpose") });
        broken.landed_within(Duration::from_secs(5)).await;
        assert!(flights.under_way(now).is_none());

        let hanging = flights.join(now, std::future::pending);
        hanging.landed_within(Duration::from_millis(1)).await;
        assert!(flights.under_way(now + Duration::from_secs(89)).is_some());
        assert!(flights.under_way(now + Duration::from_secs(90)).is_none());
    }

    #[tokio::test]
    async fn a_flight_from_before_a_pause_is_joined_only_within_the_limit() {
        let flights = Flights::default();
        let now = Instant::from_seconds(1_000);
        flights.join(now, std::future::pending);
        let limit = Duration::from_secs(30);
        let join = |at| flights.join_recent(at, limit, |_| std::future::pending());
        let within = now + Duration::from_secs(29);
        assert_eq!(join(within).began_at(), now);
        let beyond = now + Duration::from_secs(30);
        assert_eq!(join(beyond).began_at(), beyond);
    }

    #[tokio::test]
    async fn a_source_that_answered_is_given_the_time_to_load_and_a_silent_one_is_not() {
        let flights = Flights::default();
        let now = Instant::from_seconds(1_000);
        let (short, long) = (Duration::from_millis(1), Duration::from_secs(60));
        let silent = flights.join_recent(now, long, |_| std::future::pending());
        silent.confirmed_within(now, short, long).await;

        let loaded = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&loaded);
        let later = now + Duration::from_secs(90);
        let answered = flights.join_recent(later, long, |progress| async move {
            progress.loading();
            tokio::time::sleep(Duration::from_millis(50)).await;
            done.store(true, Ordering::SeqCst);
        });
        tokio::task::yield_now().await;
        answered.confirmed_within(later, short, long).await;
        assert!(loaded.load(Ordering::SeqCst));
    }
}
