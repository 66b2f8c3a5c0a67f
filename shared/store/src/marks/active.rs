//! Active minutes: an index of the minutes in which marks arrived or tallies were written, so that a
//! roll-up with a backlog reads no empty minute.
//!
//! An entry is written before what it points to, once a minute by each process. Reading an hour of
//! them is one Query, and reading a minute without the index is twenty.

use std::collections::BTreeSet;
use std::ops::Range as Span;

use domain::Instant;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    StoreError, Table, keys,
    marks::ARRIVAL_RETENTION,
    query::{Range, Read},
    table::{EXPIRES_AT, key_item, number},
};

/// The number of hours that are read at once.
const READS_AT_ONCE: usize = 16;

/// A span of at most this many minutes is read without the index.
const SHORT: usize = 5;

/// Enters a minute in the index. Entering it twice is entering it once.
pub(crate) async fn enter(table: &Table, minute: u32) -> Result<(), StoreError> {
    let mut item = key_item(&keys::active_minute(minute));
    let expires_at = Instant::from_minutes(minute) + ARRIVAL_RETENTION;
    item.insert(EXPIRES_AT.to_owned(), number(expires_at.as_seconds()));
    table.put(item).await?;
    Ok(())
}

/// Returns the minutes of a span that may have something to roll up, in order: the active ones, and
/// all minutes before `indexed_from`, because those may have been written by a version without the
/// index.
pub(super) async fn within(
    table: &Table,
    span: Span<u32>,
    indexed_from: u32,
) -> Result<Vec<u32>, StoreError> {
    if span.len() <= SHORT {
        return Ok(span.collect());
    }
    let unindexed = span.start..span.end.min(indexed_from);
    let indexed = span.start.max(indexed_from)..span.end;
    let hours = match indexed.is_empty() {
        true => 0..0,
        false => indexed.start / 60..(indexed.end - 1) / 60 + 1,
    };
    let read: Vec<Vec<String>> = stream::iter(hours)
        .map(|hour| async move {
            let range = Range::all(keys::active_minutes(hour), Read::Consistent);
            table.sort_keys(&range).await
        })
        .buffer_unordered(READS_AT_ONCE)
        .try_collect()
        .await?;
    let active = read.iter().flatten().filter_map(|sk| keys::minute_of(sk));
    let minutes: BTreeSet<u32> = active
        .filter(|minute| indexed.contains(minute))
        .chain(unindexed)
        .collect();
    Ok(minutes.into_iter().collect())
}
