//! Withdrawal: a member's wish to be forgotten, and their coming back in time.

use std::time::Duration;

use domain::{
    Instant,
    identity::{MemberId, Withdrawal},
};
use serde::{Deserialize, Serialize};

use super::{
    MemberRecord, Members,
    change::{Part, Plan, UNCHANGED},
    item::Kept,
};
use crate::{Stamp, StoreError, keys, table::number, transaction::Transaction};

/// What came of wishing to be forgotten.
#[derive(Debug, Clone, PartialEq)]
pub enum Withdrawing {
    /// It is written down.
    Begun(MemberRecord),
    /// It was before, and the time that was told then stands.
    Pending(MemberRecord),
}

/// What came of wishing to stay.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelling {
    /// They stay.
    Cancelled(MemberRecord),
    /// They never wished to go.
    NotPending(MemberRecord),
    /// They have no identity to come back with: they must link one first.
    NoIdentity,
    /// The grace is over.
    TooLate,
}

/// What the purge finds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DueItem {
    pub(super) member: MemberId,
    pub(super) purge_at: Instant,
}

impl Members {
    /// Writes down that a member is to be forgotten after `grace`. `None`: there is no such member,
    /// or no more.
    pub async fn withdraw<'t>(
        &'t self,
        member: MemberId,
        grace: Duration,
        stamp: Stamp,
        now: Instant,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Option<Withdrawing>, StoreError> {
        let withdrawal = Withdrawal {
            requested_at: now,
            purge_at: now + grace,
        };
        let plan = |before: &Kept, after: &mut Kept, transaction| {
            if before.record.member.withdrawal.is_some() {
                let pending = Withdrawing::Pending(before.record.clone());
                return Ok(Plan::Nothing(pending));
            }
            let transaction = self.begin_withdrawal(transaction, after, withdrawal)?;
            let begun = Withdrawing::Begun(after.record.clone());
            Ok(Plan::Write(transaction, begun))
        };
        self.change(member, Part::Standing, stamp, plan, with).await
    }

    /// A member stays, if their grace is not over. `None`: there is no such member, or no more.
    pub async fn cancel_withdrawal<'t>(
        &'t self,
        member: MemberId,
        stamp: Stamp,
        now: Instant,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Option<Cancelling>, StoreError> {
        let plan = |before: &Kept, after: &mut Kept, transaction: Transaction<'t>| {
            let Some(withdrawal) = before.record.member.withdrawal else {
                let not_pending = Cancelling::NotPending(before.record.clone());
                return Ok(Plan::Nothing(not_pending));
            };
            if withdrawal.purge_at <= now {
                return Ok(Plan::Nothing(Cancelling::TooLate));
            }
            if before.record.identities == 0 {
                return Ok(Plan::Nothing(Cancelling::NoIdentity));
            }
            after.record.member.withdrawal = None;
            // That there is an identity to come back with must still hold.
            let transaction = transaction
                .check(
                    &keys::member_record(member),
                    UNCHANGED,
                    [(":version", number(before.profile.version))],
                )?
                .delete(&keys::withdrawal(withdrawal.purge_at, member))?;
            let cancelled = Cancelling::Cancelled(after.record.clone());
            Ok(Plan::Write(transaction, cancelled))
        };
        self.change(member, Part::Standing, stamp, plan, with).await
    }

    /// Adds that a member is to be forgotten to their standing, which is still to be written, and for
    /// the purge to find.
    pub(super) fn begin_withdrawal<'t>(
        &'t self,
        transaction: Transaction<'t>,
        member: &mut Kept,
        withdrawal: Withdrawal,
    ) -> Result<Transaction<'t>, StoreError> {
        member.record.member.withdrawal = Some(withdrawal);
        let purge_at = withdrawal.purge_at;
        let due = DueItem {
            member: member.id(),
            purge_at,
        };
        let key = keys::withdrawal(purge_at, member.id());
        transaction.put(self.table.encode(&key, &due)?)
    }
}
