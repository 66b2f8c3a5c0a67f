//! What is used of a lease, counted in the transaction of the impression that uses it.
//!
//! Actions on the Budgets table: UpdateItem.

use crate::{StoreError, Table, keys, table::number, transaction::Transaction};

/// Adds that one unit of a lease is used. The transaction is refused where the lease is not there,
/// because it was settled, or used up: however many were served under it, no more count than it has.
pub(crate) fn use_one<'a>(
    transaction: Transaction<'a>,
    budgets: &'a Table,
    campaign: u64,
    lease: u64,
) -> Result<Transaction<'a>, StoreError> {
    transaction.on(budgets).update_if(
        &keys::lease(campaign, lease),
        "ADD used :one",
        "attribute_exists(pk) AND used < chunk",
        [(":one", number(1))],
    )
}
