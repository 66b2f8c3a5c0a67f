//! What is published of a token's campaign: the names behind its keys, the caps that its impressions
//! move, and where its clicks lead, also when it was taken out while devices still show it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::{
    ClickUrl, Instant,
    allocation::Snapshot,
    caps::{Charge, Shown, charges},
    content::{Kind, campaigns::ConversionsAfter},
    key_of,
    tracking::Token,
};
use kit::Problem;
use serde::Deserialize;
use store::{
    StoreError,
    edge::{SnapshotSource, Watched},
    marks::Names,
    published::SourceItem,
};
use tokio::time;

/// The longest that a mark waits for what is known of its campaign.
const PATIENCE: Duration = Duration::from_millis(200);

/// How many versions are looked back through for a campaign that is no longer published: each is
/// read whole.
const LOOK_BACK: u64 = 5;

/// The most withdrawn campaigns that are remembered.
const REMEMBERED: usize = 10_000;

/// The campaigns that are published, and the destinations of some that were.
pub(crate) struct Campaigns {
    published: Watched<Snapshot>,
    source: SnapshotSource,
    withdrawn: Mutex<HashMap<u64, Destination>>,
}

/// Where the clicks of a campaign lead.
#[derive(Clone)]
struct Destination {
    url: ClickUrl,
    /// The advertiser's key.
    advertiser: u64,
}

/// What is known of a token's campaign.
#[derive(Default)]
pub(crate) struct Known {
    /// The ids behind the token's keys.
    pub(crate) names: Option<Names>,
    /// The counters that an impression of the token moves.
    pub(crate) charges: Vec<Charge>,
    /// What a conversion of the token needs.
    pub(crate) conversions_after: ConversionsAfter,
}

impl Campaigns {
    pub(crate) fn new(source: SnapshotSource) -> Self {
        Self {
            published: source.reader(Kind::Campaigns, Snapshot::load),
            source,
            withdrawn: Mutex::default(),
        }
    }

    /// Returns what is known of the token's campaign. The first snapshot of a process, and the one
    /// after a pause, are waited for, because without its caps an impression counts too often. A
    /// campaign that was published since is worth a short look: without its names a report shows
    /// the keys.
    pub(crate) async fn known(&self, token: &Token, now: Instant) -> Known {
        let Ok(current) = self.published.current(now).await else {
            return Known::default();
        };
        let known = Known::of(&current.content, token, now);
        let published = current.published_at.map_or(0, Instant::as_minutes);
        if known.names.is_some() || token.issue_minute < published {
            return known;
        }
        let newest = time::timeout(PATIENCE, self.published.newest(now)).await;
        let newest = newest.ok().flatten();
        newest.map_or(known, |newest| Known::of(&newest.content, token, now))
    }

    /// Where a click of the token leads; `None` where no recent version had its campaign.
    pub(crate) async fn destination(
        &self,
        token: &Token,
        now: Instant,
    ) -> Result<Option<String>, Problem> {
        let campaign = token.campaign;
        let snapshot = self.published.current(now).await?;
        if let Some(published) = snapshot.content.campaign_by_key(campaign) {
            let advertiser = published.advertiser_key;
            let url = ClickUrl::filled(published.click_url, token, advertiser);
            return Ok(Some(url));
        }
        let remembered = self.withdrawn().get(&campaign).cloned();
        if let Some(remembered) = remembered {
            return Ok(Some(remembered.filled(token)));
        }
        let found = self.look_back(campaign, snapshot.version).await?;
        if let Some(destination) = &found {
            let mut withdrawn = self.withdrawn();
            if withdrawn.len() >= REMEMBERED {
                withdrawn.clear();
            }
            withdrawn.insert(campaign, destination.clone());
        }
        Ok(found.map(|destination| destination.filled(token)))
    }

    /// Looks for the campaign in the frozen sources of older versions, the newest first.
    async fn look_back(&self, campaign: u64, from: u64) -> Result<Option<Destination>, StoreError> {
        for version in (from.saturating_sub(LOOK_BACK)..from).rev() {
            let items = self.source.items(Kind::Campaigns, version).await?;
            for item in items.unwrap_or_default().items() {
                let item = item.map_err(|error| StoreError::unreadable("a source", &error))?;
                if let Some(found) = destination_of(&item, campaign) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    fn withdrawn(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Destination>> {
        self.withdrawn
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn of(published: &Snapshot, token: &Token, now: Instant) -> Self {
        let Some(campaign) = published.campaign_by_key(token.campaign) else {
            return Self::default();
        };
        let shown = Shown {
            campaign: token.campaign,
            creative: token.creative,
            advertiser: campaign.advertiser_key,
            caps: campaign.caps,
            zone: campaign.time_zone,
            advertiser_caps: published.advertiser_caps(campaign.advertiser_key),
        };
        let names = || {
            Some(Names {
                campaign: campaign.id.parse().ok()?,
                creative: campaign.creative_by_key(token.creative)?.id.parse().ok()?,
                placement: published.placement_by_key(token.placement)?.clone(),
            })
        };
        Self {
            names: names(),
            charges: charges(&shown, now),
            conversions_after: campaign.conversions_after,
        }
    }
}

impl Destination {
    fn filled(&self, token: &Token) -> String {
        ClickUrl::filled(&self.url, token, self.advertiser)
    }
}

/// Returns where the clicks of an item lead if it is the campaign with this key.
fn destination_of(item: &SourceItem, campaign: u64) -> Option<Destination> {
    #[derive(Deserialize)]
    struct Clicked {
        click_url: ClickUrl,
        advertiser: String,
    }
    if key_of(item.id.as_str()) != campaign {
        return None;
    }
    let clicked: Clicked = serde_json::from_str(item.json.get()).ok()?;
    Some(Destination {
        url: clicked.click_url,
        advertiser: key_of(&clicked.advertiser),
    })
}
