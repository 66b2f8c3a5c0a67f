//! What providers told of accounts: written down once, so that a replay changes nothing.

use std::time::Duration;

use domain::{Instant, identity::Provider};
use serde::Serialize;

use super::Members;
use crate::{
    StoreError, keys,
    query::Read,
    table::{is_over, number},
    transaction::Transaction,
};

/// An event, and for how long it is known again.
#[derive(Debug, Clone, Copy)]
pub struct ToldEvent<'a> {
    /// Who told it.
    pub provider: Provider,
    /// What tells it from others.
    pub id: &'a str,
    /// For how long.
    pub known_for: Duration,
}

/// That an event was acted on: the key says it all.
#[derive(Serialize)]
struct Seen {}

impl Members {
    /// Adds that the event of that id is acted on, which fails where it was before.
    pub fn act_once<'t>(
        &'t self,
        transaction: Transaction<'t>,
        event: &ToldEvent<'_>,
        now: Instant,
    ) -> Result<Transaction<'t>, StoreError> {
        let key = keys::provider_event(event.provider, event.id);
        let until = now + event.known_for;
        let item = self.table.encode_until(&key, &Seen {}, until)?;
        let free = "attribute_not_exists(pk) OR expires_at <= :now";
        transaction.put_if(item, free, [(":now", number(now.as_seconds()))])
    }

    /// Stores that an event needs no act any more, so that a replay does nothing either.
    pub async fn dismiss_event(
        &self,
        event: &ToldEvent<'_>,
        now: Instant,
    ) -> Result<(), StoreError> {
        let transaction = Transaction::new(&self.table);
        let stored = self.act_once(transaction, event, now)?.commit().await;
        match stored {
            Err(error) if error.is_conflict() => Ok(()),
            stored => stored,
        }
    }

    /// Whether an event was acted on before.
    pub async fn was_acted_on(
        &self,
        event: &ToldEvent<'_>,
        now: Instant,
    ) -> Result<bool, StoreError> {
        let key = keys::provider_event(event.provider, event.id);
        let item = self.table.get_item(&key, Read::Consistent).await?;
        Ok(item.is_some_and(|item| !is_over(&item, now)))
    }
}
