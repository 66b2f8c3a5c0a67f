//! Terms: the last that was known of a campaign, so that one that was withdrawn is still billed within
//! its budget.

use std::time::Duration;

use domain::{
    Day, Instant, TimeZoneName,
    billing::Terms,
    content::campaigns::{Budget, Sampling},
};
use serde::{Deserialize, Serialize};

use crate::{StoreError, Table, keys, marks::setter::Setter, query::Read};

/// A new zone holds for minutes that begin this long after it became known: later than any that a
/// run at the same time may already have told the day of.
const NOTICE: Duration = Duration::from_secs(10 * 60);

/// What is known of a campaign.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    /// `None` for one that was never seen published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) terms: Option<Terms>,
    /// The zones of its days. Which day a minute belongs to never changes, or a mark would be billed
    /// on two days: another zone is for minutes to come.
    zones: Vec<ZoneFrom>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ZoneFrom {
    minute: u32,
    time_zone: TimeZoneName,
}

impl Known {
    pub(super) fn budget(&self) -> Option<&Budget> {
        self.terms.as_ref()?.budget.as_ref()
    }

    pub(super) fn learns(&self) -> bool {
        let terms = self.terms.as_ref();
        terms.is_some_and(|terms| terms.sampling == Sampling::Thompson)
    }

    /// The zone of a minute's day.
    pub(super) fn zone_of(&self, minute: u32) -> TimeZoneName {
        let mut zones = self.zones.iter().rev();
        let zone = zones.find(|zone| zone.minute <= minute);
        zone.map_or_else(TimeZoneName::utc, |zone| zone.time_zone.clone())
    }

    /// The day that a minute belongs to.
    pub(super) fn day_of(&self, minute: u32) -> Day {
        let wall = self
            .zone_of(minute)
            .wall_time(Instant::from_minutes(minute));
        wall.day
    }

    /// The same with what is published `now`, if anything is.
    fn with(&self, published: Option<Terms>, now: Instant) -> Self {
        let mut known = self.clone();
        if let Some(published) = published {
            let published_at = match &self.terms {
                Some(before) => before.published_at,
                None => published.published_at,
            };
            known.terms = Some(Terms {
                published_at,
                ..published
            });
        }
        let terms = known.terms.as_ref();
        let time_zone = terms.map_or_else(TimeZoneName::utc, |terms| terms.time_zone.clone());
        let minute = match known.zones.last() {
            Some(last) if last.time_zone == time_zone => return known,
            Some(_) => (now + NOTICE).as_minutes(),
            None => 0,
        };
        known.zones.push(ZoneFrom { minute, time_zone });
        known
    }
}

/// What is known of a campaign, after what is published of it was noted.
pub(super) async fn note(
    setter: &Setter,
    campaign: u64,
    published: Option<Terms>,
) -> Result<Known, StoreError> {
    let stored = of_campaign(&setter.table, campaign, Read::Consistent).await?;
    let known = stored
        .clone()
        .unwrap_or_default()
        .with(published, setter.now);
    if stored.as_ref() != Some(&known) {
        let item = setter.table.encode(&keys::terms(campaign), &known)?;
        setter.set(item).await?;
    }
    Ok(known)
}

pub(super) async fn of_campaign(
    table: &Table,
    campaign: u64,
    read: Read,
) -> Result<Option<Known>, StoreError> {
    table.get(&keys::terms(campaign), read).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(time_zone: &str) -> Terms {
        Terms {
            id: "spring".parse().unwrap(),
            creatives: Vec::new(),
            starts_at: Instant::from_seconds(0),
            ends_at: None,
            time_zone: time_zone.parse().unwrap(),
            published_at: None,
            budget: None,
            sampling: Sampling::Weighted,
        }
    }

    #[test]
    fn another_zone_is_for_minutes_to_come() {
        let evening: Instant = "2026-03-01T20:00:00Z".parse().unwrap();
        let known = Known::default().with(Some(terms("UTC")), evening);
        let moved = known.with(Some(terms("Asia/Seoul")), evening);
        let day = |minutes: u32| moved.day_of(evening.as_minutes() + minutes).to_string();
        assert_eq!(day(9), "2026-03-01");
        assert_eq!(day(10), "2026-03-02");
        assert_eq!(moved.with(Some(terms("Asia/Seoul")), evening), moved);
    }

    #[test]
    fn a_publication_is_that_of_the_version_in_which_a_campaign_was_first_known() {
        let now = Instant::from_seconds(9_000);
        let published = |seconds: Option<i64>| Terms {
            published_at: seconds.map(Instant::from_seconds),
            ..terms("UTC")
        };
        let since = |known: &Known| known.terms.as_ref().unwrap().published_at;
        let first = Known::default().with(Some(published(Some(5))), now);
        assert_eq!(since(&first), Some(Instant::from_seconds(5)));
        let later = first.with(Some(published(Some(70))), now);
        assert_eq!(since(&later), Some(Instant::from_seconds(5)));
        // An earlier version has not noted it: it was published before.
        let earlier = Known::default().with(Some(published(None)), now);
        assert_eq!(since(&earlier.with(Some(published(Some(70))), now)), None);
    }

    #[test]
    fn what_was_withdrawn_is_still_known() {
        let now = Instant::from_seconds(0);
        let known = Known::default().with(Some(terms("Asia/Seoul")), now);
        assert_eq!(known.with(None, now), known);
        let unknown = Known::default().with(None, now);
        assert_eq!(unknown.zone_of(0), TimeZoneName::utc());
    }
}
