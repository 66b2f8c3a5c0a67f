//! Rows as CSV.

use std::fmt::Write;

use super::{Group, Row};

/// The rows as CSV (RFC 4180) with a header line. A text that a spreadsheet would take for a formula
/// is led by an apostrophe.
pub fn csv(group: Group, rows: &[Row]) -> String {
    let keys: &[&str] = match group {
        Group::Campaign => &["campaign"],
        Group::Creative => &["campaign", "creative"],
        Group::Placement => &["placement"],
        Group::Day => &["day"],
    };
    const VALUES: [&str; 12] = [
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
        "capped",
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
            cell(row.capped),
        ];
        csv.push_str(&numbers.join(","));
        csv.push_str("\r\n");
    }
    csv
}

pub(super) fn cell(number: Option<impl ToString>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

pub(super) fn text_cell(text: &str) -> String {
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
