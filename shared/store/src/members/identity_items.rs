//! An identity as it lies in the table, in two items: with its member, and by its subject.

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use domain::{
    Instant,
    identity::{Ban, MemberId, Provider, Subject},
};
use serde::{Deserialize, Serialize};

use super::{LinkedIdentity, Members, NewIdentity, item::Kept, secret_sha256};
use crate::{
    Stamp, StoreError, keys,
    query::Read,
    table::{ABSENT, string},
    transaction::Transaction,
};

/// A member's identity as it is kept with them.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct IdentityItem {
    provider: Provider,
    pub(super) subject: Subject,
    pub(super) linked_at: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret_sha256: Option<String>,
    /// In base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider_token: Option<String>,
    /// Whose write this is; a link ticket names it.
    pub(super) stamp: Stamp,
}

/// Whose an identity is.
#[derive(Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) member_id: MemberId,
}

impl Members {
    /// A member's identity of a provider, as it is kept.
    pub(super) async fn identity(
        &self,
        member: MemberId,
        provider: Provider,
    ) -> Result<Option<IdentityItem>, StoreError> {
        let key = keys::member_identity(member, provider);
        self.table.get(&key, Read::Consistent).await
    }

    /// Adds an identity that nobody has, to a member who has none of its provider. From a member who
    /// is `gone` it is taken, and they are closed for good: their purge finds an identity that is
    /// theirs no more.
    pub(super) fn put_identity<'t>(
        &'t self,
        transaction: Transaction<'t>,
        member: MemberId,
        (identity, gone): (&NewIdentity<'_>, Option<&Kept>),
        stamp: Stamp,
        now: Instant,
    ) -> Result<Transaction<'t>, StoreError> {
        let item = IdentityItem {
            provider: identity.provider,
            subject: identity.subject.clone(),
            linked_at: now,
            secret_sha256: identity.guest_secret.map(secret_sha256),
            provider_token: None,
            stamp,
        };
        let transaction = self.give_identity(transaction, member, &item)?;
        let key = keys::identity(identity.provider, identity.subject);
        let owner = Owner { member_id: member };
        let owner = self.table.encode(&key, &owner)?;
        let Some(gone) = gone else {
            return transaction.put_if(owner, ABSENT, []);
        };
        let mut closed = gone.clone();
        closed.change_standing(stamp);
        closed.record.member.withdrawn_at.get_or_insert(now);
        let still_theirs = [(":gone", string(gone.id()))];
        let transaction = transaction.put_if(owner, "member_id = :gone", still_theirs)?;
        self.put_standing(transaction, gone, &closed)
    }

    /// Returns the ban that an identity has from a member who is gone, whether or not they were
    /// purged.
    pub(super) async fn ban_of_gone(
        &self,
        gone: Option<&Kept>,
        identity: &NewIdentity<'_>,
        now: Instant,
    ) -> Result<Option<Ban>, StoreError> {
        match gone {
            Some(gone) => Ok(gone.record.member.held_ban(now).cloned()),
            None => self.retained_ban(identity.hashes, now).await,
        }
    }

    /// Adds one to those of a member who has none of its provider.
    fn give_identity<'t>(
        &'t self,
        transaction: Transaction<'t>,
        member: MemberId,
        item: &IdentityItem,
    ) -> Result<Transaction<'t>, StoreError> {
        let key = keys::member_identity(member, item.provider);
        transaction.put_if(self.table.encode(&key, item)?, ABSENT, [])
    }

    /// Takes one from those of a member who has it.
    pub(super) fn take_identity<'t>(
        &'t self,
        transaction: Transaction<'t>,
        member: MemberId,
        item: &IdentityItem,
    ) -> Result<Transaction<'t>, StoreError> {
        let key = keys::member_identity(member, item.provider);
        transaction.delete_if(&key, "stamp = :stamp", [(":stamp", string(item.stamp))])
    }

    /// Moves one from a member to another, who has none of its provider.
    pub(super) fn move_identity<'t>(
        &'t self,
        transaction: Transaction<'t>,
        from: MemberId,
        to: MemberId,
        item: &IdentityItem,
        stamp: Stamp,
        now: Instant,
    ) -> Result<Transaction<'t>, StoreError> {
        let transaction = self.take_identity(transaction, from, item)?;
        let moved = IdentityItem {
            linked_at: now,
            stamp,
            ..item.clone()
        };
        self.give_identity(transaction, to, &moved)?.update_if(
            &keys::identity(item.provider, &item.subject),
            "SET member_id = :to",
            "member_id = :from",
            [(":to", string(to)), (":from", string(from))],
        )
    }

    pub(super) fn linked(&self, item: IdentityItem) -> Result<LinkedIdentity, StoreError> {
        let token = item.provider_token.map(|token| STANDARD.decode(token));
        Ok(LinkedIdentity {
            provider: item.provider,
            subject: item.subject,
            linked_at: item.linked_at,
            secret_sha256: item.secret_sha256,
            provider_token: token
                .transpose()
                .map_err(|e| StoreError::corrupt(self.table.name(), e))?,
        })
    }
}
