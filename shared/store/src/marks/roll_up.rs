//! The roll-up: reads the marks of every bucket that may still grow and **sets** what they come
//! to. Nothing is added up over runs, so it can be run at any time, twice, or by two at once, and
//! ends the same.
//!
//! A minute is closed once every token of it has expired: then no mark can come any more. A run
//! works from the oldest minute that is not closed to the newest, slice by slice, and remembers
//! each slice that it closed; the next run begins there. So a backlog of any length ends, however
//! little of it one run gets done, and nothing is missed as long as the marks are kept.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use domain::{Day, Instant, tracking::SHARDS};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::{
    StoreError, Table, keys,
    marks::{
        Bucket, Hour, MARK_RETENTION, MarkItem, PARTS,
        progress::Progress,
        sums::{Counted, Sum, tally},
        totals::{self, Total},
    },
    query::{Range, Read},
    table::{Item, number},
};

/// How long the sums of a minute are kept: longer than marks, so that a day whose marks are going
/// can still be added up.
const SUM_RETENTION: Duration = Duration::from_secs(2 * MARK_RETENTION.as_secs());

/// Marks whose retention ends within this are left alone, since their minutes may be incomplete.
const FADING: Duration = Duration::from_secs(24 * 3600);

/// How many partitions are read at once.
const READS_AT_ONCE: usize = 32;

/// How many campaigns' days are set at once, and how many items of each.
const DAYS_AT_ONCE: usize = 8;
const WRITES_AT_ONCE: usize = 8;

/// About how many buckets are rolled up together: some seconds of work.
const SLICE: usize = 2_000;

/// A run ends this long before its deadline, so that it can say what it did.
const SPARE: Duration = Duration::from_secs(5);

/// Rolls marks up.
#[derive(Debug, Clone)]
pub struct RollUp {
    table: Table,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Campaigns' minutes that were read.
    pub buckets: usize,
    /// Marks that were found in them.
    pub marks: usize,
    /// Totals of days that were set because they were others.
    pub totals_set: usize,
    /// Whether everything was read; otherwise the time was over before, and the next run goes on.
    pub complete: bool,
}

/// What belongs together: a campaign's day.
type CampaignDay = (Day, u64);

impl RollUp {
    /// Takes the Marks table.
    pub fn new(marks: Table) -> Self {
        Self { table: marks }
    }

    /// Brings the totals up to `now`, or as far as it comes before `deadline`. `horizon` is the
    /// longest life that tokens are given, with a margin for clocks that differ and for marks on
    /// their way. Where it was longer before, minutes stay open until none of the older tokens can
    /// be left.
    pub async fn run(
        &self,
        now: Instant,
        horizon: Duration,
        deadline: Instant,
    ) -> Result<Summary, StoreError> {
        let stored: Option<Progress> = self.table.get(&keys::roll_up(), Read::Consistent).await?;
        let stored = stored.unwrap_or_default();
        let progress = Progress {
            horizon: stored.horizon.at(horizon, now),
            ..stored
        };
        if progress != stored {
            // First of all: what tokens may live must not be forgotten by a run that fails.
            self.remember(&progress, now).await?;
        }
        let mut summary = Summary::default();
        let work = self.catch_up(progress, now, &mut summary);
        let time = deadline.since(now).saturating_sub(SPARE);
        if let Ok(ended) = tokio::time::timeout(time, work).await {
            ended?;
            summary.complete = true;
        }
        Ok(summary)
    }

    async fn catch_up(
        &self,
        mut progress: Progress,
        now: Instant,
        summary: &mut Summary,
    ) -> Result<(), StoreError> {
        let closable = (now - progress.horizon.longest()).as_minutes();
        let kept_since = (now - MARK_RETENTION + FADING).as_minutes();
        let from = progress.closed_before.max(kept_since);
        for hour in self.hours(from, now).await? {
            for slice in slices(&self.buckets(hour, from).await?) {
                self.roll_up(&slice, now, summary).await?;
                let end = slice.last().map_or(0, |last| last.minute.saturating_add(1));
                if progress.close(end.min(closable)) {
                    self.remember(&progress, now).await?;
                }
            }
        }
        progress.close(closable);
        progress.as_of = Some(now);
        self.remember(&progress, now).await
    }

    async fn remember(&self, progress: &Progress, now: Instant) -> Result<(), StoreError> {
        let item = self.table.encode(&keys::roll_up(), progress)?;
        self.set(item, now).await
    }

    /// Every hour from the minute `from` on that has buckets, the oldest first.
    async fn hours(&self, from: u32, now: Instant) -> Result<BTreeSet<u32>, StoreError> {
        // A clock may be a little ahead of this one.
        let last = now.as_minutes() / 60 + 1;
        let ranges = (0..PARTS).map(|part| Range {
            between: Some((keys::hour(part, from / 60).sk, keys::hour(part, last).sk)),
            ..Range::all(keys::hours(part), Read::Consistent)
        });
        let found: Vec<Vec<Hour>> = self.query_each(ranges).await?;
        Ok(found
            .into_iter()
            .flatten()
            .map(|Hour { hour }| hour)
            .collect())
    }

    /// Every bucket of an hour from the minute `from` on, the oldest first.
    async fn buckets(&self, hour: u32, from: u32) -> Result<Vec<Bucket>, StoreError> {
        let ranges = (0..PARTS).map(|part| Range::all(keys::buckets(hour, part), Read::Consistent));
        let found: Vec<Vec<Bucket>> = self.query_each(ranges).await?;
        let found: BTreeSet<Bucket> = found.into_iter().flatten().collect();
        Ok(found
            .into_iter()
            .filter(|bucket| bucket.minute >= from)
            .collect())
    }

    async fn query_each<T: serde::de::DeserializeOwned>(
        &self,
        ranges: impl Iterator<Item = Range>,
    ) -> Result<Vec<Vec<T>>, StoreError> {
        stream::iter(ranges)
            .map(|range| async move { self.table.query_all(&range).await })
            .buffer_unordered(READS_AT_ONCE)
            .try_collect()
            .await
    }

    /// Reads some buckets and sets what they come to.
    async fn roll_up(
        &self,
        slice: &[Bucket],
        now: Instant,
        summary: &mut Summary,
    ) -> Result<(), StoreError> {
        let partitions = slice
            .iter()
            .copied()
            .flat_map(|bucket| (0..SHARDS).map(move |shard| (bucket, shard)));
        let mut read = stream::iter(partitions)
            .map(|(bucket, shard)| async move {
                let pk = keys::marks(bucket.campaign, bucket.minute, shard);
                let range = Range::all(pk, Read::Consistent);
                let marks: Vec<MarkItem> = self.table.query_all(&range).await?;
                Ok((bucket, marks))
            })
            .buffer_unordered(READS_AT_ONCE);
        let mut days: BTreeMap<CampaignDay, Counted> = BTreeMap::new();
        while let Some((Bucket { minute, campaign }, marks)) = read.try_next().await? {
            summary.marks += marks.len();
            let day = Day::of(Instant::from_minutes(minute));
            let counted = days.entry((day, campaign)).or_default();
            for mark in marks {
                counted.add(minute, mark);
            }
        }
        summary.buckets += slice.len();
        let mut set = stream::iter(days)
            .map(|(day, counted)| self.set_day(day, counted, now))
            .buffer_unordered(DAYS_AT_ONCE);
        while let Some(totals) = set.try_next().await? {
            summary.totals_set += totals;
        }
        Ok(())
    }

    /// Sets the sums of the minutes that were read, and the totals of their day. Gives how many
    /// totals were others before.
    async fn set_day(
        &self,
        (day, campaign): CampaignDay,
        counted: Counted,
        now: Instant,
    ) -> Result<usize, StoreError> {
        let day_text = day.to_string();
        let range = Range::all(keys::sums(&day_text, campaign), Read::Consistent);
        let stored: Vec<Sum> = self.table.query_all(&range).await?;
        let mut sums: HashMap<(u32, u64), Sum> = stored
            .into_iter()
            .map(|sum| ((sum.minute, sum.creative), sum))
            .collect();
        let mut writes = Vec::new();
        for sum in counted.into_sums() {
            let key = keys::sum(&day_text, campaign, sum.minute, sum.creative);
            let before = sums.insert((sum.minute, sum.creative), sum.clone());
            if before.as_ref() != Some(&sum) {
                let expires_at = Instant::from_minutes(sum.minute) + SUM_RETENTION;
                writes.push(self.table.encode_until(&key, &sum, expires_at)?);
            }
        }
        self.set_all(writes, now).await?;

        let (tally, mut names) = tally(sums.into_values());
        let totals = tally.counts().map(|((creative, placement), counts)| Total {
            day,
            campaign,
            creative,
            placement,
            names: names.remove(&(creative, placement)),
            counts,
        });
        let stored = totals::of_campaign(&self.table, &day_text, campaign).await?;
        let mut writes = Vec::new();
        for total in totals.filter(|total| !stored.contains(total)) {
            let key = keys::total(&day_text, campaign, total.creative, total.placement);
            writes.push(self.table.encode(&key, &total)?);
        }
        let set = writes.len();
        self.set_all(writes, now).await?;
        Ok(set)
    }

    async fn set_all(&self, items: Vec<Item>, now: Instant) -> Result<(), StoreError> {
        stream::iter(items)
            .map(|item| self.set(item, now))
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect()
            .await
    }

    /// Sets an item, unless a run that began later has: it knew more.
    async fn set(&self, mut item: Item, now: Instant) -> Result<(), StoreError> {
        item.insert("read_ms".into(), number(now.as_millis()));
        let condition = "attribute_not_exists(read_ms) OR read_ms <= :now";
        let values = [(":now", number(now.as_millis()))];
        let sent = self.table.put_if(item, condition, values).await;
        match sent {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }
}

/// Cuts buckets, in the order of their minutes, into slices of whole minutes.
fn slices(buckets: &[Bucket]) -> Vec<Vec<Bucket>> {
    let mut slices: Vec<Vec<Bucket>> = Vec::new();
    for minute in buckets.chunk_by(|one, next| one.minute == next.minute) {
        match slices.last_mut() {
            Some(slice) if slice.len() + minute.len() <= SLICE => slice.extend(minute),
            _ => slices.push(minute.to_vec()),
        }
    }
    slices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_has_whole_minutes_and_seldom_more_than_its_size() {
        let minutes = [(0, 1_500), (1, 500), (2, 1), (7, 5_000), (8, 3)];
        let buckets: Vec<Bucket> = minutes
            .into_iter()
            .flat_map(|(minute, many)| (0..many).map(move |campaign| Bucket { minute, campaign }))
            .collect();
        let slices = slices(&buckets);
        let ends = slices.iter().map(|slice| {
            let minute = |bucket: Option<&Bucket>| bucket.unwrap().minute;
            (minute(slice.first()), minute(slice.last()), slice.len())
        });
        assert_eq!(
            ends.collect::<Vec<_>>(),
            [(0, 1, 2_000), (2, 2, 1), (7, 7, 5_000), (8, 8, 3)]
        );
        assert_eq!(slices.concat(), buckets);
    }
}
