//! Plans: what a campaign should have come to in some time, were its budget spread evenly.

use crate::{
    Day, Instant,
    billing::Terms,
    content::campaigns::{Budget, Pricing},
    marks::Counts,
};

const DAY_MS: f64 = 86_400_000.0;

/// A stretch of time, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    from_ms: i64,
    to_ms: i64,
}

/// What was planned, in what the budget is in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Plan {
    /// Micros of the currency.
    Micros(f64),
    /// Impressions.
    Impressions(f64),
}

impl Span {
    /// The days (UTC) from `from` to `to`, both included, as far as they are over at `as_of`.
    pub(super) fn of_days(from: Day, to: Day, as_of: Option<Instant>) -> Self {
        let from_ms = from.begin_in_utc().as_millis();
        let end_ms = to.next().begin_in_utc().as_millis();
        Self {
            from_ms,
            to_ms: as_of.map_or(from_ms, |as_of| end_ms.min(as_of.as_millis())),
        }
    }

    fn within(self, from: Instant, to: Option<Instant>) -> Self {
        Self {
            from_ms: self.from_ms.max(from.as_millis()),
            to_ms: to.map_or(self.to_ms, |to| self.to_ms.min(to.as_millis())),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of a budget is for looking at"
    )]
    fn length_ms(self) -> f64 {
        self.to_ms.saturating_sub(self.from_ms).max(0) as f64
    }
}

impl Plan {
    /// Returns what a campaign's budget meant for a span; `None` where it meant nothing: there is
    /// none, or none that ends, or a total one over a flight that does not.
    pub(super) fn of(terms: &Terms, span: Span) -> Option<Self> {
        let budget = terms.budget.as_ref()?;
        Self::in_unit(budget, spread(budget, terms, span)?)
    }

    fn in_unit(budget: &Budget, planned: f64) -> Option<Self> {
        match budget.pricing {
            Pricing::Cpm | Pricing::Cpc | Pricing::Cpa => Some(Self::Micros(planned)),
            Pricing::Impressions => Some(Self::Impressions(planned)),
            Pricing::Flat => None,
        }
    }

    pub(super) fn amount(self) -> f64 {
        match self {
            Self::Micros(planned) | Self::Impressions(planned) => planned,
        }
    }

    /// What there is of it, in the same unit.
    pub(super) fn done(self, counts: &Counts) -> f64 {
        match self {
            Self::Micros(_) => amount(counts.spend_thousandths) / 1000.0,
            Self::Impressions(_) => amount(counts.impressions),
        }
    }
}

/// Returns what of a budget falls into a span: the total spread evenly over the flight, and no more
/// than the daily limit. Both count from the campaign's publication where that came after the
/// flight's first moment. Where the flight has no end, the daily limit is due until the total is
/// used up.
fn spread(budget: &Budget, terms: &Terms, span: Span) -> Option<f64> {
    let begins_at = terms.begins_at();
    let length_ms = span.within(begins_at, terms.ends_at).length_ms();
    let flight = terms.ends_at.map(|ends_at| Span {
        from_ms: begins_at.as_millis(),
        to_ms: ends_at.as_millis(),
    });
    let by_total = flight.and_then(|flight| {
        let share = length_ms / flight.length_ms().max(1.0);
        Some(amount(budget.total?) * share)
    });
    let by_days = budget.daily.map(|daily| amount(daily) * length_ms / DAY_MS);
    match (by_total, by_days) {
        (Some(by_total), Some(by_days)) => Some(by_total.min(by_days)),
        (None, Some(by_days)) => Some(match budget.total {
            Some(total) => by_days.min(left_of(total, budget, terms, span)),
            None => by_days,
        }),
        (by_total, None) => by_total,
    }
}

/// Returns what the daily limits of the time before a span left of a total.
fn left_of(total: u64, budget: &Budget, terms: &Terms, span: Span) -> f64 {
    let before = Span {
        from_ms: terms.begins_at().as_millis(),
        to_ms: span.from_ms,
    };
    let due_before = budget
        .daily
        .map_or(0.0, |daily| amount(daily) * before.length_ms() / DAY_MS);
    (amount(total) - due_before).max(0.0)
}

/// Returns what a `flat` campaign costs in a span, in micros: its price is due evenly over its flight,
/// or at its beginning where the flight has no end; a daily price evenly over each day. The price is
/// the budget's total, or its daily limit, or else `price_micros`. Nothing for other campaigns.
pub(super) fn flat_spend(terms: &Terms, span: Span) -> u64 {
    let Some(budget) = &terms.budget else {
        return 0;
    };
    if budget.pricing != Pricing::Flat {
        return 0;
    }
    let whole = match (budget.total, budget.daily) {
        (None, None) => budget.price_micros,
        (total, _) => total,
    };
    let budget = Budget {
        total: whole,
        ..budget.clone()
    };
    let due = spread(&budget, terms, span);
    let due = due.or_else(|| {
        let begins_at = terms.begins_at().as_millis();
        let begins = (span.from_ms..span.to_ms).contains(&begins_at);
        whole.filter(|_| begins).map(amount)
    });
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates, and it is not negative"
    )]
    let micros = due.unwrap_or(0.0).round() as u64;
    micros
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share of a budget is for looking at"
)]
fn amount(exact: u64) -> f64 {
    exact as f64
}
