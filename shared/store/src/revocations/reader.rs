//! The list in memory, for whoever verifies.

use std::{sync::Arc, time::Duration};

use domain::Instant;

use super::{RevocationList, Revocations};
use crate::{latest::Latest, query::Read};

/// The list is looked for beside requests once it was looked for longer ago than this.
const REFRESH: Duration = Duration::from_secs(3);

/// A copy that is older, as of an instance that idled, is not used before another look: so that what
/// is revoked acts within ten seconds.
const STALE: Duration = Duration::from_secs(8);

/// How long that look is waited for; then the copy is used all the same.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long the first look of a process is waited for.
const COLD_PATIENCE: Duration = Duration::from_millis(2_500);

/// The last list that is known here. Clones share it.
#[derive(Debug, Clone)]
pub struct RevocationReader(Latest<Arc<RevocationList>>);

impl RevocationReader {
    /// Reads what `revocations` holds; nothing is read before the first request.
    pub fn new(revocations: Revocations) -> Self {
        let load = move || {
            let revocations = revocations.clone();
            async move { revocations.list(Read::Eventual).await.map(Arc::new) }
        };
        let follows =
            |new: &Arc<RevocationList>, old: &Arc<RevocationList>| new.version >= old.version;
        Self(Latest::new("revocations", load, follows))
    }

    /// The list to go by. `None`: it never could be read.
    pub async fn current(&self, now: Instant) -> Option<Arc<RevocationList>> {
        let look = self.0.look_if_due(now, REFRESH);
        let patience = match self.0.held() {
            None => COLD_PATIENCE,
            Some(held) if now.since(held.read_at) >= STALE => PATIENCE,
            Some(held) => return Some(Arc::clone(&held.value)),
        };
        if let Some(look) = look {
            look.landed_within(patience).await;
        }
        self.0.held().map(|held| Arc::clone(&held.value))
    }
}
