//! The roll-up: reads what has arrived and **sets** what it comes to. Nothing is added up over runs,
//! so it can be run at any time, twice, or by two at once, and ends the same.
//!
//! The arrivals of a minute name the buckets that had marks in it. A run reads the arrivals from
//! where the runs before it came to, gets those buckets whole, and sets their sums and the days that
//! these are of. So its work grows with what has happened since, and not with how long tokens live
//! or how many campaigns there are.
//!
//! Nothing that was acknowledged is left out. An entry is written before its mark, and names the
//! minute that the writer's clock showed when the mark arrived; the mark is written at most a
//! function's time-out later, and clocks differ by seconds. A minute is done for good only once a run
//! that began [`MARGIN`] after it has read it; until then every run reads it again. That also
//! covers a run that is slow: what it sets late is older than what the next runs set, which began
//! before it was ended by its own deadline.
//!
//! A run works from the oldest minute to the newest, slice by slice, and remembers each slice; the
//! next run goes on there. So a backlog ends, however little of it one run gets done, as long as
//! arrivals are kept. A run with a backlog reads the newest minutes first and ends within
//! [`LONGEST_RUN`], because a budget that is spent must be known to be so within two minutes, whatever
//! there is to catch up with. Of older minutes it reads only those that the index of active minutes
//! names.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{Instant, billing::Terms, tracking::SHARDS};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::{
    StoreError, Table, keys,
    marks::{
        ARRIVAL_RETENTION, Bucket, MARK_RETENTION, active,
        arrivals::{self, Arrivals},
        campaign,
        progress::Progress,
        setter::Setter,
        sums::{self, Counted, Seen},
        tallied,
    },
    query::{Range, Read},
};

/// How long after a minute its marks may still be on their way: the longest run of `track` and its
/// retries, clocks that differ, and a run of the roll-up that is at work meanwhile.
const MARGIN: Duration = Duration::from_secs(180);

/// Marks whose retention ends within this are left alone, since their minutes may be incomplete.
const FADING: Duration = Duration::from_secs(24 * 3600);

/// How many partitions are read at once.
const READS_AT_ONCE: usize = 32;

/// How many campaigns are set at once.
const CAMPAIGNS_AT_ONCE: usize = 8;

/// More minutes than these are a backlog: the newest go first.
const BACKLOG: usize = 5;

/// How long after an upgrade processes of a version without the index of active minutes may still
/// write.
const UPGRADE_MIN: u32 = 60;

/// A run ends after this time at the latest; the next one begins with the newest minutes again.
const LONGEST_RUN: Duration = Duration::from_secs(45);

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

/// The terms of a campaign that is published, by its key.
pub type Published<'p> = &'p (dyn Fn(u64) -> Option<Terms> + Sync);

/// A run under way.
struct Run<'r> {
    setter: Setter,
    published: Published<'r>,
    progress: Progress,
    summary: &'r mut Summary,
}

impl RollUp {
    /// Takes the Marks table.
    pub fn new(marks: Table) -> Self {
        Self { table: marks }
    }

    /// Brings the totals up to `now`, or as far as it comes before `deadline`.
    pub async fn run(
        &self,
        now: Instant,
        published: Published<'_>,
        deadline: Instant,
    ) -> Result<Summary, StoreError> {
        let mut summary = Summary::default();
        let work = self.catch_up(now, published, &mut summary);
        let time = deadline.since(now).saturating_sub(SPARE).min(LONGEST_RUN);
        if let Ok(ended) = tokio::time::timeout(time, work).await {
            ended?;
            summary.complete = true;
        }
        Ok(summary)
    }

    async fn catch_up(
        &self,
        now: Instant,
        published: Published<'_>,
        summary: &mut Summary,
    ) -> Result<(), StoreError> {
        let stored: Option<Progress> = self.table.get(&keys::roll_up(), Read::Consistent).await?;
        let upgraded = now.as_minutes() + UPGRADE_MIN;
        let progress = match stored {
            Some(progress) => Progress {
                indexed_from: progress.indexed_from.or(Some(upgraded)),
                ..progress
            },
            None => Progress {
                indexed_from: Some(0),
                ..Progress::default()
            },
        };
        let mut run = Run {
            setter: Setter {
                table: self.table.clone(),
                now,
            },
            published,
            progress,
            summary,
        };
        run.catch_up().await
    }
}

impl Run<'_> {
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let now = self.setter.now;
        let settled = (now - MARGIN).as_minutes();
        // A clock may be a little ahead of this one.
        let end = now.as_minutes() + 2;
        let kept_since = (now - ARRIVAL_RETENTION).as_minutes();
        // A run that began later may have been further.
        let from = self.progress.done_before.max(kept_since).min(settled);
        let indexed_from = self.progress.indexed_from.unwrap_or(settled);
        let mut due = active::within(&self.setter.table, from..settled, indexed_from).await?;
        let newest: Vec<u32> = (settled..end).collect();
        if due.len() > BACKLOG {
            // Their tallies wait: each day's are added up in the order of minutes.
            let arrivals = arrivals::of(&self.setter.table, &newest).await?;
            for (_, slice) in slices(arrivals) {
                self.roll_up(&slice).await?;
            }
            self.progress.seen_at = Some(now);
            self.remember().await?;
        }
        // Hour by hour; the last one together with the newest minutes, whose buckets are often the same.
        let is_of_last_hour = |minute: &u32| due.last().map(|last| last / 60) == Some(minute / 60);
        let last_hour = due.iter().position(is_of_last_hour).unwrap_or(due.len());
        let last = due.split_off(last_hour);
        for minutes in due.chunk_by(|one, next| one / 60 == next / 60) {
            self.take_in(minutes, settled).await?;
        }
        self.take_in(&[last, newest].concat(), settled).await?;
        self.progress.reach(settled);
        self.progress.seen_at = Some(now);
        self.progress.as_of = Some(now);
        self.remember().await
    }

    /// Takes in what arrived in some minutes; those before `settled` get no more, and none of them is
    /// left out that has anything.
    async fn take_in(&mut self, minutes: &[u32], settled: u32) -> Result<(), StoreError> {
        tallied::set(&self.setter, self.published, minutes, settled).await?;
        let arrivals = arrivals::of(&self.setter.table, minutes).await?;
        for (last, slice) in slices(arrivals) {
            self.roll_up(&slice).await?;
            self.reach(settled.min(last + 1)).await?;
        }
        match minutes.last() {
            Some(last) => self.reach(settled.min(last + 1)).await,
            None => Ok(()),
        }
    }

    async fn reach(&mut self, minute: u32) -> Result<(), StoreError> {
        match self.progress.reach(minute) {
            true => self.remember().await,
            false => Ok(()),
        }
    }

    async fn remember(&self) -> Result<(), StoreError> {
        let table = &self.setter.table;
        let item = table.encode(&keys::roll_up(), &self.progress)?;
        self.setter.set(item).await
    }

    /// Reads some buckets whole and sets what they come to.
    async fn roll_up(&mut self, slice: &BTreeSet<Bucket>) -> Result<(), StoreError> {
        let kept_since = (self.setter.now - MARK_RETENTION + FADING).as_minutes();
        let table = &self.setter.table;
        let partitions: Vec<(Bucket, u8)> = slice
            .iter()
            .filter(|bucket| bucket.minute >= kept_since)
            .flat_map(|bucket| (0..SHARDS).map(|shard| (*bucket, shard)))
            .collect();
        let mut read = stream::iter(partitions)
            .map(|(bucket, shard)| async move {
                let pk = keys::marks(bucket.campaign, bucket.minute, shard);
                let range = Range::all(pk, Read::Consistent);
                let mut marks: Vec<Seen> = table.query_all(&range).await?;
                sums::flag_unmatched_conversions(&mut marks);
                Ok::<_, StoreError>((bucket, marks))
            })
            .buffer_unordered(READS_AT_ONCE);
        let mut campaigns: BTreeMap<u64, Counted> = BTreeMap::new();
        while let Some((Bucket { minute, campaign }, marks)) = read.try_next().await? {
            self.summary.marks += marks.len();
            let counted = campaigns.entry(campaign).or_default();
            for mark in marks {
                counted.add(minute, mark);
            }
        }
        self.summary.buckets += slice.len();
        let (setter, published) = (&self.setter, self.published);
        let mut set = stream::iter(campaigns)
            .map(|(campaign, counted)| {
                campaign::set(setter, campaign, counted, published(campaign))
            })
            .buffer_unordered(CAMPAIGNS_AT_ONCE);
        while let Some(totals) = set.try_next().await? {
            self.summary.totals_set += totals;
        }
        Ok(())
    }
}

/// Cuts arrivals into slices of whole minutes, each with its last minute and its buckets.
fn slices(arrivals: Arrivals) -> Vec<(u32, BTreeSet<Bucket>)> {
    let mut slices: Vec<(u32, BTreeSet<Bucket>)> = Vec::new();
    for (minute, buckets) in arrivals {
        match slices.last_mut() {
            Some((last, slice)) if slice.len() + buckets.len() <= SLICE => {
                *last = minute;
                slice.extend(buckets);
            }
            _ => slices.push((minute, buckets.into_iter().collect())),
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
        let arrivals: Arrivals = minutes
            .into_iter()
            .map(|(minute, many)| {
                let buckets = (0..many).map(|campaign| Bucket { minute, campaign });
                (minute, buckets.collect())
            })
            .collect();
        let slices = slices(arrivals);
        let told = slices.iter().map(|(last, slice)| (*last, slice.len()));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [(1, 2_000), (2, 1), (7, 5_000), (8, 3)]
        );
    }

    #[test]
    fn a_bucket_that_had_marks_in_many_minutes_is_read_once() {
        let bucket = Bucket {
            minute: 3,
            campaign: 1,
        };
        let arrivals: Arrivals = (3..60).map(|minute| (minute, vec![bucket])).collect();
        assert_eq!(slices(arrivals), [(59, BTreeSet::from([bucket]))]);
    }
}
