//! Reports: day totals grouped for whoever pays or plans, as JSON and as CSV.

mod csv;
pub mod events;
mod plan;

use std::{collections::BTreeMap, iter};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::plan::{Plan, Span, flat_spend};
use crate::{Day, Instant, billing::Terms, marks::Counts};

pub use self::csv::csv;

closed_set! {
    /// What a row of a report stands for.
    pub enum Group {
        /// A campaign.
        Campaign = "campaign",
        /// A creative of a campaign.
        Creative = "creative",
        /// A placement.
        Placement = "placement",
        /// A day in UTC, whatever the campaigns' zones.
        Day = "day",
    }
}

/// What was counted for one creative in one placement on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayTotal {
    /// The campaign's id.
    pub campaign: String,
    /// The creative's id.
    pub creative: String,
    /// The placement's id.
    pub placement: String,
    /// The day in UTC.
    pub day: Day,
    /// The sums of its marks.
    pub counts: Counts,
    /// Slots that it was given out for, where that was tallied.
    pub served: Option<u64>,
}

/// What was tallied of a placement on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementDay {
    /// The placement's id.
    pub placement: String,
    /// The day in UTC.
    pub day: Day,
    /// Slots asked for.
    pub requests: u64,
    /// Slots filled.
    pub served: u64,
}

/// How often a frequency cap held a campaign back on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CappedDay {
    /// The campaign's id.
    pub campaign: String,
    /// The day in UTC.
    pub day: Day,
    /// How often.
    pub capped: u64,
}

/// What a report is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// What was counted.
    pub totals: Vec<DayTotal>,
    /// What was tallied of placements.
    pub placements: Vec<PlacementDay>,
    /// What was tallied of frequency caps.
    pub capped: Vec<CappedDay>,
    /// The last known terms of campaigns, by their ids.
    pub terms: BTreeMap<String, Terms>,
    /// Up to when marks are counted; `None` before the first roll-up.
    pub as_of: Option<Instant>,
}

/// A row of `GET /admin/v1/reports/campaigns`. Of the keys those are there that the grouping names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CampaignReportRow")]
pub struct Row {
    /// The campaign's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// The creative's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creative: Option<String>,
    /// The placement's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<String>,
    /// The day in UTC, whatever the campaigns' zones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<Day>,
    /// Slots that allocations asked for, in rows of placements and days; a best-effort tally, `null`
    /// where there is none. A slot is asked for of a placement, not of a campaign.
    pub requests: Option<u64>,
    /// Slots filled, house items included; a best-effort tally, `null` where there is none.
    pub served: Option<u64>,
    /// How often it was seen.
    pub impressions: u64,
    /// How often it was clicked.
    pub clicks: u64,
    /// How often it led to what was hoped for.
    pub conversions: u64,
    /// Clicks per impression; `null` without impressions.
    pub ctr: Option<f64>,
    /// What it cost, in micros. A `flat` campaign costs its total spread evenly over its flight, up to
    /// `as_of`, in rows of campaigns and days: its single marks cost nothing. A campaign without any mark
    /// or tally between `from` and `to` is not in the report.
    pub spend_micros: u64,
    /// What was spent of what was planned for the same time (of a budget in impressions: what was
    /// seen), up to `as_of`: the total budget spread evenly over the flight, no more than the daily
    /// one, counted from the campaign's publication. In rows of campaigns, and of days over all budgets in money; `null` where nothing was
    /// planned.
    pub plan_ratio: Option<f64>,
    /// Slots filled per slot asked for; `null` where that was not tallied.
    pub fill: Option<f64>,
    /// Marks after a cap or a budget was used up.
    pub over_cap: u64,
    /// Marks that machines sent, conversions without the click or impression that they need, and
    /// marks that were sent again.
    pub flagged: u64,
    /// Times that a frequency cap held a campaign back, in rows of campaigns and days; a best-effort
    /// tally, `null` where there is none.
    pub capped: Option<u64>,
}

/// The answer of `GET /admin/v1/reports/campaigns`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CampaignReport")]
pub struct Report {
    /// The rows, in the order of their keys.
    pub rows: Vec<Row>,
    /// Up to when marks are counted; `null` before the first roll-up.
    pub as_of: Option<Instant>,
}

/// Makes the rows of a report of the days from `from` to `to`, both included.
pub fn rows(group: Group, (from, to): (Day, Day), facts: &Facts) -> Vec<Row> {
    let mut sums: BTreeMap<Key, Sums> = BTreeMap::new();
    for total in &facts.totals {
        let sums = sums.entry(Key::of_total(group, total)).or_default();
        sums.counts += total.counts;
        if matches!(group, Group::Campaign | Group::Creative) {
            sums.served = sum(sums.served, total.served);
        }
        let of_campaign = sums.by_campaign.entry(&total.campaign).or_default();
        *of_campaign += total.counts;
    }
    for tallied in &facts.placements {
        if let Some(key) = Key::of_placement(group, tallied) {
            let sums = sums.entry(key).or_default();
            sums.requests = sum(sums.requests, Some(tallied.requests));
            sums.served = sum(sums.served, Some(tallied.served));
        }
    }
    for tallied in &facts.capped {
        if let Some(key) = Key::of_campaign(group, &tallied.campaign, tallied.day) {
            let sums = sums.entry(key).or_default();
            sums.capped = sum(sums.capped, Some(tallied.capped));
        }
    }
    let span = |day: Option<Day>| match day {
        Some(day) => Span::of_days(day, day, facts.as_of),
        None => Span::of_days(from, to, facts.as_of),
    };
    // A flat price is due on days without a mark too, as far as the campaign is known in the span.
    let days = iter::successors(Some(from), |day| Some(day.next())).take_while(|day| *day <= to);
    let keys: Vec<Key> = match group {
        Group::Campaign => facts.terms.keys().map(Key::of_id).collect(),
        Group::Day => days.map(Key::of_day).collect(),
        // A flat price is not split between creatives or placements.
        Group::Creative | Group::Placement => Vec::new(),
    };
    for key in keys {
        let flat_micros = key.flat_spend(span(key.day), &facts.terms);
        if flat_micros > 0 {
            sums.entry(key).or_default().flat_micros = flat_micros;
        }
    }
    let sums = sums.into_iter();
    sums.map(|(key, sums)| {
        let span = span(key.day);
        let plan_ratio = sums.plan_ratio(group, span, &facts.terms);
        sums.row(key, plan_ratio)
    })
    .collect()
}

/// What a row comes to.
#[derive(Default)]
struct Sums<'f> {
    counts: Counts,
    by_campaign: BTreeMap<&'f str, Counts>,
    /// What the row's `flat` campaigns cost.
    flat_micros: u64,
    requests: Option<u64>,
    served: Option<u64>,
    capped: Option<u64>,
}

impl Sums<'_> {
    fn plan_ratio(&self, group: Group, span: Span, terms: &BTreeMap<String, Terms>) -> Option<f64> {
        let mut plans = self.by_campaign.iter().filter_map(|(campaign, counts)| {
            let plan = Plan::of(terms.get(*campaign)?, span)?;
            Some((plan, counts))
        });
        let (done, planned) = match group {
            Group::Campaign => {
                let (plan, counts) = plans.next()?;
                (plan.done(counts), plan.amount())
            }
            Group::Day => plans
                .filter(|(plan, _)| matches!(plan, Plan::Micros(_)))
                .map(|(plan, counts)| (plan.done(counts), plan.amount()))
                .reduce(|sum, more| (sum.0 + more.0, sum.1 + more.1))?,
            Group::Creative | Group::Placement => return None,
        };
        (planned > 0.0).then(|| done / planned)
    }

    fn row(self, key: Key, plan_ratio: Option<f64>) -> Row {
        let Self {
            counts,
            requests,
            served,
            capped,
            flat_micros,
            ..
        } = self;
        Row {
            campaign: key.campaign,
            creative: key.creative,
            placement: key.placement,
            day: key.day,
            requests,
            served,
            impressions: counts.impressions,
            clicks: counts.clicks,
            conversions: counts.conversions,
            ctr: ratio(counts.clicks, counts.impressions),
            spend_micros: counts.spend_micros().saturating_add(flat_micros),
            plan_ratio,
            fill: served
                .zip(requests)
                .and_then(|(served, asked)| ratio(served, asked)),
            over_cap: counts.over_cap,
            flagged: counts.flagged,
            capped,
        }
    }
}

#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    day: Option<Day>,
    campaign: Option<String>,
    creative: Option<String>,
    placement: Option<String>,
}

impl Key {
    fn of_total(group: Group, total: &DayTotal) -> Self {
        let by_campaign = matches!(group, Group::Campaign | Group::Creative);
        Self {
            day: (group == Group::Day).then_some(total.day),
            campaign: by_campaign.then(|| total.campaign.clone()),
            creative: (group == Group::Creative).then(|| total.creative.clone()),
            placement: (group == Group::Placement).then(|| total.placement.clone()),
        }
    }

    /// `None` where the rows are not of placements.
    fn of_placement(group: Group, tallied: &PlacementDay) -> Option<Self> {
        match group {
            Group::Placement => Some(Self {
                placement: Some(tallied.placement.clone()),
                ..Self::default()
            }),
            Group::Day => Some(Self::of_day(tallied.day)),
            Group::Campaign | Group::Creative => None,
        }
    }

    /// `None` where the rows are not of whole campaigns.
    fn of_campaign(group: Group, campaign: &str, day: Day) -> Option<Self> {
        match group {
            Group::Campaign => Some(Self::of_id(campaign)),
            Group::Day => Some(Self::of_day(day)),
            Group::Creative | Group::Placement => None,
        }
    }

    /// Returns what the `flat` campaigns of the row cost in a span: its campaign, or all of them.
    fn flat_spend(&self, span: Span, terms: &BTreeMap<String, Terms>) -> u64 {
        match &self.campaign {
            Some(campaign) => terms
                .get(campaign)
                .map_or(0, |terms| flat_spend(terms, span)),
            None => terms
                .values()
                .map(|terms| flat_spend(terms, span))
                .fold(0, u64::saturating_add),
        }
    }

    fn of_id(campaign: impl Into<String>) -> Self {
        Self {
            campaign: Some(campaign.into()),
            ..Self::default()
        }
    }

    fn of_day(day: Day) -> Self {
        Self {
            day: Some(day),
            ..Self::default()
        }
    }
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (known, None) | (None, known) => known,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a ratio of counts is for looking at"
)]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests;
