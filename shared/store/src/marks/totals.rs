//! Totals: what days come to, as the roll-up set them.

use std::collections::{BTreeMap, HashMap};

use domain::{
    Day, Instant,
    billing::Terms,
    key_of,
    marks::Counts,
    reports::{CappedDay, DayTotal, Facts, PlacementDay},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    StoreError, Table, keys,
    marks::{
        Names,
        progress::Progress,
        tallied::{OfCampaign, OfPlacement, Tallied},
        terms,
    },
    query::{Range, Read},
    tallies::{self, PARTS},
};

/// How many days are read at once.
const DAYS_AT_ONCE: usize = 8;

/// How many campaigns' terms are read at once.
const TERMS_AT_ONCE: usize = 32;

/// What a creative of a campaign had in a placement on a day (UTC), as far as that belongs to one day
/// of the campaign's zone, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Total {
    pub(super) day: Day,
    pub(super) campaign: u64,
    pub(super) creative: u64,
    pub(super) placement: u64,
    pub(super) billed_day: Day,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) names: Option<Names>,
    pub(super) counts: Counts,
}

/// Reads totals.
#[derive(Debug, Clone)]
pub struct Totals {
    pub(super) table: Table,
}

/// What creatives and placements had, by (campaign, creative, placement).
type OfDay = BTreeMap<(u64, u64, u64), (Counts, Option<u64>)>;

/// The ids behind keys, as far as they are known.
#[derive(Default)]
struct Ids {
    campaigns: HashMap<u64, String>,
    /// By campaign and creative.
    creatives: HashMap<(u64, u64), String>,
    placements: HashMap<u64, String>,
}

impl Totals {
    /// Takes the Marks table.
    pub fn new(marks: Table) -> Self {
        Self { table: marks }
    }

    /// What is known of every day (UTC) from `from` to `to`, both included, in the order of days.
    /// Where nothing told the ids, the 64-bit keys stand for them, in hexadecimal.
    pub async fn between(&self, from: Day, to: Day) -> Result<Facts, StoreError> {
        let days = days(from, to);
        // Its moment before its content: what is read may only be newer than it is told to be.
        let as_of = self.as_of().await?;
        let (totals, campaigns, placements) = tokio::try_join!(
            self.of_days::<Total>(&days, |day| (keys::totals(day), None)),
            self.of_days::<Tallied<OfCampaign>>(&days, |day| {
                (keys::tallied(day), Some(keys::TALLIED_CAMPAIGNS))
            }),
            self.of_days::<Tallied<OfPlacement>>(&days, |day| {
                (keys::tallied(day), Some(keys::TALLIED_PLACEMENTS))
            }),
        )?;
        let mut ids = Ids::default();
        totals.iter().for_each(|(_, total)| ids.told_by(total));
        for (_, tallied) in &placements {
            if let Some(id) = tallied.counts().id {
                ids.placements.insert(tallied.key, id.as_str().to_owned());
            }
        }
        let seen = totals.iter().map(|(_, total)| total.campaign);
        let given_out = campaigns.iter().map(|(_, tallied)| tallied.key);
        let terms = self.terms(seen.chain(given_out)).await?;
        terms.values().for_each(|terms| ids.known_by(terms));

        let mut sums: BTreeMap<Day, OfDay> = BTreeMap::new();
        for (day, total) in totals {
            let key = (total.campaign, total.creative, total.placement);
            let (counts, _) = sums.entry(day).or_default().entry(key).or_default();
            *counts += total.counts;
        }
        let mut capped = Vec::new();
        for (day, tallied) in campaigns {
            let counts = tallied.counts();
            for ((creative, placement), served) in counts.served() {
                let key = (tallied.key, creative, placement);
                let (_, sum) = sums.entry(day).or_default().entry(key).or_default();
                *sum = Some(sum.unwrap_or(0).saturating_add(served));
            }
            capped.push(CappedDay {
                campaign: ids.campaign(tallied.key),
                day,
                capped: counts.capped,
            });
        }
        let totals = sums.into_iter().flat_map(|(day, sums)| {
            let ids = &ids;
            sums.into_iter()
                .map(move |(key, (counts, served))| ids.total(day, key, counts, served))
        });
        Ok(Facts {
            totals: totals.collect(),
            placements: placements
                .into_iter()
                .map(|(day, tallied)| {
                    let counts = tallied.counts();
                    PlacementDay {
                        placement: ids.placement(tallied.key),
                        day,
                        requests: counts.asked.iter().sum(),
                        served: counts.served,
                    }
                })
                .collect(),
            capped,
            terms: terms
                .into_values()
                .map(|terms| (terms.id.as_str().to_owned(), terms))
                .collect(),
            as_of,
        })
    }

    /// How many slots were asked for in each hour of so many days (UTC) before `today`, as far as
    /// instances told, the earliest day first.
    pub async fn traffic(&self, today: Day, days: u8) -> Result<Vec<[u64; 24]>, StoreError> {
        let past: Vec<Day> = (1..=i64::from(days))
            .rev()
            .map(|back| today.plus_days(-back))
            .collect();
        let told = self
            .of_days::<Tallied<OfPlacement>>(&past, |day| {
                (keys::tallied(day), Some(keys::TALLIED_PLACEMENTS))
            })
            .await?;
        let mut hours: BTreeMap<Day, [u64; 24]> =
            past.into_iter().map(|day| (day, [0; 24])).collect();
        for (day, tallied) in told {
            let sums = hours.entry(day).or_default();
            for (sum, asked) in sums.iter_mut().zip(tallied.counts().asked) {
                *sum = sum.saturating_add(asked);
            }
        }
        Ok(hours.into_values().collect())
    }

    /// Returns how many slots instances told of in each of so many minutes before `now`: what they were
    /// asked for since they told last.
    pub async fn slots_told(&self, now: Instant, minutes: u32) -> Result<Vec<u64>, StoreError> {
        let end = now.as_minutes() + 1;
        let partitions = (end.saturating_sub(minutes)..end)
            .flat_map(|minute| (0..PARTS).map(move |it| (minute, it)));
        let mut told: BTreeMap<u32, u64> = BTreeMap::new();
        let mut read = stream::iter(partitions)
            .map(|(minute, part)| async move {
                let range = Range::all(keys::tallies(minute, part), Read::Eventual);
                let (items, _) = self.table.query(&range, usize::MAX).await?;
                Ok::<_, StoreError>((minute, items))
            })
            .buffer_unordered(DAYS_AT_ONCE);
        while let Some((minute, items)) = read.try_next().await? {
            let documents = items.iter().filter_map(tallies::document);
            let placements = documents.flat_map(|document| document.placements.into_values());
            let asked: u64 = placements.map(|counts| u64::from(counts.asked)).sum();
            let sum = told.entry(minute).or_default();
            *sum = sum.saturating_add(asked);
        }
        Ok(told.into_values().collect())
    }

    /// The moment up to which all marks are in the totals; `None` before the first whole
    /// roll-up.
    pub async fn as_of(&self) -> Result<Option<Instant>, StoreError> {
        Ok(self.progress().await?.as_of)
    }

    /// Returns how far the roll-up is.
    pub(super) async fn progress(&self) -> Result<Progress, StoreError> {
        let progress: Option<Progress> = self.table.get(&keys::roll_up(), Read::Eventual).await?;
        Ok(progress.unwrap_or_default())
    }

    /// The last known terms of campaigns, by their keys.
    async fn terms(
        &self,
        campaigns: impl Iterator<Item = u64>,
    ) -> Result<BTreeMap<u64, Terms>, StoreError> {
        let campaigns: std::collections::BTreeSet<u64> = campaigns.collect();
        let table = &self.table;
        let known: Vec<_> = stream::iter(campaigns)
            .map(|campaign| async move {
                let known = terms::of_campaign(table, campaign, Read::Eventual).await?;
                Ok::<_, StoreError>((campaign, known.and_then(|known| known.terms)))
            })
            .buffer_unordered(TERMS_AT_ONCE)
            .try_collect()
            .await?;
        let known = known.into_iter();
        Ok(known
            .filter_map(|(campaign, terms)| Some((campaign, terms?)))
            .collect())
    }

    /// Everything of some days' partitions, with its day, in the order of days.
    async fn of_days<T: DeserializeOwned>(
        &self,
        days: &[Day],
        partition: impl Fn(Day) -> (String, Option<(&'static str, &'static str)>),
    ) -> Result<Vec<(Day, T)>, StoreError> {
        let ranges: Vec<(Day, Range)> = days
            .iter()
            .map(|day| {
                let (pk, between) = partition(*day);
                let between =
                    between.map(|(least, greatest)| (least.to_owned(), greatest.to_owned()));
                let range = Range {
                    between,
                    ..Range::all(pk, Read::Eventual)
                };
                (*day, range)
            })
            .collect();
        let found: Vec<Vec<(Day, T)>> = stream::iter(ranges)
            .map(|(day, range)| async move {
                let items: Vec<T> = self.table.query_all(&range).await?;
                Ok::<_, StoreError>(items.into_iter().map(|item| (day, item)).collect())
            })
            .buffered(DAYS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }
}

impl Ids {
    fn told_by(&mut self, total: &Total) {
        if let Some(names) = &total.names {
            let text = |id: &domain::Id| id.as_str().to_owned();
            self.campaigns.insert(total.campaign, text(&names.campaign));
            let creative = (total.campaign, total.creative);
            self.creatives.insert(creative, text(&names.creative));
            self.placements
                .insert(total.placement, text(&names.placement));
        }
    }

    fn known_by(&mut self, terms: &Terms) {
        let campaign = key_of(terms.id.as_str());
        self.campaigns
            .insert(campaign, terms.id.as_str().to_owned());
        for creative in &terms.creatives {
            let key = (campaign, key_of(creative.as_str()));
            self.creatives.insert(key, creative.as_str().to_owned());
        }
    }

    fn campaign(&self, key: u64) -> String {
        self.campaigns
            .get(&key)
            .cloned()
            .unwrap_or_else(|| hexadecimal(key))
    }

    fn placement(&self, key: u64) -> String {
        self.placements
            .get(&key)
            .cloned()
            .unwrap_or_else(|| hexadecimal(key))
    }

    fn total(
        &self,
        day: Day,
        (campaign, creative, placement): (u64, u64, u64),
        counts: Counts,
        served: Option<u64>,
    ) -> DayTotal {
        let known = self.creatives.get(&(campaign, creative)).cloned();
        DayTotal {
            campaign: self.campaign(campaign),
            creative: known.unwrap_or_else(|| hexadecimal(creative)),
            placement: self.placement(placement),
            day,
            counts,
            served,
        }
    }
}

fn hexadecimal(key: u64) -> String {
    format!("{key:016x}")
}

/// The days from one to another, both included.
pub(crate) fn days(from: Day, to: Day) -> Vec<Day> {
    let days = to.days_since(from).max(-1) + 1;
    (0..days).map(|nth| from.plus_days(nth)).collect()
}

/// One campaign's totals of a day in UTC.
pub(super) async fn of_campaign(
    table: &Table,
    utc_day: Day,
    campaign: u64,
) -> Result<Vec<Total>, StoreError> {
    let range = Range {
        between: Some(keys::totals_of_campaign(campaign)),
        ..Range::all(keys::totals(utc_day), Read::Consistent)
    };
    table.query_all(&range).await
}
