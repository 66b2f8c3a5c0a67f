//! Which notices a member has read, in one item of theirs.
//!
//! A mark is one update of an item that is there. The first one makes it, in a transaction with a look
//! at the member, so that nobody who was forgotten leaves anything behind again: the purge closes the
//! member before it takes the item.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Id, Instant, ReadState, identity::MemberId, read_state::Compaction};

use super::Members;
use crate::{
    StoreError, keys,
    query::Read,
    table::{Item, is_over, number, number_in, pause},
    transaction::Transaction,
};

/// How long it is kept after the last mark.
const RETENTION: Duration = Duration::from_secs(400 * 24 * 3600);

/// How often a mark that met another one is tried again.
const ROUNDS: u32 = 5;

/// Every attribute is named here, so that an update gives the whole state.
const MARK: &str =
    "ADD marked :id SET watermark = if_not_exists(watermark, :none), expires_at = :expires_at";

impl Members {
    /// Which notices a member has read, the last moment's mark included: an app that marks a notice
    /// asks for the count next.
    pub async fn read_state(
        &self,
        member: MemberId,
        now: Instant,
    ) -> Result<ReadState, StoreError> {
        let key = keys::notices_read(member);
        let item = self.table.get_item(&key, Read::Consistent).await?;
        let item = item.filter(|item| !is_over(item, now));
        Ok(item.as_ref().map(state).unwrap_or_default())
    }

    /// Marks a notice as read, as often as it is said, and gives what is read then. `None`: there is no
    /// such member, or no more.
    pub async fn mark_read(
        &self,
        member: MemberId,
        notice: &Id,
        now: Instant,
    ) -> Result<Option<ReadState>, StoreError> {
        let key = keys::notices_read(member);
        let values = || {
            [
                (":id", ids([notice])),
                (":none", number(0)),
                (":expires_at", number((now + RETENTION).as_seconds())),
            ]
        };
        for round in 0.. {
            let there = Some("attribute_exists(pk)");
            match self.table.update(&key, MARK, there, values()).await {
                Ok(item) => return Ok(Some(state(&item))),
                // Most likely a first mark, whose transaction holds the item.
                Err(StoreError::Throttled { .. }) if round < ROUNDS => {
                    pause(round).await;
                    continue;
                }
                Err(error) if !error.is_conflict() => return Err(error),
                Err(_) => {}
            }
            let first = self
                .check_open(Transaction::new(&self.table), member)?
                .update(&key, MARK, values())?
                .commit()
                .await;
            match first {
                Ok(()) => break,
                Err(error) if error.is_conflict() => return Ok(None),
                // Most likely another first mark.
                Err(StoreError::Throttled { .. }) if round < ROUNDS => pause(round).await,
                Err(error) => return Err(error),
            }
        }
        Ok(Some(ReadState {
            watermark: None,
            ids: BTreeSet::from([notice.clone()]),
        }))
    }

    /// Makes a state that was read smaller. [`StoreError::Conflict`] where it was made smaller, or
    /// forgotten, since; marks that came since stay.
    pub async fn compact_read(
        &self,
        member: MemberId,
        before: &ReadState,
        compaction: &Compaction,
    ) -> Result<(), StoreError> {
        let values = [
            (":before", moment(before.watermark)),
            (":watermark", moment(compaction.watermark)),
            (":dropped", ids(&compaction.dropped)),
        ];
        let update = "SET watermark = :watermark DELETE marked :dropped";
        let unchanged = Some("watermark = :before");
        let key = keys::notices_read(member);
        self.table.update(&key, update, unchanged, values).await?;
        Ok(())
    }
}

/// What is no id of ours is nothing that could be read.
fn state(item: &Item) -> ReadState {
    let marked = item.get("marked").and_then(|marked| marked.as_ss().ok());
    let marked = marked.into_iter().flatten();
    ReadState {
        watermark: number_in(item, "watermark")
            .filter(|millis| *millis != 0)
            .map(Instant::from_millis),
        ids: marked.filter_map(|id| id.parse().ok()).collect(),
    }
}

fn ids<'i>(ids: impl IntoIterator<Item = &'i Id>) -> AttributeValue {
    let ids = ids.into_iter().map(|id| id.as_str().to_owned());
    AttributeValue::Ss(ids.collect())
}

/// In milliseconds; none is 0.
fn moment(instant: Option<Instant>) -> AttributeValue {
    number(instant.map_or(0, Instant::as_millis))
}
