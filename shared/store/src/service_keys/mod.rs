//! Service keys: how other systems and operators' tools prove who they are.
//!
//! A key is `msk_<id>_<secret>`, the secret being 32 random bytes in base64url. The table keeps
//! the SHA-256 of the secret: 256 random bits need no slow hash. A key may have two secrets at
//! once, so that it can be rotated without a gap.
//!
//! Actions on the Operators table: GetItem; for those who make keys also PutItem, UpdateItem.

mod plaintext;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{Id, Instant};
use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq};

pub use self::plaintext::Plaintext;
use crate::{
    Stamp, StoreError, Table, keys,
    query::Read,
    table::{ABSENT, Put, string},
};

/// A record is believed for this long, so that a revocation acts within it.
const BELIEVED: Duration = Duration::from_secs(10);

/// The most records that are kept in memory, unknown keys included.
const KEPT: usize = 1_000;

/// Who presented a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceKey {
    /// The key's id.
    pub id: Id,
    /// What it may do.
    pub scopes: Vec<String>,
}

/// The keys. Clones share what is kept in memory.
#[derive(Debug, Clone)]
pub struct ServiceKeys {
    table: Table,
    kept: Arc<Mutex<HashMap<Id, Kept>>>,
}

#[derive(Debug)]
struct Kept {
    read_at: Instant,
    record: Option<Arc<Record>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    scopes: Vec<String>,
    /// The hashes of the secrets that are good, the newest last, at most two.
    secrets_sha256: Vec<String>,
    created_at: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotated_at: Option<Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Instant>,
    /// Whose write this is: a change is conditional on it.
    stamp: Stamp,
}

impl ServiceKeys {
    /// Takes the Operators table.
    pub fn new(operators: Table) -> Self {
        Self {
            table: operators,
            kept: Arc::default(),
        }
    }

    /// Who presented this, or `None`: not a key, not known, revoked, or another secret. A
    /// revocation acts within ten seconds.
    pub async fn verify(
        &self,
        presented: &str,
        now: Instant,
    ) -> Result<Option<ServiceKey>, StoreError> {
        let Some(presented) = Plaintext::parse(presented) else {
            return Ok(None);
        };
        let Some(record) = self.record(presented.id(), now).await? else {
            return Ok(None);
        };
        let good = record.revoked_at.is_none() && record.has(&presented);
        Ok(good.then(|| ServiceKey {
            id: presented.id().clone(),
            scopes: record.scopes.clone(),
        }))
    }

    /// Stores a new key; [`StoreError::Conflict`] when its id is taken.
    pub async fn create(
        &self,
        key: &Plaintext,
        scopes: &[String],
        stamp: Stamp,
        now: Instant,
    ) -> Result<(), StoreError> {
        let record = Record::new(key, scopes, stamp, now);
        let item = self.table.encode(&keys::service_key(key.id()), &record)?;
        match self.table.put_once(item, stamp, ABSENT, []).await? {
            Put::Done => Ok(()),
            Put::Exists(_) => Err(self.table.conflict("PutItem")),
        }
    }

    /// Stores a key whatever was there before, as a development stack does with its own.
    pub async fn seed(
        &self,
        key: &Plaintext,
        scopes: &[String],
        stamp: Stamp,
        now: Instant,
    ) -> Result<(), StoreError> {
        let record = Record::new(key, scopes, stamp, now);
        let item = self.table.encode(&keys::service_key(key.id()), &record)?;
        self.table.put(item).await?;
        Ok(())
    }

    /// Adds the secret of `key` to the key of its id. The one before stays good until the next
    /// rotation, or until [`retire`](Self::retire); one before that is good no more. `false`:
    /// there is no such key. [`StoreError::Conflict`] when it is being changed by somebody else.
    pub async fn rotate(
        &self,
        key: &Plaintext,
        stamp: Stamp,
        now: Instant,
    ) -> Result<bool, StoreError> {
        self.change(key.id(), stamp, |record| {
            let before = record.secrets_sha256.pop();
            record.secrets_sha256 = before.into_iter().chain([key.sha256()]).collect();
            record.rotated_at = Some(now);
        })
        .await
    }

    /// Ends a rotation: the newest secret alone is good. `false` and errors as with
    /// [`rotate`](Self::rotate).
    pub async fn retire(&self, id: &Id, stamp: Stamp) -> Result<bool, StoreError> {
        self.change(id, stamp, |record| {
            let newest = record.secrets_sha256.pop();
            record.secrets_sha256 = newest.into_iter().collect();
        })
        .await
    }

    /// Revokes a key for good, whatever is being done with it. `false`: there is none.
    pub async fn revoke(&self, id: &Id, now: Instant) -> Result<bool, StoreError> {
        let revoked = self
            .table
            .update(
                &keys::service_key(id),
                "SET revoked_at = if_not_exists(revoked_at, :now)",
                Some("attribute_exists(pk)"),
                [(":now", string(now))],
            )
            .await;
        self.forget(id);
        match revoked {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads a record and puts it back changed, if nobody changed it in between.
    async fn change(
        &self,
        id: &Id,
        stamp: Stamp,
        change: impl FnOnce(&mut Record),
    ) -> Result<bool, StoreError> {
        let key = keys::service_key(id);
        let Some(mut record): Option<Record> = self.table.get(&key, Read::Consistent).await? else {
            return Ok(false);
        };
        let before = [(":before", string(record.stamp))];
        change(&mut record);
        record.stamp = stamp;
        let item = self.table.encode(&key, &record)?;
        // A revocation leaves the stamp alone, and must not be undone by a change under way.
        let condition = if record.revoked_at.is_none() {
            "stamp = :before AND attribute_not_exists(revoked_at)"
        } else {
            "stamp = :before"
        };
        let put = self.table.put_once(item, stamp, condition, before).await?;
        self.forget(id);
        match put {
            Put::Done => Ok(true),
            Put::Exists(_) => Err(self.table.conflict("PutItem")),
        }
    }

    async fn record(&self, id: &Id, now: Instant) -> Result<Option<Arc<Record>>, StoreError> {
        if let Some(kept) = self.kept(id, now) {
            return Ok(kept);
        }
        let key = keys::service_key(id);
        let record: Option<Record> = self.table.get(&key, Read::Consistent).await?;
        let record = record.map(Arc::new);
        self.keep(id, now, record.clone());
        Ok(record)
    }

    fn kept(&self, id: &Id, now: Instant) -> Option<Option<Arc<Record>>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(id).filter(|kept| kept.is_fresh(now))?;
        Some(found.record.clone())
    }

    /// Bounded: unknown ids are kept too, and anybody can think of those.
    fn keep(&self, id: &Id, now: Instant, record: Option<Arc<Record>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.retain(|_, kept| kept.is_fresh(now) && kept.record.is_some());
        }
        if kept.len() < KEPT {
            let read_at = now;
            kept.insert(id.clone(), Kept { read_at, record });
        }
    }

    fn forget(&self, id: &Id) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(id);
    }
}

impl Kept {
    fn is_fresh(&self, now: Instant) -> bool {
        self.read_at <= now && now.since(self.read_at) < BELIEVED
    }
}

impl Record {
    fn new(key: &Plaintext, scopes: &[String], stamp: Stamp, now: Instant) -> Self {
        Self {
            scopes: scopes.to_vec(),
            secrets_sha256: vec![key.sha256()],
            created_at: now,
            rotated_at: None,
            revoked_at: None,
            stamp,
        }
    }

    /// Compares with every secret, in a time that does not tell how alike they are.
    fn has(&self, presented: &Plaintext) -> bool {
        let presented = presented.sha256();
        let same = |known: &String| known.as_bytes().ct_eq(presented.as_bytes());
        let any = |found: Choice, known| found | same(known);
        self.secrets_sha256.iter().fold(Choice::from(0), any).into()
    }
}
