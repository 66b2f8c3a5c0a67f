//! Transfer codes: a guest moves to another phone, and leaves the old one.
//!
//! Of a code its hash is stored, under its first letters. Each try is counted before the code is
//! compared, so that any number of concurrent tries compares no more than [`TransferCode::TRIES`]. A
//! member has at most one code: a new one replaces the one before.

use domain::{
    Instant,
    identity::{Ban, MemberId, Provider, Session, SessionTerms, Subject, TransferCode},
};
use kit::problem::Chain;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{
    Entered, LinkedIdentity, Members, NewSession,
    change::{Tries, UNCHANGED},
    item::Kept,
    secret_sha256,
};
use crate::{
    Stamp, StoreError,
    blobs::sha256,
    keys,
    query::Read,
    table::{ABSENT, number, string},
    transaction::Transaction,
};

/// How many sessions end in the transaction itself; a transaction takes 100 writes.
const ENDED_AT_ONCE: usize = 80;

/// The outcome of making a transfer code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewTransferCode {
    /// It is stored, and valid until then.
    Made(Instant),
    /// The member has another identity than a guest's.
    NotGuest,
    /// There is no such member, or no longer.
    NotThere,
}

/// A transfer code that somebody presents.
#[derive(Debug, Clone, Copy)]
pub struct Transfer<'a> {
    /// The code.
    pub code: &'a TransferCode,
    /// The session that they get.
    pub session: &'a NewSession,
    /// How long the session lasts.
    pub terms: &'a SessionTerms,
    /// The guest's secret from now on, of which the hash is stored. The one before ends.
    pub guest_secret: &'a str,
}

/// The outcome of presenting a transfer code.
#[derive(Debug, Clone, PartialEq)]
pub enum Transferring {
    /// They are signed in as this guest, and nowhere else.
    Entered(Box<Entered>, Subject),
    /// The code is unknown, expired, used, or was tried too often, or its member has another identity
    /// than a guest's by now.
    Invalid,
    /// The member is banned. The code stays valid.
    Banned(Box<Ban>),
}

/// The guest's identity of a member.
struct Guest {
    subject: Subject,
    /// Whether the member has no other identity.
    is_alone: bool,
}

#[derive(Serialize, Deserialize)]
struct CodeItem {
    member_id: MemberId,
    code_sha256: String,
    /// How often a code with these first letters was presented.
    tries: u32,
    /// In milliseconds, unlike the table's own attribute.
    good_until: Instant,
}

/// The member's side of a code, by which the next one and the purge find it.
#[derive(Serialize, Deserialize)]
struct OwnCode {
    handle: String,
    /// The write that made it.
    stamp: Stamp,
}

impl Members {
    /// Makes a transfer code of a member whose one identity is a guest's.
    pub async fn make_transfer_code<'t>(
        &'t self,
        member: MemberId,
        code: &TransferCode,
        stamp: Stamp,
        now: Instant,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<NewTransferCode, StoreError> {
        let expires_at = TransferCode::expires_at(now);
        let (own_key, handle) = (keys::member_transfer_code(member), code.handle());
        let key = keys::transfer_code(&handle);
        let item = CodeItem {
            member_id: member,
            code_sha256: sha256(code.text().as_bytes()),
            tries: 0,
            good_until: expires_at,
        };
        let own = OwnCode { handle, stamp };
        let mut tries = Tries::default();
        loop {
            let before = self.present(member).await?;
            let before = before.filter(|before| !before.record.member.is_gone(now));
            let Some(before) = before else {
                return Ok(NewTransferCode::NotThere);
            };
            let last: Option<OwnCode> = self.table.get(&own_key, Read::Consistent).await?;
            if last.as_ref().is_some_and(|last| last.stamp == stamp) {
                return Ok(NewTransferCode::Made(expires_at));
            }
            if self
                .guest(member)
                .await?
                .is_none_or(|guest| !guest.is_alone)
            {
                return Ok(NewTransferCode::NotGuest);
            }
            tries.proceed()?;
            let transaction = self
                .check_unchanged(Transaction::new(&self.table), &before)?
                .put(self.table.encode_until(&own_key, &own, expires_at)?)?
                .put_if(
                    self.table.encode_until(&key, &item, expires_at)?,
                    ABSENT,
                    [],
                )?;
            let transaction = match last {
                Some(last) if last.handle != own.handle => {
                    transaction.delete(&keys::transfer_code(&last.handle))?
                }
                _ => transaction,
            };
            let writes = transaction.len();
            if tries.commit(&self.table, with(transaction)?, writes).await {
                return Ok(NewTransferCode::Made(expires_at));
            }
        }
    }

    /// Moves a guest to another device: the code is used up, the guest's secret replaced, every other
    /// session ended, and a session begun, all in one transaction. `with` adds writes about the
    /// outcome; it is called for each try.
    pub async fn transfer<'t>(
        &'t self,
        transfer: &Transfer<'_>,
        now: Instant,
        mut with: impl FnMut(Transaction<'t>, &Entered, &Subject) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Transferring, StoreError> {
        let Some(item) = self.presented(transfer.code, now).await? else {
            return Ok(Transferring::Invalid);
        };
        let (member, key) = (item.member_id, keys::transfer_code(&transfer.code.handle()));
        let mut tries = Tries::default();
        loop {
            let kept = self.present(member).await?;
            let kept = kept.filter(|kept| !kept.record.member.is_gone(now));
            let Some(kept) = kept else {
                return Ok(Transferring::Invalid);
            };
            let Some(Guest { subject, is_alone }) = self.guest(member).await? else {
                return Ok(Transferring::Invalid);
            };
            let session = transfer.session.begin(&kept.record.member, now);
            let begun = self.session(member, session.id).await?;
            let entered = Entered {
                member: kept.record.clone(),
                session,
                created: false,
            };
            if begun.is_some() {
                self.end_latecomers(&entered.session, now).await;
                return Ok(Transferring::Entered(Box::new(entered), subject));
            }
            if !is_alone {
                return Ok(Transferring::Invalid);
            }
            if let Some(ban) = kept.record.member.held_ban(now) {
                return Ok(Transferring::Banned(Box::new(ban.clone())));
            }
            let used = tries.any() && self.table.get_item(&key, Read::Consistent).await?.is_none();
            if used {
                return Ok(Transferring::Invalid);
            }
            tries.proceed()?;
            let mut others = self.all_sessions(member, now).await?;
            let surplus = others.split_off(others.len().min(ENDED_AT_ONCE));
            // Nothing may fail once the guest's new secret is stored: its caller would never learn it. No
            // member has so many sessions that are not about to end anyway.
            self.end_each(surplus).await?;
            let mut transaction = self
                .check_unchanged(Transaction::new(&self.table), &kept)?
                .delete_if(
                    &key,
                    "code_sha256 = :code",
                    [(":code", string(&item.code_sha256))],
                )?
                .delete(&keys::member_transfer_code(member))?
                .update_if(
                    &keys::member_identity(member, Provider::Guest),
                    "SET secret_sha256 = :secret",
                    "subject = :subject",
                    [
                        (":secret", string(secret_sha256(transfer.guest_secret))),
                        (":subject", string(&subject)),
                    ],
                )?;
            for other in &others {
                transaction = transaction.delete(&keys::session(member, other.id))?;
            }
            let transaction = self.put_session(transaction, &entered.session, transfer.terms)?;
            let own = transaction.len();
            let transaction = with(transaction, &entered, &subject)?;
            if tries.commit(&self.table, transaction, own).await {
                self.end_latecomers(&entered.session, now).await;
                return Ok(Transferring::Entered(Box::new(entered), subject));
            }
        }
    }

    /// Ends the sessions that began with the former secret between the look at the sessions and the
    /// transfer; none begins with it afterwards. The transfer is done whether or not this succeeds.
    async fn end_latecomers(&self, session: &Session, now: Instant) {
        let ended = async {
            let mut others = self.all_sessions(session.member, now).await?;
            others.retain(|other| other.id != session.id);
            self.end_each(others).await
        };
        if let Err(error) = ended.await {
            tracing::warn!(error = %Chain(&error), "sessions of the former device not ended");
        }
    }

    /// The guest that a member is.
    async fn guest(&self, member: MemberId) -> Result<Option<Guest>, StoreError> {
        let identities = self.identities(member).await?;
        let is_alone = identities.len() == 1;
        let mut identities = identities.into_iter();
        let guest = identities.find(|identity| identity.provider == Provider::Guest);
        Ok(guest.map(|LinkedIdentity { subject, .. }| Guest { subject, is_alone }))
    }

    /// Writes nothing of a member, and everything else only while neither they nor their standing
    /// changed since they were read: linking an identity changes the member.
    fn check_unchanged<'t>(
        &self,
        transaction: Transaction<'t>,
        kept: &Kept,
    ) -> Result<Transaction<'t>, StoreError> {
        let version = [(":version", number(kept.profile.version))];
        let key = keys::member_record(kept.id());
        let transaction = transaction.check(&key, UNCHANGED, version)?;
        self.check_standing(transaction, kept)
    }

    /// Counts a try, and returns what is stored of the code if it is the right one and valid.
    async fn presented(
        &self,
        code: &TransferCode,
        now: Instant,
    ) -> Result<Option<CodeItem>, StoreError> {
        let key = keys::transfer_code(&code.handle());
        let counted = self
            .table
            .update(
                &key,
                "ADD tries :one",
                Some("attribute_exists(pk) AND tries < :most"),
                [(":one", number(1)), (":most", number(TransferCode::TRIES))],
            )
            .await;
        match counted {
            Err(error) if error.is_conflict() => return Ok(None),
            counted => counted?,
        };
        let item: Option<CodeItem> = self.table.get(&key, Read::Consistent).await?;
        let hash = sha256(code.text().as_bytes());
        let right = |item: &CodeItem| {
            bool::from(item.code_sha256.as_bytes().ct_eq(hash.as_bytes())) && now < item.good_until
        };
        Ok(item.filter(right))
    }

    /// Deletes a member's transfer code.
    pub(super) async fn purge_transfer_code(&self, member: MemberId) -> Result<(), StoreError> {
        let own_key = keys::member_transfer_code(member);
        let own: Option<OwnCode> = self.table.get(&own_key, Read::Consistent).await?;
        let Some(own) = own else {
            return Ok(());
        };
        let code = keys::transfer_code(&own.handle);
        self.delete_own(&code, member).await?;
        self.table.delete_all(vec![own_key]).await
    }
}
