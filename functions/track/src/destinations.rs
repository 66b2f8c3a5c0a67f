//! Where a click leads: its campaign's own published URL, also when the campaign has been taken out
//! while devices still show it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use domain::{Id, Instant, allocation::Snapshot, content::Kind, key_of};
use kit::Problem;
use serde_json::Value;
use store::{
    StoreError,
    edge::{SnapshotSource, Watched},
};

/// How many versions are looked back through for a campaign that is no longer published: each is
/// read whole.
const LOOK_BACK: u64 = 5;

/// The most withdrawn campaigns that are remembered.
const REMEMBERED: usize = 10_000;

/// The destinations of clicks.
pub(crate) struct Destinations {
    pub(crate) campaigns: Watched<Snapshot>,
    source: SnapshotSource,
    withdrawn: Mutex<HashMap<u64, String>>,
}

impl Destinations {
    pub(crate) fn new(source: SnapshotSource) -> Self {
        Self {
            campaigns: source.reader(Kind::Campaigns, Snapshot::load),
            source,
            withdrawn: Mutex::default(),
        }
    }

    /// The URL of the campaign with this key; `None` where no recent version had one.
    pub(crate) async fn of(&self, campaign: u64, now: Instant) -> Result<Option<String>, Problem> {
        let snapshot = self.campaigns.current(now).await?;
        if let Some(published) = snapshot.content.campaign_by_key(campaign) {
            return Ok(Some(published.click_url.to_owned()));
        }
        let remembered = self.withdrawn().get(&campaign).cloned();
        if remembered.is_some() {
            return Ok(remembered);
        }
        let found = self.look_back(campaign, snapshot.version).await?;
        if let Some(url) = &found {
            let mut withdrawn = self.withdrawn();
            if withdrawn.len() >= REMEMBERED {
                withdrawn.clear();
            }
            withdrawn.insert(campaign, url.clone());
        }
        Ok(found)
    }

    /// Looks for the campaign in the frozen sources of older versions, the newest first.
    async fn look_back(&self, campaign: u64, from: u64) -> Result<Option<String>, StoreError> {
        for version in (from.saturating_sub(LOOK_BACK)..from).rev() {
            let items = self.source.items(Kind::Campaigns, version).await?;
            let found = items
                .unwrap_or_default()
                .into_iter()
                .find_map(|item| url_of(item, campaign));
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn withdrawn(&self) -> std::sync::MutexGuard<'_, HashMap<u64, String>> {
        self.withdrawn
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn url_of((id, item): (Id, Value), campaign: u64) -> Option<String> {
    let url = item.get("click_url")?.as_str()?;
    (key_of(id.as_str()) == campaign).then(|| url.to_owned())
}
