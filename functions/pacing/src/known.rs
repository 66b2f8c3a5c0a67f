//! What the totals tell of campaigns and of the stack's traffic.

use std::{collections::HashMap, time::Duration};

use domain::{
    Day, Instant,
    billing::Billed,
    marks::Counts,
    pacing::{Counted, Curve, Minutes, Progress},
};
use store::{
    StoreError,
    marks::{Delivered, Totals},
};

/// How many days make the shape of a day: a week has all kinds of days in it.
const DAYS: u8 = 7;

const HOUR: Duration = Duration::from_secs(3600);

/// So many minutes are looked back at for what instances told of requests: each tells every minute, or
/// every ten where it has few.
const TOLD_MINUTES: u32 = 12;

/// What is known.
#[derive(Debug)]
pub(crate) struct Known {
    /// Everything that was answered before this moment is counted.
    pub(crate) as_of: Instant,
    /// By campaign key; a campaign that is not here had nothing.
    pub(crate) progress: HashMap<u64, Progress>,
    /// The shape of the stack's days.
    pub(crate) curve: Curve,
    /// Impressions of all campaigns in a busy minute of this time of day, if that is known.
    pub(crate) traffic_per_minute: Option<f64>,
    /// Slots that requests ask for in a busy minute of this time of day, if that is known.
    pub(crate) slots_per_minute: Option<f64>,
}

/// A creative's impressions and clicks by day (UTC).
pub(crate) type Days = Vec<(Day, Counts)>;

impl Known {
    pub(crate) async fn read(totals: &Totals, now: Instant) -> Result<Self, StoreError> {
        // The moment before the counts: these may know of more than it says, but never of less.
        let as_of = totals.as_of().await?;
        let (delivered, traffic, slots) = tokio::try_join!(
            totals.delivered(),
            totals.traffic(Day::of(now), DAYS),
            totals.slots_told(now, TOLD_MINUTES),
        )?;
        let progress = delivered.into_iter().map(|it| (it.campaign, progress(it)));
        let progress: HashMap<u64, Progress> = progress.collect();
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let told = slots.into_iter().max().unwrap_or(0) as f64;
        let slots = busiest_of(&traffic, now).max(told);
        let busiest = busiest_minute(progress.values()).max(slots);
        Ok(Self {
            as_of: as_of.unwrap_or_default(),
            progress,
            curve: Curve::of(&traffic),
            traffic_per_minute: (busiest > 0.0).then_some(busiest),
            slots_per_minute: (slots > 0.0).then_some(slots),
        })
    }

    /// What became of a learning campaign's creatives.
    pub(crate) async fn outcomes(
        totals: &Totals,
        campaign: u64,
        today: Day,
    ) -> Result<HashMap<u64, Days>, StoreError> {
        let mut creatives: HashMap<u64, Days> = HashMap::new();
        for of_day in totals.outcomes(campaign, today).await? {
            let days = creatives.entry(of_day.creative).or_default();
            let counts = Counts {
                impressions: of_day.impressions,
                clicks: of_day.clicks,
                ..Counts::default()
            };
            days.push((of_day.day, counts));
        }
        Ok(creatives)
    }
}

fn progress(delivered: Delivered) -> Progress {
    let recent = delivered.recent.into_iter();
    Progress {
        as_of: delivered.as_of,
        total: counted(delivered.total),
        day: delivered.day,
        today: counted(delivered.today),
        recent: Minutes {
            end: delivered.known_at.as_minutes(),
            counts: recent
                .map(|count| u32::try_from(count).unwrap_or(u32::MAX))
                .collect(),
        },
    }
}

fn counted(billed: Billed) -> Counted {
    let Billed {
        impressions,
        clicks,
        conversions,
        spend_thousandths,
    } = billed;
    Counted {
        impressions,
        clicks,
        conversions,
        spend_thousandths,
    }
}

/// The most that all campaigns brought together in one of the last minutes.
fn busiest_minute<'a>(progress: impl Iterator<Item = &'a Progress>) -> f64 {
    let mut sums: Vec<f64> = Vec::new();
    for progress in progress {
        let counts = &progress.recent.counts;
        if sums.len() < counts.len() {
            sums.resize(counts.len(), 0.0);
        }
        for (sum, count) in sums.iter_mut().zip(counts.iter().rev()) {
            *sum += f64::from(*count);
        }
    }
    sums.into_iter().fold(0.0, f64::max)
}

/// The most slots that a minute of this hour or the next was asked for, on any of the days: more
/// impressions than that there cannot be.
fn busiest_of(days: &[[u64; 24]], now: Instant) -> f64 {
    let hours = [now, now + HOUR].map(|moment| moment.as_seconds().div_euclid(3600).rem_euclid(24));
    let hours = hours.map(|hour| usize::try_from(hour).unwrap_or(0));
    let slots = days
        .iter()
        .flat_map(|day| hours.iter().filter_map(|hour| day.get(*hour)));
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let most = slots.max().copied().unwrap_or(0) as f64;
    most / 60.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(counts: &[u32]) -> Progress {
        Progress {
            recent: Minutes {
                end: 100,
                counts: counts.to_vec(),
            },
            ..Progress::none(Instant::from_minutes(100))
        }
    }

    #[test]
    fn the_busiest_minute_is_that_of_all_campaigns_together() {
        let all = [minutes(&[9, 1, 2]), minutes(&[1, 5, 3]), minutes(&[])];
        assert_eq!(busiest_minute(all.iter()), 10.0);
        assert_eq!(busiest_minute([].iter()), 0.0);
    }

    #[test]
    fn the_traffic_of_this_hour_and_the_next_counts_on_its_busiest_day() {
        let mut days = [[60; 24]; 7];
        days[3][13] = 600;
        days[4][15] = 6_000;
        let at = |text: &str| busiest_of(&days, text.parse().unwrap());
        assert_eq!(at("2026-03-01T12:30:00Z"), 10.0);
        assert_eq!(at("2026-03-01T14:30:00Z"), 100.0);
        assert_eq!(at("2026-03-01T23:30:00Z"), 1.0);
        assert_eq!(busiest_of(&[], Instant::default()), 0.0);
    }
}
