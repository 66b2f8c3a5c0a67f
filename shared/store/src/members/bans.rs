//! Bans that outlive their members: the purge stores the ban under a keyed hash of each identity, and
//! a sign-in with one of them finds it. A ban with an end expires with it.

use std::time::Duration;

use domain::{
    Instant,
    identity::{Ban, IdentityHash, MemberId},
};
use serde::{Deserialize, Serialize};

use super::{MemberRecord, Members, Purge};
use crate::{
    StoreError, keys,
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
    /// Stores the ban of a member who is being purged under the hashes of their identities. It must
    /// be called before the identities are purged; calling it again changes nothing.
    pub async fn retain_ban(
        &self,
        purge: &Purge,
        ban: &Ban,
        hashes: &[IdentityHash],
    ) -> Result<(), StoreError> {
        if hashes.is_empty() {
            return Ok(());
        }
        let text = serde_json::to_string(ban);
        let text = text.map_err(|e| StoreError::corrupt(self.table.name(), e))?;
        let identities = BannedIdentities {
            ban: text.clone(),
            hashes: hashes.iter().map(ToString::to_string).collect(),
        };
        let key = keys::banned_identities(purge.member());
        let list = self.encode_while(&key, &identities, ban.ends_at)?;
        let mut transaction = Transaction::new(&self.table).put_if(list, ABSENT, [])?;
        for hash in hashes {
            let banned = BannedIdentity { ban: text.clone() };
            let key = keys::banned_identity(hash);
            transaction = transaction.put(self.encode_while(&key, &banned, ban.ends_at)?)?;
        }
        match transaction.commit().await {
            // A run before has stored it, perhaps for more identities than are left now.
            Err(error) if error.is_conflict() => Ok(()),
            stored => stored,
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

    /// Lifts the ban that outlived a member. `None`: there is no such member, or they were not
    /// purged. Where no ban was stored, nothing is written.
    pub async fn lift_retained_ban<'t>(
        &'t self,
        member: MemberId,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Option<MemberRecord>, StoreError> {
        let Some(record) = self.member(member).await? else {
            return Ok(None);
        };
        if record.member.withdrawn_at.is_none() {
            return Ok(None);
        }
        let key = keys::banned_identities(member);
        let stored: Option<BannedIdentities> = self.table.get(&key, Read::Consistent).await?;
        let Some(stored) = stored else {
            return Ok(Some(record));
        };
        let mut transaction = Transaction::new(&self.table).delete(&key)?;
        for hash in &stored.hashes {
            transaction = transaction.delete(&keys::banned_identity_of(hash))?;
        }
        with(transaction)?.commit().await?;
        Ok(Some(record))
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
