//! Accounts and leases by the rules of `store::budgets` and of the pacing worker's account moves, in
//! memory: nothing fails, and a lease is granted at the moment it is asked for. The model stands in for
//! their transactions; terms, zones and probabilities are the domain's own.

use std::time::Duration;

use domain::{
    Day, Instant,
    content::campaigns::Pricing,
    delivery::Zone,
    pacing::{Allowance, Progress, SPREAD_LEASE, Terms, Used},
};

use crate::meter::{IN_TRANSACTION, Key, Meter, Spread, consistent};

/// `BUDGET_TOKEN_LIFETIME_S`, `LEASE_LIFETIME_S`, `DELIVERY_REFRESH_S` and `DELIVERY_AGE_LIMIT_S`.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_secs(300);
pub(crate) const LEASE_LIFE: Duration = Duration::from_secs(120);
pub(crate) const REFRESH: Duration = Duration::from_secs(10);
pub(crate) const AGE_LIMIT: Duration = Duration::from_secs(180);

/// For how long units may be out openly that no count knows of.
pub(crate) const EXPOSURE: Duration =
    Duration::from_secs(AGE_LIMIT.as_secs() + TOKEN_LIFE.as_secs());

const MARGIN: Duration = Duration::from_secs(60);
const PART: u64 = 16;
const PART_OF_CLICKS: u64 = 4;
const SLACK: u64 = 10;
/// What a unit is worth in tokens is changed where it is off by more than this part.
const WORTH_CHANGING: f64 = 0.2;

/// How many partitions accounts are spread over.
pub(crate) const PARTS: u64 = 16;
const ITEM_BYTES: usize = 250;

/// The worker gives leases back one after the other, over so many seconds.
const SETTLING: Spread = Spread {
    whole_s: 10.0,
    key_s: 10.0,
};

/// How much of a budget is given out.
#[derive(Debug, Clone)]
struct Account {
    phase: Phase,
    reserved: u64,
    counted: u64,
    on_day: Day,
    day_reserved: u64,
    day_counted: u64,
    leases_from: Instant,
    leased_to: Option<Instant>,
    tokens_per_unit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Closing,
    Leasing,
}

/// Units that one instance may give out.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    campaign: u16,
    chunk: u32,
    pub(crate) tokens: u32,
    used: u32,
    on_day: Day,
    pub(crate) serve_until: Instant,
    pub(crate) lapses_at: Instant,
    live: bool,
}

/// Why there is no lease now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Spent,
    /// Not before this moment: it went out openly, or its plan allows no more.
    Later(Instant),
}

/// What leases came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Leasing {
    pub(crate) taken: u64,
    pub(crate) refused: u64,
    /// Given back by instances that ended in peace.
    pub(crate) given_back: u64,
    pub(crate) lapsed: u64,
    pub(crate) units_taken: u64,
    pub(crate) units_used: u64,
    /// Units that nobody could use until their lease had lapsed.
    pub(crate) units_lapsed: u64,
    pub(crate) units_given_back: u64,
    /// Units that were counted beside an account.
    pub(crate) drift: u64,
    /// Times that a campaign went from open to leases.
    pub(crate) closings: u64,
}

/// All accounts and leases.
#[derive(Default)]
pub(crate) struct Budgets {
    accounts: Vec<Option<Account>>,
    leases: Vec<Lease>,
    live: Vec<Vec<u32>>,
    pub(crate) leasing: Leasing,
}

impl Budgets {
    pub(crate) fn new(campaigns: usize) -> Self {
        Self {
            accounts: vec![None; campaigns],
            live: vec![Vec::new(); campaigns],
            ..Self::default()
        }
    }

    pub(crate) fn lease(&self, id: u32) -> &Lease {
        &self.leases[id as usize]
    }

    /// Takes a lease of units for up to `wanted` tokens.
    pub(crate) fn take(
        &mut self,
        campaign: u16,
        terms: &Terms,
        wanted: u32,
        now: Instant,
        meter: &mut Meter,
    ) -> Result<u32, Refusal> {
        let on_day = terms.zone.wall_time(now).day;
        let part = terms.campaign % PARTS;
        meter.read(Key::Accounts, part, consistent(ITEM_BYTES));
        let account = self.accounts[usize::from(campaign)].get_or_insert_with(|| Account {
            phase: Phase::Leasing,
            ..Account::new(on_day)
        });
        if account.phase != Phase::Leasing {
            self.leasing.refused += 1;
            return Err(Refusal::Later(account.leases_from));
        }
        if account.on_day != on_day {
            account.on_day = on_day;
            account.day_reserved = 0;
            account.day_counted = 0;
        }
        let by_impression = terms.pricing.is_by_impression();
        let slack = if by_impression { 0 } else { SLACK };
        let left =
            |limit: Option<u64>, used: u64| limit.map(|limit| (limit + slack).saturating_sub(used));
        let left = [
            left(terms.total, account.reserved),
            left(terms.daily, account.day_reserved),
        ];
        let left = left.into_iter().flatten().min().unwrap_or(u64::MAX);
        if left == 0 {
            self.leasing.refused += 1;
            return Err(Refusal::Spent);
        }
        let used = Used {
            total: account.reserved,
            today: account.day_reserved,
        };
        let tokens_per_unit = account.tokens_per_unit;
        let live = account.reserved.saturating_sub(account.counted);
        let allowance = Allowance::of(terms, used, live, account.leased_to, now);
        let allowed = allowance.map_or(u64::MAX, |allowance| allowance.units(now));
        if let Some(allowance) = allowance.filter(|_| allowed == 0) {
            self.leasing.refused += 1;
            return Err(Refusal::Later(allowance.next_at()));
        }
        let share = match by_impression {
            true => (left / PART).max(1),
            false => (left / PART_OF_CLICKS).max(PART_OF_CLICKS),
        };
        let wanted = u64::from(wanted.div_ceil(tokens_per_unit));
        let chunk = wanted.min(share).min(left).min(allowed).max(1);
        account.leased_to = allowance.map(|it| it.after(chunk)).or(account.leased_to);
        account.reserved += chunk;
        account.day_reserved += chunk;
        let life = match allowance {
            Some(_) => LEASE_LIFE.min(SPREAD_LEASE),
            None => LEASE_LIFE,
        };
        let serve_until = (now + life).min(terms.zone.day_ends_at(now));
        let id = self.leases.len() as u32;
        self.leases.push(Lease {
            campaign,
            chunk: chunk as u32,
            tokens: chunk as u32 * tokens_per_unit,
            used: 0,
            on_day,
            serve_until,
            lapses_at: serve_until + TOKEN_LIFE,
            live: true,
        });
        self.live[usize::from(campaign)].push(id);
        meter.write(Key::Accounts, part, IN_TRANSACTION);
        meter.write(Key::Leases, terms.campaign, IN_TRANSACTION);
        self.leasing.taken += 1;
        self.leasing.units_taken += chunk;
        Ok(id)
    }

    /// Uses a unit of a lease, if there is one left.
    pub(crate) fn use_one(&mut self, id: u32) -> bool {
        let lease = &mut self.leases[id as usize];
        let fits = lease.live && lease.used < lease.tokens;
        lease.used += u32::from(fits);
        fits
    }

    /// Gives back what is not needed for the tokens that were given out.
    pub(crate) fn give_back(&mut self, id: u32, tokens: u32, key: u64, meter: &mut Meter) {
        let lease = &mut self.leases[id as usize];
        let tokens_per_unit = (lease.tokens / lease.chunk.max(1)).max(1);
        let needed = (lease.tokens - tokens).div_ceil(tokens_per_unit);
        let unused = lease.chunk.saturating_sub(needed.max(lease.used));
        if unused == 0 {
            return;
        }
        let Some(account) = &mut self.accounts[usize::from(lease.campaign)] else {
            return;
        };
        if !lease.live {
            return;
        }
        lease.chunk -= unused;
        account.reserved -= u64::from(unused);
        if account.on_day == lease.on_day {
            account.day_reserved -= u64::from(unused);
        }
        meter.write(Key::Accounts, key % PARTS, IN_TRANSACTION);
        meter.write(Key::Leases, key, IN_TRANSACTION);
        self.leasing.given_back += 1;
        self.leasing.units_given_back += u64::from(unused);
    }

    /// Gives lapsed leases back, and brings the account up to the totals: what the worker does once
    /// it has published.
    pub(crate) fn settle(
        &mut self,
        campaign: u16,
        terms: &Terms,
        progress: &Progress,
        now: Instant,
        meter: &mut Meter,
    ) {
        let at = usize::from(campaign);
        let Some(account) = &mut self.accounts[at] else {
            return;
        };
        let part = terms.campaign % PARTS;
        let live = &mut self.live[at];
        if !live.is_empty() {
            let bytes = live.len() * ITEM_BYTES;
            meter.read(Key::Leases, terms.campaign, consistent(bytes));
        }
        if account.phase == Phase::Leasing {
            let used: u64 = live
                .iter()
                .map(|id| u64::from(self.leases[*id as usize].used))
                .sum();
            let drift = terms
                .used(&progress.total)
                .saturating_sub(account.counted + used);
            if drift > 0 {
                account.reserved += drift;
                account.counted += drift;
                account.day_reserved += drift;
                account.day_counted += drift;
                if terms.pricing != Pricing::Cpa {
                    self.leasing.drift += drift;
                }
                meter.write(Key::Accounts, part, 1.0);
            }
        }
        let (leases, leasing) = (&mut self.leases, &mut self.leasing);
        let tokens_per_unit = terms.tokens_per_unit(&progress.total);
        let was = account.tokens_per_unit;
        if f64::from(tokens_per_unit.abs_diff(was)) > f64::from(was) * WORTH_CHANGING {
            account.tokens_per_unit = tokens_per_unit;
            meter.write(Key::Accounts, part, 1.0);
            for id in &*live {
                let lease = &mut leases[*id as usize];
                let needed = lease.tokens.div_ceil(tokens_per_unit).max(lease.used);
                let unused = u64::from(lease.chunk.saturating_sub(needed));
                if unused > 0 {
                    lease.chunk -= unused as u32;
                    account.reserved -= unused;
                    if account.on_day == lease.on_day {
                        account.day_reserved -= unused;
                    }
                    meter.write(Key::Accounts, part, IN_TRANSACTION);
                    meter.write(Key::Leases, terms.campaign, IN_TRANSACTION);
                }
            }
        }
        live.retain(|id| {
            let lease = &mut leases[*id as usize];
            if lease.lapses_at + MARGIN > now {
                return true;
            }
            lease.live = false;
            let (used, chunk) = (u64::from(lease.used), u64::from(lease.chunk));
            let unused = chunk.saturating_sub(used);
            account.reserved = account.reserved + used - chunk;
            account.counted += used;
            if account.on_day == lease.on_day {
                account.day_reserved = account.day_reserved + used - chunk;
                account.day_counted += used;
            }
            leasing.units_used += used;
            if unused > 0 {
                leasing.lapsed += 1;
                leasing.units_lapsed += unused;
            }
            meter.write_over(Key::Accounts, part, 1, IN_TRANSACTION, SETTLING);
            meter.write_over(Key::Leases, terms.campaign, 1, IN_TRANSACTION, SETTLING);
            false
        });
    }

    /// Moves an account towards the zone its campaign should be in. Says whether the campaign goes out
    /// in that zone; while it is closing, it does not.
    pub(crate) fn steer(
        &mut self,
        campaign: u16,
        zone: Zone,
        terms: &Terms,
        progress: &Progress,
        now: Instant,
        meter: &mut Meter,
    ) -> bool {
        let at = usize::from(campaign);
        let part = terms.campaign % PARTS;
        let today = terms.zone.wall_time(now).day;
        let Some(account) = &mut self.accounts[at] else {
            if zone == Zone::Open {
                self.accounts[at] = Some(Account::new(today));
                meter.write(Key::Accounts, part, 1.0);
            }
            return true;
        };
        match (zone, account.phase) {
            (Zone::Open, Phase::Open) => true,
            (Zone::Open, _) => {
                account.phase = Phase::Open;
                meter.write(Key::Accounts, part, 1.0);
                true
            }
            (_, Phase::Open) => {
                account.phase = Phase::Closing;
                account.leases_from = now + EXPOSURE + MARGIN;
                self.leasing.closings += 1;
                meter.write(Key::Accounts, part, 1.0);
                false
            }
            (_, Phase::Closing) => {
                let settled = self.live[at].is_empty() && progress.as_of >= account.leases_from;
                if settled {
                    let Used { total, today } = progress.used(terms, progress.as_of);
                    account.phase = Phase::Leasing;
                    account.reserved = total;
                    account.counted = total;
                    account.on_day = terms.zone.wall_time(progress.as_of).day;
                    account.day_reserved = today;
                    account.day_counted = today;
                    meter.write(Key::Accounts, part, 1.0);
                }
                settled
            }
            (_, Phase::Leasing) => true,
        }
    }
}

impl Account {
    fn new(on_day: Day) -> Self {
        Self {
            phase: Phase::Open,
            reserved: 0,
            counted: 0,
            on_day,
            day_reserved: 0,
            day_counted: 0,
            leases_from: Instant::default(),
            leased_to: None,
            tokens_per_unit: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{TimeZoneName, content::campaigns::Budget};

    use super::*;

    #[test]
    fn no_more_is_leased_than_there_is_and_what_lapses_is_there_again() {
        let budget = Budget {
            pricing: Pricing::Impressions,
            price_micros: None,
            daily: None,
            total: Some(100),
        };
        let terms = Terms::of(1, &budget, &TimeZoneName::utc()).unwrap();
        let (mut budgets, mut meter) = (Budgets::new(1), Meter::default());
        let start: Instant = "2026-03-01T00:00:00Z".parse().unwrap();
        let mut units = 0;
        while let Ok(id) = budgets.take(0, &terms, 50, start, &mut meter) {
            let chunk = budgets.lease(id).chunk;
            units += chunk;
            for _ in 0..chunk {
                assert!(budgets.use_one(id));
            }
        }
        assert_eq!(units, 100);
        assert!(!budgets.use_one(0), "all its units are used");
        let later = start + LEASE_LIFE + TOKEN_LIFE + MARGIN;
        let progress = Progress::none(start);
        budgets.settle(0, &terms, &progress, later, &mut meter);
        let spent = budgets.take(0, &terms, 1, later, &mut meter);
        assert_eq!(spent, Err(Refusal::Spent), "each unit was used");
        assert_eq!(budgets.leasing.units_used, 100);
    }
}
