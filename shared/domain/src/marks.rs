//! Marks: the facts that something was seen, clicked or led to something, and the sums derived from
//! them.

use std::{collections::BTreeMap, ops::AddAssign};

use serde::{Deserialize, Serialize};

use crate::content::campaigns::Pricing;

closed_set! {
    /// What happened.
    pub enum MarkKind {
        /// It was seen.
        Impression = "imp",
        /// It was clicked.
        Click = "clk",
        /// It led to what the advertiser hoped for.
        Conversion = "cv",
    }
}

impl MarkKind {
    /// Returns the kind that uses a budget up: impressions where nothing else is paid for.
    pub const fn paid_by(pricing: Option<Pricing>) -> Self {
        match pricing {
            Some(Pricing::Cpc) => Self::Click,
            Some(Pricing::Cpa) => Self::Conversion,
            Some(Pricing::Cpm | Pricing::Flat | Pricing::Impressions) | None => Self::Impression,
        }
    }
}

/// One mark, as far as sums need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// What happened.
    pub kind: MarkKind,
    /// The creative's key (`key_of` its id).
    pub creative: u64,
    /// The placement's key.
    pub placement: u64,
    /// What is paid for; `None` if nothing is.
    pub pricing: Option<Pricing>,
    /// The price in micros.
    pub price_micros: u64,
    /// Whether it came after a cap or a budget was used up: kept, and neither counted nor billed.
    pub over_cap: bool,
    /// Whether it looks like nobody's: kept, and neither counted nor billed.
    pub flagged: bool,
}

impl Mark {
    /// What it costs, in thousandths of a micro: a thousand impressions have one price.
    pub fn cost_in_thousandths(&self) -> u128 {
        let price = u128::from(self.price_micros);
        match (self.pricing, self.kind) {
            (Some(Pricing::Cpm), MarkKind::Impression) => price,
            (Some(Pricing::Cpc), MarkKind::Click) | (Some(Pricing::Cpa), MarkKind::Conversion) => {
                price * 1000
            }
            _ => 0,
        }
    }
}

/// Sums of marks. They stop at the largest number rather than begin anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// How often it was seen.
    pub impressions: u64,
    /// How often it was clicked.
    pub clicks: u64,
    /// How often it led to what was hoped for.
    pub conversions: u64,
    /// What it cost, in thousandths of a micro of the currency, so that it is added up exactly
    /// and divided once.
    pub spend_thousandths: u64,
    /// Marks that came after a cap or a budget was used up; they are in no other sum.
    pub over_cap: u64,
    /// Marks that machines sent, conversions without the click or impression that they need, and
    /// marks that were sent again; they are in no other sum.
    pub flagged: u64,
}

impl Counts {
    /// What it cost, in micros of the currency; the fraction of a micro is dropped.
    pub fn spend_micros(&self) -> u64 {
        self.spend_thousandths / 1000
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self {
            impressions,
            clicks,
            conversions,
            spend_thousandths,
            over_cap,
            flagged,
        } = self;
        for (sum, more) in [
            (impressions, other.impressions),
            (clicks, other.clicks),
            (conversions, other.conversions),
            (spend_thousandths, other.spend_thousandths),
            (over_cap, other.over_cap),
            (flagged, other.flagged),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// The sums of some marks, by creative and placement. It does not matter in which order or in how
/// many portions they are added; that no mark is added twice is up to whoever adds them.
#[derive(Debug, Clone, Default)]
pub struct Tally(BTreeMap<(u64, u64), Counts>);

impl Tally {
    /// Adds a mark.
    pub fn add(&mut self, mark: &Mark) {
        self.add_times(mark, 1);
    }

    /// Adds `times` marks that are alike.
    pub fn add_times(&mut self, mark: &Mark, times: u64) {
        if times == 0 {
            return;
        }
        let counts = self.0.entry((mark.creative, mark.placement)).or_default();
        let cost = mark.cost_in_thousandths().saturating_mul(times.into());
        let mut more = Counts::default();
        match mark.kind {
            _ if mark.flagged => more.flagged = times,
            _ if mark.over_cap => more.over_cap = times,
            MarkKind::Impression => more.impressions = times,
            MarkKind::Click => more.clicks = times,
            MarkKind::Conversion => more.conversions = times,
        }
        if !mark.flagged && !mark.over_cap {
            more.spend_thousandths = u64::try_from(cost).unwrap_or(u64::MAX);
        }
        *counts += more;
    }

    /// Adds that marks of a creative in a placement were sent again so many times.
    pub fn add_repeats(&mut self, creative: u64, placement: u64, repeats: u64) {
        if repeats > 0 {
            let more = Counts {
                flagged: repeats,
                ..Counts::default()
            };
            *self.0.entry((creative, placement)).or_default() += more;
        }
    }

    /// The sums by (creative, placement), in the order of their keys.
    pub fn counts(&self) -> impl Iterator<Item = ((u64, u64), Counts)> {
        self.0.iter().map(|(key, counts)| (*key, *counts))
    }
}

impl<'m> FromIterator<&'m Mark> for Tally {
    fn from_iter<T: IntoIterator<Item = &'m Mark>>(marks: T) -> Self {
        let mut tally = Self::default();
        marks.into_iter().for_each(|mark| tally.add(mark));
        tally
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark(kind: MarkKind, pricing: Option<Pricing>, price_micros: u64) -> Mark {
        Mark {
            kind,
            creative: 1,
            placement: 2,
            pricing,
            price_micros,
            over_cap: false,
            flagged: false,
        }
    }

    #[test]
    fn each_pricing_bills_its_own_kind_of_mark() {
        use MarkKind::{Click, Conversion, Impression};
        for (pricing, imp, clk, cv) in [
            (Some(Pricing::Cpm), 5, 0, 0),
            (Some(Pricing::Cpc), 0, 5000, 0),
            (Some(Pricing::Cpa), 0, 0, 5000),
            (Some(Pricing::Flat), 0, 0, 0),
            (Some(Pricing::Impressions), 0, 0, 0),
            (None, 0, 0, 0),
        ] {
            for (kind, spend) in [(Impression, imp), (Click, clk), (Conversion, cv)] {
                let tally = Tally::from_iter([&mark(kind, pricing, 5000)]);
                let (_, counts) = tally.counts().next().unwrap();
                assert_eq!(counts.spend_micros(), spend, "{pricing:?} {kind}");
            }
        }
    }

    #[test]
    fn fractions_of_a_micro_add_up_before_they_are_dropped() {
        let impression = mark(MarkKind::Impression, Some(Pricing::Cpm), 1);
        let tally = Tally::from_iter(std::iter::repeat_n(&impression, 2999));
        assert_eq!(tally.counts().next().unwrap().1.spend_micros(), 2);
    }

    #[test]
    fn marks_over_the_cap_are_kept_apart() {
        let over = Mark {
            over_cap: true,
            ..mark(MarkKind::Click, Some(Pricing::Cpc), 7)
        };
        let tally = Tally::from_iter([&over]);
        let expected = Counts {
            over_cap: 1,
            ..Counts::default()
        };
        assert_eq!(tally.counts().collect::<Vec<_>>(), [((1, 2), expected)]);
    }

    #[test]
    fn flagged_marks_and_repeats_count_nowhere_else() {
        let flagged = Mark {
            flagged: true,
            over_cap: true,
            ..mark(MarkKind::Impression, Some(Pricing::Cpm), 7)
        };
        let mut tally = Tally::from_iter([&flagged]);
        tally.add_repeats(1, 2, 3);
        tally.add_repeats(8, 9, 0);
        let expected = Counts {
            flagged: 4,
            ..Counts::default()
        };
        assert_eq!(tally.counts().collect::<Vec<_>>(), [((1, 2), expected)]);
    }

    #[test]
    fn no_number_of_marks_is_too_large() {
        let dear = mark(MarkKind::Click, Some(Pricing::Cpc), u64::MAX);
        let mut tally = Tally::default();
        tally.add_times(&dear, u64::MAX);
        tally.add(&dear);
        let (_, counts) = tally.counts().next().unwrap();
        assert_eq!(
            (counts.clicks, counts.spend_thousandths),
            (u64::MAX, u64::MAX)
        );
    }

    proptest! {
        #[test]
        fn marks_alike_may_be_added_at_once(
            kind in 0usize..3, price in 0u64..10_000, over_cap: bool, times in 0u64..50,
        ) {
            let mark = Mark {
                over_cap,
                ..mark(MarkKind::ALL[kind], Some(Pricing::Cpm), price)
            };
            let one_by_one: Tally = (0..times).map(|_| &mark).collect();
            let mut at_once = Tally::default();
            at_once.add_times(&mark, times);
            prop_assert!(at_once.counts().eq(one_by_one.counts()));
        }

        #[test]
        fn the_order_of_marks_does_not_matter(
            kinds in prop::collection::vec((0usize..3, 0u64..3, 0u64..10_000), 0..50),
            turn in 0usize..50,
        ) {
            let mut marks: Vec<Mark> = kinds
                .into_iter()
                .map(|(kind, creative, price)| Mark {
                    creative,
                    ..mark(MarkKind::ALL[kind], Some(Pricing::Cpm), price)
                })
                .collect();
            let once: Vec<_> = Tally::from_iter(&marks).counts().collect();
            if !marks.is_empty() {
                let middle = turn % marks.len();
                marks.rotate_left(middle);
            }
            prop_assert_eq!(Tally::from_iter(&marks).counts().collect::<Vec<_>>(), once);
        }
    }
}
