//! The unlink outbox: calls to the providers whose connection with a user is to end.

use std::time::Duration;

use domain::Instant;
use kit::{
    metrics::{self, Unit},
    problem::Chain,
};
use sessions::unlink;
use store::{
    StoreError,
    members::{UnlinkCursor, UnlinkEntry},
};
use upstream::providers::{ProviderError, Unlinked};

use crate::{AT_ONCE, Failure, Summary, Worker, schedule::Schedule};

/// Metrics of the outbox: connections that were given up in a run, which an alarm watches, and the age of
/// the oldest entry, due or not.
const UNLINKS_GIVEN_UP: &str = "unlinks_given_up";
const UNLINK_AGE: &str = "unlink_outbox_age_s";

impl Worker {
    /// Calls the providers of the entries that were due at `began`, for as long as the run's time allows.
    pub(crate) async fn drain_outbox(
        &self,
        began: Instant,
        schedule: &Schedule,
        summary: &mut Summary,
    ) -> Result<(), StoreError> {
        let called = self.call_due(began, schedule, summary).await;
        let given_up = f64::from(summary.unlinks_given_up);
        metrics::emit(began, UNLINKS_GIVEN_UP, Unit::Count, given_up);
        called?;
        let oldest = self.members.oldest_unlink().await?;
        let age = oldest.map_or(Duration::ZERO, |oldest| self.clock.now().since(oldest));
        metrics::emit(began, UNLINK_AGE, Unit::Seconds, age.as_secs_f64());
        Ok(())
    }

    async fn call_due(
        &self,
        began: Instant,
        schedule: &Schedule,
        summary: &mut Summary,
    ) -> Result<(), StoreError> {
        let mut after: Option<UnlinkCursor> = None;
        loop {
            let page = self.members.due_unlinks(began, after.as_ref(), AT_ONCE);
            let page = page.await?;
            for entry in page.entries {
                if self.clock.now() > schedule.outbox_until {
                    tracing::info!("the rest of the unlink outbox is for the next run");
                    return Ok(());
                }
                let processed = match entry {
                    Ok(entry) => self.process(&entry, summary).await,
                    Err(error) => Err(error.into()),
                };
                // One that cannot be processed must not stand in the way of the others.
                if let Err(error) = processed {
                    tracing::error!(error = %Chain(&error), "unlink entry not processed");
                    summary.unlinks_failed += 1;
                }
            }
            match page.next {
                None => return Ok(()),
                after_page => after = after_page,
            }
        }
    }

    /// Calls an entry's provider, and deletes the entry or puts it off.
    ///
    /// An entry is given up for failures of its provider alone: while our own keys, tables or the provider's
    /// secret cannot be read, or calls to it pause, the provider is not called, and the entry stays.
    async fn process(&self, entry: &UnlinkEntry, summary: &mut Summary) -> Result<(), Failure> {
        let provider = entry.identity.provider;
        let ended = self.end_connection(entry).await;
        let now = self.clock.now();
        match ended {
            Ok(ended) => {
                self.members.delete_unlink(entry).await?;
                match ended {
                    Unlinked::Done => summary.unlinked += 1,
                    Unlinked::NotPossible => summary.unlinks_not_possible += 1,
                }
            }
            Err(Failure::Provider(error)) if entry.is_given_up(now) && !is_ours(&error) => {
                let reason = Chain(&error).to_string();
                tracing::error!(%provider, error = reason, "unlink given up");
                self.members.delete_unlink(entry).await?;
                summary.unlinks_given_up += 1;
            }
            Err(Failure::Provider(error)) => {
                let reason = Chain(&error).to_string();
                tracing::warn!(%provider, error = reason, "unlink call failed, put off");
                self.members.postpone_unlink(entry, now).await?;
                summary.unlinks_put_off += 1;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn end_connection(&self, entry: &UnlinkEntry) -> Result<Unlinked, Failure> {
        if self.members.is_connected_again(entry).await? {
            return Ok(Unlinked::Done);
        }
        let now = self.clock.now();
        let keys = self.keys.current(now).await?;
        Ok(unlink(&self.providers, &entry.identity, &keys, now).await?)
    }
}

/// Whether a connection could not be ended for a reason that is not its provider's.
fn is_ours(error: &ProviderError) -> bool {
    matches!(error, ProviderError::NotCalled { .. })
}
