//! One campaign: sets its sums, bills its days, and sets what follows from that.
//!
//! A day's bill depends on the day's sums and on how much was billed on the days before. Marks that
//! come late to an earlier day change its bill, and so what is left for the days after: each is
//! billed anew where that makes a difference. Every billed day says within what it was billed, so
//! a run that was killed in between is found out by the next.
//!
//! A day is billed under the terms that were known last while it lasted, however late its marks
//! come.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Day, Instant,
    billing::{self, Billed, BilledDay, Room, Terms},
    content::campaigns::Budget,
    marks::{Mark, MarkKind, Tally},
};
use serde::{Deserialize, Serialize};

use crate::{
    StoreError, keys,
    marks::{
        MARK_RETENTION,
        delivered::{self, Standing},
        setter::Setter,
        sums::{self, Counted, Sum},
        terms::{self, Known},
        totals::{self, Total},
    },
    query::{Range, Read},
};

/// A day of a campaign's zone, billed, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct BillOfDay {
    day: Day,
    /// The budget that it was billed under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    budget: Option<Budget>,
    /// What was billed on all days before.
    before: Billed,
    /// What it could take.
    room: Room,
    billed: Billed,
    /// Whether anything did not fit.
    cut: bool,
}

impl BillOfDay {
    /// Whether the day's marks would be billed the same with other room.
    fn stands(&self, room: Room) -> bool {
        let fits = match room {
            Room::Endless => true,
            Room::Thousandths(most) => self.billed.spend_thousandths <= most,
            Room::Impressions(most) => self.billed.impressions <= most,
        };
        room == self.room || (!self.cut && fits)
    }
}

/// A campaign in the course of a run.
struct Books<'r> {
    setter: &'r Setter,
    campaign: u64,
    known: Known,
    totals_set: usize,
}

/// Sets everything that follows from buckets of a campaign, which were read whole. Gives how many
/// totals were others before.
pub(super) async fn set(
    setter: &Setter,
    campaign: u64,
    counted: Counted,
    published: Option<Terms>,
) -> Result<usize, StoreError> {
    let known = terms::note(setter, campaign, published).await?;
    let mut read: BTreeMap<Day, Vec<Sum>> = BTreeMap::new();
    for sum in counted.into_sums() {
        read.entry(known.day_of(sum.minute)).or_default().push(sum);
    }
    let mut days = BTreeMap::new();
    for (day, read) in read {
        days.insert(day, sums::set(setter, campaign, day, read).await?);
    }
    let mut books = Books {
        setter,
        campaign,
        known,
        totals_set: 0,
    };
    books.bill(days).await?;
    Ok(books.totals_set)
}

impl Books<'_> {
    /// Bills the days whose sums are given, and those after them where it makes a difference.
    async fn bill(&mut self, mut days: BTreeMap<Day, Vec<Sum>>) -> Result<(), StoreError> {
        let Some(&first) = days.keys().next() else {
            return Ok(());
        };
        let (mut before, stored) = self.stored_from(first).await?;
        let minute = self.setter.now.as_minutes();
        let today = self.known.day_of(minute);
        let mut standing = Standing::new(self.campaign, self.known.zone_of(minute), today);
        let due: BTreeSet<Day> = days.keys().chain(stored.keys()).copied().collect();
        for day in due {
            let was = stored.get(&day);
            let budget = match was {
                Some(was) if day < today => was.budget.clone(),
                _ => self.known.budget().cloned(),
            };
            let room = Room::of(budget.as_ref(), &before);
            let (billed, cut) = match (days.remove(&day), was) {
                (None, Some(was)) if was.stands(room) => (was.billed, was.cut),
                (sums, _) => {
                    let sums = match sums {
                        Some(sums) => sums,
                        None => sums::of_day(&self.setter.table, self.campaign, day).await?,
                    };
                    let billed = billing::bill(room, sums.iter().flat_map(Sum::lines));
                    self.set_totals(day, &sums, &billed).await?;
                    self.set_outcomes(day, &sums).await?;
                    (billed.billed, billed.cut)
                }
            };
            let is = BillOfDay {
                day,
                budget,
                before,
                room,
                billed,
                cut,
            };
            // After its totals: a day whose bill is set is set as a whole.
            if was != Some(&is) {
                let key = keys::billed_day(self.campaign, day);
                let item = self.setter.table.encode(&key, &is)?;
                self.setter.set(item).await?;
            }
            before += billed;
            if day == today {
                standing.today = billed;
            }
        }
        standing.total = before;
        self.set_standing(standing).await
    }

    /// What was billed before a day, and the bills from that day on.
    async fn stored_from(
        &self,
        first: Day,
    ) -> Result<(Billed, BTreeMap<Day, BillOfDay>), StoreError> {
        let table = &self.setter.table;
        let all = Range::all(keys::billed(self.campaign), Read::Consistent);
        // Dates begin with a digit, and a colon is the next after the digits. (An empty text is no
        // bound that DynamoDB takes.)
        let last_before = Range {
            between: Some(("0".to_owned(), first.plus_days(-1).to_string())),
            newest_first: true,
            ..all.clone()
        };
        let from_first = Range {
            between: Some((first.to_string(), ":".to_owned())),
            ..all
        };
        let ((last, _), bills) = tokio::try_join!(
            table.query(&last_before, 1),
            table.query_all::<BillOfDay>(&from_first)
        )?;
        let last: Option<BillOfDay> = last
            .into_iter()
            .next()
            .map(|item| table.decode(item))
            .transpose()?;
        let before = last.map_or_else(Billed::default, |last| last.before + last.billed);
        let bills = bills.into_iter().map(|bill| (bill.day, bill)).collect();
        Ok((before, bills))
    }

    /// Sets what a day of the campaign's zone adds to the totals of its days in UTC.
    async fn set_totals(
        &mut self,
        day: Day,
        sums: &[Sum],
        billed: &BilledDay,
    ) -> Result<(), StoreError> {
        let mut tallies: BTreeMap<Day, Tally> = BTreeMap::new();
        for line in &billed.lines {
            let tally = tallies.entry(utc_day(line.line.minute)).or_default();
            let mark = line.line.mark;
            let over = Mark {
                over_cap: true,
                ..mark
            };
            tally.add_times(&mark, line.billed);
            tally.add_times(&over, line.line.count.saturating_sub(line.billed));
        }
        for sum in sums {
            let tally = tallies.entry(utc_day(sum.minute)).or_default();
            for (placement, repeats) in sum.repeats() {
                tally.add_repeats(sum.creative, placement, repeats);
            }
        }
        let names = sums::names(sums);
        let (table, campaign) = (&self.setter.table, self.campaign);
        for (utc_day, tally) in tallies {
            let stored = totals::of_campaign(table, utc_day, campaign).await?;
            let totals = tally.counts().map(|((creative, placement), counts)| Total {
                day: utc_day,
                campaign,
                creative,
                placement,
                billed_day: day,
                names: names.get(&(creative, placement)).cloned(),
                counts,
            });
            let mut writes = Vec::new();
            for total in totals.filter(|total| !stored.contains(total)) {
                let key = keys::total(utc_day, campaign, total.creative, total.placement, day);
                writes.push(table.encode(&key, &total)?);
            }
            self.totals_set += writes.len();
            self.setter.set_all(writes).await?;
        }
        Ok(())
    }

    /// Sets what creatives that are learned of came to. A mark beyond the budget's end tells as much
    /// of a creative as one before it.
    async fn set_outcomes(&self, day: Day, sums: &[Sum]) -> Result<(), StoreError> {
        if !self.known.learns() {
            return Ok(());
        }
        let mut outcomes: BTreeMap<(Day, u64), (u64, u64)> = BTreeMap::new();
        let lines = sums.iter().flat_map(Sum::lines);
        for line in lines.filter(|line| !line.mark.flagged) {
            let key = (utc_day(line.minute), line.mark.creative);
            let (impressions, clicks) = outcomes.entry(key).or_default();
            match line.mark.kind {
                MarkKind::Impression => *impressions += line.count,
                MarkKind::Click => *clicks += line.count,
                MarkKind::Conversion => {}
            }
        }
        let (Some((first, _)), Some((last, _))) = (
            outcomes.keys().next().copied(),
            outcomes.keys().next_back().copied(),
        ) else {
            return Ok(());
        };
        let (table, campaign) = (&self.setter.table, self.campaign);
        let stored = delivered::outcomes(table, campaign, (first, last), Read::Consistent).await?;
        let mut writes = Vec::new();
        for ((utc_day, creative), (impressions, clicks)) in outcomes {
            let outcome = delivered::OutcomeItem {
                day: utc_day,
                creative,
                billed_day: day,
                impressions,
                clicks,
            };
            if !stored.contains(&outcome) {
                let key = keys::outcome(campaign, utc_day, creative, day);
                let expires_at = self.setter.now + MARK_RETENTION;
                writes.push(table.encode_until(&key, &outcome, expires_at)?);
            }
        }
        self.setter.set_all(writes).await
    }

    /// Sets where the campaign stands, if that is news.
    async fn set_standing(&self, mut standing: Standing) -> Result<(), StoreError> {
        let table = &self.setter.table;
        standing.recent = self.recent().await?;
        let key = keys::delivered(self.campaign);
        let stored: Option<Standing> = table.get(&key, Read::Consistent).await?;
        if stored.as_ref() == Some(&standing) {
            return Ok(());
        }
        self.setter.set(table.encode(&key, &standing)?).await
    }

    /// How many paid marks the last minutes had.
    async fn recent(&self) -> Result<BTreeMap<u32, u64>, StoreError> {
        let last = self.setter.now.as_minutes();
        let first = last.saturating_sub(delivered::KEPT_MINUTES);
        let days: BTreeSet<Day> = [first, last].map(|minute| self.known.day_of(minute)).into();
        let paid = MarkKind::paid_by(self.known.budget().map(|budget| budget.pricing));
        let mut recent = BTreeMap::new();
        for day in days {
            let (table, campaign) = (&self.setter.table, self.campaign);
            let sums = sums::of_minutes(table, campaign, day, first, last).await?;
            for line in sums.iter().flat_map(Sum::lines) {
                let mark = line.mark;
                if mark.kind == paid && !mark.flagged && !mark.over_cap {
                    *recent.entry(line.minute).or_default() += line.count;
                }
            }
        }
        Ok(recent)
    }
}

fn utc_day(minute: u32) -> Day {
    Day::of(Instant::from_minutes(minute))
}
