//! Entries of the log, in the transaction that they belong to.

use domain::Instant;

use super::{Change, log};
use crate::{StoreError, Table, Transaction, table::Item};

/// The log, for whoever adds to it.
#[derive(Debug, Clone)]
pub struct Revocations {
    table: Table,
}

/// An entry, to be written with what it follows from.
#[derive(Debug, Clone)]
pub struct RevocationWrite {
    table: Table,
    item: Item,
}

impl Revocations {
    /// Takes the Members table.
    pub fn new(members: Table) -> Self {
        Self { table: members }
    }

    /// Returns the entry of a change at `now`.
    pub fn entry(&self, change: &Change, now: Instant) -> Result<RevocationWrite, StoreError> {
        // Bans are ordered by their members' standings; nothing else needs an order.
        let order = u64::try_from(now.as_millis()).unwrap_or_default();
        Ok(RevocationWrite {
            table: self.table.clone(),
            item: log::entry(&self.table, change, order, now)?,
        })
    }

    /// Makes a change together with whatever `write` writes: it adds the [`RevocationWrite`] to its
    /// transaction.
    pub async fn together_with<T, F>(
        &self,
        change: &Change,
        now: Instant,
        write: impl FnOnce(RevocationWrite) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        write(self.entry(change, now)?).await
    }

    /// Makes a change of its own. Making it again changes nothing.
    pub async fn change(&self, change: &Change, now: Instant) -> Result<(), StoreError> {
        self.table.put(self.entry(change, now)?.item).await?;
        Ok(())
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }
}

impl RevocationWrite {
    /// Adds the entry to a transaction.
    pub fn add<'t>(&self, transaction: Transaction<'t>) -> Result<Transaction<'t>, StoreError> {
        transaction.put_always_into(&self.table, self.item.clone())
    }
}
