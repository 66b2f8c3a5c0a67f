//! How a member is changed: read, decided on, and written if nobody else did in between.

use domain::identity::MemberId;

use super::{Members, item::Kept};
use crate::{
    Stamp, StoreError, Table,
    table::{ABSENT, number, pause},
    transaction::{Attempt, Transaction},
};

/// How often what met another write is tried again.
const ROUNDS: u32 = 8;

/// What becomes of a change once the member was looked at.
pub(super) enum Plan<'t, R> {
    /// These are written, the member among them, with this outcome.
    Write(Transaction<'t>, R),
    /// Nothing is: this is why.
    Nothing(R),
}

/// The tries of one write.
#[derive(Debug, Default)]
pub(super) struct Tries {
    round: u32,
    error: Option<StoreError>,
}

impl Tries {
    /// Whether there was one, so that it may have been answered by a failure of its own success.
    pub(super) fn any(&self) -> bool {
        self.round > 0 || self.error.is_some()
    }

    /// After a look that has not shown the write to have happened: whether there is another try.
    pub(super) fn proceed(&mut self) -> Result<(), StoreError> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// Commits; `false` sends the caller to look again. The first `own` writes are the caller's own:
    /// where a condition of theirs does not hold, it may hold of what is looked at next.
    pub(super) async fn commit(
        &mut self,
        table: &Table,
        transaction: Transaction<'_>,
        own: usize,
    ) -> bool {
        let (error, again) = match transaction.attempt().await {
            Ok(Attempt::Done) => return true,
            Ok(Attempt::Refused(found)) => (
                table.conflict("TransactWriteItems"),
                found.iter().take(own).any(Option::is_some),
            ),
            Err(error) => {
                let met_another = matches!(error, StoreError::Throttled { .. });
                (error, met_another)
            }
        };
        if again && self.round < ROUNDS {
            self.round += 1;
            pause(self.round).await;
        } else {
            self.error = Some(error);
        }
        false
    }
}

impl Members {
    /// Changes a member by `plan`, which is given the member as they are and a copy to change, and
    /// adds whatever else is to be written. `None`: there is no such member, or no more.
    pub(super) async fn change<'t, R>(
        &'t self,
        id: MemberId,
        stamp: Stamp,
        mut plan: impl FnMut(&Kept, &mut Kept, Transaction<'t>) -> Result<Plan<'t, R>, StoreError>,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Option<R>, StoreError> {
        let mut tries = Tries::default();
        let mut last = None;
        loop {
            let kept = self.kept(id).await?;
            let Some(before) = kept.filter(|kept| kept.record.member.withdrawn_at.is_none()) else {
                return Ok(None);
            };
            if let Some(outcome) = last.take().filter(|_| before.stamp == stamp) {
                return Ok(Some(outcome));
            }
            tries.proceed()?;
            let mut after = before.next(stamp);
            let transaction = Transaction::new(&self.table);
            let (transaction, outcome) = match plan(&before, &mut after, transaction)? {
                Plan::Write(transaction, outcome) => (transaction, outcome),
                Plan::Nothing(outcome) => return Ok(Some(outcome)),
            };
            let transaction = self.put_member(transaction, &before, &after)?;
            let own = transaction.len();
            if tries.commit(&self.table, with(transaction)?, own).await {
                return Ok(Some(outcome));
            }
            last = Some(outcome);
        }
    }

    /// The member's item, where nobody changed it since it was read.
    pub(super) fn put_member<'t>(
        &'t self,
        transaction: Transaction<'t>,
        before: &Kept,
        after: &Kept,
    ) -> Result<Transaction<'t>, StoreError> {
        transaction.put_if(
            after.write(&self.table)?,
            UNCHANGED,
            [(":version", number(before.version()))],
        )
    }

    /// A new member's item.
    pub(super) fn put_newcomer<'t>(
        &'t self,
        transaction: Transaction<'t>,
        newcomer: &Kept,
    ) -> Result<Transaction<'t>, StoreError> {
        transaction.put_if(newcomer.write(&self.table)?, ABSENT, [])
    }
}

/// Holds where a member's item has the `:version` that was read.
pub(super) const UNCHANGED: &str = "version = :version";
