//! The report of events: what banners and notices had, and how many events there were of each type.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    csv::{cell, text_cell},
    ratio,
};
use crate::{
    Day, Id, Instant,
    events::{Counter, EventCount, EventType, Interaction, Item, ItemKind},
};

closed_set! {
    /// What a row of a report of events stands for.
    pub enum EventGroup {
        /// A banner or a notice.
        Item = "item",
        /// A type of events, those of banners and notices included.
        Type = "type",
        /// A banner or a notice on a day in UTC.
        Day = "day",
    }
}

/// The answer of `GET /admin/v1/reports/events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventReport {
    /// The rows, in the order of their keys.
    pub rows: Vec<EventRow>,
    /// Up to when events are counted.
    pub as_of: Instant,
}

/// A row of a report of events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EventRow {
    /// Where the rows are items, or items on days.
    Item(ItemRow),
    /// Where the rows are types.
    Type(TypeRow),
}

/// What a banner or a notice had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EventItemRow")]
pub struct ItemRow {
    /// What it is.
    pub kind: ItemKind,
    /// Its id.
    pub id: Id,
    /// The day in UTC, where the rows are of days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<Day>,
    /// How often it was seen.
    pub impressions: u64,
    /// How often it was followed.
    pub clicks: u64,
    /// How often it was closed.
    pub dismissals: u64,
    /// Clicks per impression; `null` without impressions.
    pub ctr: Option<f64>,
}

/// How many events there were of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EventTypeRow")]
pub struct TypeRow {
    /// The type; `other` stands for those that had no name of their own any more.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// How many.
    pub count: u64,
}

/// Makes the rows of a report.
pub fn rows(group: EventGroup, counts: &[EventCount]) -> Vec<EventRow> {
    match group {
        EventGroup::Item => items(counts, |_| None),
        EventGroup::Day => items(counts, Some),
        EventGroup::Type => types(counts),
    }
}

/// The rows as CSV (RFC 4180) with a header line. A text that a spreadsheet would take for a formula
/// is led by an apostrophe.
pub fn csv(group: EventGroup, rows: &[EventRow]) -> String {
    let header: &[&str] = match group {
        EventGroup::Item => &["kind", "id", "impressions", "clicks", "dismissals", "ctr"],
        EventGroup::Day => &[
            "day",
            "kind",
            "id",
            "impressions",
            "clicks",
            "dismissals",
            "ctr",
        ],
        EventGroup::Type => &["type", "count"],
    };
    let mut csv = header.join(",");
    csv.push_str("\r\n");
    for row in rows {
        csv.push_str(&row.cells().join(","));
        csv.push_str("\r\n");
    }
    csv
}

impl EventRow {
    fn cells(&self) -> Vec<String> {
        match self {
            Self::Item(row) => {
                let day = row.day.map(|day| day.to_string());
                let numbers = [row.impressions, row.clicks, row.dismissals];
                day.into_iter()
                    .chain([text_cell(row.kind.as_str()), text_cell(row.id.as_str())])
                    .chain(numbers.map(|number| cell(Some(number))))
                    .chain([cell(row.ctr)])
                    .collect()
            }
            Self::Type(row) => vec![text_cell(row.event_type.as_str()), cell(Some(row.count))],
        }
    }
}

fn items(counts: &[EventCount], day_of_row: impl Fn(Day) -> Option<Day>) -> Vec<EventRow> {
    let mut sums: BTreeMap<(Option<Day>, &Item), [u64; 3]> = BTreeMap::new();
    for EventCount {
        day,
        counter,
        count,
    } in counts
    {
        let Counter::Item(item, interaction) = counter else {
            continue;
        };
        let [impressions, clicks, dismissals] = sums.entry((day_of_row(*day), item)).or_default();
        let sum = match interaction {
            Interaction::Impression => impressions,
            Interaction::Click => clicks,
            Interaction::Dismissal => dismissals,
        };
        *sum = sum.saturating_add(*count);
    }
    let row = |((day, item), sums): ((Option<Day>, &Item), [u64; 3])| {
        let [impressions, clicks, dismissals] = sums;
        EventRow::Item(ItemRow {
            kind: item.kind,
            id: item.id.clone(),
            day,
            impressions,
            clicks,
            dismissals,
            ctr: ratio(clicks, impressions),
        })
    };
    sums.into_iter().map(row).collect()
}

fn types(counts: &[EventCount]) -> Vec<EventRow> {
    let mut sums: BTreeMap<EventType, u64> = BTreeMap::new();
    for EventCount { counter, count, .. } in counts {
        let event_type = match counter {
            Counter::Item(_, interaction) => EventType::from(*interaction),
            Counter::Type(event_type) => event_type.clone(),
        };
        let sum = sums.entry(event_type).or_default();
        *sum = sum.saturating_add(*count);
    }
    let row = |(event_type, count)| EventRow::Type(TypeRow { event_type, count });
    sums.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(day: &str, counter: &str, count: u64) -> EventCount {
        let counter = match counter.split_once(' ') {
            Some((item, interaction)) => {
                Counter::Item(item.parse().unwrap(), interaction.parse().unwrap())
            }
            None => Counter::Type(counter.parse().unwrap()),
        };
        EventCount {
            day: day.parse().unwrap(),
            counter,
            count,
        }
    }

    fn counts() -> Vec<EventCount> {
        vec![
            count("2026-03-02", "banners/b impression", 4),
            count("2026-03-01", "banners/b impression", 4),
            count("2026-03-01", "banners/b click", 2),
            count("2026-03-01", "notices/-a dismissal", 1),
            count("2026-03-01", "click", 5),
            count("2026-03-02", "level_up", u64::MAX),
            count("2026-03-01", "level_up", 1),
        ]
    }

    fn report(group: EventGroup) -> String {
        csv(group, &rows(group, &counts()))
    }

    #[test]
    fn items_are_summed_over_the_days() {
        assert_eq!(
            report(EventGroup::Item),
            "kind,id,impressions,clicks,dismissals,ctr\r\n\
             banners,b,8,2,0,0.25\r\n\
             notices,'-a,0,0,1,\r\n"
        );
    }

    #[test]
    fn items_are_told_day_by_day() {
        assert_eq!(
            report(EventGroup::Day),
            "day,kind,id,impressions,clicks,dismissals,ctr\r\n\
             2026-03-01,banners,b,4,2,0,0.5\r\n\
             2026-03-01,notices,'-a,0,0,1,\r\n\
             2026-03-02,banners,b,4,0,0,0\r\n"
        );
    }

    #[test]
    fn a_type_has_all_its_events_whatever_they_happened_to_and_no_sum_is_too_large() {
        assert_eq!(
            report(EventGroup::Type),
            format!(
                "type,count\r\nclick,7\r\ndismissal,1\r\nimpression,8\r\nlevel_up,{}\r\n",
                u64::MAX
            )
        );
    }

    #[test]
    fn a_row_has_the_members_of_what_it_stands_for() {
        let members = |group| -> Vec<String> {
            let row = serde_json::to_value(&rows(group, &counts())[0]).unwrap();
            row.as_object().unwrap().keys().cloned().collect()
        };
        let numbers = ["clicks", "ctr", "dismissals", "id", "impressions", "kind"];
        assert_eq!(members(EventGroup::Item), numbers);
        assert_eq!(members(EventGroup::Type), ["count", "type"]);
        assert!(members(EventGroup::Day).contains(&"day".to_owned()));
    }
}
