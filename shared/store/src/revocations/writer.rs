//! Changes to the list, in the transaction that they belong to.

use domain::Instant;

use super::{Change, RevocationList};
use crate::{
    StoreError, Table, Transaction, keys,
    query::Read,
    table::{ABSENT, number, pause},
};

/// How often a change is tried that others get in before.
const ROUNDS: u32 = 8;

/// The list, for whoever changes it.
#[derive(Debug, Clone)]
pub struct Revocations {
    table: Table,
}

/// The next version of the list, to be written with what it follows from.
#[derive(Debug)]
pub struct RevocationWrite {
    table: Table,
    before: u64,
    after: RevocationList,
}

impl Revocations {
    /// Takes the Members table.
    pub fn new(members: Table) -> Self {
        Self { table: members }
    }

    /// Makes a change together with whatever `write` writes: it adds the [`RevocationWrite`] to its
    /// transaction. Where another change got in before, and nothing was written therefore, `write` is
    /// called again with a fresh one.
    pub async fn together_with<T, F>(
        &self,
        change: &Change,
        now: Instant,
        mut write: impl FnMut(RevocationWrite) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut list = self.list(Read::Consistent).await?;
        for round in 1.. {
            let before = list.version;
            let next = RevocationWrite {
                table: self.table.clone(),
                before,
                after: list.changed(change, now),
            };
            match write(next).await {
                Err(error) if error.is_conflict() && round < ROUNDS => {
                    pause(round).await;
                    list = self.list(Read::Consistent).await?;
                    // It was not for the list that nothing was written.
                    if list.version == before {
                        return Err(error);
                    }
                }
                outcome => return outcome,
            }
        }
        Err(self.table.conflict("TransactWriteItems"))
    }

    /// Makes a change of its own.
    pub async fn change(&self, change: &Change, now: Instant) -> Result<(), StoreError> {
        self.together_with(change, now, |write| async move {
            let transaction = write.add(Transaction::new(&self.table))?;
            transaction.commit().await
        })
        .await
    }

    pub(super) async fn list(&self, read: Read) -> Result<RevocationList, StoreError> {
        let list = self.table.get(&keys::revocations(), read).await?;
        Ok(list.unwrap_or_default())
    }
}

impl RevocationWrite {
    /// Adds the write to a transaction, which fails if the list is not what it was.
    pub fn add<'t>(&self, transaction: Transaction<'t>) -> Result<Transaction<'t>, StoreError> {
        let item = self.table.encode(&keys::revocations(), &self.after)?;
        let condition = match self.before {
            0 => return transaction.put_into(&self.table, item, ABSENT, []),
            before => [(":before", number(before))],
        };
        transaction.put_into(&self.table, item, "version = :before", condition)
    }
}
