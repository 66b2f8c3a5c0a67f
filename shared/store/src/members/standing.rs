//! Bans: who may not come in. A ban is one transaction of its own items (the standing, and whatever
//! `with` adds) and one entry of the revocation log, so that bans of different members never wait for
//! each other.

use domain::{
    Instant,
    identity::{Ban, MemberId},
};

use super::{
    MemberRecord, Members,
    change::{Part, Plan},
    item::Kept,
};
use crate::{
    Stamp, StoreError,
    revocations::{Change, log},
    transaction::Transaction,
};

impl Members {
    /// Bans a member, whatever ban there was before. `None`: there is no such member.
    pub async fn ban<'t>(
        &'t self,
        member: MemberId,
        ban: &Ban,
        stamp: Stamp,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Option<MemberRecord>, StoreError> {
        let change = Change::Ban {
            member,
            message: ban.message.clone(),
            ends_at: ban.ends_at,
        };
        let plan = |_: &Kept, after: &mut Kept, transaction| {
            after.record.member.ban = Some(ban.clone());
            let transaction = self.revoke(transaction, after, &change, ban.since)?;
            Ok(Plan::Write(transaction, after.record.clone()))
        };
        self.change(member, Part::Standing, stamp, plan, with).await
    }

    /// Lifts a member's ban; where no ban holds, nothing is written. `None`: there is no such member.
    pub async fn unban<'t>(
        &'t self,
        member: MemberId,
        stamp: Stamp,
        now: Instant,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Option<MemberRecord>, StoreError> {
        let plan = |before: &Kept, after: &mut Kept, transaction| {
            if before.record.member.held_ban(now).is_none() {
                return Ok(Plan::Nothing(before.record.clone()));
            }
            after.record.member.ban = None;
            let transaction = self.revoke(transaction, after, &Change::Lift(member), now)?;
            Ok(Plan::Write(transaction, after.record.clone()))
        };
        self.change(member, Part::Standing, stamp, plan, with).await
    }

    /// Adds an entry to the revocation log, ordered by the standing's version: of two operators who
    /// ban and unban at once, the log tells the same one last as the standing does.
    fn revoke<'t>(
        &'t self,
        transaction: Transaction<'t>,
        after: &Kept,
        change: &Change,
        now: Instant,
    ) -> Result<Transaction<'t>, StoreError> {
        let order = after.standing.map_or(0, |revision| revision.version);
        transaction.put(log::entry(&self.table, change, order, now)?)
    }
}
