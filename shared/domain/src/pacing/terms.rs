//! A budget in units of what is paid for.

use std::time::Duration;

use super::{Curve, Used, plan::Plan};
use crate::{
    Instant, TimeZoneName,
    allocation::Campaign,
    content::campaigns::{Budget, Pacing, Pricing},
};

/// What a campaign's budget comes to in units: impressions, clicks or conversions, whichever are paid
/// for. There are terms only for budgets that end: `flat` ones do not, nor do those without a limit
/// or with a price of nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The campaign's key.
    pub campaign: u64,
    /// What is paid for.
    pub pricing: Pricing,
    /// The price in micros: of a thousand impressions, a click, a conversion.
    pub price_micros: u64,
    /// Whose days they are.
    pub zone: TimeZoneName,
    /// Units a day.
    pub daily: Option<u64>,
    /// Units in all.
    pub total: Option<u64>,
    /// The flight that the units are spread over; `None` for what goes out as soon as possible.
    pub spread: Option<Spread>,
}

/// The flight over which a budget is spread evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// The first moment of the flight.
    pub starts_at: Instant,
    /// The first moment after the flight.
    pub ends_at: Option<Instant>,
}

/// The most tokens that are taken to bring one click or conversion.
const MOST_TOKENS_PER_UNIT: u32 = 10_000;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What was counted of a campaign, within its budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Impressions.
    pub impressions: u64,
    /// Clicks.
    pub clicks: u64,
    /// Conversions.
    pub conversions: u64,
    /// What they cost, in thousandths of a micro.
    pub spend_thousandths: u64,
}

impl Terms {
    /// The terms of a campaign with this key and budget; `None` where the budget has no end.
    pub fn of(campaign: u64, budget: &Budget, zone: &TimeZoneName) -> Option<Self> {
        let price_micros = budget.price_micros.unwrap_or(0);
        let in_units = |limit: u64| -> Option<u64> {
            let limit = u128::from(limit);
            let units = match budget.pricing {
                Pricing::Flat => None,
                Pricing::Impressions => Some(limit),
                Pricing::Cpm => (limit * 1000).checked_div(price_micros.into()),
                Pricing::Cpc | Pricing::Cpa => limit.checked_div(price_micros.into()),
            };
            units.map(|units| u64::try_from(units).unwrap_or(u64::MAX))
        };
        let (daily, total) = (
            budget.daily.and_then(in_units),
            budget.total.and_then(in_units),
        );
        Self::end(budget).then(|| Self {
            campaign,
            pricing: budget.pricing,
            price_micros,
            zone: zone.clone(),
            daily,
            total,
            spread: None,
        })
    }

    /// Returns the terms of a published campaign; `None` where it has no budget that ends.
    pub fn of_campaign(campaign: &Campaign<'_>) -> Option<Self> {
        let terms = Self::of(campaign.key, campaign.budget?, campaign.time_zone)?;
        Some(match campaign.pacing {
            Pacing::Asap => terms,
            Pacing::Even => terms.spread_over(Spread {
                starts_at: campaign.starts_at,
                ends_at: campaign.ends_at,
            }),
        })
    }

    /// Returns the same terms, spread over a flight.
    #[must_use]
    pub fn spread_over(self, spread: Spread) -> Self {
        Self {
            spread: Some(spread),
            ..self
        }
    }

    /// Returns the units that the minute from `now` on should bring, if every hour of a day is alike;
    /// `None` where nothing is to be spread.
    pub fn units_a_minute(&self, used: Used, now: Instant) -> Option<f64> {
        let spread = self.spread?;
        let begins = now.max(spread.starts_at);
        let left = |limit: Option<u64>, used: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a rate follows")]
            limit.map(|limit| limit.saturating_sub(used) as f64)
        };
        let plan = Plan {
            pacing: Pacing::Even,
            total: left(self.total, used.total),
            today: left(self.daily, used.today),
            flight_ends_at: spread.ends_at,
            day_ends_at: self.zone.day_ends_at(begins),
        };
        plan.units_a_minute(&Curve::UNIFORM, begins)
    }

    /// Returns whether no more is used than an even spread has brought by `now`; true where nothing is
    /// to be spread.
    pub fn is_within_plan(&self, used: Used, now: Instant) -> bool {
        let Some(Spread { starts_at, ends_at }) = self.spread else {
            return true;
        };
        let day_ends_at = self.zone.day_ends_at(now);
        // A day of 23 or 25 hours is an hour off, which is within what a plan can tell.
        let day_starts_at = (day_ends_at - DAY).max(starts_at);
        let day_ends_at = ends_at.map_or(day_ends_at, |end| end.min(day_ends_at));
        let of_day = self.daily.is_none_or(|daily| {
            is_within(used.today, share(daily, day_starts_at, day_ends_at, now))
        });
        let flight = self.total.zip(ends_at);
        let of_flight = flight
            .is_none_or(|(total, end)| is_within(used.total, share(total, starts_at, end, now)));
        of_day && of_flight
    }

    /// Whether there are terms for a budget: whether it ends.
    pub fn end(budget: &Budget) -> bool {
        let priced = match budget.pricing {
            Pricing::Flat => false,
            Pricing::Impressions => true,
            Pricing::Cpm | Pricing::Cpc | Pricing::Cpa => budget.price_micros.unwrap_or(0) > 0,
        };
        priced && (budget.daily.is_some() || budget.total.is_some())
    }

    /// Returns how many tokens may be given out for a unit: one where impressions use the budget up.
    /// Of clicks and conversions it is how many impressions brought one so far, by a cautious
    /// estimate (two standard deviations): one while nothing is known.
    pub fn tokens_per_unit(&self, counted: &Counted) -> u32 {
        let paid = match self.pricing {
            Pricing::Cpm | Pricing::Impressions | Pricing::Flat => return 1,
            Pricing::Cpc => counted.clicks,
            Pricing::Cpa => counted.conversions,
        };
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let (paid, impressions) = (paid as f64, counted.impressions as f64);
        let most = paid + 2.0 * (paid + 1.0).sqrt();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float saturates, and it is not negative"
        )]
        let tokens = (impressions / most) as u32;
        tokens.clamp(1, MOST_TOKENS_PER_UNIT)
    }

    /// How many units of these terms were used, rounded up: what was counted at another price uses as
    /// many as its money would buy now.
    pub fn used(&self, counted: &Counted) -> u64 {
        let spent = counted.spend_thousandths;
        match self.pricing {
            Pricing::Impressions | Pricing::Flat => counted.impressions,
            Pricing::Cpm => spent.div_ceil(self.price_micros.max(1)),
            Pricing::Cpc | Pricing::Cpa => {
                spent.div_ceil(self.price_micros.saturating_mul(1000).max(1))
            }
        }
    }

    /// What a unit is under these terms, as text: units of terms that say something else cannot be
    /// added to them. (The limits are not in it: they may change at any time.)
    pub fn basis(&self) -> String {
        format!("{} {} {}", self.pricing, self.price_micros, self.zone)
    }
}

/// Returns what an even spread of a limit from one moment to another has brought by `now`.
#[expect(clippy::cast_precision_loss, reason = "a share")]
fn share(limit: u64, from: Instant, to: Instant, now: Instant) -> f64 {
    let whole = to.since(from).as_secs_f64();
    let part = if whole > 0.0 {
        (now.since(from).as_secs_f64() / whole).min(1.0)
    } else {
        1.0
    };
    limit as f64 * part
}

#[expect(clippy::cast_precision_loss, reason = "a comparison with a share")]
fn is_within(used: u64, share: f64) -> bool {
    used as f64 <= share
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(pricing: Pricing, price_micros: Option<u64>, total: u64) -> Option<Terms> {
        let budget = Budget {
            pricing,
            price_micros,
            daily: None,
            total: Some(total),
        };
        Terms::of(1, &budget, &TimeZoneName::utc())
    }

    #[test]
    fn a_budget_is_as_many_units_as_its_money_buys() {
        for (pricing, price, total, units) in [
            (Pricing::Cpm, Some(3_000), 10_000, Some(3_333)),
            (
                Pricing::Cpm,
                Some(3),
                1_000_000_000_000_000,
                Some(333_333_333_333_333_333),
            ),
            (Pricing::Cpm, Some(1_000_000), 999, Some(0)),
            (Pricing::Impressions, None, 1_000, Some(1_000)),
            (Pricing::Cpc, Some(300), 1_000, Some(3)),
            (Pricing::Cpa, Some(1_001), 1_000, Some(0)),
            (Pricing::Cpm, Some(0), 1_000, None),
            (Pricing::Flat, None, 1_000, None),
        ] {
            let terms = terms(pricing, price, total);
            let found = terms.and_then(|terms| terms.total);
            assert_eq!(found, units, "{pricing} {price:?} {total}");
        }
    }

    #[test]
    fn a_click_is_expected_of_no_more_tokens_than_the_counts_bear_out() {
        let counted = |impressions, clicks| Counted {
            impressions,
            clicks,
            ..Counted::default()
        };
        let cpc = terms(Pricing::Cpc, Some(1), 10).unwrap();
        for (impressions, clicks, tokens) in [
            (0, 0, 1),
            (20, 0, 10),
            (50, 50, 1),
            (7, 90, 1),
            (1_000, 10, 60),
            (1_000_000, 10_000, 98),
            (u64::MAX, 0, 10_000),
        ] {
            let found = cpc.tokens_per_unit(&counted(impressions, clicks));
            assert_eq!(found, tokens, "{clicks} of {impressions}");
        }
        let cpm = terms(Pricing::Cpm, Some(1), 10).unwrap();
        assert_eq!(cpm.tokens_per_unit(&counted(1_000, 1)), 1);
        let cpa = terms(Pricing::Cpa, Some(1), 10).unwrap();
        assert_eq!(cpa.tokens_per_unit(&counted(1_000, 1_000)), 500);
    }

    #[test]
    fn a_budget_is_within_its_plan_where_both_its_day_and_its_flight_are() {
        let at = |text: &str| text.parse::<Instant>().unwrap();
        let budget = Terms {
            daily: Some(24),
            ..terms(Pricing::Impressions, None, 96).unwrap()
        };
        let spread = budget.clone().spread_over(Spread {
            starts_at: at("2026-03-01T06:00:00Z"),
            ends_at: Some(at("2026-03-05T06:00:00Z")),
        });
        for (total, today, now, within) in [
            (0, 0, "2026-03-01T06:00:00Z", true),
            (1, 1, "2026-03-01T06:30:00Z", false),
            (1, 1, "2026-03-01T07:00:00Z", true),
            // Twelve hours into the third day, thirty-four into its flight, and so on.
            (54, 12, "2026-03-03T12:00:00Z", true),
            (54, 13, "2026-03-03T12:00:00Z", false),
            (55, 12, "2026-03-03T12:00:00Z", false),
            (96, 24, "2026-03-06T00:00:00Z", true),
            (97, 0, "2026-03-06T00:00:00Z", false),
        ] {
            let found = spread.is_within_plan(Used { total, today }, at(now));
            assert_eq!(found, within, "{total} {today} {now}");
        }
        let used = Used {
            total: 95,
            today: 24,
        };
        assert!(budget.is_within_plan(used, at("2026-03-01T06:00:00Z")));
    }

    proptest! {
        #[test]
        fn what_was_counted_at_the_price_is_that_many_units(
            price in 1u64..1_000_000_000,
            impressions in 0u64..1_000_000_000,
        ) {
            let terms = terms(Pricing::Cpm, Some(price), 1).unwrap();
            let counted = Counted {
                impressions,
                spend_thousandths: impressions * price,
                ..Counted::default()
            };
            prop_assert_eq!(terms.used(&counted), impressions);
        }

        #[test]
        fn a_republished_price_never_makes_room_for_more_than_the_money(
            (old, new) in (1u64..100_000, 1u64..100_000),
            impressions in 0u64..1_000_000,
            total in 1u64..1_000_000_000,
        ) {
            let terms = terms(Pricing::Cpm, Some(new), total).unwrap();
            let spend_thousandths = impressions * old;
            prop_assume!(spend_thousandths <= total * 1000);
            let used = terms.used(&Counted { impressions, spend_thousandths, ..Counted::default() });
            let left = terms.total.unwrap().saturating_sub(used);
            prop_assert!(spend_thousandths + left * new <= total * 1000);
        }
    }
}
