//! Leases: taken, and given back.

use std::time::Duration;

use domain::{Day, Instant, pacing::Terms};
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
const PART: u64 = 64;

/// Units of a budget that one instance may give out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The campaign's key.
    pub campaign: u64,
    /// Its name, which tokens carry.
    pub id: u64,
    /// How many units.
    pub chunk: u64,
    /// How many of them were counted.
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
}

/// A lease that can be had, and what the account says before.
struct Grant<'a> {
    before: Option<&'a Account>,
    terms: &'a Terms,
    lease: Lease,
}

impl Lease {
    /// Whether it can be given back at `now`: nothing more will be counted under it.
    pub fn has_lapsed(&self, now: Instant) -> bool {
        self.lapses_at + SETTLE_MARGIN <= now
    }
}

impl Budgets {
    /// Takes a lease called `id` of up to `wanted` units.
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
            let lease = match grant(account.as_ref(), terms, wanted, id, lives, now) {
                Ok(lease) => lease,
                Err(refusal) => return Ok(Taken::Refused(refusal)),
            };
            let grant = Grant {
                before: account.as_ref(),
                terms,
                lease,
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
            let unused = lease.chunk.saturating_sub(lease.used);
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

    /// Gives back units of a lease for which no token was given out.
    pub async fn give_back(&self, lease: &Lease, unused: u64) -> Result<(), StoreError> {
        for same_day in [true, false] {
            let update = if same_day {
                "SET reserved = reserved - :unused, day_reserved = day_reserved - :unused"
            } else {
                "SET reserved = reserved - :unused"
            };
            let given = Transaction::new(&self.table)
                .update_if(
                    &keys::lease(lease.campaign, lease.id),
                    "SET chunk = chunk - :unused",
                    "chunk = :chunk",
                    [(":unused", number(unused)), (":chunk", number(lease.chunk))],
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
                    ..Account::new(terms, Phase::Leasing, lease.on_day)
                };
                let account = self.table.encode(&key, &account)?;
                transaction.put_if(account, ABSENT, [])?
            }
            Some(account) => {
                let fits = |limit: Option<u64>| {
                    number(limit.unwrap_or(u64::MAX).saturating_sub(lease.chunk))
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
                let update = if account.on_day == lease.on_day {
                    condition.push_str(" AND on_day = :day AND day_reserved <= :day_fits");
                    values.push((":day_fits", fits(terms.daily)));
                    "SET reserved = reserved + :chunk, day_reserved = day_reserved + :chunk \
                     REMOVE expires_at"
                } else {
                    condition.push_str(" AND on_day < :day");
                    values.push((":none", number(0)));
                    "SET reserved = reserved + :chunk, on_day = :day, day_reserved = :chunk, \
                     day_counted = :none REMOVE expires_at"
                };
                transaction.update_if(&key, update, &condition, values)?
            }
        };
        transaction.commit().await
    }
}

/// The lease that the account allows.
fn grant(
    account: Option<&Account>,
    terms: &Terms,
    wanted: u32,
    id: u64,
    lives: Lives,
    now: Instant,
) -> Result<Lease, Refusal> {
    let on_day = terms.zone.wall_time(now).day;
    let (mut reserved, mut day_reserved) = (0, 0);
    if let Some(account) = account {
        if account.phase != Phase::Leasing {
            return Err(Refusal::NotLeasing(account.leases_from));
        }
        if account.basis != terms.basis() || account.on_day > on_day {
            return Err(Refusal::Elsewhen);
        }
        reserved = account.reserved;
        if account.on_day == on_day {
            day_reserved = account.day_reserved;
        }
    }
    let left_total = terms.total.map(|limit| limit.saturating_sub(reserved));
    let left_today = terms.daily.map(|limit| limit.saturating_sub(day_reserved));
    let left = [left_total, left_today].into_iter().flatten().min();
    let left = left.unwrap_or(u64::MAX);
    if left == 0 {
        return Err(Refusal::Spent);
    }
    let serve_until = (now + lives.lease).min(terms.zone.day_ends_at(now));
    Ok(Lease {
        campaign: terms.campaign,
        id,
        chunk: u64::from(wanted).min(left / PART).max(1),
        used: 0,
        on_day,
        serve_until,
        lapses_at: serve_until + lives.token,
    })
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
