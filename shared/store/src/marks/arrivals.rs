//! Arrivals: which buckets had marks in which minutes.

use std::{collections::BTreeMap, ops::Range as Span};

use domain::Instant;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    StoreError, Table, keys,
    marks::{ARRIVAL_RETENTION, Bucket, PARTS},
    query::{Range, Read},
};

/// How many partitions are read at once.
const READS_AT_ONCE: usize = 32;

/// The most items that are looked through for the first arrival.
const GLANCE: i32 = 2_000;

/// The buckets that had marks, by the minute of arrival.
pub(super) type Arrivals = BTreeMap<u32, Vec<Bucket>>;

/// What arrived in the minutes of a span.
pub(super) async fn within(table: &Table, minutes: Span<u32>) -> Result<Arrivals, StoreError> {
    let partitions: Vec<(u32, u8)> = minutes
        .flat_map(|minute| (0..PARTS).map(move |part| (minute, part)))
        .collect();
    let mut read = stream::iter(partitions)
        .map(|(minute, part)| async move {
            let range = Range::all(keys::arrivals(minute, part), Read::Consistent);
            let buckets: Vec<Bucket> = table.query_all(&range).await?;
            Ok::<_, StoreError>((minute, buckets))
        })
        .buffer_unordered(READS_AT_ONCE);
    let mut arrivals = Arrivals::new();
    while let Some((minute, buckets)) = read.try_next().await? {
        if !buckets.is_empty() {
            arrivals.entry(minute).or_default().extend(buckets);
        }
    }
    Ok(arrivals)
}

/// The minute that the first roll-up begins with: nothing arrived before it that is still entered.
///
/// A look at a small table shows it. One that is larger has been written to for some time without a
/// roll-up, and is worth looking through minute by minute.
pub(super) async fn first(table: &Table, now: Instant) -> Result<u32, StoreError> {
    let kept_since = (now - ARRIVAL_RETENTION).as_minutes();
    let Some(partitions) = table.partitions_if_few(GLANCE).await? else {
        return Ok(kept_since);
    };
    let entered = partitions.iter().filter_map(|pk| keys::minute_in(pk));
    let first = entered.min().unwrap_or(now.as_minutes());
    Ok(first.max(kept_since))
}
