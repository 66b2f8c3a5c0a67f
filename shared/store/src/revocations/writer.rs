//! Entries of the log, in the transaction that they belong to.

use domain::Instant;

use super::{Change, log};
use crate::{StoreError, Table, Transaction, table::Item};

/// The order of an entry that has none: entries about bans are ordered by their members' standings, and
/// those of one order by their time.
const UNORDERED: u64 = 0;

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

    /// Returns the entry of a change at `now`, which must be the time of its write: verifiers do not
    /// look for entries whose time is more than a minute past.
    pub fn entry(&self, change: &Change, now: Instant) -> Result<RevocationWrite, StoreError> {
        Ok(RevocationWrite {
            table: self.table.clone(),
            item: log::entry(&self.table, change, UNORDERED, now)?,
        })
    }

    /// Makes a change of its own at `now`, as [`entry`](Self::entry) does. Making it again changes
    /// nothing.
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
