//! What is used of a lease, counted in the transaction of the mark that uses it.
//!
//! Actions on the Budgets table: UpdateItem.

use domain::marks::MarkKind;

use crate::{StoreError, Table, keys, table::number, transaction::Transaction};

/// Adds that one unit of a lease is used. The transaction is refused where the lease is not there,
/// because it was settled, or used up: however many were served under it, no more count than it has
/// units, or of clicks, than it has tokens.
pub(crate) fn use_one<'a>(
    transaction: Transaction<'a>,
    budgets: &'a Table,
    campaign: u64,
    lease: u64,
    kind: MarkKind,
) -> Result<Transaction<'a>, StoreError> {
    let condition = match kind {
        MarkKind::Click => "attribute_exists(pk) AND (used < chunk OR used < tokens)",
        MarkKind::Impression | MarkKind::Conversion => "attribute_exists(pk) AND used < chunk",
    };
    transaction.on(budgets).update_if(
        &keys::lease(campaign, lease),
        "ADD used :one",
        condition,
        [(":one", number(1))],
    )
}
