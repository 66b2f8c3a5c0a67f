//! Identities: what a member signs in with, at most one of a provider.

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use domain::{
    Instant,
    identity::{Ban, Challenge, IdentityHash, MemberId, Provider, Subject},
};
use subtle::ConstantTimeEq;

use super::{
    MemberRecord, Members, UnlinkEntry,
    change::Tries,
    identity_items::{IdentityItem, Owner},
};
use crate::{
    Stamp, StoreError,
    blobs::sha256,
    keys,
    query::{Range, Read},
    table::string,
    transaction::Transaction,
};

/// An identity that somebody proved to have.
#[derive(Debug, Clone, Copy)]
pub struct NewIdentity<'a> {
    /// Who vouches for it.
    pub provider: Provider,
    /// Whom they vouch for.
    pub subject: &'a Subject,
    /// A guest's secret. Its hash is stored with a new guest; a guest who is known must have it.
    pub guest_secret: Option<&'a str>,
    /// Keyed hashes of the identity, by which a ban that outlived a member is found.
    pub hashes: &'a [IdentityHash],
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
    /// SHA-256 of a guest's secret, in hexadecimal.
    pub secret_sha256: Option<String>,
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
    /// It was a banned member's, who is gone.
    Banned(Box<Ban>),
    /// The challenge was used before: the proof may be a copy.
    ChallengeUsed,
    /// There is no such member, or no more.
    NotThere,
}

/// What came of unlinking an identity.
#[derive(Debug, Clone, PartialEq)]
pub enum Unlinking {
    /// It is theirs no more. The entry of the outbox is there where the provider must be called.
    Unlinked {
        /// The identity.
        identity: LinkedIdentity,
        /// The entry.
        entry: Option<Box<UnlinkEntry>>,
    },
    /// It is the last that they could sign in with.
    LastIdentity,
    /// The member has this ban: an identity that were free could sign in without it.
    Banned(Box<Ban>),
    /// They have none of that provider, or there is no such member.
    NotThere,
}

/// Returns the SHA-256 of a guest's secret as it is stored, in hexadecimal.
pub fn secret_sha256(secret: &str) -> String {
    sha256(secret.as_bytes())
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

    /// Whose identity that is, if it has been theirs since `at` or longer.
    pub async fn owner_since(
        &self,
        (provider, subject): (Provider, &Subject),
        at: Instant,
    ) -> Result<Option<MemberId>, StoreError> {
        let Some(member) = self.owner(provider, subject).await? else {
            return Ok(None);
        };
        let item = self.identity(member, provider).await?;
        let linked = item.filter(|item| item.subject == *subject && item.linked_at <= at);
        Ok(linked.map(|_| member))
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
        let same =
            |known: String| bool::from(known.as_bytes().ct_eq(secret_sha256(secret).as_bytes()));
        Ok(known.is_some_and(same))
    }

    /// Adds that this is still the secret of the guest that a member is: a transfer replaces it.
    pub fn check_guest_secret<'t>(
        &self,
        transaction: Transaction<'t>,
        member: MemberId,
        guest: &Subject,
        secret: &str,
    ) -> Result<Transaction<'t>, StoreError> {
        transaction.check(
            &keys::member_identity(member, Provider::Guest),
            "subject = :guest AND secret_sha256 = :secret",
            [
                (":guest", string(guest)),
                (":secret", string(secret_sha256(secret))),
            ],
        )
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
                if own.stamp == stamp {
                    return Ok(Linking::Linked(before.record));
                }
                if !self.spend(challenge, stamp).await? {
                    return Ok(Linking::ChallengeUsed);
                }
                return Ok(match own.subject == *identity.subject {
                    true => Linking::AlreadyYours(before.record),
                    false => Linking::OtherOfProvider,
                });
            }
            let owner = self.owner(identity.provider, identity.subject).await?;
            // Between the two looks it may have become the member's own.
            let gone = match owner.filter(|other| *other != member) {
                Some(other) => {
                    let other = self.owner_record(other).await?;
                    if !other.record.member.is_gone(now) {
                        return Ok(Linking::TakenBy(other.id()));
                    }
                    Some(other)
                }
                None => None,
            };
            if let Some(ban) = self.ban_of_gone(gone.as_ref(), identity, now).await? {
                return Ok(match self.spend(challenge, stamp).await? {
                    true => Linking::Banned(Box::new(ban)),
                    false => Linking::ChallengeUsed,
                });
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
            let transaction =
                self.put_identity(transaction, member, (identity, gone.as_ref()), stamp, now)?;
            let transaction = self.use_challenge(transaction, challenge)?;
            let own = transaction.len();
            if tries.commit(&self.table, with(transaction)?, own).await {
                return Ok(Linking::Linked(after.record));
            }
        }
    }

    /// Takes an identity from a member who has another one to sign in with. Its provider is to be
    /// called: an entry of the outbox is stored with it.
    pub async fn unlink<'t>(
        &'t self,
        member: MemberId,
        provider: Provider,
        stamp: Stamp,
        now: Instant,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Unlinking, StoreError> {
        let any = |_: &IdentityItem| true;
        let entry = |identity: &LinkedIdentity| {
            let has_call = identity.provider.has_unlink_call();
            has_call.then(|| UnlinkEntry::of_unlinked(identity, stamp, now))
        };
        self.unlink_where((member, provider), any, entry, stamp, now, with)
            .await
    }

    /// Takes an identity from a member because its provider ended the connection at `ended_at`, so that
    /// it needs no call. [`Unlinking::NotThere`] where the member has another identity of that provider
    /// by now, or linked this one again since.
    pub async fn unlink_ended<'t>(
        &'t self,
        member: MemberId,
        (provider, subject, ended_at): (Provider, &Subject, Instant),
        stamp: Stamp,
        now: Instant,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Unlinking, StoreError> {
        let this_one = |item: &IdentityItem| item.subject == *subject && item.linked_at <= ended_at;
        self.unlink_where((member, provider), this_one, |_| None, stamp, now, with)
            .await
    }

    async fn unlink_where<'t>(
        &'t self,
        (member, provider): (MemberId, Provider),
        chosen: impl Fn(&IdentityItem) -> bool,
        entry_for: impl Fn(&LinkedIdentity) -> Option<UnlinkEntry>,
        stamp: Stamp,
        now: Instant,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Unlinking, StoreError> {
        let mut tries = Tries::default();
        let mut last = None;
        loop {
            let Some(before) = self.present(member).await? else {
                return Ok(Unlinking::NotThere);
            };
            if let Some(unlinked) = last.take().filter(|_| before.has_stamp(stamp)) {
                return Ok(unlinked);
            }
            let item = self.identity(member, provider).await?;
            let Some(item) = item.filter(|item| chosen(item)) else {
                return Ok(Unlinking::NotThere);
            };
            if before.record.identities <= 1 {
                return Ok(Unlinking::LastIdentity);
            }
            if let Some(ban) = before.record.member.held_ban(now) {
                return Ok(Unlinking::Banned(Box::new(ban.clone())));
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
            let identity = self.linked(item)?;
            let entry = entry_for(&identity);
            let transaction = match &entry {
                Some(entry) => self.put_unlink(transaction, entry)?,
                None => transaction,
            };
            let unlinked = Unlinking::Unlinked {
                identity,
                entry: entry.map(Box::new),
            };
            if tries.commit(&self.table, with(transaction)?, own).await {
                return Ok(unlinked);
            }
            last = Some(unlinked);
        }
    }

    /// Stores the provider's refresh token of an identity that the member still has.
    pub async fn store_provider_token(
        &self,
        member: MemberId,
        (provider, subject): (Provider, &Subject),
        token: &[u8],
    ) -> Result<(), StoreError> {
        let stored = self
            .table
            .update(
                &keys::member_identity(member, provider),
                "SET provider_token = :token",
                Some("subject = :subject"),
                [
                    (":token", string(STANDARD.encode(token))),
                    (":subject", string(subject)),
                ],
            )
            .await;
        match stored {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }
}
