//! Bans: who may not come in.

use domain::{
    Instant,
    identity::{Ban, MemberId},
};

use super::{MemberRecord, Members, change::Plan};
use crate::{Stamp, StoreError, transaction::Transaction};

impl Members {
    /// Keeps a member out, whatever ban there was before. `None`: there is no such member.
    pub async fn ban<'t>(
        &'t self,
        member: MemberId,
        ban: &Ban,
        stamp: Stamp,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Option<MemberRecord>, StoreError> {
        let plan = |_: &_, after: &mut super::item::Kept, transaction| {
            after.record.member.ban = Some(ban.clone());
            Ok(Plan::Write(transaction, after.record.clone()))
        };
        self.change(member, stamp, plan, with).await
    }

    /// Lets a member in again; where no ban holds, nothing is written. `None`: there is no such
    /// member.
    pub async fn unban<'t>(
        &'t self,
        member: MemberId,
        stamp: Stamp,
        now: Instant,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Option<MemberRecord>, StoreError> {
        let plan = |before: &super::item::Kept, after: &mut super::item::Kept, transaction| {
            if before.record.member.held_ban(now).is_none() {
                return Ok(Plan::Nothing(before.record.clone()));
            }
            after.record.member.ban = None;
            Ok(Plan::Write(transaction, after.record.clone()))
        };
        self.change(member, stamp, plan, with).await
    }
}
