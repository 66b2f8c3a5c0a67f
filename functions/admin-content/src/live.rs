//! What is live, item by item: the frozen source of the newest version, kept in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use domain::{Id, content::Kind};
use serde_json::Value;
use store::{Blobs, StoreError, published::Versions};

/// The items of one version.
type Items = Arc<BTreeMap<Id, Value>>;

/// The live items of every kind.
pub(crate) struct Live {
    versions: Versions,
    blobs: Blobs,
    kept: Mutex<HashMap<Kind, (u64, Items)>>,
}

impl Live {
    pub(crate) fn new(versions: Versions, blobs: Blobs) -> Self {
        Self {
            versions,
            blobs,
            kept: Mutex::default(),
        }
    }

    /// The live items of `kind`; none where nothing was published. Asks for the head each time and
    /// for the source only when the head has moved.
    pub(crate) async fn items(&self, kind: Kind) -> Result<Items, StoreError> {
        let Some(head) = self.versions.head(kind).await? else {
            return Ok(Items::default());
        };
        let kept = self
            .kept
            .lock()
            .ok()
            .and_then(|kept| kept.get(&kind).cloned());
        if let Some((version, items)) = kept
            && version == head.version
        {
            return Ok(items);
        }
        let source = self
            .versions
            .source(&self.blobs, kind, head.version)
            .await?;
        let items: Items = Arc::new(source.unwrap_or_default().into_iter().collect());
        if let Ok(mut kept) = self.kept.lock() {
            kept.insert(kind, (head.version, Arc::clone(&items)));
        }
        Ok(items)
    }
}
