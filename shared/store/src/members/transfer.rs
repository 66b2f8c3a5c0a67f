//! Transfer codes: a guest moves to another phone, and leaves the old one.
//!
//! Of a code its hash is stored, under its first letters. Each try is counted before the code is
//! compared, so that any number of concurrent tries compares no more than [`TransferCode::TRIES`]. A
//! member has at most one code: a new one replaces the one before.

use domain::{
    Instant,
    identity::{Ban, MemberId, Provider, SessionTerms, Subject, TransferCode},
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{Entered, Members, NewSession, change::Tries};
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
    /// The code is unknown, expired, used, or was tried too often.
    Invalid,
    /// The member is banned. The code stays valid.
    Banned(Box<Ban>),
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
            let identities = self.identities(member).await?;
            let guest_only = identities
                .iter()
                .all(|identity| identity.provider == Provider::Guest);
            if identities.is_empty() || !guest_only {
                return Ok(NewTransferCode::NotGuest);
            }
            tries.proceed()?;
            let transaction = self
                .check_present(Transaction::new(&self.table), &before)?
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
            let Some(identity) = self.identity(member, Provider::Guest).await? else {
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
                return Ok(Transferring::Entered(Box::new(entered), identity.subject));
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
            let later = others.split_off(others.len().min(ENDED_AT_ONCE));
            let mut transaction = self
                .check_present(Transaction::new(&self.table), &kept)?
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
                        (":secret", string(sha256(transfer.guest_secret.as_bytes()))),
                        (":subject", string(&identity.subject)),
                    ],
                )?;
            for other in &others {
                transaction = transaction.delete(&keys::session(member, other.id))?;
            }
            let transaction = self.put_session(transaction, &entered.session, transfer.terms)?;
            let own = transaction.len();
            let transaction = with(transaction, &entered, &identity.subject)?;
            if tries.commit(&self.table, transaction, own).await {
                self.end_each(later).await?;
                return Ok(Transferring::Entered(Box::new(entered), identity.subject));
            }
        }
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
