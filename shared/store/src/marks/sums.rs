//! Sums: what marks of a creative and a minute come to, kept apart by what makes them cost alike.

use std::collections::{BTreeMap, HashMap};

use domain::{
    content::campaigns::Pricing,
    marks::{self, MarkKind, Tally},
};
use serde::{Deserialize, Serialize};

use crate::marks::{MarkItem, Names};

/// What one creative had in one minute: marks that are alike, and how many. Their prices are kept
/// apart, so that a day's spend is added up exactly and divided once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sum {
    pub(super) minute: u32,
    pub(super) creative: u64,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    alike: Alike,
    count: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names: Option<Names>,
}

/// What makes marks of a creative and a minute alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Alike {
    placement: u64,
    kind: MarkKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pricing: Option<Pricing>,
    price_micros: u64,
    over_cap: bool,
}

/// How many marks are alike, and what they are called.
type AlikeCounts = BTreeMap<Alike, (u64, Option<Names>)>;

/// Marks of one campaign, counted by minute and creative.
#[derive(Debug, Default)]
pub(super) struct Counted(BTreeMap<(u32, u64), AlikeCounts>);

impl Counted {
    pub(super) fn add(&mut self, minute: u32, mark: MarkItem) {
        let alike = Alike {
            placement: mark.placement,
            kind: mark.kind,
            pricing: mark.pricing,
            price_micros: mark.price_micros,
            over_cap: mark.over_cap,
        };
        let of_creative = self.0.entry((minute, mark.creative)).or_default();
        let (count, names) = of_creative.entry(alike).or_default();
        *count += 1;
        // Of several names the least: the order in which marks are read must not show.
        *names = match (names.take(), mark.names) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    pub(super) fn into_sums(self) -> impl Iterator<Item = Sum> {
        self.0.into_iter().map(|((minute, creative), counts)| {
            let lines = counts.into_iter().map(|(alike, (count, names))| Line {
                alike,
                count,
                names,
            });
            Sum {
                minute,
                creative,
                lines: lines.collect(),
            }
        })
    }
}

/// Adds sums up, and tells what creatives and placements are called where a mark told.
pub(super) fn tally(sums: impl Iterator<Item = Sum>) -> (Tally, HashMap<(u64, u64), Names>) {
    let mut tally = Tally::default();
    let mut names = HashMap::new();
    for sum in sums {
        for line in sum.lines {
            let mark = line.alike.mark(sum.creative);
            tally.add_times(&mark, line.count);
            if let Some(told) = line.names {
                names.entry((mark.creative, mark.placement)).or_insert(told);
            }
        }
    }
    (tally, names)
}

impl Alike {
    fn mark(self, creative: u64) -> marks::Mark {
        marks::Mark {
            kind: self.kind,
            creative,
            placement: self.placement,
            pricing: self.pricing,
            price_micros: self.price_micros,
            over_cap: self.over_cap,
        }
    }
}
