//! Reports: day totals grouped for whoever pays or plans, as JSON and as CSV.

use std::{collections::BTreeMap, fmt::Write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Day, Instant, marks::Counts};

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
    /// Marks that look like nobody's.
    pub flagged: u64,
    /// Allocations that asked for the placement, where that was tallied.
    pub requests: Option<u64>,
    /// Times it was given out, where that was tallied.
    pub served: Option<u64>,
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
    /// Allocations that asked; a best-effort tally, `null` where there is none.
    pub requests: Option<u64>,
    /// Times given out; a best-effort tally, `null` where there is none.
    pub served: Option<u64>,
    /// How often it was seen.
    pub impressions: u64,
    /// How often it was clicked.
    pub clicks: u64,
    /// How often it led to what was hoped for.
    pub conversions: u64,
    /// Clicks per impression; `null` without impressions.
    pub ctr: Option<f64>,
    /// What it cost, in micros.
    pub spend_micros: u64,
    /// What was spent of what was planned for the same time; `null` where nothing was planned.
    pub plan_ratio: Option<f64>,
    /// Times given out per time asked for; `null` where that was not tallied.
    pub fill: Option<f64>,
    /// Marks after a cap or a budget was used up.
    pub over_cap: u64,
    /// Marks that look like nobody's.
    pub flagged: u64,
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

/// Groups day totals into rows.
pub fn rows(group: Group, totals: impl IntoIterator<Item = DayTotal>) -> Vec<Row> {
    let mut rows: BTreeMap<Key, Row> = BTreeMap::new();
    for total in totals {
        let key = Key::of(group, &total);
        let row = rows.entry(key).or_insert_with_key(Key::row);
        let Counts {
            impressions,
            clicks,
            conversions,
            spend_micros,
            over_cap,
        } = total.counts;
        row.impressions += impressions;
        row.clicks += clicks;
        row.conversions += conversions;
        row.spend_micros = row.spend_micros.saturating_add(spend_micros);
        row.over_cap += over_cap;
        row.flagged += total.flagged;
        row.requests = sum(row.requests, total.requests);
        row.served = sum(row.served, total.served);
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    for row in &mut rows {
        row.ctr = ratio(row.clicks, row.impressions);
        row.fill = row
            .served
            .zip(row.requests)
            .and_then(|(served, asked)| ratio(served, asked));
    }
    rows
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    day: Option<Day>,
    campaign: Option<String>,
    creative: Option<String>,
    placement: Option<String>,
}

impl Key {
    fn of(group: Group, total: &DayTotal) -> Self {
        let by_campaign = matches!(group, Group::Campaign | Group::Creative);
        Self {
            day: (group == Group::Day).then_some(total.day),
            campaign: by_campaign.then(|| total.campaign.clone()),
            creative: (group == Group::Creative).then(|| total.creative.clone()),
            placement: (group == Group::Placement).then(|| total.placement.clone()),
        }
    }

    fn row(&self) -> Row {
        Row {
            day: self.day,
            campaign: self.campaign.clone(),
            creative: self.creative.clone(),
            placement: self.placement.clone(),
            ..Row::default()
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

/// The rows as CSV (RFC 4180) with a header line. A text that a spreadsheet would take for a formula
/// is led by an apostrophe.
pub fn csv(group: Group, rows: &[Row]) -> String {
    let keys: &[&str] = match group {
        Group::Campaign => &["campaign"],
        Group::Creative => &["campaign", "creative"],
        Group::Placement => &["placement"],
        Group::Day => &["day"],
    };
    const VALUES: [&str; 11] = [
        "requests",
        "served",
        "impressions",
        "clicks",
        "conversions",
        "ctr",
        "spend_micros",
        "plan_ratio",
        "fill",
        "over_cap",
        "flagged",
    ];
    let header: Vec<&str> = keys.iter().chain(&VALUES).copied().collect();
    let mut csv = header.join(",");
    csv.push_str("\r\n");
    for row in rows {
        for key in keys {
            let text = match *key {
                "campaign" => row.campaign.clone(),
                "creative" => row.creative.clone(),
                "placement" => row.placement.clone(),
                _ => row.day.map(|day| day.to_string()),
            };
            csv.push_str(&text_cell(&text.unwrap_or_default()));
            csv.push(',');
        }
        let numbers = [
            cell(row.requests),
            cell(row.served),
            cell(Some(row.impressions)),
            cell(Some(row.clicks)),
            cell(Some(row.conversions)),
            cell(row.ctr),
            cell(Some(row.spend_micros)),
            cell(row.plan_ratio),
            cell(row.fill),
            cell(Some(row.over_cap)),
            cell(Some(row.flagged)),
        ];
        csv.push_str(&numbers.join(","));
        csv.push_str("\r\n");
    }
    csv
}

fn cell(number: Option<impl ToString>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn text_cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        cell.push('\'');
    }
    cell.push_str(text);
    if cell.contains([',', '"', '\r', '\n']) {
        let quoted = cell.replace('"', "\"\"");
        cell.clear();
        // Writing to a `String` cannot fail.
        let _ = write!(cell, "\"{quoted}\"");
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(campaign: &str, creative: &str, placement: &str, day: &str) -> DayTotal {
        DayTotal {
            campaign: campaign.to_owned(),
            creative: creative.to_owned(),
            placement: placement.to_owned(),
            day: day.parse().unwrap(),
            counts: Counts {
                impressions: 8,
                clicks: 2,
                conversions: 1,
                spend_micros: 10,
                over_cap: 3,
            },
            flagged: 1,
            requests: None,
            served: None,
        }
    }

    fn totals() -> Vec<DayTotal> {
        vec![
            total("b", "x", "top", "2026-01-02"),
            total("a", "x", "top", "2026-01-01"),
            total("a", "y", "end", "2026-01-02"),
        ]
    }

    #[test]
    fn totals_are_grouped_by_what_was_asked_for() {
        let keys = |group| -> Vec<(Vec<String>, u64)> {
            let rows = rows(group, totals());
            let row = |row: Row| {
                let day = row.day.map(|day| day.to_string());
                let keys = [row.campaign, row.creative, row.placement, day];
                (keys.into_iter().flatten().collect(), row.impressions)
            };
            rows.into_iter().map(row).collect()
        };
        let expected = |rows: &[(&[&str], u64)]| -> Vec<(Vec<String>, u64)> {
            let owned = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect();
            rows.iter().map(|(keys, sum)| (owned(keys), *sum)).collect()
        };
        assert_eq!(
            keys(Group::Campaign),
            expected(&[(&["a"], 16), (&["b"], 8)])
        );
        assert_eq!(
            keys(Group::Creative),
            expected(&[(&["a", "x"], 8), (&["a", "y"], 8), (&["b", "x"], 8)])
        );
        assert_eq!(
            keys(Group::Placement),
            expected(&[(&["end"], 8), (&["top"], 16)])
        );
        assert_eq!(
            keys(Group::Day),
            expected(&[(&["2026-01-01"], 8), (&["2026-01-02"], 16)])
        );
    }

    #[test]
    fn ratios_are_of_the_sums() {
        let mut totals = totals();
        totals[0].counts = Counts::default();
        totals[1].requests = Some(10);
        totals[1].served = Some(5);
        let rows = rows(Group::Campaign, totals);
        assert_eq!((rows[0].ctr, rows[0].fill), (Some(0.25), Some(0.5)));
        assert_eq!((rows[1].ctr, rows[1].fill), (None, None));
    }

    #[test]
    fn csv_is_safe_to_open() {
        let mut totals = totals();
        totals[0].campaign = "=1+1".to_owned();
        totals[1].campaign = "a,\"b\"\n".to_owned();
        totals[2].campaign = "-c".to_owned();
        let csv = csv(Group::Campaign, &rows(Group::Campaign, totals));
        let expected = "campaign,requests,served,impressions,clicks,conversions,ctr,spend_micros,\
            plan_ratio,fill,over_cap,flagged\r\n\
            '-c,,,8,2,1,0.25,10,,,3,1\r\n\
            '=1+1,,,8,2,1,0.25,10,,,3,1\r\n\
            \"a,\"\"b\"\"\n\",,,8,2,1,0.25,10,,,3,1\r\n";
        assert_eq!(csv, expected);
    }
}
