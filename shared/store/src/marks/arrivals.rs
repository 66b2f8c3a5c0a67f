//! Arrivals: which buckets had marks in which minutes.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    StoreError, Table, keys,
    marks::{Bucket, PARTS},
    query::{Range, Read},
};

/// How many partitions are read at once.
const READS_AT_ONCE: usize = 32;

/// The buckets that had marks, by the minute of arrival.
pub(super) type Arrivals = BTreeMap<u32, Vec<Bucket>>;

/// Returns what arrived in some minutes.
pub(super) async fn of(table: &Table, minutes: &[u32]) -> Result<Arrivals, StoreError> {
    let partitions: Vec<(u32, u8)> = minutes
        .iter()
        .flat_map(|minute| (0..PARTS).map(move |part| (*minute, part)))
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
