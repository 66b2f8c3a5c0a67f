//! The outbox of connections that are still to be ended at their providers.
//!
//! An entry is stored with the change that ends a connection here, or before it, and is deleted once
//! the provider was called. Nothing waits for it: a sign-in, an unlinking and a purge go on whatever
//! the provider does. A worker calls what is due, and puts off what fails with growing pauses.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use domain::{
    Instant,
    identity::{MemberId, Provider, Subject},
};
use serde::{Deserialize, Serialize};

use super::{LinkedIdentity, Members, Purge};
use crate::{
    Stamp, StoreError, keys,
    keys::Key,
    query::{Range, Read},
    table::{Item, number, sort_key},
    transaction::Transaction,
};

/// The pauses between calls, in minutes; the last one goes on.
const PAUSES_MIN: [u64; 7] = [15, 30, 60, 120, 240, 480, 720];

/// For how long a provider is called again before the entry is given up.
pub const UNLINK_PATIENCE: Duration = Duration::from_secs(3 * 86_400);

/// A connection that is to be ended at its provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkEntry {
    /// The identity that was connected.
    pub identity: LinkedIdentity,
    /// When the connection ended here.
    pub created_at: Instant,
    id: String,
    due_at: Instant,
    attempts: u32,
    /// The member from whom the identity is still to be taken; absent where it was taken before.
    former_owner: Option<MemberId>,
}

/// A page of due entries, the longest due first.
#[derive(Debug)]
pub struct DueUnlinks {
    /// The entries. One that cannot be decoded is an error of its own, so that it does not stand in the
    /// way of the others.
    pub entries: Vec<Result<UnlinkEntry, StoreError>>,
    /// Where the next page begins; absent on the last page.
    pub next: Option<UnlinkCursor>,
}

/// A place in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkCursor(String);

/// Holds where an entry is as it was read.
const UNMOVED: &str = "attempts = :attempts";

#[derive(Serialize, Deserialize)]
struct EntryItem {
    id: String,
    due_at: Instant,
    created_at: Instant,
    attempts: u32,
    provider: Provider,
    subject: Subject,
    linked_at: Instant,
    /// Sealed, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    former_owner: Option<MemberId>,
}

impl UnlinkEntry {
    /// An entry for an identity that is taken from its member by the write of that stamp. It becomes due
    /// a first pause later, so that the caller can call the provider before the worker does.
    pub(super) fn of_unlinked(identity: &LinkedIdentity, stamp: Stamp, now: Instant) -> Self {
        Self {
            identity: identity.clone(),
            created_at: now,
            id: stamp.to_string(),
            due_at: now + pause_after(0),
            attempts: 0,
            former_owner: None,
        }
    }

    /// Whether the provider was called for long enough at `now`.
    pub fn is_given_up(&self, now: Instant) -> bool {
        now >= self.created_at + UNLINK_PATIENCE
    }

    fn unmoved(&self) -> [(&'static str, AttributeValue); 1] {
        [(":attempts", number(self.attempts))]
    }

    fn key(&self) -> Key {
        keys::unlink_entry(self.due_at, &self.id)
    }

    fn next(&self, now: Instant) -> Self {
        let last = (self.created_at + UNLINK_PATIENCE).max(now + pause_after(0));
        Self {
            due_at: last.min(now + pause_after(self.attempts)),
            attempts: self.attempts.saturating_add(1),
            ..self.clone()
        }
    }
}

fn pause_after(attempts: u32) -> Duration {
    let nth = usize::try_from(attempts).unwrap_or(usize::MAX);
    let longest = PAUSES_MIN.last().copied().unwrap_or_default();
    let minutes = PAUSES_MIN.get(nth).copied().unwrap_or(longest);
    Duration::from_secs(minutes * 60)
}

impl Members {
    /// Stores an entry for an identity of a member who is being purged, if its provider can be called
    /// at all. Storing it again replaces it.
    pub async fn enqueue_unlink(
        &self,
        purge: &Purge,
        identity: &LinkedIdentity,
        now: Instant,
    ) -> Result<(), StoreError> {
        if !identity.provider.has_unlink_call() {
            return Ok(());
        }
        let entry = UnlinkEntry {
            identity: identity.clone(),
            created_at: now,
            id: format!("{}-{}", purge.member(), identity.provider),
            due_at: purge.purge_at(),
            attempts: 0,
            former_owner: Some(purge.member()),
        };
        self.table.put(self.unlink_item(&entry)?).await?;
        Ok(())
    }

    /// Adds an entry to a transaction.
    pub(super) fn put_unlink<'t>(
        &'t self,
        transaction: Transaction<'t>,
        entry: &UnlinkEntry,
    ) -> Result<Transaction<'t>, StoreError> {
        transaction.put(self.unlink_item(entry)?)
    }

    /// Returns entries that are due at `now`, from behind `after` on.
    pub async fn due_unlinks(
        &self,
        now: Instant,
        after: Option<&UnlinkCursor>,
        limit: usize,
    ) -> Result<DueUnlinks, StoreError> {
        let range = Range {
            after: after.map(|UnlinkCursor(sk)| sk.clone()),
            between: Some(("0".to_owned(), format!("{now}$"))),
            ..Range::all(keys::UNLINK_OUTBOX, Read::Consistent)
        };
        let (items, more) = self.table.query(&range, limit).await?;
        let last = items.last().and_then(sort_key).map(str::to_owned);
        let entry = |item| self.unlink_entry(self.table.decode(item)?);
        Ok(DueUnlinks {
            next: last.filter(|_| more).map(UnlinkCursor),
            entries: items.into_iter().map(entry).collect(),
        })
    }

    /// Returns when the oldest entry of the outbox was stored, due or not; `None` where it is empty.
    /// Reads the whole outbox. It is small: entries leave it when their provider was called, and after
    /// [`UNLINK_PATIENCE`] even if the call failed. Only those that wait for an outage of ours stay longer.
    pub async fn oldest_unlink(&self) -> Result<Option<Instant>, StoreError> {
        let range = Range::all(keys::UNLINK_OUTBOX, Read::Eventual);
        let (items, _) = self.table.query(&range, usize::MAX).await?;
        let created_at = |item: &Item| item.get("created_at")?.as_s().ok()?.parse().ok();
        Ok(items.iter().filter_map(created_at).min())
    }

    /// Whether the user has connected again since, so that the new connection must not be ended.
    pub async fn is_connected_again(&self, entry: &UnlinkEntry) -> Result<bool, StoreError> {
        let LinkedIdentity {
            provider, subject, ..
        } = &entry.identity;
        let owner = self.owner(*provider, subject).await?;
        Ok(owner.is_some() && owner != entry.former_owner)
    }

    /// Deletes an entry: its provider was called, or is given up.
    pub async fn delete_unlink(&self, entry: &UnlinkEntry) -> Result<(), StoreError> {
        let key = entry.key();
        let deleted = self.table.delete_if(&key, UNMOVED, entry.unmoved()).await;
        match deleted {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }

    /// Puts an entry off after a call that failed: each pause is longer than the one before.
    pub async fn postpone_unlink(
        &self,
        entry: &UnlinkEntry,
        now: Instant,
    ) -> Result<(), StoreError> {
        let later = self.unlink_item(&entry.next(now))?;
        let moved = Transaction::new(&self.table)
            .delete_if(&entry.key(), UNMOVED, entry.unmoved())?
            .put(later)?
            .commit()
            .await;
        match moved {
            // Another run was faster.
            Err(error) if error.is_conflict() => Ok(()),
            moved => moved,
        }
    }

    fn unlink_item(&self, entry: &UnlinkEntry) -> Result<Item, StoreError> {
        let identity = &entry.identity;
        let item = EntryItem {
            id: entry.id.clone(),
            due_at: entry.due_at,
            created_at: entry.created_at,
            attempts: entry.attempts,
            provider: identity.provider,
            subject: identity.subject.clone(),
            linked_at: identity.linked_at,
            provider_token: identity
                .provider_token
                .as_ref()
                .map(|token| STANDARD.encode(token)),
            former_owner: entry.former_owner,
        };
        self.table.encode(&entry.key(), &item)
    }

    fn unlink_entry(&self, item: EntryItem) -> Result<UnlinkEntry, StoreError> {
        let token = item.provider_token.map(|token| STANDARD.decode(token));
        let provider_token = token
            .transpose()
            .map_err(|e| StoreError::corrupt(self.table.name(), e))?;
        Ok(UnlinkEntry {
            identity: LinkedIdentity {
                provider: item.provider,
                subject: item.subject,
                linked_at: item.linked_at,
                provider_token,
                // Only guests have a secret, and no provider.
                secret_sha256: None,
            },
            created_at: item.created_at,
            id: item.id,
            due_at: item.due_at,
            attempts: item.attempts,
            former_owner: item.former_owner,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_seconds(1_800_000_000);

    #[test]
    fn pauses_grow_and_the_last_call_is_at_the_end_of_the_patience() {
        let identity = LinkedIdentity {
            provider: Provider::Kakao,
            subject: "42".parse().unwrap(),
            linked_at: NOW,
            provider_token: None,
            secret_sha256: None,
        };
        let mut entry = UnlinkEntry {
            identity,
            created_at: NOW,
            id: "id".to_owned(),
            due_at: NOW,
            attempts: 0,
            former_owner: None,
        };
        let mut waits = Vec::new();
        while !entry.is_given_up(entry.due_at) {
            let next = entry.next(entry.due_at);
            waits.push(next.due_at.since(entry.due_at).as_secs() / 60);
            entry = next;
        }
        assert_eq!(waits[..7], PAUSES_MIN);
        assert!(waits[7..waits.len() - 1].iter().all(|wait| *wait == 720));
        assert_eq!(entry.due_at, NOW + UNLINK_PATIENCE);
    }
}
