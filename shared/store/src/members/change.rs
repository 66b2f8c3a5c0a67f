//! How a member is changed: read, decided on, and written if nobody else did in between.

use domain::identity::MemberId;

use super::{Members, item::Kept};
use crate::{
    Stamp, StoreError, Table, keys,
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

/// How often it is tried again where nothing but other writes can be in the way: many at once all
/// have to come through.
const PERSISTENT_ROUNDS: u32 = 14;

/// The tries of one write.
#[derive(Debug)]
pub(super) struct Tries {
    rounds: u32,
    round: u32,
    error: Option<StoreError>,
}

impl Default for Tries {
    fn default() -> Self {
        Self {
            rounds: ROUNDS,
            round: 0,
            error: None,
        }
    }
}

impl Tries {
    /// More of them than usual, for a write that must succeed whatever others write.
    pub(super) fn persistent() -> Self {
        Self {
            rounds: PERSISTENT_ROUNDS,
            ..Self::default()
        }
    }

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
        if again && self.round < self.rounds {
            self.round += 1;
            pause(self.round).await;
        } else {
            self.error = Some(error);
        }
        false
    }
}

impl Members {
    /// Changes a part of a member by `plan`, which is given the member as they are and a copy to
    /// change, and adds whatever else is to be written. `None`: there is no such member, or no more.
    pub(super) async fn change<'t, R>(
        &'t self,
        id: MemberId,
        part: Part,
        stamp: Stamp,
        mut plan: impl FnMut(&Kept, &mut Kept, Transaction<'t>) -> Result<Plan<'t, R>, StoreError>,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Option<R>, StoreError> {
        let mut tries = Tries::default();
        let mut last = None;
        loop {
            let Some(before) = self.present(id).await? else {
                return Ok(None);
            };
            if let Some(outcome) = last.take().filter(|_| before.has_stamp(stamp)) {
                return Ok(Some(outcome));
            }
            tries.proceed()?;
            let mut after = match part {
                Part::Profile => before.next(stamp),
                Part::Standing => {
                    let mut after = before.clone();
                    after.change_standing(stamp);
                    after
                }
            };
            let transaction = Transaction::new(&self.table);
            let (transaction, outcome) = match plan(&before, &mut after, transaction)? {
                Plan::Write(transaction, outcome) => (transaction, outcome),
                Plan::Nothing(outcome) => return Ok(Some(outcome)),
            };
            let transaction = match part {
                Part::Profile => self.put_member(transaction, &before, &after)?,
                Part::Standing => self.put_standing(transaction, &before, &after)?,
            };
            let own = transaction.len();
            if tries.commit(&self.table, with(transaction)?, own).await {
                return Ok(Some(outcome));
            }
            last = Some(outcome);
        }
    }

    /// The member's item, where nobody changed it or the standing since they were read; and the
    /// standing's, if it was changed too.
    pub(super) fn put_member<'t>(
        &'t self,
        transaction: Transaction<'t>,
        before: &Kept,
        after: &Kept,
    ) -> Result<Transaction<'t>, StoreError> {
        let version = [(":version", number(before.profile.version))];
        let transaction = transaction.put_if(after.write(&self.table)?, UNCHANGED, version)?;
        match before.standing == after.standing {
            true => self.check_standing(transaction, before),
            false => self.put_standing(transaction, before, after),
        }
    }

    /// The standing's item, where nobody changed it since it was read.
    pub(super) fn put_standing<'t>(
        &'t self,
        transaction: Transaction<'t>,
        before: &Kept,
        after: &Kept,
    ) -> Result<Transaction<'t>, StoreError> {
        let Some(revision) = after.standing else {
            return Ok(transaction);
        };
        let item = after.write_standing(&self.table, revision)?;
        match before.standing {
            None => transaction.put_if(item, ABSENT, []),
            Some(last) => transaction.put_if(item, UNCHANGED, [(":version", number(last.version))]),
        }
    }

    /// Writes nothing of a member, and everything else only while their standing is as it was read.
    pub(super) fn check_standing<'t>(
        &self,
        transaction: Transaction<'t>,
        kept: &Kept,
    ) -> Result<Transaction<'t>, StoreError> {
        let key = keys::member_standing(kept.id());
        match kept.standing {
            None => transaction.check(&key, ABSENT, []),
            Some(last) => transaction.check(&key, UNCHANGED, [(":version", number(last.version))]),
        }
    }

    /// Writes nothing of a member, and everything else only while they were not purged and their
    /// standing is as it was read.
    pub(super) fn check_present<'t>(
        &self,
        transaction: Transaction<'t>,
        kept: &Kept,
    ) -> Result<Transaction<'t>, StoreError> {
        let key = keys::member_record(kept.id());
        let transaction = transaction.check(&key, NOT_PURGED, [])?;
        self.check_standing(transaction, kept)
    }

    /// Writes nothing of a member, and everything else only while they exist and their purge has not
    /// begun. Writes that follow are to the Members table.
    pub(crate) fn check_open<'t>(
        &'t self,
        transaction: Transaction<'t>,
        id: MemberId,
    ) -> Result<Transaction<'t>, StoreError> {
        transaction
            .on(&self.table)
            .check(&keys::member_record(id), NOT_PURGED, [])?
            .check(&keys::member_standing(id), NOT_CLOSED, [])
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

/// Which of a member's items a change writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// The member's own item.
    Profile,
    /// The standing's item, which is small whatever the member's own is.
    Standing,
}

/// Holds where an item has the `:version` that was read.
pub(super) const UNCHANGED: &str = "version = :version";

/// Holds of the item of a member who is there and of whom more than a tombstone is left.
const NOT_PURGED: &str = "attribute_exists(pk) AND attribute_not_exists(withdrawn_at)";

/// Holds of the standing of a member whose purge has not begun, or who has none yet.
const NOT_CLOSED: &str = "attribute_not_exists(withdrawn_at)";
