//! What providers told of accounts: written down once, so that a replay changes nothing.

use std::time::Duration;

use domain::{Instant, identity::Provider};
use serde::Serialize;

use super::Members;
use crate::{StoreError, keys, table::ABSENT, transaction::Transaction};

/// For how long an event is known again.
const KNOWN_FOR: Duration = Duration::from_secs(400 * 86_400);

/// That an event was acted on: the key says it all.
#[derive(Serialize)]
struct Seen {}

impl Members {
    /// Adds that the event of that id is acted on, which fails where it was before.
    pub fn act_once<'t>(
        &'t self,
        transaction: Transaction<'t>,
        (provider, event): (Provider, &str),
        now: Instant,
    ) -> Result<Transaction<'t>, StoreError> {
        let key = keys::provider_event(provider, event);
        let item = self.table.encode_until(&key, &Seen {}, now + KNOWN_FOR)?;
        transaction.put_if(item, ABSENT, [])
    }
}
