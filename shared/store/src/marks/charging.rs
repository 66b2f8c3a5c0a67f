//! A mark and what it uses up, in one transaction: the mark is put, the device's counters move (those of
//! impressions only) and a unit of the lease is used (by an impression or a click, whichever is paid
//! for), or none of it.
//!
//! The mark is there at most once, so whatever is tried again counts once: a second attempt that
//! meets the first one's mark knows it by its stamp. Where a counter or the lease is at its end the
//! mark is put alone, `over_cap`; counters never go back within their time, so that stays right. An
//! attempt whose answer was lost may still be carried out between the two; then the mark is found,
//! and it is the one that counts.

use std::time::Duration;

use domain::{Instant, caps::Charge};

use super::{Mark, Marks, Outcome, outcome};
use crate::{
    Stamp, StoreError,
    budgets::usage,
    devices::{DEVICE_RETENTION, count, counter},
    keys,
    query::Read,
    table::{ABSENT, Item, has_stamp, is_over, number, pause},
    transaction::{Attempt, Transaction},
};

/// How long an impression is tried to be counted while others are in its way.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long the counter of a day is kept after it last moved. Its day is over before.
const DAY_RETENTION: Duration = Duration::from_secs(2 * 24 * 3600);

impl Marks {
    /// Counts an impression that uses up something.
    pub(super) async fn charge(
        &self,
        mark: &Mark<'_>,
        stamp: Stamp,
    ) -> Result<Outcome, StoreError> {
        let charged = tokio::time::timeout(PATIENCE, self.charge_patiently(mark, stamp)).await;
        charged.unwrap_or_else(|elapsed| {
            Err(StoreError::TimedOut {
                operation: "TransactWriteItems",
                place: self.table.name().to_owned(),
                source: Box::new(elapsed),
            })
        })
    }

    async fn charge_patiently(&self, mark: &Mark<'_>, stamp: Stamp) -> Result<Outcome, StoreError> {
        // Counters whose time is over, though they are still there: they begin anew.
        let mut over = vec![false; mark.charges.len()];
        let mut round = 0;
        loop {
            match self.transaction(mark, stamp, &over)?.attempt().await {
                Ok(Attempt::Done) => return Ok(Outcome::Counted),
                Ok(Attempt::Refused(found)) => {
                    let (own, others) = found.split_first().unwrap_or((&None, &[]));
                    if let Some(there) = own {
                        return Ok(outcome(there, stamp));
                    }
                    if !note_over(&mut over, others, mark.at) {
                        return self.put_over_cap(mark, stamp).await;
                    }
                }
                Err(error @ StoreError::Throttled { .. }) => {
                    tracing::debug!(%error, round, "another impression is being counted");
                    pause(round).await;
                    // What is used up needs no turn.
                    if self.is_at_end(mark).await? {
                        return self.put_over_cap(mark, stamp).await;
                    }
                    round += 1;
                }
                Err(error) if error.is_transient() => {
                    return self.read_back(mark, stamp, error).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn transaction(
        &self,
        mark: &Mark<'_>,
        stamp: Stamp,
        over: &[bool],
    ) -> Result<Transaction<'_>, StoreError> {
        let item = self.item(mark, stamp, false)?;
        let mut transaction = Transaction::new(&self.table).put_if(item, ABSENT, [])?;
        if let Some((device, charges)) = mark.charged() {
            transaction = transaction.on(&self.devices);
            for (charge, over) in charges.iter().zip(over) {
                let key = keys::cap(device, &charge.counter);
                let step = Step::of(charge, *over, mark.at);
                transaction = match step.condition {
                    Some(condition) => {
                        transaction.update_if(&key, &step.update, &condition, step.values)?
                    }
                    None => transaction.update(&key, &step.update, step.values)?,
                };
            }
        }
        match mark.used_lease() {
            Some(lease) => {
                let campaign = mark.token.campaign;
                usage::use_one(transaction, &self.budgets, campaign, lease, mark.kind)
            }
            None => Ok(transaction),
        }
    }

    /// A transaction may be in the way of this single write too.
    async fn put_over_cap(&self, mark: &Mark<'_>, stamp: Stamp) -> Result<Outcome, StoreError> {
        let mut round = 0;
        loop {
            match self.put(mark, stamp, true).await {
                Err(StoreError::Throttled { .. }) => pause(round).await,
                put => return put,
            }
            round += 1;
        }
    }

    /// Whether one of the device's counters is at its end for certain.
    async fn is_at_end(&self, mark: &Mark<'_>) -> Result<bool, StoreError> {
        let Some((device, charges)) = mark.charged() else {
            return Ok(false);
        };
        for charge in charges.iter().filter(|charge| charge.limits.any()) {
            let key = keys::cap(device, &charge.counter);
            let found = self.devices.get_item(&key, Read::Consistent).await?;
            let found = found.filter(|item| !is_over(item, mark.at));
            if found.is_some_and(|item| charge.is_at_end(&count(&item))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What came of an attempt that was not answered; its own error where nothing is to be seen of
    /// it.
    async fn read_back(
        &self,
        mark: &Mark<'_>,
        stamp: Stamp,
        error: StoreError,
    ) -> Result<Outcome, StoreError> {
        let there = self.table.get_item(&mark.key(), Read::Consistent).await?;
        match there {
            Some(there) if has_stamp(&there, stamp) => Ok(outcome(&there, stamp)),
            _ => Err(error),
        }
    }
}

/// Notes which counters are over by what was found against their conditions. `false`: something else
/// stands against the transaction, or nothing new was found.
fn note_over(over: &mut [bool], found: &[Option<Item>], now: Instant) -> bool {
    let mut news = false;
    for (at, found) in found.iter().enumerate() {
        let Some(found) = found else { continue };
        match over.get_mut(at) {
            Some(over) if !*over && is_over(found, now) => {
                *over = true;
                news = true;
            }
            // Another impression has begun it anew.
            Some(over) if *over && !is_over(found, now) => {
                *over = false;
                news = true;
            }
            _ => return false,
        }
    }
    news
}

/// How one counter is moved.
struct Step {
    update: String,
    condition: Option<String>,
    values: Vec<(&'static str, aws_sdk_dynamodb::types::AttributeValue)>,
}

impl Step {
    fn of(charge: &Charge, over: bool, now: Instant) -> Self {
        let retention = match charge.window {
            Some(_) => DAY_RETENTION,
            None => DEVICE_RETENTION,
        };
        let mut values = vec![
            (":one", number(1)),
            (":expires", number((now + retention).as_seconds())),
        ];
        let total = counter::TOTAL;
        if over {
            // Only what counts for ever can be over while it is counted, and it has a total alone.
            values.push((":now", number(now.as_seconds())));
            return Self {
                update: format!("SET {total} = :one, expires_at = :expires"),
                condition: Some("expires_at <= :now".to_owned()),
                values,
            };
        }
        let mut conditions = Vec::new();
        let mut below = |name: &str, value: &'static str, most: Option<u32>| {
            if let Some(most) = most {
                conditions.push(format!(
                    "(attribute_not_exists({name}) OR {name} < {value})"
                ));
                values.push((value, number(most)));
            }
        };
        let limits = charge.limits;
        below(total, ":total", limits.total);
        let mut added = vec![format!("{total} :one")];
        if let Some(window) = charge.window {
            let (hour, minute) = (counter::hour(window.hour), counter::minute(window.minute));
            below(&hour, ":hour", limits.hour);
            below(&minute, ":minute", limits.minute);
            added.extend([format!("{hour} :one"), format!("{minute} :one")]);
        } else {
            conditions.push("(attribute_not_exists(expires_at) OR expires_at > :now)".to_owned());
            values.push((":now", number(now.as_seconds())));
        }
        Self {
            update: format!("SET expires_at = :expires ADD {}", added.join(", ")),
            condition: (!conditions.is_empty()).then(|| conditions.join(" AND ")),
            values,
        }
    }
}
