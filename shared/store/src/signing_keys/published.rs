//! The public halves, as one item that whoever verifies reads.

use std::time::Duration;

use domain::Instant;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SigningKeys;
use crate::{
    Stamp, StoreError, Table, keys,
    query::Read,
    table::{ABSENT, Put, pause, string},
};

/// How often a change is tried that others get in before.
const ROUNDS: u32 = 8;

/// A published half.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublicKey {
    /// Its name.
    pub kid: String,
    /// The key (RFC 7517), its name included.
    pub jwk: Value,
    /// When it stopped being the one that signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Instant>,
}

/// The item.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Item {
    keys: Vec<PublicKey>,
    /// Whose write this is: a change is conditional on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stamp: Option<Stamp>,
}

/// The list of public halves. It only grows, but by [`retire`](Self::retire).
#[derive(Debug, Clone)]
pub struct PublishedKeys {
    table: Table,
}

impl PublishedKeys {
    /// Takes the Members table.
    pub fn new(members: Table) -> Self {
        Self { table: members }
    }

    /// What is published.
    pub async fn all(&self) -> Result<Vec<PublicKey>, StoreError> {
        Ok(self.item().await?.keys)
    }

    /// Publishes the halves that are not. When it returns, whoever looks finds them all.
    pub async fn publish(&self, keys: &SigningKeys, stamp: Stamp) -> Result<(), StoreError> {
        self.change(stamp, |published| with(published, keys)).await
    }

    /// After a rotation: what `keys` sign with no more is retired now, and forgotten once it has been
    /// for `kept_for`.
    pub async fn retire(
        &self,
        keys: &SigningKeys,
        kept_for: Duration,
        stamp: Stamp,
        now: Instant,
    ) -> Result<(), StoreError> {
        let change = |published| retired(with(published, keys), keys, kept_for, now);
        self.change(stamp, change).await
    }

    async fn item(&self) -> Result<Item, StoreError> {
        let key = keys::public_keys();
        let found = self.table.get(&key, Read::Consistent).await?;
        Ok(found.unwrap_or_default())
    }

    async fn change(
        &self,
        stamp: Stamp,
        change: impl Fn(Vec<PublicKey>) -> Vec<PublicKey>,
    ) -> Result<(), StoreError> {
        for round in 0..ROUNDS {
            if round > 0 {
                pause(round).await;
            }
            let before = self.item().await?;
            let keys = change(before.keys.clone());
            if keys == before.keys {
                return Ok(());
            }
            let item = Item { keys, stamp: None };
            let item = self.table.encode(&keys::public_keys(), &item)?;
            let put = match before.stamp {
                None => self.table.put_once(item, stamp, ABSENT, []).await?,
                Some(before) => {
                    let values = [(":before", string(before))];
                    self.table
                        .put_once(item, stamp, "stamp = :before", values)
                        .await?
                }
            };
            if matches!(put, Put::Done) {
                return Ok(());
            }
        }
        Err(self.table.conflict("PutItem"))
    }
}

/// With the halves of `keys` that are missing.
fn with(mut published: Vec<PublicKey>, keys: &SigningKeys) -> Vec<PublicKey> {
    for key in keys.public() {
        if !published.iter().any(|there| there.kid == key.kid) {
            published.push(key);
        }
    }
    published
}

fn retired(
    mut published: Vec<PublicKey>,
    keys: &SigningKeys,
    kept_for: Duration,
    now: Instant,
) -> Vec<PublicKey> {
    let in_use = keys.kids_in_use();
    for key in &mut published {
        key.retired_at = match in_use.contains(&key.kid.as_str()) {
            true => None,
            false => key.retired_at.or(Some(now)),
        };
    }
    published.retain(|key| key.retired_at.is_none_or(|at| now < at + kept_for));
    published
}
