//! The shelf: the snapshot that is held, and how it gives way to a newer one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use domain::{
    Instant,
    content::{Kind, LoadError},
};

use crate::{
    Blobs, StoreError, Table,
    blobs::{BlobKey, sha256},
    flight::Progress,
    keys,
    published::{ARTEFACT_LIMIT, Artefact, Head},
    query::Read,
};

/// How long an artefact that was refused is not fetched again, though it is still the newest.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// How long requests do not wait for artefacts after one could not be read.
const UNREADABLE_FOR: Duration = Duration::from_secs(60);

/// Makes a snapshot's content from an artefact of a format.
pub type Loader<T> = fn(format: u16, artefact: &[u8]) -> Result<T, LoadError>;

/// A version of a kind, loaded.
#[derive(Debug)]
pub struct Snapshot<T> {
    /// Its number; 0 where nothing was ever published.
    pub version: u64,
    /// When it went live, if anything did.
    pub published_at: Option<Instant>,
    /// What was published; the default where nothing was.
    pub content: T,
}

/// What is held of a kind.
pub(super) struct Shelf<T> {
    pub(super) kind: Kind,
    content: Table,
    blobs: Blobs,
    load: Loader<T>,
    held: ArcSwapOption<Held<T>>,
    /// When the head was last seen to name what is held, in milliseconds.
    confirmed_at: AtomicI64,
    /// Whether the last look left things as they were.
    failing: AtomicBool,
    refused: ArcSwapOption<Refused>,
    /// When the bucket last failed to return an artefact, in milliseconds.
    unreadable_at: AtomicI64,
}

/// What is held, as a look found it.
type Seen<T> = Option<Arc<Held<T>>>;

struct Held<T> {
    snapshot: Arc<Snapshot<T>>,
    artefact: Option<Artefact>,
}

struct Refused {
    artefact: Artefact,
    at: Instant,
}

/// Why a look at the head left things as they were.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("artefact {version} (format {format}) refused: {reason}")]
    Refused {
        version: u64,
        format: u16,
        reason: String,
    },
    #[error("artefact {0} was refused a moment ago")]
    StillRefused(u64),
    #[error("version {0} is held, and the head is gone")]
    HeadGone(u64),
}

impl<T: Default + Send + Sync + 'static> Shelf<T> {
    /// An empty shelf.
    pub(super) fn new(kind: Kind, content: Table, blobs: Blobs, load: Loader<T>) -> Self {
        Self {
            kind,
            content,
            blobs,
            load,
            held: ArcSwapOption::empty(),
            confirmed_at: AtomicI64::new(i64::MIN),
            failing: AtomicBool::new(false),
            refused: ArcSwapOption::empty(),
            unreadable_at: AtomicI64::new(i64::MIN),
        }
    }

    pub(super) fn held(&self) -> Option<Arc<Snapshot<T>>> {
        let held = self.held.load();
        held.as_ref().map(|held| Arc::clone(&held.snapshot))
    }

    /// How long ago the head was last seen to name what is held.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.held()?;
        let confirmed_at = self.confirmed_at.load(Ordering::Acquire);
        Some(now.since(Instant::from_millis(confirmed_at)))
    }

    /// Whether the last look left things as they were.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// Looks at the head and holds what it names.
    pub(super) async fn refresh(&self, now: Instant, progress: &Progress) -> Result<(), Failure> {
        let looked = self.look(now, progress).await;
        self.failing.store(looked.is_err(), Ordering::Release);
        looked
    }

    async fn look(&self, now: Instant, progress: &Progress) -> Result<(), Failure> {
        let held = self.held.load_full();
        let head = self.head(held.as_deref()).await?;
        match (head, held) {
            (None, None) => {
                self.hold(Snapshot::default(), None, &None, now);
                Ok(())
            }
            (None, Some(held)) if held.snapshot.version == 0 => {
                self.confirm(now);
                Ok(())
            }
            (None, Some(held)) => Err(Failure::HeadGone(held.snapshot.version)),
            (Some(head), Some(held)) if held.artefact.as_ref() == Some(&head.artefact) => {
                self.confirm(now);
                Ok(())
            }
            (Some(head), held) => {
                let unreadable_at =
                    Instant::from_millis(self.unreadable_at.load(Ordering::Acquire));
                if now.since(unreadable_at) >= UNREADABLE_FOR {
                    progress.loading();
                }
                self.take(head, &held, now).await
            }
        }
    }

    /// The head. An eventually consistent read does where it shows what is held or something
    /// newer; that nothing was ever published, or that a backup brought an older head back, must
    /// be certain.
    async fn head(&self, held: Option<&Held<T>>) -> Result<Option<Head>, StoreError> {
        let key = keys::head(self.kind);
        if let Some(held) = held {
            let head: Option<Head> = self.content.get(&key, Read::Eventual).await?;
            if head.as_ref().map_or(0, |head| head.version) >= held.snapshot.version {
                return Ok(head);
            }
        }
        self.content.get(&key, Read::Consistent).await
    }

    /// Loads the head's artefact; where that cannot be and nothing is held, the one before it.
    async fn take(&self, head: Head, seen: &Seen<T>, now: Instant) -> Result<(), Failure> {
        let failure = match self.fetch(&head.artefact, now).await {
            Ok(content) => {
                let snapshot = Snapshot {
                    version: head.version,
                    published_at: Some(head.published_at),
                    content,
                };
                self.hold(snapshot, Some(head.artefact), seen, now);
                return Ok(());
            }
            Err(failure) => failure,
        };
        if let (None, Some(previous)) = (seen, head.previous) {
            let snapshot = Snapshot {
                version: previous.version,
                published_at: None,
                content: self.fetch(&previous, now).await?,
            };
            self.hold(snapshot, Some(previous), seen, now);
        }
        Err(failure)
    }

    async fn fetch(&self, artefact: &Artefact, now: Instant) -> Result<T, Failure> {
        let refused = self.refused.load_full();
        if let Some(refused) = refused.filter(|refused| refused.artefact == *artefact)
            && now.since(refused.at) < REFUSED_FOR
        {
            return Err(Failure::StillRefused(artefact.version));
        }
        let Artefact {
            version, format, ..
        } = *artefact;
        let key = BlobKey::artefact(self.kind, version, format, &artefact.sha256);
        let loaded = match self.blobs.get(&key, ARTEFACT_LIMIT).await {
            Ok(Some(bytes)) => self.load(artefact, bytes).await,
            Ok(None) => Err("missing".to_owned()),
            Err(error @ StoreError::TooLarge { .. }) => Err(error.to_string()),
            Err(error) => {
                self.unreadable_at.store(now.as_millis(), Ordering::Release);
                return Err(error.into());
            }
        };
        loaded.map_err(|reason| {
            self.refused.store(Some(Arc::new(Refused {
                artefact: artefact.clone(),
                at: now,
            })));
            Failure::Refused {
                version,
                format,
                reason,
            }
        })
    }

    /// Checks and loads on a thread of its own: a large artefact is a second of work.
    async fn load(&self, artefact: &Artefact, bytes: Vec<u8>) -> Result<T, String> {
        let (load, format, expected) = (self.load, artefact.format, artefact.sha256.clone());
        let work = move || {
            if sha256(&bytes) != expected {
                return Err("another checksum".to_owned());
            }
            load(format, &bytes).map_err(|refusal| refusal.to_string())
        };
        let loaded = tokio::task::spawn_blocking(work).await;
        loaded.unwrap_or_else(|panic| Err(panic.to_string()))
    }

    /// Holds a snapshot in place of what the look has `seen`. A look that was given up on may land
    /// after a later one: what that one holds is not put back to something older.
    fn hold(
        &self,
        snapshot: Snapshot<T>,
        artefact: Option<Artefact>,
        seen: &Seen<T>,
        now: Instant,
    ) {
        let (kind, version) = (self.kind.as_str(), snapshot.version);
        let held = Arc::new(Held {
            snapshot: Arc::new(snapshot),
            artefact,
        });
        let found = self.held.compare_and_swap(seen, Some(held));
        if found.as_ref().map(Arc::as_ptr) != seen.as_ref().map(Arc::as_ptr) {
            tracing::info!(
                kind,
                snapshot_version = version,
                "snapshot ignored: it comes late"
            );
            return;
        }
        tracing::info!(kind, snapshot_version = version, "snapshot loaded");
        // Confirmed last: what is held is never younger than it is said to be, only older.
        self.confirm(now);
    }

    fn confirm(&self, now: Instant) {
        self.confirmed_at.store(now.as_millis(), Ordering::Release);
    }
}

impl<T: Default> Default for Snapshot<T> {
    /// What is served of a kind that was never published.
    fn default() -> Self {
        Self {
            version: 0,
            published_at: None,
            content: T::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws::{Aws, Endpoints, Keys, Pace, Settings};

    use super::*;
    use crate::Database;

    /// A shelf that is never refreshed, so that it needs neither table nor blobs.
    fn shelf() -> Shelf<()> {
        let settings = Settings {
            region: "ap-northeast-2".into(),
            credentials: Keys {
                access_key_id: "test".into(),
                secret_access_key: "test".into(),
                session_token: None,
            },
            endpoints: Endpoints::default(),
            app_name: "store-tests".into(),
        };
        let aws = Aws::new(settings).unwrap();
        let content = Database::connect(&aws, Pace::NORMAL).table("content");
        let blobs = Blobs::Files { dir: "".into() };
        Shelf::new(Kind::Testers, content, blobs, |_, _| Ok(()))
    }

    fn version(version: u64) -> Snapshot<()> {
        Snapshot {
            version,
            published_at: None,
            content: (),
        }
    }

    #[test]
    fn a_look_that_lands_late_puts_nothing_older_back() {
        let shelf = shelf();
        let now = Instant::from_seconds(1_000);
        let held = || shelf.held().map(|snapshot| snapshot.version);
        let lost = shelf.held.load_full();
        let later = shelf.held.load_full();
        shelf.hold(version(2), None, &later, now);
        shelf.hold(version(1), None, &lost, now - Duration::from_secs(90));
        assert_eq!(held(), Some(2));
        assert_eq!(shelf.age(now), Some(Duration::ZERO));

        let of_a_backup = shelf.held.load_full();
        shelf.hold(version(1), None, &of_a_backup, now);
        assert_eq!(held(), Some(1), "a head that went back is followed");
    }
}
