//! Members: who they are, what they sign in with, their sessions, and how all of it is forgotten.
//!
//! Nothing is kept of a token, and of a secret only its hash. A member has two items: one with what
//! the member writes, one with their standing ([`item`]). Each counts its changes; every write about
//! a member is conditional on these counts, or on an item that the change would have taken away, so
//! that two that happen at once are as two that happen one after the other.
//!
//! Whoever changes a member names the write with a [`Stamp`](crate::Stamp): a write whose answer was lost is known
//! again by it. Where a method takes `with`, it adds writes to the method's transaction (an audit
//! record), and is called again for each try; `Ok` adds nothing. If it is one of those writes whose
//! condition does not hold, the method ends in [`StoreError::Conflict`], and nothing was written.
//!
//! Actions on the Members table: GetItem; for lists Query; for changes PutItem, UpdateItem,
//! DeleteItem and ConditionCheckItem; for the purge also BatchWriteItem.

mod bans;
mod change;
mod consents;
mod deletion_requests;
mod devices;
mod events;
mod exports;
mod identities;
mod identity_items;
mod item;
mod profile;
mod purge;
mod reading;
mod search;
mod security_events;
mod sessions;
mod sign_in;
mod standing;
mod tickets;
mod transfer;
mod unlink_outbox;
mod withdrawal;

use domain::{
    Instant,
    identity::{Member, MemberId, Session, SessionId},
};
use futures_util::future;

use self::item::Kept;
pub use self::{
    deletion_requests::{DeletionRequest, DeletionState},
    devices::DeviceSharing,
    events::ToldEvent,
    exports::{Document, Export},
    identities::{LinkedIdentity, Linking, NewIdentity, Unlinking, secret_sha256},
    profile::{Availability, NICKNAME_HELD, NICKNAME_KEPT, ProfileChange, Updating},
    purge::{Due, Purge, PurgeStep, Remains},
    sessions::{MOST_SESSIONS, Refresh},
    sign_in::{Entered, NewSession, Newcomer, SignIn, SignedIn},
    tickets::{Choice, Entrance, Resolution, TICKET_LIFETIME, Ticket},
    transfer::{NewTransferCode, Transfer, Transferring},
    unlink_outbox::{DueUnlinks, UNLINK_PATIENCE, UnlinkCursor, UnlinkEntry},
    withdrawal::{Cancelling, Withdrawing},
};
use crate::{StoreError, Table, keys, query::Read};

/// A member and what the store knows of them beside.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberRecord {
    /// The member.
    pub member: Member,
    /// What they are called, as they write it.
    pub nickname: Option<String>,
    /// Since when.
    pub nickname_changed_at: Option<Instant>,
    /// How many identities they can sign in with.
    pub identities: u32,
}

/// The Members table.
#[derive(Debug, Clone)]
pub struct Members {
    table: Table,
}

impl Members {
    /// Takes the Members table.
    pub fn new(members: Table) -> Self {
        Self { table: members }
    }

    /// A member as they are now, be it that only a tombstone is left of them.
    pub async fn member(&self, id: MemberId) -> Result<Option<MemberRecord>, StoreError> {
        Ok(self.kept(id).await?.map(|kept| kept.record))
    }

    /// A member and one of their sessions as they are now. A session that is over is none.
    pub async fn standing(
        &self,
        id: MemberId,
        session: SessionId,
    ) -> Result<Option<(MemberRecord, Option<Session>)>, StoreError> {
        let (kept, session) =
            Box::pin(future::try_join(self.kept(id), self.session(id, session))).await?;
        Ok(kept.map(|Kept { record, .. }| {
            let live = session.filter(|session| !record.member.has_ended(session));
            (record, live)
        }))
    }

    /// A member who was not forgotten.
    async fn present(&self, id: MemberId) -> Result<Option<Kept>, StoreError> {
        let kept = self.kept(id).await?;
        Ok(kept.filter(|kept| kept.record.member.withdrawn_at.is_none()))
    }

    async fn kept(&self, id: MemberId) -> Result<Option<Kept>, StoreError> {
        let (record, standing) = (keys::member_record(id), keys::member_standing(id));
        let (item, standing) = future::try_join(
            self.table.get(&record, Read::Consistent),
            self.table.get(&standing, Read::Consistent),
        )
        .await?;
        item.map(|item| Kept::read(&self.table, id, item, standing))
            .transpose()
    }
}
