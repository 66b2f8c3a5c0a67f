//! Tallied: what a day's tallies come to, by campaign and by placement.
//!
//! An instance's tally is written once. What was told in minutes that get no more is settled: it is
//! added to a day's item together with the minute up to which that is so, and never again. What was
//! told since is set beside it, as often as it is read. So a run that is repeated, or was killed
//! anywhere, ends the same.

use std::{collections::BTreeMap, time::Duration};

use domain::{Day, Id, Instant};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    StoreError, Table,
    keys::{self, Key},
    marks::{roll_up::Published, setter::Setter, terms},
    query::{Range, Read},
    tallies::{self, Document},
};

/// How many partitions are read, and how many items set, at once.
const AT_ONCE: usize = 16;

/// The most creatives in placements that a campaign's day tells of: an item has its limits.
const MOST_SERVED: usize = 4_000;

/// How long what was told in a day is kept.
const RETENTION: Duration = Duration::from_secs(800 * 24 * 3600);

/// A campaign's or a placement's day.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tallied<C> {
    /// The campaign's or the placement's key.
    pub(super) key: u64,
    /// What was told before this minute is settled.
    settled_before: u32,
    settled: C,
    /// What was told since.
    since: C,
}

/// Counts of a campaign.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OfCampaign {
    /// How often a cap held it back.
    pub(super) capped: u64,
    /// Slots filled, by creative and placement.
    #[serde(default)]
    served: BTreeMap<String, u64>,
}

/// Counts of a placement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OfPlacement {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<Id>,
    /// Slots filled.
    pub(super) served: u64,
    /// Slots asked for, by the hour of the day in UTC.
    pub(super) asked: Vec<u64>,
}

/// Counts that add up.
pub(super) trait Counts: Clone + Default + PartialEq {
    fn add(&mut self, other: &Self);
}

impl Counts for OfCampaign {
    fn add(&mut self, other: &Self) {
        self.capped = self.capped.saturating_add(other.capped);
        for (key, more) in &other.served {
            if self.served.len() < MOST_SERVED || self.served.contains_key(key) {
                let sum = self.served.entry(key.clone()).or_default();
                *sum = sum.saturating_add(*more);
            }
        }
    }
}

impl OfCampaign {
    /// Slots filled, by creative and placement.
    pub(super) fn served(&self) -> impl Iterator<Item = ((u64, u64), u64)> {
        let key = |text| u64::from_str_radix(text, 16).ok();
        self.served.iter().filter_map(move |(keys, served)| {
            let (creative, placement) = keys.split_once('#')?;
            Some(((key(creative)?, key(placement)?), *served))
        })
    }
}

impl Counts for OfPlacement {
    fn add(&mut self, other: &Self) {
        self.served = self.served.saturating_add(other.served);
        if self.asked.len() < other.asked.len() {
            self.asked.resize(other.asked.len(), 0);
        }
        for (sum, more) in self.asked.iter_mut().zip(&other.asked) {
            *sum = sum.saturating_add(*more);
        }
        if self.id.is_none() {
            self.id.clone_from(&other.id);
        }
    }
}

impl<C: Counts> Tallied<C> {
    /// Everything that was told.
    pub(super) fn counts(&self) -> C {
        let mut counts = self.settled.clone();
        counts.add(&self.since);
        counts
    }

    /// The same after what was told in some minutes was read, of which those before `settled` get no
    /// more.
    fn after(&self, told: &BTreeMap<u32, C>, settled: u32) -> Self {
        let mut after = Self {
            since: C::default(),
            ..self.clone()
        };
        for (minute, counts) in told.range(self.settled_before..) {
            match *minute < settled {
                true => after.settled.add(counts),
                false => after.since.add(counts),
            }
        }
        after.settled_before = self.settled_before.max(settled);
        after
    }
}

/// What was told of campaigns and placements, by day (UTC), key and minute.
#[derive(Default)]
struct Told {
    campaigns: BTreeMap<(Day, u64), BTreeMap<u32, OfCampaign>>,
    placements: BTreeMap<(Day, u64), BTreeMap<u32, OfPlacement>>,
}

/// Sets what the tallies of some minutes come to, which are in order; minutes before `settled` get no
/// more.
pub(super) async fn set(
    setter: &Setter,
    published: Published<'_>,
    minutes: &[u32],
    settled: u32,
) -> Result<(), StoreError> {
    let Some(last) = minutes.last() else {
        return Ok(());
    };
    let settled = settled.min(last + 1);
    let told = read(&setter.table, minutes).await?;
    let campaigns = stream::iter(told.campaigns)
        .map(|((day, campaign), told)| async move {
            let key = keys::tallied_campaign(day, campaign);
            let new = set_day(setter, &key, campaign, &told, settled).await?;
            if new {
                // It may never be seen: reports call it by its name all the same.
                terms::note(setter, campaign, published(campaign)).await?;
            }
            Ok::<_, StoreError>(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>();
    campaigns.await?;
    let placements = stream::iter(told.placements)
        .map(|((day, placement), told)| async move {
            let key = keys::tallied_placement(day, placement);
            set_day(setter, &key, placement, &told, settled).await?;
            Ok::<_, StoreError>(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>();
    placements.await
}

/// Says whether nothing was told of the day before.
async fn set_day<C>(
    setter: &Setter,
    key: &Key,
    of: u64,
    told: &BTreeMap<u32, C>,
    settled: u32,
) -> Result<bool, StoreError>
where
    C: Counts + Serialize + DeserializeOwned,
{
    let stored: Option<Tallied<C>> = setter.table.get(key, Read::Consistent).await?;
    let after = match &stored {
        Some(stored) => stored.after(told, settled),
        None => Tallied {
            key: of,
            ..Tallied::default()
        }
        .after(told, settled),
    };
    let same = |stored: &Tallied<C>| stored.settled == after.settled && stored.since == after.since;
    if !stored.as_ref().is_some_and(same) {
        let expires_at = setter.now + RETENTION;
        let item = setter.table.encode_until(key, &after, expires_at)?;
        setter.set(item).await?;
    }
    Ok(stored.is_none())
}

async fn read(table: &Table, minutes: &[u32]) -> Result<Told, StoreError> {
    let partitions: Vec<(u32, u8)> = minutes
        .iter()
        .flat_map(|minute| (0..tallies::PARTS).map(move |part| (*minute, part)))
        .collect();
    let mut read = stream::iter(partitions)
        .map(|(minute, part)| async move {
            let range = Range::all(keys::tallies(minute, part), Read::Consistent);
            let (items, _) = table.query(&range, usize::MAX).await?;
            Ok::<_, StoreError>((minute, items))
        })
        .buffer_unordered(AT_ONCE);
    let mut told = Told::default();
    while let Some((minute, items)) = read.try_next().await? {
        // One that cannot be read, of a later version perhaps, is let go: these are best effort.
        for document in items.iter().filter_map(tallies::document) {
            told.add(minute, document);
        }
    }
    Ok(told)
}

impl Told {
    fn add(&mut self, minute: u32, document: Document) {
        let day = Day::of(Instant::from_minutes(minute));
        let hour = usize::try_from(minute / 60 % 24).unwrap_or(0);
        for (campaign, counts) in document.campaigns {
            let more = OfCampaign {
                capped: counts.capped.into(),
                served: counts
                    .served
                    .into_iter()
                    .map(|((creative, placement), served)| {
                        (format!("{creative:016x}#{placement:016x}"), served.into())
                    })
                    .collect(),
            };
            let told = self.campaigns.entry((day, campaign)).or_default();
            told.entry(minute).or_default().add(&more);
        }
        for (placement, counts) in document.placements {
            let mut asked = vec![0; hour];
            asked.push(counts.asked.into());
            let more = OfPlacement {
                id: counts.id,
                served: counts.served.into(),
                asked,
            };
            let told = self.placements.entry((day, placement)).or_default();
            told.entry(minute).or_default().add(&more);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn capped(times: u64) -> OfCampaign {
        OfCampaign {
            capped: times,
            served: BTreeMap::from([("a".to_owned(), times)]),
        }
    }

    proptest! {
        #[test]
        fn however_often_and_in_whatever_spans_tallies_are_read_each_counts_once(
            told in prop::collection::btree_map(0u32..100, 1u64..100, 0..40),
            mut nows in prop::collection::vec(0u32..110, 1..10),
            killed in prop::collection::vec(any::<bool>(), 10),
        ) {
            nows.sort_unstable();
            let told: BTreeMap<u32, OfCampaign> =
                told.into_iter().map(|(minute, times)| (minute, capped(times))).collect();
            let mut day = Tallied::default();
            let mut from = 0;
            for (now, killed) in nows.into_iter().zip(killed) {
                let settled = now.saturating_sub(3);
                let read = told.range(from..now).map(|(minute, counts)| (*minute, counts.clone()));
                day = day.after(&read.collect(), settled);
                let mut all = OfCampaign::default();
                told.range(..now).for_each(|(_, counts)| all.add(counts));
                prop_assert_eq!(day.counts(), all);
                // A run that is killed does not remember how far it was.
                if !killed {
                    from = settled;
                }
            }
        }
    }
}
