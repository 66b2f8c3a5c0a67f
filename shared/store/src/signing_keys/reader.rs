//! The published halves in memory, for whoever verifies.

use std::{sync::Arc, time::Duration};

use domain::Instant;
use jose::KeySet;
use serde_json::{Value, json};

use super::{PublicKey, PublishedKeys};
use crate::{StoreError, blobs::sha256, latest::Latest};

/// Keys are looked for beside requests once they were looked for longer ago than this.
const REFRESH: Duration = Duration::from_secs(30);

/// An unknown key has them looked for at once, but no more often than this.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a request waits for keys: the pause, and a slow answer.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// The keys that were published when they were read last.
#[derive(Debug)]
pub struct PublicKeySet {
    /// As they are told to others.
    pub published: Vec<PublicKey>,
    /// As they are verified with.
    pub keys: KeySet,
}

impl PublicKeySet {
    /// Reads what is published.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn read(published: Vec<PublicKey>) -> Result<Self, StoreError> {
        let jwks: Vec<&Value> = published.iter().map(|key| &key.jwk).collect();
        let set = json!({ "keys": jwks }).to_string();
        let keys = KeySet::parse(set.as_bytes())
            .map_err(|error| StoreError::corrupt("published signing keys", error))?;
        Ok(Self { published, keys })
    }

    /// Tells these keys from any others, for an entity tag.
    pub fn version(&self) -> String {
        let kids: Vec<&str> = self.published.iter().map(|key| key.kid.as_str()).collect();
        sha256(kids.join(" ").as_bytes())
    }
}

/// The published keys. Clones share what is kept in memory.
#[derive(Debug, Clone)]
pub struct PublicKeys(Latest<Arc<PublicKeySet>>);

impl PublicKeys {
    /// Reads what `published` holds; nothing is read before the first request.
    pub fn new(published: PublishedKeys) -> Self {
        let load = move || {
            let published = published.clone();
            async move {
                let keys = published.all().await?;
                PublicKeySet::read(keys).map(Arc::new)
            }
        };
        // They are read consistently: whatever is read is the newest.
        Self(Latest::new("signing keys", load, |_, _| true))
    }

    /// The keys, looked for again beside where that is due. `None`: they never could be read.
    pub async fn current(&self, now: Instant) -> Option<Arc<PublicKeySet>> {
        // Where there are none yet, the first are not long in coming.
        let has_none = self.held().is_none_or(|held| held.keys.is_empty());
        let refresh = if has_none { PAUSE } else { REFRESH };
        if let Some(look) = self.0.look_if_due(now, refresh)
            && has_none
        {
            look.landed_within(PATIENCE).await;
        }
        self.held()
    }

    /// The keys after a look for the one named `kid`: one look for all who ask, and one a second at
    /// most, which is waited for. `None` as before.
    pub async fn newest(&self, kid: &str, now: Instant) -> Option<Arc<PublicKeySet>> {
        for _ in 0..2 {
            let look = self.0.look(now, PAUSE);
            // A look that began before may have missed what was published since.
            let sees_it = look.began_at() >= now;
            look.landed_within(PATIENCE).await;
            if sees_it || self.held().is_some_and(|held| held.keys.contains(kid)) {
                break;
            }
        }
        self.held()
    }

    fn held(&self) -> Option<Arc<PublicKeySet>> {
        self.0.held().map(|held| Arc::clone(&held.value))
    }
}
