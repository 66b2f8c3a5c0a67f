//! The keys that a provider publishes: fetched on first use, kept in memory, and fetched again when
//! they are old or when a token names one that is not among them.
//!
//! Whoever brings a token signed with a key that is held never waits. Anybody can make up key names,
//! so these cause few fetches whatever comes: one refetch in 30 s, and two fetches of any kind. Until
//! the next fetch is allowed a token with an unknown key name gets an error with the seconds to wait,
//! because its key may be newer than the set. A set that cannot be fetched again goes on being used.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use domain::{Instant, identity::Provider};
use jose::KeySet;
use tokio::{
    sync::{Mutex as Flight, OwnedMutexGuard},
    time::Instant as Stopwatch,
};
use tracing::Instrument as _;

use crate::https::{Failure, Https, Question};

/// A set older than this is fetched again, beside requests.
const OLD: Duration = Duration::from_secs(3_600);

/// A token's unknown key causes no more than one fetch within this.
const REFETCH: Duration = Duration::from_secs(30);

/// Where there are no keys at all the next try comes this soon: it is what everybody waits for.
const COLD_RETRY: Duration = Duration::from_secs(2);

/// A published key set has a few kilobytes.
const LIMIT_BYTES: usize = 512 * 1024;

/// The key set at one URL. Clones share what was fetched.
#[derive(Clone)]
pub struct RemoteKeySet(Arc<Inner>);

struct Inner {
    provider: Provider,
    url: String,
    https: Https,
    held: ArcSwapOption<Held>,
    log: Mutex<FetchLog>,
    /// Held by whoever is fetching.
    flight: Arc<Flight<()>>,
}

/// A key set as it was fetched.
pub struct Held {
    /// The keys; never none.
    pub keys: KeySet,
    fetched_at: Instant,
}

/// What was fetched lately.
#[derive(Debug, Clone, Copy, Default)]
struct FetchLog {
    /// When the last two began.
    began_at: [Option<Instant>; 2],
    refetched_at: Option<Instant>,
    /// When the last one failed, if it did.
    failed_at: Option<Instant>,
}

/// There are no keys, or none that are new enough to refuse a token by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoKeys {
    /// When asking again may help.
    pub retry_after: Duration,
}

/// Why a fetch brought nothing.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0}")]
    Failed(Failure),
    #[error("the status {0}")]
    Refused(u16),
    #[error("{0}")]
    Malformed(jose::BadKeySet),
    #[error("no keys in it")]
    Empty,
}

impl RemoteKeySet {
    /// The keys at `url`, which are not fetched yet.
    pub fn new(provider: Provider, url: &str, https: Https) -> Self {
        Self(Arc::new(Inner {
            provider,
            url: url.to_owned(),
            https,
            held: ArcSwapOption::empty(),
            log: Mutex::default(),
            flight: Arc::default(),
        }))
    }

    /// The keys that are in memory, at once; one task fetches them again beside, where they are old.
    pub fn held(&self, now: Instant) -> Option<Arc<Held>> {
        let held = self.0.held.load_full()?;
        if now.since(held.fetched_at) >= OLD {
            self.refresh_beside(now);
        }
        Some(held)
    }

    /// Returns keys that were fetched after `seen` was read, for a token whose key is not among those:
    /// one caller fetches for all that wait.
    ///
    /// # Errors
    /// There are none, or another fetch is not allowed yet, so that nothing says whether there are newer
    /// ones.
    pub async fn newer_than(
        &self,
        seen: Option<&Arc<Held>>,
        now: Instant,
    ) -> Result<Arc<Held>, NoKeys> {
        let turn = Arc::clone(&self.0.flight).lock_owned().await;
        let held = self.0.held.load_full();
        // Whoever had the turn before may have fetched them.
        if let Some(held) = &held
            && !seen.is_some_and(|seen| Arc::ptr_eq(seen, held))
        {
            return Ok(Arc::clone(held));
        }
        let log = self.0.log();
        match log.wait(held.is_some(), now) {
            None => self.fetch_for(turn, held.is_some(), now).await,
            Some(retry_after) => Err(NoKeys { retry_after }),
        }
    }

    /// Fetches them in a task of its own, which lives on when its caller goes away.
    async fn fetch_for(
        &self,
        turn: OwnedMutexGuard<()>,
        again: bool,
        now: Instant,
    ) -> Result<Arc<Held>, NoKeys> {
        let inner = Arc::clone(&self.0);
        let fetch = async move { inner.fetch(turn, again, now).await };
        let fetched = tokio::spawn(fetch.in_current_span()).await;
        let retry_after = if again { REFETCH } else { COLD_RETRY };
        fetched.ok().flatten().ok_or(NoKeys { retry_after })
    }

    fn refresh_beside(&self, now: Instant) {
        if !self.0.log().may_refresh(now) {
            return;
        }
        let Ok(turn) = Arc::clone(&self.0.flight).try_lock_owned() else {
            return;
        };
        let inner = Arc::clone(&self.0);
        // What it logs belongs to the request that began it.
        let fetch = async move { inner.fetch(turn, false, now).await };
        tokio::spawn(fetch.in_current_span());
    }
}

impl Inner {
    fn log(&self) -> FetchLog {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: impl FnOnce(&mut FetchLog)) {
        note(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn fetch(
        &self,
        _turn: OwnedMutexGuard<()>,
        for_a_token: bool,
        now: Instant,
    ) -> Option<Arc<Held>> {
        self.note(|log| log.begin(for_a_token, now));
        let began = Stopwatch::now();
        match self.read(now).await {
            Ok(keys) => {
                self.note(|log| log.failed_at = None);
                let held = Arc::new(Held {
                    keys,
                    fetched_at: now,
                });
                self.held.store(Some(Arc::clone(&held)));
                Some(held)
            }
            Err(error) => {
                self.note(|log| log.failed_at = Some(now + began.elapsed()));
                tracing::warn!(provider = %self.provider, %error, "no new keys");
                None
            }
        }
    }

    async fn read(&self, now: Instant) -> Result<KeySet, FetchError> {
        let question = Question::get(&self.url, &[]);
        let answer = self.https.ask_once(&question, LIMIT_BYTES, now).await;
        let answer = answer.map_err(FetchError::Failed)?;
        if !answer.status.is_success() {
            return Err(FetchError::Refused(answer.status.as_u16()));
        }
        let keys = KeySet::parse(&answer.body).map_err(FetchError::Malformed)?;
        match keys.is_empty() {
            true => Err(FetchError::Empty),
            false => Ok(keys),
        }
    }
}

impl FetchLog {
    fn begin(&mut self, for_a_token: bool, now: Instant) {
        let [_, last] = self.began_at;
        self.began_at = [last, Some(now)];
        if for_a_token {
            self.refetched_at = Some(now);
        }
    }

    /// How long until a token may cause a fetch, at most the interval between two fetches; `None` when
    /// it may now.
    ///
    /// `now` is when the request came. One that came before the fetch and waited for its turn would
    /// count the time that it waited a second time.
    fn wait(&self, holding: bool, now: Instant) -> Option<Duration> {
        let (last, interval) = match (holding, self.began_at) {
            (true, [before_last, _]) => (before_last.max(self.refetched_at), REFETCH),
            (false, _) => (self.failed_at, COLD_RETRY),
        };
        let wait = (last? + interval).since(now).min(interval);
        (!wait.is_zero()).then_some(wait)
    }

    fn may_refresh(&self, now: Instant) -> bool {
        let [_, last] = self.began_at;
        last.is_none_or(|at| now.since(at) >= REFETCH)
    }
}

impl fmt::Debug for RemoteKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteKeySet({})", self.0.provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_seconds(1_000);

    fn after(seconds: u64) -> Instant {
        START + Duration::from_secs(seconds)
    }

    #[test]
    fn two_fetches_in_thirty_seconds_are_the_most_and_one_of_them_for_a_token() {
        let mut log = FetchLog::default();
        log.begin(false, START);
        assert_eq!(log.wait(true, after(1)), None, "one for a token");
        log.begin(true, after(1));
        assert_eq!(log.wait(true, after(2)), Some(Duration::from_secs(29)));
        assert_eq!(log.wait(true, after(31)), None);
        assert!(!log.may_refresh(after(30)));
        log.begin(false, after(31));
        log.begin(true, after(32));
        assert_eq!(log.wait(true, after(61)), Some(Duration::from_secs(1)));
        assert_eq!(log.wait(true, after(62)), None);
    }

    #[test]
    fn a_request_that_came_before_the_fetch_waits_no_longer_than_the_interval() {
        let mut log = FetchLog::default();
        log.begin(false, START);
        log.begin(true, after(5));
        for early in [START, after(3), after(5)] {
            assert_eq!(log.wait(true, early), Some(REFETCH), "at {early}");
        }
        log.failed_at = Some(after(4));
        assert_eq!(log.wait(false, after(1)), Some(COLD_RETRY));
    }

    #[test]
    fn without_keys_the_next_try_comes_soon() {
        let mut log = FetchLog::default();
        for start in [0, 2, 4, 6] {
            log.begin(false, after(start));
            log.failed_at = Some(after(start));
            assert_eq!(
                log.wait(false, after(start + 1)),
                Some(Duration::from_secs(1))
            );
            assert_eq!(log.wait(false, after(start + 2)), None);
        }
    }
}
