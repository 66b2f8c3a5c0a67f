//! Billing: which of a day's marks count within a campaign's budget, and which came after its end.
//!
//! What was billed is derived from the marks and can be derived again at any time: a day's marks, in
//! the order of the minute in which their tokens were issued, are billed as long as they fit into
//! what the day may take. So a sum never goes beyond its cap, not by a thousandth of a micro, and
//! nothing is left out that would have fitted.
//!
//! Only what is paid for is capped: impressions by `cpm` and `impressions`, clicks by `cpc`,
//! conversions by `cpa`. All else counts as it is, and of `flat` everything.

use std::{
    cmp::min,
    ops::{Add, AddAssign},
};

use serde::{Deserialize, Serialize};

use crate::{
    Id, Instant, TimeZoneName,
    allocation::Campaign,
    content::campaigns::{Budget, Pricing, Sampling},
    marks::{Mark, MarkKind},
};

/// What billing and reports must know of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The campaign's id.
    pub id: Id,
    /// Its creatives' ids.
    pub creatives: Vec<Id>,
    /// The first moment of its flight.
    pub starts_at: Instant,
    /// The first moment after its flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Instant>,
    /// The zone of its days.
    pub time_zone: TimeZoneName,
    /// When it was published first, as far as is known: absent in what earlier versions stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Instant>,
    /// What may be spent on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// How one of its creatives is chosen.
    pub sampling: Sampling,
}

impl Terms {
    /// The terms of a published campaign; `None` for ids that are none.
    pub fn of(campaign: &Campaign<'_>) -> Option<Self> {
        let creatives = campaign.creatives();
        Some(Self {
            id: campaign.id.parse().ok()?,
            creatives: creatives
                .map(|creative| creative.id.parse().ok())
                .collect::<Option<_>>()?,
            starts_at: campaign.starts_at,
            ends_at: campaign.ends_at,
            time_zone: campaign.time_zone.clone(),
            published_at: None,
            budget: campaign.budget.cloned(),
            sampling: campaign.sampling,
        })
    }

    /// Returns the first moment at which it could be served: that of its flight, or of its
    /// publication where that came later.
    pub fn begins_at(&self) -> Instant {
        self.published_at
            .map_or(self.starts_at, |published| published.max(self.starts_at))
    }
}

/// What was billed. Sums stop at the largest number rather than begin anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Billed {
    /// Impressions.
    pub impressions: u64,
    /// Clicks.
    pub clicks: u64,
    /// Conversions.
    pub conversions: u64,
    /// What they cost, in thousandths of a micro of the currency.
    pub spend_thousandths: u64,
}

impl Billed {
    fn add_times(&mut self, mark: &Mark, times: u64) {
        let count = match mark.kind {
            MarkKind::Impression => &mut self.impressions,
            MarkKind::Click => &mut self.clicks,
            MarkKind::Conversion => &mut self.conversions,
        };
        *count = count.saturating_add(times);
        let cost = mark.cost_in_thousandths().saturating_mul(times.into());
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        self.spend_thousandths = self.spend_thousandths.saturating_add(cost);
    }
}

impl AddAssign for Billed {
    fn add_assign(&mut self, other: Self) {
        self.impressions = self.impressions.saturating_add(other.impressions);
        self.clicks = self.clicks.saturating_add(other.clicks);
        self.conversions = self.conversions.saturating_add(other.conversions);
        self.spend_thousandths = self
            .spend_thousandths
            .saturating_add(other.spend_thousandths);
    }
}

impl Add for Billed {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

/// What a day may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// Anything.
    Endless,
    /// So many thousandths of a micro.
    Thousandths(u64),
    /// So many impressions.
    Impressions(u64),
}

impl Room {
    /// What a day may take of a budget of which `before` was billed on the days before it.
    pub fn of(budget: Option<&Budget>, before: &Billed) -> Self {
        let Some(budget) = budget else {
            return Self::Endless;
        };
        let left = |used: u64, unit: u64| {
            let daily = budget.daily.map(|daily| daily.saturating_mul(unit));
            let total = budget
                .total
                .map(|total| total.saturating_mul(unit).saturating_sub(used));
            match (daily, total) {
                (Some(daily), Some(total)) => Some(min(daily, total)),
                (one, other) => one.or(other),
            }
        };
        match budget.pricing {
            Pricing::Flat => None,
            Pricing::Impressions => left(before.impressions, 1).map(Self::Impressions),
            Pricing::Cpm | Pricing::Cpc | Pricing::Cpa => {
                left(before.spend_thousandths, 1000).map(Self::Thousandths)
            }
        }
        .unwrap_or(Self::Endless)
    }

    /// How many of so many marks fit; takes what they need.
    fn take(&mut self, mark: &Mark, count: u64) -> u64 {
        let (left, each) = match self {
            Self::Endless => return count,
            Self::Thousandths(left) => (left, mark.cost_in_thousandths()),
            Self::Impressions(left) => (left, u128::from(mark.kind == MarkKind::Impression)),
        };
        let Some(most) = u128::from(*left).checked_div(each) else {
            return count;
        };
        let fits = min(count, u64::try_from(most).unwrap_or(u64::MAX));
        let taken = u64::try_from(each.saturating_mul(fits.into())).unwrap_or(u64::MAX);
        *left = left.saturating_sub(taken);
        fits
    }
}

/// Marks that are alike, of one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The minute in which their tokens were issued, since 1970.
    pub minute: u32,
    /// One of them.
    pub mark: Mark,
    /// How many they are.
    pub count: u64,
}

/// A line, and how many of it are billed; the others came after the budget's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BilledLine {
    /// The line.
    pub line: Line,
    /// How many are billed.
    pub billed: u64,
}

/// A day, billed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BilledDay {
    /// Its lines, in the order in which they were billed.
    pub lines: Vec<BilledLine>,
    /// What they come to.
    pub billed: Billed,
    /// Whether anything did not fit.
    pub cut: bool,
}

/// Bills a day. In which order, and in how many portions, its marks are given does not matter.
pub fn bill(mut room: Room, lines: impl IntoIterator<Item = Line>) -> BilledDay {
    let mut lines: Vec<Line> = lines.into_iter().collect();
    lines.sort_unstable_by_key(order);
    let mut day = BilledDay::default();
    for line in lines {
        let counts = !line.mark.over_cap && !line.mark.flagged;
        let billed = if counts {
            room.take(&line.mark, line.count)
        } else {
            0
        };
        day.cut |= counts && billed < line.count;
        day.billed.add_times(&line.mark, billed);
        day.lines.push(BilledLine { line, billed });
    }
    day
}

/// The same for no two lines but equal ones, so that what is billed depends on nothing else.
fn order(line: &Line) -> impl Ord + use<> {
    let Line {
        minute,
        mark,
        count,
    } = line;
    let what = (mark.creative, mark.placement, mark.kind);
    let price = (mark.pricing, mark.price_micros);
    (*minute, what, price, mark.over_cap, mark.flagged, *count)
}

#[cfg(test)]
mod tests;
