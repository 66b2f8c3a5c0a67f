//! Budgets: accounts, the leases that instances take of them, and the delivery
//! that every instance reads.
//!
//! # Why it is exact
//!
//! A unit is what is paid for: an impression, a click, a conversion. Of impressions all that follows is
//! exact; see below for the others. Far from its end a campaign goes out *openly*, held by a probability
//! alone; near it, an instance gives out a token only for a unit of a *lease* that it holds. For a
//! campaign under leases these hold at every moment:
//!
//! 1. `counted + Σ chunk of live leases = reserved ≤ limit`. A lease is taken by one transaction that
//!    adds its chunk to `reserved` where that stays within the limit, and puts the lease. It is given
//!    back by one transaction that deletes it, as it was read, and moves what was used of it to
//!    `counted` and the rest out of `reserved`. The deletion happens once, so that happens once.
//! 2. `used ≤ chunk` for each lease: a mark is counted by a transaction that puts the mark and adds one
//!    to `used` where that is below `chunk`. A lease that is gone counts nothing. Such marks are kept
//!    as `over_cap`, and never billed.
//! 3. `counted` covers all that was counted outside of live leases. A campaign that was open ends it in
//!    three steps: its account is *closing*, and says from when on leases can be had: when the last
//!    delivery that called it open is too old for any instance to go by, and the last token given out
//!    by it has expired; when the totals are as new as that and no lease is live, `counted` is set to
//!    the totals, and the campaign is under leases. No account is ever called open in a delivery before
//!    it is open itself, so where there is no account, nothing was ever given out openly, and the first
//!    lease makes it.
//!
//! By 1–3, impressions counted ≤ `counted` + Σ `used` ≤ `reserved` ≤ limit, whatever instances do: one
//! that is killed or frozen holds back at most its leases, until they lapse. The daily limit holds in
//! the same way: no lease is served beyond the end of its day, and each is counted in the day it was
//! taken in.
//!
//! # Clicks and conversions
//!
//! They are capped exactly where they are billed, so leases only bound how many are given away: those
//! that come after the budget's end. A token for which a click may still come takes a part of a unit:
//! [`Account::tokens_per_unit`] tokens one, by a cautious estimate from the counts, and a whole one
//! while nothing is known. A lease has units and as many tokens as these allow; a click counts under it
//! up to its tokens. So what is counted and what is expected of tokens that are out come to no more
//! than the limit and some clicks of slack. If every token brings a click, no more than these are given
//! away; if suddenly more do than before, at most `tokens_per_unit` times the units that are leased.
//! Conversions come up to days after their impression, when its lease has lapsed: they use no lease,
//! and accounts learn of them from the totals.
//!
//! # The plan
//!
//! A budget that is spread over its flight is leased at the rate of its plan
//! ([`domain::pacing::Allowance`]): the account notes up to when that is used up, in the transaction of
//! the lease. So the rate holds over all instances, and whatever the demand.
//!
//! # Beyond
//!
//! Only totals are needed, not which mark came under a lease: between two rests without live leases
//! everything that is counted is counted under leases. Should the totals tell more than the account
//! knows of all the same (a backup was restored, a campaign had other terms before), it is raised to
//! them, and the difference is told as `budget_drift`.
//!
//! When the database cannot be asked there are no new leases; when nobody publishes deliveries they go
//! stale, and all that may be out openly is what the tokens of the last few minutes allow.
//!
//! Actions on the Budgets table: leases GetItem, PutItem, UpdateItem; the reader of deliveries GetItem
//! and s3:GetObject; the worker GetItem, Query, PutItem, UpdateItem, DeleteItem, s3:GetObject and
//! s3:PutObject.

mod accounts;
mod delivery;
mod holder;
mod leases;
mod settings;
pub(crate) mod usage;

use crate::Table;

pub use self::{
    accounts::{Account, Phase},
    delivery::{Deliveries, DeliveryReader, Turn},
    holder::{Leases, Taking},
    leases::{Lease, Lives, Refusal, Taken},
    settings::BudgetSettings,
};

/// Accounts and leases.
#[derive(Debug, Clone)]
pub struct Budgets {
    table: Table,
}

impl Budgets {
    /// Takes the Budgets table.
    pub fn new(budgets: Table) -> Self {
        Self { table: budgets }
    }
}
