//! Accounts: how much of a budget is given out, and whether leases can be had. Their phases are
//! changed by the pacing worker only.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    Day, Instant,
    pacing::{Terms, Used},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::Budgets;
use crate::{
    StoreError, keys,
    query::{Range, Read},
    table::{ABSENT, number, string},
};

/// How many partitions accounts are spread over: each takes a thousand leases a second.
pub(super) const PARTS: u8 = 16;

/// How long an account is kept after its campaign was withdrawn: a campaign of the same id that is
/// published by then goes on with it.
const RETENTION: Duration = Duration::from_secs(400 * 24 * 3600);

/// How much of a campaign's budget is given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The campaign's key.
    pub campaign: u64,
    /// Whether leases can be had.
    pub phase: Phase,
    /// What its units are: [`Terms::basis`].
    pub basis: String,
    /// Units counted, and those of live leases.
    pub reserved: u64,
    /// Units counted, other than under live leases.
    pub counted: u64,
    /// A day in the campaign's zone.
    pub on_day: Day,
    /// As `reserved`, of that day.
    pub day_reserved: u64,
    /// As `counted`, of that day.
    pub day_counted: u64,
    /// The moment up to which the allowance of a spread budget is used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased_to: Option<Instant>,
    /// Tokens that are given out for a unit: more than one for clicks and conversions, of which not
    /// every impression brings one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub tokens_per_unit: u32,
    /// While it is closing: from when on nothing can be counted that was given out before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leases_from: Option<Instant>,
    /// When it may be forgotten, in seconds since 1970; set once its campaign is withdrawn.
    #[serde(default, skip_serializing)]
    pub expires_at: Option<i64>,
}

/// Whether a campaign goes out openly or under leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Openly. No leases.
    Open,
    /// What went out openly is still coming in. No leases.
    Closing,
    /// Under leases only.
    Leasing,
}

impl Phase {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Leasing => "leasing",
        }
    }
}

impl Account {
    /// The account of a campaign of which nothing was ever given out.
    pub(super) fn new(terms: &Terms, phase: Phase, on_day: Day) -> Self {
        Self {
            campaign: terms.campaign,
            phase,
            basis: terms.basis(),
            reserved: 0,
            counted: 0,
            on_day,
            day_reserved: 0,
            day_counted: 0,
            leased_to: None,
            tokens_per_unit: 1,
            leases_from: None,
            expires_at: None,
        }
    }

    /// Units of live leases.
    pub fn live(&self) -> u64 {
        self.reserved.saturating_sub(self.counted)
    }
}

impl Budgets {
    /// Every account, by campaign key.
    pub async fn accounts(&self) -> Result<HashMap<u64, Account>, StoreError> {
        let parts: Vec<Vec<Account>> = stream::iter(0..PARTS)
            .map(|part| async move {
                let range = Range::all(keys::accounts(part), Read::Consistent);
                self.table.query_all(&range).await
            })
            .buffer_unordered(PARTS.into())
            .try_collect()
            .await?;
        let accounts = parts.into_iter().flatten();
        Ok(accounts
            .map(|account| (account.campaign, account))
            .collect())
    }

    /// The account of a campaign, if there is one.
    pub async fn account(&self, campaign: u64) -> Result<Option<Account>, StoreError> {
        self.table
            .get(&account_key(campaign), Read::Consistent)
            .await
    }

    /// Lets a campaign go out openly: from when this is answered, and not before, a delivery may say
    /// so. `account` is what there is.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the account is no longer as it was read.
    pub async fn open(
        &self,
        account: Option<&Account>,
        terms: &Terms,
        now: Instant,
    ) -> Result<(), StoreError> {
        let key = account_key(terms.campaign);
        let Some(account) = account else {
            let item = Account::new(terms, Phase::Open, terms.zone.wall_time(now).day);
            let item = self.table.encode(&key, &item)?;
            return self.table.put_if(item, ABSENT, []).await;
        };
        let update = "SET phase = :open, basis = :basis REMOVE leases_from, expires_at";
        let values = [
            (":open", string(Phase::Open.as_str())),
            (":basis", string(terms.basis())),
            (":was", string(account.phase.as_str())),
        ];
        let condition = Some("phase = :was");
        self.table.update(&key, update, condition, values).await?;
        Ok(())
    }

    /// Ends a campaign's open time, or the time of its present terms: leases can be had again once
    /// [`Self::begin_leases`] could take stock, which is at `leases_from` at the earliest.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the account is no longer as it was read.
    pub async fn close(
        &self,
        account: Option<&Account>,
        terms: &Terms,
        leases_from: Instant,
        now: Instant,
    ) -> Result<(), StoreError> {
        let key = account_key(terms.campaign);
        let Some(account) = account else {
            let item = Account {
                leases_from: Some(leases_from),
                ..Account::new(terms, Phase::Closing, terms.zone.wall_time(now).day)
            };
            let item = self.table.encode(&key, &item)?;
            return self.table.put_if(item, ABSENT, []).await;
        };
        let update = "SET phase = :closing, leases_from = :from REMOVE expires_at";
        let values = [
            (":closing", string(Phase::Closing.as_str())),
            (":from", string(leases_from)),
            (":was", string(account.phase.as_str())),
        ];
        let condition = Some("phase = :was");
        self.table.update(&key, update, condition, values).await?;
        Ok(())
    }

    /// Takes stock of a closing account and lets leases be had. `used` is what the totals say of a
    /// moment that is not before the account's `leases_from`, and `day` the day it says it of.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the account is no longer as it was read, or leases are live.
    pub async fn begin_leases(
        &self,
        account: &Account,
        terms: &Terms,
        used: Used,
        day: Day,
    ) -> Result<(), StoreError> {
        let update = "SET phase = :leasing, basis = :basis, reserved = :total, counted = :total, \
                      on_day = :day, day_reserved = :today, day_counted = :today \
                      REMOVE leases_from, expires_at";
        let condition = "phase = :closing AND reserved = counted AND leases_from = :from";
        let from = account.leases_from.unwrap_or_default();
        let values = [
            (":leasing", string(Phase::Leasing.as_str())),
            (":closing", string(Phase::Closing.as_str())),
            (":basis", string(terms.basis())),
            (":total", number(used.total)),
            (":today", number(used.today)),
            (":day", string(day)),
            (":from", string(from)),
        ];
        let key = account_key(account.campaign);
        self.table
            .update(&key, update, Some(condition), values)
            .await?;
        Ok(())
    }

    /// Adds units that were counted although no lease of the account knows of them.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where a lease was given back since the account was read: its units
    /// would be added twice.
    pub async fn raise(&self, account: &Account, by: Used) -> Result<(), StoreError> {
        let condition = "phase = :leasing AND counted = :counted AND on_day = :day AND \
                         day_counted = :day_counted";
        let update = "SET reserved = reserved + :total, counted = counted + :total, \
                      day_reserved = day_reserved + :today, day_counted = day_counted + :today";
        let values = [
            (":leasing", string(Phase::Leasing.as_str())),
            (":counted", number(account.counted)),
            (":day", string(account.on_day)),
            (":day_counted", number(account.day_counted)),
            (":total", number(by.total)),
            (":today", number(by.today)),
        ];
        let key = account_key(account.campaign);
        self.table
            .update(&key, update, Some(condition), values)
            .await?;
        Ok(())
    }

    /// Sets how many tokens are given out for a unit by the leases to come.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where there is no account any more.
    pub async fn set_tokens_per_unit(
        &self,
        account: &Account,
        tokens_per_unit: u32,
    ) -> Result<(), StoreError> {
        let values = [(":tokens", number(tokens_per_unit))];
        let key = account_key(account.campaign);
        let update = "SET tokens_per_unit = :tokens";
        let condition = Some("attribute_exists(pk)");
        self.table.update(&key, update, condition, values).await?;
        Ok(())
    }

    /// Lets the account of a withdrawn campaign be forgotten some day.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where leases are live.
    pub async fn retire(&self, account: &Account, now: Instant) -> Result<(), StoreError> {
        let values: [(&str, AttributeValue); 1] = [(":at", number((now + RETENTION).as_seconds()))];
        let key = account_key(account.campaign);
        let condition = Some("reserved = counted");
        self.table
            .update(&key, "SET expires_at = :at", condition, values)
            .await?;
        Ok(())
    }
}

const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_one(number: &u32) -> bool {
    *number == 1
}

pub(super) fn account_key(campaign: u64) -> keys::Key {
    let part = u8::try_from(campaign % u64::from(PARTS)).unwrap_or(0);
    keys::account(part, campaign)
}
