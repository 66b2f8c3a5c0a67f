//! What is published of a token's campaign: the names behind its keys, the caps that its impressions
//! move, and where its clicks lead, also when it was taken out while devices still show it.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{
    ClickUrl, Instant,
    allocation::Snapshot,
    caps::{Charge, Shown, charges},
    content::{
        Kind,
        campaigns::{ConversionsAfter, Pricing},
    },
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
    withdrawn: Mutex<HashMap<u64, Withdrawn>>,
}

/// What looking back for a campaign that is not published has found.
#[derive(Clone)]
enum Withdrawn {
    /// Where its clicks led.
    Found(Destination),
    /// No version up to this one has it, as far back as versions are looked through.
    Missing(u64),
}

/// Where the clicks of a campaign lead.
#[derive(Clone)]
struct Destination {
    url: ClickUrl,
    /// The advertiser's key.
    advertiser: u64,
}

/// What is known of a token's campaign.
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
            return Known::nothing_of(token);
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
        let missing = match remembered {
            Some(Withdrawn::Found(destination)) => return Ok(Some(destination.filled(token))),
            Some(Withdrawn::Missing(version)) => Some(version),
            None => None,
        };
        let versions = versions_to_search(snapshot.version, missing);
        let found = self.look_back(campaign, versions).await?;
        let url = found.as_ref().map(|destination| destination.filled(token));
        let mut withdrawn = self.withdrawn();
        if withdrawn.len() >= REMEMBERED && !withdrawn.contains_key(&campaign) {
            withdrawn.clear();
        }
        let outcome = found.map_or(Withdrawn::Missing(snapshot.version), Withdrawn::Found);
        withdrawn.insert(campaign, outcome);
        Ok(url)
    }

    /// Looks for the campaign in the frozen sources of some versions, the newest first.
    async fn look_back(
        &self,
        campaign: u64,
        versions: Range<u64>,
    ) -> Result<Option<Destination>, StoreError> {
        for version in versions.rev() {
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

    fn withdrawn(&self) -> MutexGuard<'_, HashMap<u64, Withdrawn>> {
        self.withdrawn
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What is known where the campaign was withdrawn, or no campaigns could be read. Where conversions are
    /// paid for, one needs a click, so that none is billed that may not be. Elsewhere a click could be too
    /// much to ask, and one needs what conversions of every campaign need at least.
    fn nothing_of(token: &Token) -> Self {
        Self {
            names: None,
            charges: Vec::new(),
            conversions_after: match token.pricing {
                Some(Pricing::Cpa) => ConversionsAfter::Click,
                _ => ConversionsAfter::Impression,
            },
        }
    }

    fn of(published: &Snapshot, token: &Token, now: Instant) -> Self {
        let Some(campaign) = published.campaign_by_key(token.campaign) else {
            return Self::nothing_of(token);
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

/// Returns the versions before the `current` one that a campaign may be in. It is not in the current
/// one, nor in any up to `missing`.
fn versions_to_search(current: u64, missing: Option<u64>) -> Range<u64> {
    let oldest = current.saturating_sub(LOOK_BACK);
    let unsearched = missing.map_or(0, |missing| missing.saturating_add(1));
    oldest.max(unsearched)..current
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversion_of_an_unknown_campaign_needs_a_click_where_it_is_paid_for() {
        let needed = |pricing| {
            let token = Token {
                request: [7; 16],
                slot: 3,
                campaign: 1,
                creative: 2,
                placement: 3,
                issue_minute: 29_000_000,
                device: None,
                pricing,
                price_micros: 1_500_000,
                lease: None,
                expires_at: Instant::from_seconds(1_800_000_000),
            };
            Known::nothing_of(&token).conversions_after
        };
        assert_eq!(needed(Some(Pricing::Cpa)), ConversionsAfter::Click);
        for pricing in [Some(Pricing::Cpm), Some(Pricing::Cpc), None] {
            assert_eq!(needed(pricing), ConversionsAfter::Impression);
        }
    }

    #[test]
    fn only_versions_that_were_not_searched_are_searched() {
        let versions = |current, missing| versions_to_search(current, missing).collect::<Vec<_>>();
        assert_eq!(versions(9, None), [4, 5, 6, 7, 8]);
        assert_eq!(versions(2, None), [0, 1]);
        assert!(versions(9, Some(9)).is_empty());
        assert!(versions(10, Some(9)).is_empty());
        assert_eq!(versions(12, Some(9)), [10, 11]);
        assert_eq!(versions(30, Some(9)), [25, 26, 27, 28, 29]);
    }
}
