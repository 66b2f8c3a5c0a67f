//! What is live, item by item: read from the source of the newest version, chunk by chunk.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use domain::{Id, content::Kind};
use store::{
    Blobs, StoreError,
    published::{FrozenItems, SourceItem, Version, Versions},
};

/// The live items of every kind.
pub(crate) struct Live {
    versions: Versions,
    blobs: Blobs,
    cache: Mutex<HashMap<Kind, Arc<LiveVersion>>>,
}

/// The live version of a kind, and the last chunk of it that was read.
struct LiveVersion {
    kind: Kind,
    version: Version,
    /// The whole source, compressed, of a version without an index of chunks.
    whole: Option<FrozenItems>,
    chunk: Mutex<Option<(usize, Arc<[SourceItem]>)>>,
}

/// Reads live items in the order of their ids.
pub(crate) struct LiveItems<'a> {
    blobs: &'a Blobs,
    live: Option<Arc<LiveVersion>>,
}

impl Live {
    pub(crate) fn new(versions: Versions, blobs: Blobs) -> Self {
        Self {
            versions,
            blobs,
            cache: Mutex::default(),
        }
    }

    /// Opens the live items of `kind`. Reads the head each time, and the version when the head has
    /// moved.
    pub(crate) async fn items(&self, kind: Kind) -> Result<LiveItems<'_>, StoreError> {
        let blobs = &self.blobs;
        let Some(head) = self.versions.head(kind).await? else {
            return Ok(LiveItems { blobs, live: None });
        };
        let cached = self.cache().get(&kind).cloned();
        if let Some(live) = cached.filter(|live| live.version.version == head.version) {
            let live = Some(live);
            return Ok(LiveItems { blobs, live });
        }
        let Some(version) = self.versions.get(kind, head.version).await? else {
            return Ok(LiveItems { blobs, live: None });
        };
        let whole = match &version.source_chunks {
            Some(_) => None,
            None => Some(version.frozen(blobs, kind).await?),
        };
        let live = Arc::new(LiveVersion {
            kind,
            version,
            whole,
            chunk: Mutex::default(),
        });
        self.cache().insert(kind, Arc::clone(&live));
        let live = Some(live);
        Ok(LiveItems { blobs, live })
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<Kind, Arc<LiveVersion>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveItems<'_> {
    /// Returns one live item, of which one chunk is read.
    pub(crate) async fn get(&self, id: &Id) -> Result<Option<SourceItem>, StoreError> {
        let Some(live) = &self.live else {
            return Ok(None);
        };
        let Some(at) = live.chunk_with(id) else {
            return Ok(None);
        };
        let items = live.read_chunk(self.blobs, at).await?;
        let found = items.binary_search_by(|item| item.id.cmp(id)).ok();
        Ok(found.and_then(|at| items.get(at)).cloned())
    }

    /// Returns the live items after `after` that are in one chunk; empty after the last item.
    pub(crate) async fn after(&self, after: Option<&Id>) -> Result<Vec<SourceItem>, StoreError> {
        let Some(live) = &self.live else {
            return Ok(Vec::new());
        };
        let first = after.and_then(|id| live.chunk_with(id)).unwrap_or(0);
        for at in first..live.chunk_count() {
            let items = live.read_chunk(self.blobs, at).await?;
            let from = items.partition_point(|item| after.is_some_and(|after| item.id <= *after));
            let rest = items.get(from..).unwrap_or_default();
            if !rest.is_empty() {
                return Ok(rest.to_vec());
            }
        }
        Ok(Vec::new())
    }
}

impl LiveVersion {
    /// Returns the place of the chunk that has `id` if any chunk has.
    fn chunk_with(&self, id: &Id) -> Option<usize> {
        let begun = match (&self.whole, &self.version.source_chunks) {
            (Some(whole), _) => whole.chunks_up_to(id),
            (None, chunks) => {
                let chunks = chunks.as_deref().unwrap_or_default();
                chunks.partition_point(|chunk| chunk.first <= *id)
            }
        };
        begun.checked_sub(1)
    }

    fn chunk_count(&self) -> usize {
        match (&self.whole, &self.version.source_chunks) {
            (Some(whole), _) => whole.chunk_count(),
            (None, chunks) => chunks.as_ref().map_or(0, Vec::len),
        }
    }

    async fn read_chunk(&self, blobs: &Blobs, at: usize) -> Result<Arc<[SourceItem]>, StoreError> {
        let cached = self.last_chunk().clone();
        if let Some((_, items)) = cached.filter(|(cached, _)| *cached == at) {
            return Ok(items);
        }
        let chunks = self.version.source_chunks.as_deref().unwrap_or_default();
        let items = match (&self.whole, chunks.get(at)) {
            (Some(whole), _) => whole.chunk_items(at)?,
            (None, Some(chunk)) => self.version.chunk_items(blobs, self.kind, chunk).await?,
            (None, None) => Vec::new(),
        };
        let items: Arc<[SourceItem]> = items.into();
        *self.last_chunk() = Some((at, Arc::clone(&items)));
        Ok(items)
    }

    fn last_chunk(&self) -> std::sync::MutexGuard<'_, Option<(usize, Arc<[SourceItem]>)>> {
        self.chunk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
