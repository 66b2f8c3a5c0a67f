//! The roll-up: reads the marks of every bucket that may still grow and **sets** what they come
//! to. Nothing is added up over runs, so it can be run at any time, twice, or by two at once, and
//! ends the same.
//!
//! A bucket is closed once every token of its minute has expired: then no mark can come any more.
//! A run that has read all buckets of a minute after that remembers it, and later runs begin there.
//! However long the roll-up did not run, nothing is missed as long as the marks are kept.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use domain::{
    Day, Instant,
    content::campaigns::Pricing,
    marks::{self, MarkKind, Tally},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::{
    StoreError, Table, keys,
    marks::{
        Bucket, Hour, MARK_RETENTION, MarkItem, Names, PARTS,
        totals::{self, Total},
    },
    query::{Range, Read},
    table::{ABSENT, Item, number},
};

/// How long the sums of a minute are kept: longer than marks, so that a day whose marks are going
/// can still be added up.
const SUM_RETENTION: Duration = Duration::from_secs(2 * MARK_RETENTION.as_secs());

/// How many partitions are read, or items written, at once.
const AT_ONCE: usize = 16;

/// Rolls marks up.
#[derive(Debug, Clone)]
pub struct RollUp {
    table: Table,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Buckets that were read.
    pub buckets: usize,
    /// Marks that were found in them.
    pub marks: usize,
    /// Totals of days that were set because they were others.
    pub totals_set: usize,
}

/// How far the roll-up is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Every mark that was answered before this moment is in the totals.
    pub(super) as_of: Instant,
    /// The same in milliseconds, to be compared with.
    as_of_ms: i64,
    /// Minutes before this one are closed and rolled up for good.
    closed_before: u32,
}

/// What one creative had in one minute: marks that are alike, and how many. Their prices are kept
/// apart, so that a day's spend is added up exactly and divided once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sum {
    minute: u32,
    creative: u64,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    alike: Alike,
    count: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names: Option<Names>,
}

/// What makes marks of a creative and a minute alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Alike {
    placement: u64,
    kind: MarkKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pricing: Option<Pricing>,
    price_micros: u64,
    over_cap: bool,
}

/// How many marks are alike, and what they are called.
type AlikeCounts = BTreeMap<Alike, (u64, Option<Names>)>;

/// The same by minute and creative.
type Sums = BTreeMap<(u32, u64), AlikeCounts>;

/// What belongs together: a campaign's day.
type CampaignDay = (Day, u64);

impl RollUp {
    /// Takes the Marks table.
    pub fn new(marks: Table) -> Self {
        Self { table: marks }
    }

    /// Brings the totals up to `now`. `horizon` is the longest life of a token, with a margin for
    /// clocks that differ and for marks on their way.
    pub async fn run(&self, now: Instant, horizon: Duration) -> Result<Summary, StoreError> {
        let progress: Option<Progress> = self.table.get(&keys::roll_up(), Read::Consistent).await?;
        let from = progress.map_or(0, |progress| progress.closed_before);
        let summary = self.run_from(from, now).await?;
        let closed_before = (now - horizon).as_minutes().max(from);
        let progress = Progress {
            as_of: now,
            as_of_ms: now.as_millis(),
            closed_before,
        };
        let item = self.table.encode(&keys::roll_up(), &progress)?;
        self.set(item, "as_of_ms", now).await?;
        Ok(summary)
    }

    /// Rolls up every minute from `from` (minutes since the epoch) on, closed or not: after a
    /// repair, say. Marks that are about to expire are left alone, since their minutes may be
    /// incomplete.
    pub async fn run_from(&self, from: u32, now: Instant) -> Result<Summary, StoreError> {
        let kept_since = now - MARK_RETENTION + Duration::from_secs(24 * 3600);
        let buckets = self.buckets(from.max(kept_since.as_minutes()), now).await?;
        let mut summary = Summary {
            buckets: buckets.len(),
            ..Summary::default()
        };
        let mut days: BTreeMap<CampaignDay, Sums> = BTreeMap::new();
        let mut marks = stream::iter(buckets)
            .map(|bucket| async move { Ok((bucket, self.marks(bucket).await?)) })
            .buffer_unordered(AT_ONCE);
        while let Some((bucket, marks)) = marks.try_next().await? {
            summary.marks += marks.len();
            let sums = days
                .entry((
                    Day::of(Instant::from_minutes(bucket.minute)),
                    bucket.campaign,
                ))
                .or_default();
            for mark in marks {
                add(sums, bucket.minute, mark);
            }
        }
        for (day, sums) in days {
            summary.totals_set += self.set_day(day, sums, now).await?;
        }
        Ok(summary)
    }

    /// Every bucket of a minute from `from` on.
    async fn buckets(&self, from: u32, now: Instant) -> Result<BTreeSet<Bucket>, StoreError> {
        // A clock may be a little ahead of this one.
        let last_hour = now.as_minutes() / 60 + 1;
        let hours = Range {
            between: Some((keys::hour(from / 60).sk, keys::hour(last_hour).sk)),
            ..Range::all(keys::HOURS, Read::Consistent)
        };
        let hours: Vec<Hour> = self.table.query_all(&hours).await?;
        let partitions = hours
            .into_iter()
            .flat_map(|Hour { hour }| (0..PARTS).map(move |part| (hour, part)));
        let found: Vec<Vec<Bucket>> = stream::iter(partitions)
            .map(|(hour, part)| async move {
                let range = Range::all(keys::buckets(hour, part), Read::Consistent);
                self.table.query_all(&range).await
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let buckets = found.into_iter().flatten();
        Ok(buckets.filter(|bucket| bucket.minute >= from).collect())
    }

    async fn marks(&self, bucket: Bucket) -> Result<Vec<MarkItem>, StoreError> {
        let pk = keys::marks(bucket.campaign, bucket.minute, bucket.shard);
        self.table
            .query_all(&Range::all(pk, Read::Consistent))
            .await
    }

    /// Sets the sums of the minutes that were read, and the totals of their day. Gives how many
    /// totals were others before.
    async fn set_day(
        &self,
        (day, campaign): CampaignDay,
        read: Sums,
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
        for sum in read.into_iter().map(Sum::from_counts) {
            let key = keys::sum(&day_text, campaign, sum.minute, sum.creative);
            let before = sums.insert((sum.minute, sum.creative), sum.clone());
            if before.as_ref() != Some(&sum) {
                let expires_at = Instant::from_minutes(sum.minute) + SUM_RETENTION;
                writes.push(self.table.encode_until(&key, &sum, expires_at)?);
            }
        }
        self.set_all(writes, now).await?;

        let mut tally = Tally::default();
        let mut names: HashMap<(u64, u64), Names> = HashMap::new();
        for sum in sums.into_values() {
            for line in sum.lines {
                let mark = line.alike.mark(sum.creative);
                for _ in 0..line.count {
                    tally.add(&mark);
                }
                if let Some(told) = line.names {
                    names.entry((mark.creative, mark.placement)).or_insert(told);
                }
            }
        }
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
            .map(|mut item| async move {
                item.insert("read_ms".into(), number(now.as_millis()));
                self.set(item, "read_ms", now).await
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Sets an item, unless a run that began later has: it knew more.
    async fn set(&self, item: Item, began: &str, now: Instant) -> Result<(), StoreError> {
        let condition = format!("{ABSENT} OR {began} <= :now");
        let values = [(":now", number(now.as_millis()))];
        let sent = self.table.put_if(item, &condition, values).await;
        match sent {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }
}

impl Sum {
    fn from_counts(((minute, creative), counts): ((u32, u64), AlikeCounts)) -> Self {
        let lines = counts.into_iter().map(|(alike, (count, names))| Line {
            alike,
            count,
            names,
        });
        Self {
            minute,
            creative,
            lines: lines.collect(),
        }
    }
}

impl Alike {
    fn mark(self, creative: u64) -> marks::Mark {
        marks::Mark {
            kind: self.kind,
            creative,
            placement: self.placement,
            pricing: self.pricing,
            price_micros: self.price_micros,
            over_cap: self.over_cap,
        }
    }
}

fn add(sums: &mut Sums, minute: u32, mark: MarkItem) {
    let alike = Alike {
        placement: mark.placement,
        kind: mark.kind,
        pricing: mark.pricing,
        price_micros: mark.price_micros,
        over_cap: mark.over_cap,
    };
    let (count, names) = sums
        .entry((minute, mark.creative))
        .or_default()
        .entry(alike)
        .or_default();
    *count += 1;
    // Of several names the least: the order in which buckets are read must not show.
    *names = match (names.take(), mark.names) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
}
