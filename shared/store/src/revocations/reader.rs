//! The log in memory, for whoever verifies.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use domain::Instant;
use futures_util::future;

use super::{
    RevocationList, Revocations,
    legacy::LegacyList,
    log::{self, Entry, LIFETIME},
};
use crate::{StoreError, Table, keys, latest::Latest, query::Read};

/// The log is looked at beside requests once it was looked at longer ago than this.
const REFRESH: Duration = Duration::from_secs(3);

/// A copy that is older, as of an instance that idled, is not used before another look: so that what
/// is revoked acts within ten seconds.
const STALE: Duration = Duration::from_secs(8);

/// How long that look is waited for; then the copy is used all the same.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long the first look of a process is waited for.
const COLD_PATIENCE: Duration = Duration::from_millis(2_500);

/// Each look begins this much before the last one. It covers the time from when an entry is made to
/// when it is written and readable everywhere, and the difference between clocks.
const OVERLAP: Duration = Duration::from_secs(60);

/// An earlier version's list is read again at least this often, in case functions of that version
/// still run.
const LEGACY_REFRESH: Duration = Duration::from_secs(60);

/// What the log is known to say here. Clones share it.
#[derive(Debug, Clone)]
pub struct RevocationReader {
    latest: Latest<Arc<RevocationList>>,
    /// The time of the request that looks, in milliseconds.
    now: Arc<AtomicI64>,
}

/// What was read of the log so far.
#[derive(Default)]
struct Known {
    /// When the last complete look began.
    read_at: Option<Instant>,
    /// Entries that have not lapsed, by their sort keys.
    entries: BTreeMap<String, Entry>,
    legacy: LegacyList,
    /// When the earlier version's list was last read.
    legacy_read_at: Option<Instant>,
    list: Arc<RevocationList>,
}

impl RevocationReader {
    /// Reads what `revocations` holds; nothing is read before the first request.
    pub fn new(revocations: Revocations) -> Self {
        let now = Arc::new(AtomicI64::new(0));
        let (asked_at, known) = (Arc::clone(&now), Arc::new(Mutex::new(Known::default())));
        let load = move || {
            let now = Instant::from_millis(asked_at.load(Ordering::Acquire));
            let (table, known) = (revocations.table().clone(), Arc::clone(&known));
            async move { look(&table, &known, now).await }
        };
        // What is known only grows, but for what has lapsed.
        let latest = Latest::new("revocations", load, |_, _| true);
        Self { latest, now }
    }

    /// The list to go by. `None`: it never could be read.
    pub async fn current(&self, now: Instant) -> Option<Arc<RevocationList>> {
        self.now.store(now.as_millis(), Ordering::Release);
        let look = self.latest.look_if_due(now, REFRESH);
        let patience = match self.latest.held() {
            None => COLD_PATIENCE,
            Some(held) if now.since(held.read_at) >= STALE => PATIENCE,
            Some(held) => return Some(Arc::clone(&held.value)),
        };
        if let Some(look) = look {
            look.landed_within(patience).await;
        }
        self.latest.held().map(|held| Arc::clone(&held.value))
    }
}

/// Reads on from where the last look was; of a log that was never looked at, everything that has not
/// lapsed.
async fn look(
    table: &Table,
    known: &Mutex<Known>,
    now: Instant,
) -> Result<Arc<RevocationList>, StoreError> {
    let (from, legacy_is_due) = {
        let known = known.lock().unwrap_or_else(PoisonError::into_inner);
        (known.from(now), known.legacy_is_due(now))
    };
    let minutes = log::minute_of(from)..=log::minute_of(now);
    let minutes = minutes.map(|minute| log::entries(table, minute, from));
    let legacy = async {
        match legacy_is_due {
            true => {
                let list: Option<LegacyList> = table
                    .get(&keys::legacy_revocations(), Read::Eventual)
                    .await?;
                Ok(Some(list.unwrap_or_default()))
            }
            false => Ok(None),
        }
    };
    let (found, legacy) = future::try_join(future::try_join_all(minutes), legacy).await?;
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(known.learn(found.into_iter().flatten(), legacy, now))
}

impl Known {
    fn from(&self, now: Instant) -> Instant {
        let oldest = now - LIFETIME;
        // A clock that was set back reads everything again.
        let last = self.read_at.filter(|read_at| *read_at <= now);
        last.map_or(oldest, |read_at| oldest.max(read_at - OVERLAP))
    }

    fn legacy_is_due(&self, now: Instant) -> bool {
        let is_recent = |read_at: Instant| read_at <= now && now.since(read_at) < LEGACY_REFRESH;
        !self.legacy_read_at.is_some_and(is_recent) || !self.legacy.has_lapsed(now)
    }

    fn learn(
        &mut self,
        found: impl Iterator<Item = (String, Entry)>,
        legacy: Option<LegacyList>,
        now: Instant,
    ) -> Arc<RevocationList> {
        let before = self.entries.len();
        self.entries.retain(|_, entry| !entry.has_lapsed(now));
        let mut changed = self.entries.len() != before;
        for (sort_key, entry) in found.filter(|(_, entry)| !entry.has_lapsed(now)) {
            changed |= self.entries.insert(sort_key, entry).is_none();
        }
        if let Some(legacy) = legacy {
            changed |= legacy != self.legacy;
            self.legacy = legacy;
            self.legacy_read_at = Some(now);
        }
        self.read_at = self.read_at.max(Some(now));
        if changed || !self.legacy.has_lapsed(now) {
            let list = RevocationList::new(self.entries.values(), self.legacy.clone(), now);
            self.list = Arc::new(list);
        }
        Arc::clone(&self.list)
    }
}
