//! Identities: what a member signs in with, at most one of a provider.

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use domain::{
    Instant,
    identity::{Challenge, MemberId, Provider, Subject},
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{MemberRecord, Members, change::Tries, item::Kept};
use crate::{
    Stamp, StoreError,
    blobs::sha256,
    keys,
    query::{Range, Read},
    table::{ABSENT, string},
    transaction::Transaction,
};

/// An identity that somebody proved to have.
#[derive(Debug, Clone, Copy)]
pub struct NewIdentity<'a> {
    /// Who vouches for it.
    pub provider: Provider,
    /// Whom they vouch for.
    pub subject: &'a Subject,
    /// A guest's secret, of which the hash is kept.
    pub guest_secret: Option<&'a str>,
    /// The provider's refresh token, encrypted by whoever has the key.
    pub provider_token: Option<&'a [u8]>,
}

/// An identity of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedIdentity {
    /// Who vouches for it.
    pub provider: Provider,
    /// Whom they vouch for.
    pub subject: Subject,
    /// Since when it is theirs.
    pub linked_at: Instant,
    /// The provider's refresh token, encrypted.
    pub provider_token: Option<Vec<u8>>,
}

/// What came of linking an identity.
#[derive(Debug, Clone, PartialEq)]
pub enum Linking {
    /// It is theirs now.
    Linked(MemberRecord),
    /// It was theirs before.
    AlreadyYours(MemberRecord),
    /// They have another one of that provider.
    OtherOfProvider,
    /// It is another member's.
    TakenBy(MemberId),
    /// The challenge was used before: the proof may be a copy.
    ChallengeUsed,
    /// There is no such member, or no more.
    NotThere,
}

/// What came of unlinking an identity.
#[derive(Debug, Clone, PartialEq)]
pub enum Unlinking {
    /// It is theirs no more. Its provider may want to be told.
    Unlinked(LinkedIdentity),
    /// It is the last that they could sign in with.
    LastIdentity,
    /// They have none of that provider, or there is no such member.
    NotThere,
}

/// A member's identity as it is kept with them.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct IdentityItem {
    provider: Provider,
    pub(super) subject: Subject,
    linked_at: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_sha256: Option<String>,
    /// In base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider_token: Option<String>,
    /// Whose write this is; a link ticket names it.
    pub(super) stamp: Stamp,
}

/// Whose an identity is.
#[derive(Serialize, Deserialize)]
struct Owner {
    member_id: MemberId,
}

impl Members {
    /// Whose identity that is.
    pub async fn owner(
        &self,
        provider: Provider,
        subject: &Subject,
    ) -> Result<Option<MemberId>, StoreError> {
        let key = keys::identity(provider, subject);
        let owner: Option<Owner> = self.table.get(&key, Read::Consistent).await?;
        Ok(owner.map(|owner| owner.member_id))
    }

    /// A member's identities.
    pub async fn identities(&self, member: MemberId) -> Result<Vec<LinkedIdentity>, StoreError> {
        let (least, greatest) = keys::MEMBER_IDENTITIES;
        let range = Range {
            between: Some((least.to_owned(), greatest.to_owned())),
            ..Range::all(keys::member(member), Read::Consistent)
        };
        let items: Vec<IdentityItem> = self.table.query_all(&range).await?;
        items.into_iter().map(|item| self.linked(item)).collect()
    }

    /// Whether that is the secret of a guest; compared in a time that does not tell how alike they
    /// are.
    pub async fn knows_guest(&self, guest: &Subject, secret: &str) -> Result<bool, StoreError> {
        let Some(member) = self.owner(Provider::Guest, guest).await? else {
            return Ok(false);
        };
        let item = self.identity(member, Provider::Guest).await?;
        let known = item
            .filter(|item| item.subject == *guest)
            .and_then(|item| item.secret_sha256);
        let same = |known: String| {
            bool::from(known.as_bytes().ct_eq(sha256(secret.as_bytes()).as_bytes()))
        };
        Ok(known.is_some_and(same))
    }

    /// Gives a member an identity that they proved to have.
    pub async fn link<'t>(
        &'t self,
        member: MemberId,
        identity: &NewIdentity<'_>,
        challenge: Option<&Challenge>,
        stamp: Stamp,
        now: Instant,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Linking, StoreError> {
        let mut tries = Tries::default();
        loop {
            let Some(before) = self.present(member).await? else {
                return Ok(Linking::NotThere);
            };
            let own = self.identity(member, identity.provider).await?;
            if let Some(own) = own {
                return Ok(if own.subject != *identity.subject {
                    Linking::OtherOfProvider
                } else if own.stamp == stamp {
                    Linking::Linked(before.record)
                } else {
                    Linking::AlreadyYours(before.record)
                });
            }
            if let Some(other) = self.owner(identity.provider, identity.subject).await? {
                // Between the two looks it may have become the member's own.
                if other != member {
                    return Ok(Linking::TakenBy(other));
                }
            }
            if let Some(challenge) = challenge
                && tries.any()
                && self.is_used(challenge).await?
            {
                return Ok(Linking::ChallengeUsed);
            }
            tries.proceed()?;
            let mut after = before.next(stamp);
            after.record.identities += 1;
            let transaction = Transaction::new(&self.table);
            let transaction = self.put_member(transaction, &before, &after)?;
            let transaction = self.put_identity(transaction, member, identity, stamp, now)?;
            let transaction = self.use_challenge(transaction, challenge)?;
            let own = transaction.len();
            if tries.commit(&self.table, with(transaction)?, own).await {
                return Ok(Linking::Linked(after.record));
            }
        }
    }

    /// Takes an identity from a member who has another one to sign in with.
    pub async fn unlink<'t>(
        &'t self,
        member: MemberId,
        provider: Provider,
        stamp: Stamp,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Unlinking, StoreError> {
        let mut tries = Tries::default();
        let mut last = None;
        loop {
            let Some(before) = self.present(member).await? else {
                return Ok(Unlinking::NotThere);
            };
            if let Some(unlinked) = last.take().filter(|_| before.stamp == stamp) {
                return Ok(Unlinking::Unlinked(unlinked));
            }
            let Some(item) = self.identity(member, provider).await? else {
                return Ok(Unlinking::NotThere);
            };
            if before.record.identities <= 1 {
                return Ok(Unlinking::LastIdentity);
            }
            tries.proceed()?;
            let mut after = before.next(stamp);
            after.record.identities -= 1;
            let transaction = Transaction::new(&self.table);
            let transaction = self.put_member(transaction, &before, &after)?;
            let transaction = self.take_identity(transaction, member, &item)?.delete_if(
                &keys::identity(provider, &item.subject),
                "member_id = :member",
                [(":member", string(member))],
            )?;
            let own = transaction.len();
            let unlinked = self.linked(item)?;
            if tries.commit(&self.table, with(transaction)?, own).await {
                return Ok(Unlinking::Unlinked(unlinked));
            }
            last = Some(unlinked);
        }
    }

    /// A member's identity of a provider, as it is kept.
    pub(super) async fn identity(
        &self,
        member: MemberId,
        provider: Provider,
    ) -> Result<Option<IdentityItem>, StoreError> {
        let key = keys::member_identity(member, provider);
        self.table.get(&key, Read::Consistent).await
    }

    /// Adds an identity that nobody has, to a member who has none of its provider.
    pub(super) fn put_identity<'t>(
        &'t self,
        transaction: Transaction<'t>,
        member: MemberId,
        identity: &NewIdentity<'_>,
        stamp: Stamp,
        now: Instant,
    ) -> Result<Transaction<'t>, StoreError> {
        let item = IdentityItem {
            provider: identity.provider,
            subject: identity.subject.clone(),
            linked_at: now,
            secret_sha256: identity
                .guest_secret
                .map(|secret| sha256(secret.as_bytes())),
            provider_token: identity.provider_token.map(|token| STANDARD.encode(token)),
            stamp,
        };
        let transaction = self.give_identity(transaction, member, &item)?;
        let key = keys::identity(identity.provider, identity.subject);
        let owner = Owner { member_id: member };
        let owner = self.table.encode(&key, &owner)?;
        transaction.put_if(owner, ABSENT, [])
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
    fn take_identity<'t>(
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

    /// Keeps the provider's refresh token of a later sign-in, if there is one.
    pub(super) fn renew_provider_token<'t>(
        &'t self,
        transaction: Transaction<'t>,
        member: MemberId,
        identity: &NewIdentity<'_>,
    ) -> Result<Transaction<'t>, StoreError> {
        let Some(token) = identity.provider_token else {
            return Ok(transaction);
        };
        transaction.update_if(
            &keys::member_identity(member, identity.provider),
            "SET provider_token = :token",
            "subject = :subject",
            [
                (":token", string(STANDARD.encode(token))),
                (":subject", string(identity.subject)),
            ],
        )
    }

    /// A member who was not forgotten.
    pub(super) async fn present(&self, member: MemberId) -> Result<Option<Kept>, StoreError> {
        let kept = self.kept(member).await?;
        Ok(kept.filter(|kept| kept.record.member.withdrawn_at.is_none()))
    }

    fn linked(&self, item: IdentityItem) -> Result<LinkedIdentity, StoreError> {
        let token = item.provider_token.map(|token| STANDARD.decode(token));
        Ok(LinkedIdentity {
            provider: item.provider,
            subject: item.subject,
            linked_at: item.linked_at,
            provider_token: token
                .transpose()
                .map_err(|e| StoreError::corrupt(self.table.name(), e))?,
        })
    }
}
