//! The day as it is lived: visits come at their time, whether or not those before them were answered.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use domain::Instant;
use kit::Clock;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};

use super::{
    ledger::{Ledger, Sample},
    shape::{INTERVAL_MIN, INTERVALS},
    store::{CREATIVES, Line, PLACEMENTS, SLOTS},
    traffic::{Slot, Visit},
};
use crate::{
    client::{AllocatedItem, Client, ReportRow},
    progress,
};

/// How many calls are under way at once.
const CALLS_AT_ONCE: usize = 16;

/// How long after it was shown something is clicked.
const CLICK_AFTER: Duration = Duration::from_secs(10);

/// The client's side of the day.
pub(crate) struct Player {
    client: Client,
    clock: Clock,
    speed: u32,
    starts_at: Instant,
    ledger: Mutex<Ledger>,
    calls: Semaphore,
}

/// How the day went for the client itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Played {
    /// Visits that were made.
    pub(crate) visits: usize,
    /// Visits that could not be made before the day was over.
    pub(crate) missed: usize,
    /// The most that a visit was late, on the stack's clock.
    pub(crate) latest: Duration,
}

impl Player {
    /// Plays the day that starts at `starts_at` by a clock of this speed.
    pub(crate) fn new(client: Client, clock: Clock, speed: u32, starts_at: Instant) -> Arc<Self> {
        Arc::new(Self {
            client,
            clock,
            speed,
            starts_at,
            ledger: Mutex::new(Ledger::new(starts_at)),
            calls: Semaphore::new(CALLS_AT_ONCE),
        })
    }

    /// Makes the visits at their times and reads the report at every interval's end, until the day is
    /// over and everything was reported that will be.
    pub(crate) async fn play(self: &Arc<Self>, visits: Vec<Visit>) -> Result<Played> {
        let bar = progress::bar("visits", visits.len())?;
        let mut played = Played::default();
        let mut under_way = JoinSet::new();
        let player = Arc::clone(self);
        let reading = tokio::spawn(async move { player.read_reports().await });
        let ends_at = self.starts_at + Duration::from_secs(24 * 3600);
        for visit in visits {
            let at = self.starts_at + visit.at;
            self.until(at).await;
            // Held up, rather than ever more under way: a slow machine is late and says so.
            let permit = self.calls.acquire().await?;
            let now = self.clock.now();
            if now >= ends_at {
                played.missed += 1;
                continue;
            }
            drop(permit);
            played.visits += 1;
            played.latest = played.latest.max(now.since(at));
            bar.inc(1);
            let player = Arc::clone(self);
            under_way.spawn(async move {
                if let Err(error) = player.visit(visit).await {
                    player.ledger().failed(&error);
                }
            });
            while under_way.try_join_next().is_some() {}
        }
        while under_way.join_next().await.is_some() {}
        reading.await?;
        Ok(played)
    }

    /// What was seen so far.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the stack's clock shows.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Waits until the stack's clock shows this moment.
    pub(crate) async fn until(&self, moment: Instant) {
        sleep(moment.since(self.clock.now()) / self.speed).await;
    }

    async fn pause(&self, time: Duration) {
        sleep(time / self.speed).await;
    }

    async fn visit(&self, visit: Visit) -> Result<()> {
        let answer = {
            let _call = self.calls.acquire().await?;
            self.client.allocate(&request(visit.device)).await?
        };
        let items = self.note(answer.items)?;
        let seen: Vec<_> = items
            .iter()
            .zip(&visit.slots)
            // Nobody pays for house items, and their showings are not reported.
            .filter(|((line, _), slot)| *line != Line::House && !slot.lost)
            .collect();
        if seen.is_empty() {
            return Ok(());
        }
        self.pause(visit.delay).await;
        let times = if visit.twice { 2 } else { 1 };
        for _ in 0..times {
            self.report(visit.device, &seen).await?;
        }
        for ((line, item), slot) in seen {
            if *line == Line::Learner && slot.click < click_rate(&item.creative_id) {
                self.pause(CLICK_AFTER).await;
                let _call = self.calls.acquire().await?;
                let url = format!("{}?noredirect=1", item.click_url);
                self.client.track(&url).await?;
                self.ledger().clicks += 1;
            }
        }
        Ok(())
    }

    /// Notes what was given out.
    fn note(&self, items: Vec<AllocatedItem>) -> Result<Vec<(Line, AllocatedItem)>> {
        let now = self.clock.now();
        let mut ledger = self.ledger();
        let given = u64::try_from(items.len())?;
        ledger.asked(now, SLOTS.into(), u64::from(SLOTS).saturating_sub(given));
        items
            .into_iter()
            .map(|item| {
                let id = &item.campaign_id;
                let line = Line::of(id).with_context(|| format!("{id} was never published"))?;
                ledger.served(now, line, &item.creative_id);
                Ok((line, item))
            })
            .collect()
    }

    /// Reports the impressions of a visit together, as an app does.
    async fn report(&self, device: u32, seen: &[(&(Line, AllocatedItem), &Slot)]) -> Result<()> {
        let tokens: Vec<&str> = seen
            .iter()
            .filter_map(|((_, item), _)| item.impression_url.rsplit('/').next())
            .collect();
        let statuses = {
            let _call = self.calls.acquire().await?;
            self.client.impressions(&tokens).await?
        };
        let now = self.clock.now();
        let mut ledger = self.ledger();
        for (((line, _), _), status) in seen.iter().zip(statuses) {
            ledger.marked(now, device, *line, status);
        }
        Ok(())
    }

    async fn read_reports(&self) {
        for interval in 0..INTERVALS {
            let minutes = u64::try_from(interval + 1).unwrap_or(0) * u64::from(INTERVAL_MIN);
            self.until(self.starts_at + Duration::from_secs(60 * minutes))
                .await;
            match self.rows().await {
                Ok(rows) => self.ledger().samples.push(Sample { interval, rows }),
                Err(error) => self.ledger().failed(&error),
            }
        }
    }

    /// What the report says of the day, by campaign.
    pub(crate) async fn rows(&self) -> Result<std::collections::BTreeMap<Line, ReportRow>> {
        let day = domain::Day::of(self.starts_at);
        let rows = self.client.campaign_rows(day, day.plus_days(1)).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| Some((Line::of(&row.campaign)?, row)))
            .collect())
    }

    /// Has the totals set at once.
    pub(crate) async fn roll_up(&self) -> Result<()> {
        self.client.roll_up().await
    }
}

fn request(device: u32) -> Value {
    json!({
        "placements": PLACEMENTS.map(|(id, count)| json!({ "id": id, "count": count })),
        "device": { "id": format!("day-device-{device:08}"), "platform": "android" },
    })
}

/// How often a creative is clicked, in truth.
fn click_rate(creative: &str) -> f64 {
    let known = CREATIVES.iter().find(|(id, _)| *id == creative);
    known.map_or(0.0, |(_, rate)| *rate)
}
