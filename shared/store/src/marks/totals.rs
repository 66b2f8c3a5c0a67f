//! Totals: what days come to, as the roll-up set them.

use domain::{Day, Instant, marks::Counts, reports::DayTotal};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::{
    StoreError, Table, keys,
    marks::{Names, progress::Progress},
    query::{Range, Read},
};

/// How many days are read at once.
const AT_ONCE: usize = 8;

/// What a creative of a campaign had in a placement on a day (UTC), as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Total {
    pub(super) day: Day,
    pub(super) campaign: u64,
    pub(super) creative: u64,
    pub(super) placement: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) names: Option<Names>,
    pub(super) counts: Counts,
}

/// Reads totals.
#[derive(Debug, Clone)]
pub struct Totals {
    table: Table,
}

impl Totals {
    /// Takes the Marks table.
    pub fn new(marks: Table) -> Self {
        Self { table: marks }
    }

    /// The totals of every day (UTC) from `from` to `to`, both included, in the order of days.
    /// Where no mark told the ids, the 64-bit keys stand for them, in hexadecimal.
    pub async fn between(&self, from: Day, to: Day) -> Result<Vec<DayTotal>, StoreError> {
        let mut days = Vec::new();
        let mut day = from;
        while day <= to {
            days.push(day);
            let next = day.next();
            if next == day {
                break;
            }
            day = next;
        }
        let totals: Vec<Vec<Total>> = stream::iter(days)
            .map(|day| async move {
                let range = Range::all(keys::totals(&day.to_string()), Read::Eventual);
                self.table.query_all(&range).await
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(totals.into_iter().flatten().map(DayTotal::from).collect())
    }

    /// The moment up to which all marks are in the totals; `None` before the first whole
    /// roll-up.
    pub async fn as_of(&self) -> Result<Option<Instant>, StoreError> {
        let progress: Option<Progress> = self.table.get(&keys::roll_up(), Read::Eventual).await?;
        Ok(progress.and_then(|progress| progress.as_of))
    }
}

impl From<Total> for DayTotal {
    fn from(total: Total) -> Self {
        let key = |key: u64| format!("{key:016x}");
        let (campaign, creative, placement) = match total.names {
            Some(names) => (
                names.campaign.as_str().to_owned(),
                names.creative.as_str().to_owned(),
                names.placement.as_str().to_owned(),
            ),
            None => (
                key(total.campaign),
                key(total.creative),
                key(total.placement),
            ),
        };
        Self {
            campaign,
            creative,
            placement,
            day: total.day,
            counts: total.counts,
            flagged: 0,
            requests: None,
            served: None,
        }
    }
}

/// One campaign's totals of a day.
pub(super) async fn of_campaign(
    table: &Table,
    day: &str,
    campaign: u64,
) -> Result<Vec<Total>, StoreError> {
    let range = Range {
        between: Some(keys::totals_of_campaign(campaign)),
        ..Range::all(keys::totals(day), Read::Consistent)
    };
    table.query_all(&range).await
}
