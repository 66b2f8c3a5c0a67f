//! What becomes of an account, and what of its campaign goes out meanwhile.

use std::time::Duration;

use domain::{
    Day, Instant,
    delivery::Zone,
    pacing::{Progress, Terms, Used},
};
use store::{
    Budgets, StoreError,
    budgets::{Account, Lease, Phase},
};

/// Clocks differ, and a mark may be on its way.
const MARGIN: Duration = Duration::from_secs(60);

/// The next step of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// None: it is as it should be, or what it waits for has not come.
    Stay,
    /// It is opened.
    Open,
    /// Its open time ends, or that of its terms.
    Close {
        /// When nothing can be counted any more that was given out before.
        leases_from: Instant,
    },
    /// Stock is taken, and leases can be had.
    Begin {
        /// What was used up to then.
        used: Used,
        /// The day it was used in.
        day: Day,
    },
}

impl Move {
    /// The step towards the zone that a campaign should be in.
    pub(crate) fn towards(
        zone: Zone,
        account: Option<&Account>,
        terms: &Terms,
        progress: &Progress,
        exposure: Duration,
        now: Instant,
    ) -> Self {
        let close = Self::Close {
            leases_from: now + exposure + MARGIN,
        };
        let same_terms = account.is_some_and(|account| account.basis == terms.basis());
        let phase = account.map(|account| account.phase);
        match (zone, account) {
            (Zone::Open, _) if phase == Some(Phase::Open) && same_terms => Self::Stay,
            (Zone::Open, _) => Self::Open,
            // The first lease makes the account, unless there is something to put into it.
            (_, None) if terms.used(&progress.total) == 0 => Self::Stay,
            (_, None) => close,
            (_, Some(account)) => match account.phase {
                Phase::Open => close,
                Phase::Leasing if same_terms => Self::Stay,
                Phase::Leasing => close,
                Phase::Closing => {
                    let from = account.leases_from.unwrap_or(now);
                    if progress.as_of < from || account.live() > 0 {
                        return Self::Stay;
                    }
                    Self::Begin {
                        used: progress.used(terms, progress.as_of),
                        day: terms.zone.wall_time(progress.as_of).day,
                    }
                }
            },
        }
    }

    pub(crate) async fn carry_out(
        self,
        budgets: &Budgets,
        account: Option<&Account>,
        terms: &Terms,
        now: Instant,
    ) -> Result<(), StoreError> {
        match (self, account) {
            (Self::Stay, _) => Ok(()),
            (Self::Open, _) => budgets.open(account, terms, now).await,
            (Self::Close { leases_from }, _) => {
                budgets.close(account, terms, leases_from, now).await
            }
            (Self::Begin { used, day }, Some(account)) => {
                budgets.begin_leases(account, terms, used, day).await
            }
            (Self::Begin { .. }, None) => Ok(()),
        }
    }
}

/// Units that the totals tell of and an account under leases does not: its own count, and what was
/// used of its live leases.
pub(crate) fn drift(
    account: &Account,
    live: &[Lease],
    terms: &Terms,
    progress: &Progress,
) -> Option<Used> {
    if account.phase != Phase::Leasing || account.basis != terms.basis() {
        return None;
    }
    let used: u64 = live.iter().map(|lease| lease.used).sum();
    let of_day = live.iter().filter(|lease| lease.on_day == account.on_day);
    let used_today: u64 = of_day.map(|lease| lease.used).sum();
    let told = terms.used(&progress.total);
    let told_today = if progress.day == account.on_day {
        terms.used(&progress.today)
    } else {
        0
    };
    let drift = Used {
        total: told.saturating_sub(account.counted + used),
        today: told_today.saturating_sub(account.day_counted + used_today),
    };
    (drift.total > 0 || drift.today > 0).then_some(drift)
}

#[cfg(test)]
mod tests {
    use domain::{
        TimeZoneName,
        content::campaigns::{Budget, Pricing},
        pacing::Counted,
    };

    use super::*;

    const EXPOSURE: Duration = Duration::from_secs(480);

    const NOW: Instant = Instant::from_seconds(1_000_000);

    fn terms() -> Terms {
        let budget = Budget {
            pricing: Pricing::Impressions,
            price_micros: None,
            daily: None,
            total: Some(1_000),
        };
        Terms::of(1, &budget, &TimeZoneName::utc()).unwrap()
    }

    fn account(phase: Phase) -> Account {
        Account {
            campaign: 1,
            phase,
            basis: terms().basis(),
            reserved: 120,
            counted: 100,
            on_day: Day::of(NOW),
            day_reserved: 60,
            day_counted: 40,
            leased_to: None,
            tokens_per_unit: 1,
            leases_from: None,
            expires_at: None,
        }
    }

    fn progress(as_of: Instant, total: u64, today: u64) -> Progress {
        let impressions = |impressions| Counted {
            impressions,
            ..Counted::default()
        };
        Progress {
            total: impressions(total),
            today: impressions(today),
            ..Progress::none(as_of)
        }
    }

    #[test]
    fn an_account_moves_towards_its_zone_and_takes_stock_when_all_has_come_in() {
        use Phase::{Closing, Leasing, Open};
        let close = Move::Close {
            leases_from: NOW + EXPOSURE + MARGIN,
        };
        let other = |phase| Account {
            basis: "cpm 5 UTC".to_owned(),
            ..account(phase)
        };
        let waiting = |from: Instant, live: u64| Account {
            leases_from: Some(from),
            reserved: 100 + live,
            ..account(Closing)
        };
        let begin = Move::Begin {
            used: Used {
                total: 50,
                today: 5,
            },
            day: Day::of(NOW),
        };
        let later = NOW + Duration::from_secs(1);
        let exact = Zone::Exact;
        for (zone, account, expected) in [
            (Zone::Open, None, Move::Open),
            (Zone::Open, Some(account(Open)), Move::Stay),
            (Zone::Open, Some(other(Open)), Move::Open),
            (Zone::Open, Some(account(Leasing)), Move::Open),
            (Zone::Open, Some(account(Closing)), Move::Open),
            (exact, None, close),
            (exact, Some(account(Open)), close),
            (Zone::Spent, Some(account(Open)), close),
            (exact, Some(account(Leasing)), Move::Stay),
            (exact, Some(other(Leasing)), close),
            (exact, Some(waiting(NOW, 0)), begin),
            (Zone::Spent, Some(waiting(NOW, 0)), begin),
            (exact, Some(waiting(later, 0)), Move::Stay),
            (exact, Some(waiting(NOW, 1)), Move::Stay),
        ] {
            let progress = progress(NOW, 50, 5);
            let found = Move::towards(zone, account.as_ref(), &terms(), &progress, EXPOSURE, NOW);
            assert_eq!(found, expected, "{zone:?} {account:?}");
        }
        let new = Progress::none(NOW);
        let first = Move::towards(exact, None, &terms(), &new, EXPOSURE, NOW);
        assert_eq!(first, Move::Stay, "its first lease makes it");
    }

    #[test]
    fn drift_is_what_the_totals_tell_beyond_the_account_and_its_live_leases() {
        let lease = |used, on_day| Lease {
            campaign: 1,
            id: 1,
            chunk: 10,
            tokens: 0,
            used,
            on_day,
            serve_until: NOW,
            lapses_at: NOW,
        };
        let today = Day::of(NOW);
        let live = [lease(3, today), lease(4, today.plus_days(-1))];
        let leasing = account(Phase::Leasing);
        let drift_of =
            |total, today| drift(&leasing, &live, &terms(), &progress(NOW, total, today));
        assert_eq!(drift_of(107, 43), None);
        let (total, today) = (1, 2);
        assert_eq!(drift_of(108, 45), Some(Used { total, today }));
        let open = account(Phase::Open);
        assert_eq!(drift(&open, &[], &terms(), &progress(NOW, 900, 900)), None);
    }
}
