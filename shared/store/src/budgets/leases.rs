//! Leases: taken, and given back.

use std::time::Duration;

use domain::{
    Day, Instant,
    pacing::{Allowance, SPREAD_LEASE, Terms, Used},
};
use serde::{Deserialize, Serialize};

use super::{
    Budgets,
    accounts::{Account, Phase, account_key},
};
use crate::{
    StoreError, keys,
    query::{Range, Read},
    table::{ABSENT, number, pause, string},
    transaction::Transaction,
};

/// After a lease has lapsed: clocks differ, and a mark may be on its way.
const SETTLE_MARGIN: Duration = Duration::from_secs(60);

/// How often what met another write is tried.
const ROUNDS: u32 = 6;

/// A lease is no more than this part of what is left, so that idle instances do not lock a budget up.
const PART: u64 = 16;

/// The same for clicks and conversions: a unit of theirs is one that may come, and what does not is
/// found out within minutes.
const PART_OF_CLICKS: u64 = 4;

/// Clicks or conversions that are leased beyond the limit: a budget of a few would otherwise wait for
/// a lease to lapse after as many impressions. They are billed within the limit all the same.
const SLACK: u64 = 10;

/// Units of a budget that one instance may give out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The campaign's key.
    pub campaign: u64,
    /// Its name, which tokens carry.
    pub id: u64,
    /// How many units.
    pub chunk: u64,
    /// Tokens that may be given out under it, where these are more than its units.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tokens: u64,
    /// How many units were counted: of clicks and conversions perhaps more than it has.
    pub used: u64,
    /// The day it was taken in, which is the day it is served in.
    pub on_day: Day,
    /// Tokens may be given out before this moment.
    pub serve_until: Instant,
    /// No token that names it expires after this moment.
    pub lapses_at: Instant,
}

/// How long leases and the tokens under them live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lives {
    /// For how long a lease may be served.
    pub lease: Duration,
    /// How long a token of a budgeted campaign counts.
    pub token: Duration,
}

/// What came of asking for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is there.
    Lease(Lease),
    /// There is none now.
    Refused(Refusal),
}

/// Why there is no lease now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is left, for the day or for good.
    Spent,
    /// The campaign goes out openly, or did a moment ago; not before this moment, if that is known.
    NotLeasing(Option<Instant>),
    /// The account is of other terms, or of a later day than this clock shows.
    Elsewhen,
    /// The plan allows no more before this moment, unless leases lapse unused or the plan changes.
    Paced(Instant),
}

/// A lease that can be had, and what the account says before.
struct Grant<'a> {
    before: Option<&'a Account>,
    terms: &'a Terms,
    lease: Lease,
    /// Of a spread budget: up to when its allowance is used up with this lease.
    leased_to: Option<Instant>,
}

impl Lease {
    /// Returns how many tokens may be given out under it.
    pub fn tokens(&self) -> u64 {
        self.tokens.max(self.chunk)
    }

    /// Returns the units that are not needed for so many tokens, at so many tokens a unit.
    pub fn dispensable(&self, tokens: u64, tokens_per_unit: u64) -> u64 {
        let needed = tokens.div_ceil(tokens_per_unit.max(1));
        self.chunk.saturating_sub(needed.max(self.used))
    }

    /// Whether it can be given back at `now`: nothing more will be counted under it.
    pub fn has_lapsed(&self, now: Instant) -> bool {
        self.lapses_at + SETTLE_MARGIN <= now
    }
}

impl Budgets {
    /// Takes a lease called `id` of units for up to `wanted` tokens.
    pub async fn take(
        &self,
        terms: &Terms,
        wanted: u32,
        id: u64,
        lives: Lives,
        now: Instant,
    ) -> Result<Taken, StoreError> {
        let mut round = 0;
        loop {
            let account = self.account(terms.campaign).await?;
            let grant = match grant(account.as_ref(), terms, wanted, id, lives, now) {
                Ok(grant) => grant,
                Err(refusal) => return Ok(Taken::Refused(refusal)),
            };
            let Err(error) = self.commit(&grant).await else {
                return Ok(Taken::Lease(grant.lease));
            };
            // The answer may have been lost, and another try have met the first: the id tells.
            let found = self.lease(terms.campaign, id).await?;
            if let Some(lease) = found {
                return Ok(Taken::Lease(lease));
            }
            if !met_another(&error) || round == ROUNDS {
                return Err(error);
            }
            round += 1;
            pause(round).await;
        }
    }

    /// A campaign's leases that were not given back.
    pub async fn leases(&self, campaign: u64) -> Result<Vec<Lease>, StoreError> {
        let range = Range::all(keys::leases(campaign), Read::Consistent);
        self.table.query_all(&range).await
    }

    /// Gives a lapsed lease back: what was used of it is counted, the rest is free again. Says
    /// whether this call did it; doing it twice is doing it once.
    pub async fn settle(&self, lease: &Lease) -> Result<bool, StoreError> {
        let (campaign, id) = (lease.campaign, lease.id);
        let mut round = 0;
        let mut lease = lease.clone();
        loop {
            let Some(account) = self.account(campaign).await? else {
                return Err(StoreError::corrupt(
                    self.table.name(),
                    format!("the lease {id:016x} of {campaign:016x} is of no account"),
                ));
            };
            let same_day = account.on_day == lease.on_day;
            let update = if same_day {
                "SET reserved = reserved - :unused, counted = counted + :used, \
                 day_reserved = day_reserved - :unused, day_counted = day_counted + :used"
            } else {
                "SET reserved = reserved - :unused, counted = counted + :used"
            };
            // Less than nothing where more clicks came than were expected of its tokens.
            let unused = i128::from(lease.chunk) - i128::from(lease.used);
            let settled = Transaction::new(&self.table)
                .delete_if(
                    &keys::lease(campaign, id),
                    "chunk = :chunk AND used = :used",
                    [
                        (":chunk", number(lease.chunk)),
                        (":used", number(lease.used)),
                    ],
                )?
                .update_if(
                    &account_key(campaign),
                    update,
                    condition_of_day(same_day),
                    [
                        (":unused", number(unused)),
                        (":used", number(lease.used)),
                        (":day", string(lease.on_day)),
                    ],
                )?
                .commit()
                .await;
            let Err(error) = settled else {
                return Ok(true);
            };
            // A mark came late, the day turned, or somebody else was faster: look again.
            let Some(found) = self.lease(campaign, id).await? else {
                return Ok(false);
            };
            if !met_another(&error) || round == ROUNDS {
                return Err(error);
            }
            lease = found;
            round += 1;
            pause(round).await;
        }
    }

    /// Gives back units of a lease that its tokens do not need. `tokens` is how many were given out or
    /// still may be: clicks count up to so many, although fewer units are left.
    pub async fn give_back(
        &self,
        lease: &Lease,
        unused: u64,
        tokens: u64,
    ) -> Result<(), StoreError> {
        for same_day in [true, false] {
            let update = if same_day {
                "SET reserved = reserved - :unused, day_reserved = day_reserved - :unused"
            } else {
                "SET reserved = reserved - :unused"
            };
            let given = Transaction::new(&self.table)
                .update_if(
                    &keys::lease(lease.campaign, lease.id),
                    "SET chunk = chunk - :unused, tokens = :tokens",
                    "chunk = :chunk",
                    [
                        (":unused", number(unused)),
                        (":chunk", number(lease.chunk)),
                        (":tokens", number(tokens)),
                    ],
                )?
                .update_if(
                    &account_key(lease.campaign),
                    update,
                    condition_of_day(same_day),
                    [(":unused", number(unused)), (":day", string(lease.on_day))],
                )?
                .commit()
                .await;
            match given {
                // Another day, or given back before.
                Err(error) if error.is_conflict() => {}
                other => return other,
            }
        }
        Ok(())
    }

    async fn lease(&self, campaign: u64, id: u64) -> Result<Option<Lease>, StoreError> {
        let key = keys::lease(campaign, id);
        self.table.get(&key, Read::Consistent).await
    }

    /// One transaction: the chunk is reserved where it fits, and the lease is there.
    async fn commit(&self, grant: &Grant<'_>) -> Result<(), StoreError> {
        let Grant {
            before,
            terms,
            lease,
            leased_to,
        } = grant;
        let item = self
            .table
            .encode(&keys::lease(lease.campaign, lease.id), lease)?;
        let transaction = Transaction::new(&self.table).put_if(item, ABSENT, [])?;
        let key = account_key(lease.campaign);
        let transaction = match before {
            None => {
                let account = Account {
                    reserved: lease.chunk,
                    day_reserved: lease.chunk,
                    leased_to: *leased_to,
                    ..Account::new(terms, Phase::Leasing, lease.on_day)
                };
                let account = self.table.encode(&key, &account)?;
                transaction.put_if(account, ABSENT, [])?
            }
            Some(account) => {
                let fits = |limit: Option<u64>| {
                    let most = limit.map_or(u64::MAX, |limit| most_leased(terms, limit));
                    number(most.saturating_sub(lease.chunk))
                };
                let mut condition =
                    "phase = :leasing AND basis = :basis AND reserved <= :fits".to_owned();
                let mut values = vec![
                    (":leasing", string(Phase::Leasing.as_str())),
                    (":basis", string(terms.basis())),
                    (":day", string(lease.on_day)),
                    (":fits", fits(terms.total)),
                    (":chunk", number(lease.chunk)),
                ];
                let mut update = if account.on_day == lease.on_day {
                    condition.push_str(" AND on_day = :day AND day_reserved <= :day_fits");
                    values.push((":day_fits", fits(terms.daily)));
                    "SET reserved = reserved + :chunk, day_reserved = day_reserved + :chunk"
                        .to_owned()
                } else {
                    condition.push_str(" AND on_day < :day");
                    values.push((":none", number(0)));
                    "SET reserved = reserved + :chunk, on_day = :day, day_reserved = :chunk, \
                     day_counted = :none"
                        .to_owned()
                };
                if let Some(leased_to) = leased_to {
                    // No two leases use the same allowance.
                    match account.leased_to {
                        Some(before) => {
                            condition.push_str(" AND leased_to = :leased_before");
                            values.push((":leased_before", string(before)));
                        }
                        None => condition.push_str(" AND attribute_not_exists(leased_to)"),
                    }
                    update.push_str(", leased_to = :leased_to");
                    values.push((":leased_to", string(leased_to)));
                }
                update.push_str(" REMOVE expires_at");
                transaction.update_if(&key, &update, &condition, values)?
            }
        };
        transaction.commit().await
    }
}

/// Returns the lease that the account allows.
fn grant<'a>(
    account: Option<&'a Account>,
    terms: &'a Terms,
    wanted: u32,
    id: u64,
    lives: Lives,
    now: Instant,
) -> Result<Grant<'a>, Refusal> {
    let on_day = terms.zone.wall_time(now).day;
    let (mut reserved, mut day_reserved, mut live) = (0, 0, 0);
    if let Some(account) = account {
        if account.phase != Phase::Leasing {
            return Err(Refusal::NotLeasing(account.leases_from));
        }
        if account.basis != terms.basis() || account.on_day > on_day {
            return Err(Refusal::Elsewhen);
        }
        reserved = account.reserved;
        live = account.live();
        if account.on_day == on_day {
            day_reserved = account.day_reserved;
        }
    }
    let left = |limit: Option<u64>, reserved: u64| {
        limit.map(|limit| most_leased(terms, limit).saturating_sub(reserved))
    };
    let left_total = left(terms.total, reserved);
    let left_today = left(terms.daily, day_reserved);
    let left = [left_total, left_today].into_iter().flatten().min();
    let left = left.unwrap_or(u64::MAX);
    if left == 0 {
        return Err(Refusal::Spent);
    }
    let tokens_per_unit = account.map_or(1, |account| account.tokens_per_unit).max(1);
    let used = Used {
        total: reserved,
        today: day_reserved,
    };
    let leased_to = account.and_then(|account| account.leased_to);
    let allowance = Allowance::of(terms, used, live, leased_to, now);
    let allowed = allowance.map_or(u64::MAX, |allowance| allowance.units(now));
    if let Some(allowance) = allowance.filter(|_| allowed == 0) {
        return Err(Refusal::Paced(allowance.next_at()));
    }
    let part = match terms.pricing.is_by_impression() {
        true => (left / PART).max(1),
        false => (left / PART_OF_CLICKS).max(PART_OF_CLICKS),
    };
    let wanted = wanted.div_ceil(tokens_per_unit);
    let chunk = u64::from(wanted).min(part).min(left).min(allowed).max(1);
    let life = match allowance {
        Some(_) => lives.lease.min(SPREAD_LEASE),
        None => lives.lease,
    };
    let serve_until = (now + life).min(terms.zone.day_ends_at(now));
    let tokens = chunk.saturating_mul(tokens_per_unit.into());
    Ok(Grant {
        before: account,
        terms,
        lease: Lease {
            campaign: terms.campaign,
            id,
            chunk,
            tokens: if tokens > chunk { tokens } else { 0 },
            used: 0,
            on_day,
            serve_until,
            lapses_at: serve_until + lives.token,
        },
        leased_to: allowance.map(|allowance| allowance.after(chunk)),
    })
}

/// Returns how many units may be leased or counted within a limit.
fn most_leased(terms: &Terms, limit: u64) -> u64 {
    match terms.pricing.is_by_impression() {
        true => limit,
        false => limit.saturating_add(SLACK),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Whether a transaction failed for another write, so that it may succeed after another look.
fn met_another(error: &StoreError) -> bool {
    error.is_conflict() || matches!(error, StoreError::Throttled { .. })
}

const fn condition_of_day(same_day: bool) -> &'static str {
    if same_day {
        "on_day = :day"
    } else {
        "on_day <> :day"
    }
}
