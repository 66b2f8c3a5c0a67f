//! Readers of published content as functions configure them, whose age is a metric.

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
    Problem,
    config::{ResourceName, Seconds},
    metrics::{self, Unit},
};

use crate::{
    Blobs, Database, StoreError, Table,
    published::{Freshness, FrozenItems, Loader, Reader, Snapshot, SnapshotUnavailable, Versions},
};

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
        stale: Seconds = "SNAPSHOT_STALE_S", default "4";
        /// A snapshot that was confirmed longer ago, as of an instance that was idle, is served only
        /// after a look for a newer one, while the database answers.
        confirm: Seconds = "SNAPSHOT_CONFIRM_S", default "30";
        /// A snapshot that was confirmed longer ago than this is not served at all.
        age_limit: Seconds = "SNAPSHOT_AGE_LIMIT_S", default "86400";
    }
}

impl SnapshotSettings {
    /// The bucket.
    pub fn blobs(&self, aws: &Aws) -> Blobs {
        Blobs::connect(aws, &self.blobs_bucket.0)
    }

    /// For how long content is served without confirmation while the database answers.
    pub fn confirm(&self) -> Duration {
        self.confirm.0
    }

    /// The way to what is published. Nothing is opened before the first read.
    pub fn source(&self, aws: &Aws) -> SnapshotSource {
        SnapshotSource {
            content: Database::connect(aws, Pace::NORMAL).table(&self.content_table.0),
            blobs: self.blobs(aws),
            freshness: Freshness {
                refresh: self.refresh.0,
                stale: self.stale.0,
                confirm: self.confirm.0,
                age_limit: self.age_limit.0,
            },
        }
    }
}

/// The way to what is published; readers of one source share its clients.
#[derive(Debug, Clone)]
pub struct SnapshotSource {
    content: Table,
    blobs: Blobs,
    freshness: Freshness,
}

impl SnapshotSource {
    /// A reader of `kind` that holds nothing yet, and tells how old what it serves is.
    pub fn reader<T: Default + Send + Sync + 'static>(
        &self,
        kind: Kind,
        load: Loader<T>,
    ) -> Watched<T> {
        let (content, blobs) = (self.content.clone(), self.blobs.clone());
        Watched {
            reader: Reader::new(kind, content, blobs, load, self.freshness),
            told_at: AtomicI64::new(i64::MIN),
        }
    }

    /// Returns the items of one version as they were frozen; `None` where there is no such version.
    pub async fn items(&self, kind: Kind, version: u64) -> Result<Option<FrozenItems>, StoreError> {
        Versions::new(self.content.clone())
            .source(&self.blobs, kind, version)
            .await
    }
}

/// The metric of a snapshot's age, which an alarm in the template asks for.
pub const SNAPSHOT_AGE: &str = "snapshot_age_s";

/// A reader whose age is a metric.
#[derive(Debug)]
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
        self.tell_age(now);
        current
    }

    /// What is served after a look at the head: [`Reader::newest`].
    pub async fn newest(&self, now: Instant) -> Option<Arc<Snapshot<T>>> {
        let newest = self.reader.newest(now).await;
        self.tell_age(now);
        newest
    }

    /// What is served after a short look for what is not held: [`Reader::after_miss`].
    pub async fn after_miss(&self, now: Instant) -> Option<Arc<Snapshot<T>>> {
        let newest = self.reader.after_miss(now).await;
        self.tell_age(now);
        newest
    }

    /// What a short look has just confirmed: [`Reader::confirmed`].
    pub async fn confirmed(&self, now: Instant) -> Option<Arc<Snapshot<T>>> {
        let confirmed = self.reader.confirmed(now).await;
        self.tell_age(now);
        confirmed
    }

    fn tell_age(&self, now: Instant) {
        let told_at = self.told_at.load(Ordering::Relaxed);
        if now.as_millis() < told_at.saturating_add(TELL_EVERY_MS) {
            return;
        }
        if let Some(age) = self.reader.settled_age(now) {
            self.told_at.store(now.as_millis(), Ordering::Relaxed);
            metrics::emit(now, SNAPSHOT_AGE, Unit::Seconds, age.as_secs_f64());
        }
    }
}
