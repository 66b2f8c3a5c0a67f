//! Bans that outlive their members: the purge stores the ban under a keyed hash of each identity, and
//! a sign-in with one of them finds it. A ban with an end expires with it.

use std::time::Duration;

use domain::{
    Instant,
    identity::{Ban, IdentityHash, MemberId},
};
use serde::{Deserialize, Serialize};

use super::{MemberRecord, Members, Purge, change::Tries};
use crate::{
    Stamp, StoreError, keys,
    query::Read,
    table::{ABSENT, Item},
    transaction::Transaction,
};

/// The ban of an identity, as JSON text.
#[derive(Serialize, Deserialize)]
struct BannedIdentity {
    ban: String,
}

/// The hashes under which a purged member's ban is stored, for an operator who lifts it.
#[derive(Serialize, Deserialize)]
struct BannedIdentities {
    ban: String,
    hashes: Vec<String>,
}

impl Members {
    /// Stores the ban that a member who is being purged has at `now`, if any, under the hashes of their
    /// identities. It must be called before the identities are purged; calling it again changes nothing.
    ///
    /// The transaction requires the standing as it was read, so that a ban that an operator lifts at the
    /// same time is not stored.
    pub async fn retain_ban(
        &self,
        purge: &Purge,
        hashes: &[IdentityHash],
        now: Instant,
    ) -> Result<(), StoreError> {
        if hashes.is_empty() {
            return Ok(());
        }
        let key = keys::banned_identities(purge.member());
        let mut tries = Tries::default();
        loop {
            let Some(kept) = self.kept(purge.member()).await? else {
                return Ok(());
            };
            let Some(ban) = kept.record.member.held_ban(now) else {
                return Ok(());
            };
            // A run before has stored it, perhaps for more identities than are left now.
            if self.table.get_item(&key, Read::Consistent).await?.is_some() {
                return Ok(());
            }
            tries.proceed()?;
            let text = serde_json::to_string(ban);
            let text = text.map_err(|e| StoreError::corrupt(self.table.name(), e))?;
            let identities = BannedIdentities {
                ban: text.clone(),
                hashes: hashes.iter().map(ToString::to_string).collect(),
            };
            let list = self.encode_while(&key, &identities, ban.ends_at)?;
            let mut transaction = self
                .check_standing(Transaction::new(&self.table), &kept)?
                .put_if(list, ABSENT, [])?;
            for hash in hashes {
                let banned = BannedIdentity { ban: text.clone() };
                let key = keys::banned_identity(hash);
                transaction = transaction.put(self.encode_while(&key, &banned, ban.ends_at)?)?;
            }
            let own = transaction.len();
            if tries.commit(&self.table, transaction, own).await {
                return Ok(());
            }
        }
    }

    /// Returns the ban that holds at `now` for an identity whose member was purged, by any of the
    /// hashes that the identity has.
    pub async fn retained_ban(
        &self,
        hashes: &[IdentityHash],
        now: Instant,
    ) -> Result<Option<Ban>, StoreError> {
        for hash in hashes {
            let key = keys::banned_identity(hash);
            let stored: Option<BannedIdentity> = self.table.get(&key, Read::Consistent).await?;
            let Some(BannedIdentity { ban }) = stored else {
                continue;
            };
            let ban: Ban = serde_json::from_str(&ban)
                .map_err(|e| StoreError::corrupt(self.table.name(), e))?;
            if ban.holds(now) {
                return Ok(Some(ban));
            }
        }
        Ok(None)
    }

    /// Lifts the ban of a member whose purge has begun or ended: in their standing, from which the
    /// purge stores it, and under the hashes of their identities. `None`: there is no such member, or
    /// their purge has not begun. Where there is no ban, nothing is written.
    pub async fn lift_retained_ban<'t>(
        &'t self,
        member: MemberId,
        stamp: Stamp,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Option<MemberRecord>, StoreError> {
        let key = keys::banned_identities(member);
        let mut tries = Tries::default();
        loop {
            let Some(before) = self.kept(member).await? else {
                return Ok(None);
            };
            if before.record.member.withdrawn_at.is_none() {
                return Ok(None);
            }
            let stored: Option<BannedIdentities> = self.table.get(&key, Read::Consistent).await?;
            if before.record.member.ban.is_none() && stored.is_none() {
                return Ok(Some(before.record));
            }
            tries.proceed()?;
            let mut after = before.clone();
            after.record.member.ban = None;
            after.change_standing(stamp);
            let transaction = Transaction::new(&self.table);
            let mut transaction = self.put_standing(transaction, &before, &after)?;
            transaction = match stored {
                Some(stored) => {
                    let mut hashes = stored.hashes.iter();
                    hashes.try_fold(transaction.delete(&key)?, |transaction, hash| {
                        transaction.delete(&keys::banned_identity_of(hash))
                    })?
                }
                // The purge may store it between the two reads.
                None => transaction.check(&key, ABSENT, [])?,
            };
            let own = transaction.len();
            if tries.commit(&self.table, with(transaction)?, own).await {
                return Ok(Some(after.record));
            }
        }
    }

    fn encode_while<T: Serialize>(
        &self,
        key: &keys::Key,
        value: &T,
        ends_at: Option<Instant>,
    ) -> Result<Item, StoreError> {
        match ends_at {
            // The table forgets by whole seconds, which must not end a ban early.
            Some(ends_at) => self
                .table
                .encode_until(key, value, ends_at + Duration::from_secs(1)),
            None => self.table.encode(key, value),
        }
    }
}
