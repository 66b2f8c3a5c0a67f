//! Delivered: where campaigns stand, for whoever paces and learns.

use std::collections::BTreeMap;

use domain::{Day, Instant, TimeZoneName, billing::Billed};
use serde::{Deserialize, Serialize};

use crate::{
    StoreError, Table, keys,
    marks::Totals,
    query::{Range, Read},
};

/// How many complete minutes are told of.
pub const RECENT_MINUTES: usize = 15;

/// How many minutes before the last are kept: some more, since whoever reads is a little later.
pub(super) const KEPT_MINUTES: u32 = 20;

/// How far outcomes go back, in days.
const OUTCOME_DAYS: i64 = 30;

/// Where a campaign stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The campaign's key.
    pub campaign: u64,
    /// Every mark that was answered before this moment is in; 1970 before the first whole roll-up.
    pub as_of: Instant,
    /// The moment of the last run that read the newest marks: the day and the minutes below are those
    /// before it. After `as_of` while a backlog is caught up with; then the sums are too small.
    pub known_at: Instant,
    /// All that was billed.
    pub total: Billed,
    /// The day in the campaign's zone.
    pub day: Day,
    /// What was billed of that day.
    pub today: Billed,
    /// The marks that are paid for (impressions, where nothing else is) of the last complete minutes,
    /// the oldest first, by the minutes in which they were given out.
    pub recent: [u64; RECENT_MINUTES],
}

/// What became of a creative's showings on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomesOfDay {
    /// The creative's key.
    pub creative: u64,
    /// The day in UTC.
    pub day: Day,
    /// How often it was seen, whether that was billed or not.
    pub impressions: u64,
    /// How often it was clicked.
    pub clicks: u64,
}

/// Where a campaign stands, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Standing {
    campaign: u64,
    time_zone: TimeZoneName,
    day: Day,
    pub(super) total: Billed,
    pub(super) today: Billed,
    /// Paid marks by minute.
    pub(super) recent: BTreeMap<u32, u64>,
}

/// Outcomes of a creative, as far as a day in UTC belongs to a day of the campaign's zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct OutcomeItem {
    pub(super) day: Day,
    pub(super) creative: u64,
    pub(super) billed_day: Day,
    pub(super) impressions: u64,
    pub(super) clicks: u64,
}

impl Standing {
    pub(super) fn new(campaign: u64, time_zone: TimeZoneName, day: Day) -> Self {
        Self {
            campaign,
            time_zone,
            day,
            total: Billed::default(),
            today: Billed::default(),
            recent: BTreeMap::new(),
        }
    }

    /// Returns where the campaign stands at a moment since which nothing has come.
    fn at(self, known_at: Instant, as_of: Instant) -> Delivered {
        let day = self.time_zone.wall_time(known_at).day;
        let today = if day == self.day {
            self.today
        } else {
            Billed::default()
        };
        let minutes = (1..).take(RECENT_MINUTES);
        let mut recent = [0; RECENT_MINUTES];
        for (back, count) in minutes.zip(recent.iter_mut().rev()) {
            let minute = known_at.as_minutes().saturating_sub(back);
            *count = self.recent.get(&minute).copied().unwrap_or(0);
        }
        Delivered {
            campaign: self.campaign,
            as_of,
            known_at,
            total: self.total,
            day,
            today,
            recent,
        }
    }
}

impl Totals {
    /// Returns where every campaign stands that ever had a mark; nothing before the first roll-up.
    pub async fn delivered(&self) -> Result<Vec<Delivered>, StoreError> {
        // Its moment before its content: what is read may only be newer than it is told to be.
        let progress = self.progress().await?;
        let Some(known_at) = progress.known_at() else {
            return Ok(Vec::new());
        };
        let as_of = progress.as_of.unwrap_or_default();
        let range = Range::all(keys::DELIVERED, Read::Eventual);
        let standings: Vec<Standing> = self.table.query_all(&range).await?;
        Ok(standings
            .into_iter()
            .map(|standing| standing.at(known_at, as_of))
            .collect())
    }

    /// What became of a learning campaign's creatives on each of the last 30 days up to `today`
    /// (UTC), in the order of days.
    pub async fn outcomes(
        &self,
        campaign: u64,
        today: Day,
    ) -> Result<Vec<OutcomesOfDay>, StoreError> {
        let days = (today.plus_days(1 - OUTCOME_DAYS), today);
        let mut sums: BTreeMap<(Day, u64), (u64, u64)> = BTreeMap::new();
        for item in outcomes(&self.table, campaign, days, Read::Eventual).await? {
            let (impressions, clicks) = sums.entry((item.day, item.creative)).or_default();
            *impressions += item.impressions;
            *clicks += item.clicks;
        }
        let sums = sums.into_iter();
        Ok(sums
            .map(|((day, creative), (impressions, clicks))| OutcomesOfDay {
                creative,
                day,
                impressions,
                clicks,
            })
            .collect())
    }
}

pub(super) async fn outcomes(
    table: &Table,
    campaign: u64,
    (first, last): (Day, Day),
    read: Read,
) -> Result<Vec<OutcomeItem>, StoreError> {
    let range = Range {
        between: Some(keys::outcomes_between(first, last)),
        ..Range::all(keys::outcomes(campaign), read)
    };
    table.query_all(&range).await
}
