//! What the middleware asks of the store, and how a store's failure is told to a caller.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use aws::{Aws, Pace};
use domain::{Instant, content::Kind};
use kit::{
    BoxFuture, Code, Principal, Problem, Random,
    config::{ResourceName, Seconds},
    metrics::{self, Unit},
    middleware::{Authority, Begun, Claim, Counter, Decision, Key, Ledger, StoredAnswer},
};

use crate::{
    Blobs, Database, StoreError,
    idempotency::{self, Requests},
    published::{Freshness, Loader, Reader, Snapshot, SnapshotUnavailable},
    rate::Rates,
    service_keys::ServiceKeys,
    stamp::Stamp,
};

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::BadCursor => Self::new(Code::InvalidCursor),
            error if error.is_transient() => {
                tracing::warn!(%error, "the store does not answer");
                Self::unavailable("the database does not answer; nothing was changed for certain")
            }
            error => Self::internal(&error),
        }
    }
}

impl From<SnapshotUnavailable> for Problem {
    fn from(error: SnapshotUnavailable) -> Self {
        tracing::error!(%error, "nothing to serve");
        Self::unavailable("published content cannot be read")
    }
}

kit::settings! {
    /// Where published content is read from, and how old it may be.
    pub struct SnapshotSettings {
        /// The table of drafts, versions and heads.
        content_table: ResourceName = "CONTENT_TABLE", example "madang-dev-content";
        /// The bucket of compiled content.
        blobs_bucket: ResourceName = "BLOBS_BUCKET", example "madang-dev-blobs-000000000000";
        /// A newer version is looked for no more often than this.
        refresh: Seconds = "SNAPSHOT_REFRESH_S", default "3";
        /// A snapshot that was confirmed longer ago is worth a short wait.
        stale: Seconds = "SNAPSHOT_STALE_S", default "7";
        /// A snapshot that was confirmed longer ago than this is not served at all.
        age_limit: Seconds = "SNAPSHOT_AGE_LIMIT_S", default "86400";
    }
}

/// The largest artefact that a reader takes, in bytes.
const ARTEFACT_LIMIT_BYTES: usize = 512 * 1024 * 1024;

impl SnapshotSettings {
    /// A reader of `kind` that holds nothing yet, and tells how old what it serves is.
    pub fn reader<T: Default + Send + Sync + 'static>(
        &self,
        aws: &Aws,
        kind: Kind,
        load: Loader<T>,
    ) -> Watched<T> {
        let freshness = Freshness {
            refresh: self.refresh.0,
            stale: self.stale.0,
            age_limit: self.age_limit.0,
        };
        let content = Database::connect(aws, Pace::NORMAL).table(&self.content_table.0);
        let blobs = Blobs::connect(aws, &self.blobs_bucket.0);
        Watched {
            reader: Reader::new(kind, content, blobs, load, freshness, ARTEFACT_LIMIT_BYTES),
            told_at: AtomicI64::new(i64::MIN),
        }
    }
}

/// A reader whose age is a metric.
pub struct Watched<T> {
    reader: Reader<T>,
    /// When the age was last told, in milliseconds.
    told_at: AtomicI64,
}

/// An instance tells its snapshot's age no more often than this, in milliseconds.
const TELL_EVERY_MS: i64 = 60_000;

impl<T: Default + Send + Sync + 'static> Watched<T> {
    /// What to serve now: [`Reader::current`].
    pub async fn current(&self, now: Instant) -> Result<Arc<Snapshot<T>>, SnapshotUnavailable> {
        let current = self.reader.current(now).await;
        let due = self
            .told_at
            .load(Ordering::Relaxed)
            .saturating_add(TELL_EVERY_MS);
        if now.as_millis() >= due
            && let Some(age) = self.reader.age(now)
        {
            self.told_at.store(now.as_millis(), Ordering::Relaxed);
            metrics::emit(now, "snapshot_age_s", Unit::Seconds, age.as_secs_f64());
        }
        current
    }
}

/// Service keys, as the authentication layer asks for them.
pub struct KeyAuthority {
    keys: ServiceKeys,
    clock: kit::Clock,
}

impl KeyAuthority {
    /// Asks `keys`, at the time `clock` says.
    pub fn new(keys: ServiceKeys, clock: kit::Clock) -> Arc<Self> {
        Arc::new(Self { keys, clock })
    }
}

impl Authority for KeyAuthority {
    fn service_key(&self, key: String) -> BoxFuture<Result<Option<Principal>, Problem>> {
        let (keys, now) = (self.keys.clone(), self.clock.now());
        Box::pin(async move {
            let known = keys.verify(&key, now).await?;
            Ok(known.map(|key| Principal::Service {
                id: key.id.as_str().to_owned(),
                scopes: key.scopes,
            }))
        })
    }
}

impl Counter for Rates {
    fn hit(
        &self,
        who: String,
        per_minute: u32,
        now: Instant,
    ) -> BoxFuture<Result<Decision, Problem>> {
        let rates = self.clone();
        Box::pin(async move {
            let hit = Self::hit(&rates, &who, per_minute, Duration::from_secs(60), now).await?;
            Ok(Decision {
                allowed: hit.allowed,
                remaining: hit.remaining,
                reset_s: hit.reset.as_secs(),
            })
        })
    }
}

/// Idempotency records, as the middleware asks for them.
pub struct RequestLedger {
    requests: Requests,
    random: Random,
}

impl RequestLedger {
    /// Keeps records in `requests`.
    pub fn new(requests: Requests, random: Random) -> Arc<Self> {
        Arc::new(Self { requests, random })
    }
}

impl Ledger for RequestLedger {
    fn begin(
        &self,
        key: Key,
        body: Vec<u8>,
        now: Instant,
        deadline: Instant,
    ) -> BoxFuture<Result<Begun, Problem>> {
        let requests = self.requests.clone();
        let stamp = Stamp::random(&mut self.random.rng());
        Box::pin(async move {
            let scope = idempotency::Scope {
                caller: &key.caller,
                route: &key.route,
                key: &key.key,
            };
            let begun = requests.begin(scope, &body, deadline, stamp, now).await?;
            Ok(match begun {
                idempotency::Begun::Fresh(claim) => Begun::Fresh(Box::new(RequestClaim {
                    requests: requests.clone(),
                    claim,
                })),
                idempotency::Begun::Replay(answer) => Begun::Answered(StoredAnswer {
                    status: answer.status,
                    headers: answer.headers,
                    body: answer.body,
                }),
                idempotency::Begun::Busy => Begun::InFlight,
                idempotency::Begun::Reused => Begun::Reused,
            })
        })
    }
}

struct RequestClaim {
    requests: Requests,
    claim: idempotency::InFlight,
}

impl Claim for RequestClaim {
    fn finish(
        self: Box<Self>,
        answer: StoredAnswer,
        now: Instant,
    ) -> BoxFuture<Result<(), Problem>> {
        Box::pin(async move {
            let answer = idempotency::Answer {
                status: answer.status,
                headers: answer.headers,
                body: answer.body,
            };
            Ok(self.requests.finish(self.claim, answer, now).await?)
        })
    }

    fn abandon(self: Box<Self>) -> BoxFuture<Result<(), Problem>> {
        Box::pin(async move { Ok(self.requests.abandon(self.claim).await?) })
    }
}
