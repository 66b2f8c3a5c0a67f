//! Sums: what marks of a creative and a minute come to, kept apart by what makes them cost alike.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use domain::{
    Day, Instant, billing,
    content::campaigns::{ConversionsAfter, Pricing},
    marks::{Mark, MarkKind},
};
use serde::{Deserialize, Serialize};

use crate::{
    StoreError, Table, keys,
    marks::{MARK_RETENTION, Names, setter::Setter},
    query::{Range, Read},
};

/// How long the sums of a minute are kept: longer than marks, so that a day whose marks are going
/// can still be added up.
const RETENTION: Duration = Duration::from_secs(2 * MARK_RETENTION.as_secs());

/// A mark, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    /// Request, slot and kind.
    sk: String,
    creative: u64,
    placement: u64,
    kind: MarkKind,
    #[serde(default)]
    pricing: Option<Pricing>,
    price_micros: u64,
    over_cap: bool,
    /// It counts nowhere.
    #[serde(default)]
    flagged: bool,
    /// How often it was sent again.
    #[serde(default)]
    repeats: u64,
    #[serde(default)]
    names: Option<Names>,
    /// What a conversion needs.
    #[serde(default)]
    conversions_after: Option<ConversionsAfter>,
}

/// Flags the conversions of a partition that were not preceded by what they need: a click or an
/// impression of the same token. An order by arrival is not required, since calls overtake each
/// other; all marks of a token lie in one partition, which is read again when one arrives.
pub(super) fn flag_unmatched_conversions(marks: &mut [Seen]) {
    if marks.iter().all(|mark| mark.conversions_after.is_none()) {
        return;
    }
    let of_people = marks.iter().filter(|mark| !mark.flagged);
    let seen: HashSet<(String, MarkKind)> = of_people
        .filter(|mark| mark.kind != MarkKind::Conversion)
        .map(|mark| (mark.token().to_owned(), mark.kind))
        .collect();
    for mark in marks {
        let sent = |kind| seen.contains(&(mark.token().to_owned(), kind));
        mark.flagged |= match mark.conversions_after {
            None => false,
            Some(ConversionsAfter::Click) => !sent(MarkKind::Click),
            Some(ConversionsAfter::Impression) => {
                !sent(MarkKind::Impression) && !sent(MarkKind::Click)
            }
        };
    }
}

impl Seen {
    /// Request and slot, which all marks of a token share.
    fn token(&self) -> &str {
        let request_and_slot = self.sk.match_indices('#').nth(1);
        let end = request_and_slot.map_or(self.sk.len(), |(at, _)| at);
        self.sk.get(..end).unwrap_or_default()
    }
}

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
    #[serde(flatten)]
    told: Told,
}

/// What makes marks of a creative and a minute alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Alike {
    placement: u64,
    kind: MarkKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pricing: Option<Pricing>,
    price_micros: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    over_cap: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    flagged: bool,
}

/// What marks that are alike tell together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Told {
    count: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    repeats: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names: Option<Names>,
}

/// Marks of one campaign, counted by minute and creative.
#[derive(Debug, Default)]
pub(super) struct Counted(BTreeMap<(u32, u64), BTreeMap<Alike, Told>>);

impl Counted {
    pub(super) fn add(&mut self, minute: u32, mark: Seen) {
        let alike = Alike {
            placement: mark.placement,
            kind: mark.kind,
            pricing: mark.pricing,
            price_micros: mark.price_micros,
            over_cap: mark.over_cap,
            flagged: mark.flagged,
        };
        let of_creative = self.0.entry((minute, mark.creative)).or_default();
        let told = of_creative.entry(alike).or_default();
        told.count += 1;
        told.repeats = told.repeats.saturating_add(mark.repeats);
        // Of several names the least: the order in which marks are read must not show.
        told.names = match (told.names.take(), mark.names) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    pub(super) fn into_sums(self) -> impl Iterator<Item = Sum> {
        self.0.into_iter().map(|((minute, creative), counts)| Sum {
            minute,
            creative,
            lines: counts
                .into_iter()
                .map(|(alike, told)| Line { alike, told })
                .collect(),
        })
    }
}

impl Sum {
    /// Its lines, as they are billed.
    pub(super) fn lines(&self) -> impl Iterator<Item = billing::Line> {
        self.lines.iter().map(|line| billing::Line {
            minute: self.minute,
            mark: line.alike.mark(self.creative),
            count: line.told.count,
        })
    }

    /// How often marks were sent again, by placement.
    pub(super) fn repeats(&self) -> impl Iterator<Item = (u64, u64)> {
        let lines = self.lines.iter();
        lines.map(|line| (line.alike.placement, line.told.repeats))
    }
}

/// What creatives and placements are called where a mark told.
pub(super) fn names(sums: &[Sum]) -> HashMap<(u64, u64), Names> {
    let mut names = HashMap::new();
    for sum in sums {
        for line in &sum.lines {
            if let Some(told) = &line.told.names {
                let key = (sum.creative, line.alike.placement);
                names.entry(key).or_insert_with(|| told.clone());
            }
        }
    }
    names
}

/// Sets the sums of some minutes of a day. Gives all of the day, in the order of minutes.
pub(super) async fn set(
    setter: &Setter,
    campaign: u64,
    day: Day,
    read: Vec<Sum>,
) -> Result<Vec<Sum>, StoreError> {
    let stored = of_day(&setter.table, campaign, day).await?;
    let mut sums: BTreeMap<(u32, u64), Sum> = stored
        .into_iter()
        .map(|sum| ((sum.minute, sum.creative), sum))
        .collect();
    let mut writes = Vec::new();
    for sum in read {
        let before = sums.insert((sum.minute, sum.creative), sum.clone());
        if before.as_ref() != Some(&sum) {
            let key = keys::sum(day, campaign, sum.minute, sum.creative);
            let expires_at = Instant::from_minutes(sum.minute) + RETENTION;
            writes.push(setter.table.encode_until(&key, &sum, expires_at)?);
        }
    }
    setter.set_all(writes).await?;
    Ok(sums.into_values().collect())
}

pub(super) async fn of_day(table: &Table, campaign: u64, day: Day) -> Result<Vec<Sum>, StoreError> {
    let range = Range::all(keys::sums(day, campaign), Read::Consistent);
    table.query_all(&range).await
}

/// The sums of a day's minutes from `first` to `last`, both included.
pub(super) async fn of_minutes(
    table: &Table,
    campaign: u64,
    day: Day,
    first: u32,
    last: u32,
) -> Result<Vec<Sum>, StoreError> {
    let range = Range {
        between: Some(keys::sums_between(first, last)),
        ..Range::all(keys::sums(day, campaign), Read::Consistent)
    };
    table.query_all(&range).await
}

impl Alike {
    fn mark(self, creative: u64) -> Mark {
        Mark {
            kind: self.kind,
            creative,
            placement: self.placement,
            pricing: self.pricing,
            price_micros: self.price_micros,
            over_cap: self.over_cap,
            flagged: self.flagged,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
