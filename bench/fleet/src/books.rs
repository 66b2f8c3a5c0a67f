//! What became of each campaign: what it gave out, what was counted, and what is billed of it.

use std::collections::HashMap;

use domain::{
    Day, Instant, TimeZoneName,
    allocation::Snapshot,
    caps::{AdvertiserCaps, Charge, Shown, charges},
    content::campaigns::{Cap, Pacing, Pricing},
    pacing::{Counted, LOOK_BACK, Minutes, Progress, Terms},
};

use crate::campaigns::Kind;

/// What a device tells of something it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Impression,
    Click,
    Conversion,
}

/// A campaign, and its books.
#[derive(Debug)]
pub(crate) struct Campaign {
    pub(crate) key: u64,
    pub(crate) kind: Kind,
    /// Of a budget that ends.
    pub(crate) terms: Option<Terms>,
    pub(crate) has_budget: bool,
    pub(crate) pacing: Pacing,
    pub(crate) starts_at: Instant,
    pub(crate) ends_at: Option<Instant>,
    caps: Vec<Cap>,
    zone: TimeZoneName,
    advertiser: u64,
    advertiser_caps: AdvertiserCaps,
    creatives: Vec<u64>,
    /// Tokens given out.
    pub(crate) served: u64,
    /// Impressions, clicks and conversions that count.
    pub(crate) counted: [u64; 3],
    /// Impressions that came when a cap of their device was reached.
    pub(crate) beyond_cap: u64,
    /// Impressions that came when their lease was used up.
    pub(crate) beyond_lease: u64,
    /// Marks that came when their token had expired.
    pub(crate) expired: u64,
    /// Paid marks by the minute of issue, from the first of the simulation.
    by_minute: Vec<u32>,
    first: u32,
    /// Paid marks by the day of issue in the campaign's zone, the first day first.
    by_day: Vec<(Day, u64)>,
}

/// All campaigns, in the order of the snapshot.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) campaigns: Vec<Campaign>,
    pub(crate) keys: Vec<u64>,
    places: HashMap<u64, u16>,
}

impl Books {
    /// Empty books from `start` on, for so many minutes.
    pub(crate) fn open(snapshot: &Snapshot, start: Instant, minutes: u32) -> Self {
        let campaigns: Vec<Campaign> = snapshot
            .campaigns()
            .map(|it| Campaign {
                key: it.key,
                kind: Kind::of(it.id).unwrap_or(Kind::House),
                terms: Terms::of_campaign(&it),
                has_budget: it.budget.is_some(),
                pacing: it.pacing,
                starts_at: it.starts_at,
                ends_at: it.ends_at,
                caps: it.caps.to_vec(),
                zone: it.time_zone.clone(),
                advertiser: it.advertiser_key,
                advertiser_caps: snapshot.advertiser_caps(it.advertiser_key).clone(),
                creatives: it.creatives().map(|creative| creative.key).collect(),
                served: 0,
                counted: [0; 3],
                beyond_cap: 0,
                beyond_lease: 0,
                expired: 0,
                by_minute: vec![0; minutes as usize],
                first: start.as_minutes(),
                by_day: Vec::new(),
            })
            .collect();
        let keys: Vec<u64> = campaigns.iter().map(|campaign| campaign.key).collect();
        let places = (0..).zip(&keys).map(|(place, key)| (*key, place)).collect();
        Self {
            campaigns,
            keys,
            places,
        }
    }

    pub(crate) fn place(&self, key: u64) -> u16 {
        self.places[&key]
    }
}

impl Campaign {
    /// The place of a creative.
    pub(crate) fn creative(&self, key: u64) -> u8 {
        let place = self.creatives.iter().position(|it| *it == key);
        place.unwrap_or(0) as u8
    }

    /// The counters that an impression moves.
    pub(crate) fn charges(&self, creative: u8, now: Instant) -> Vec<Charge> {
        charges(
            &Shown {
                campaign: self.key,
                creative: self.creatives[usize::from(creative)],
                advertiser: self.advertiser,
                caps: &self.caps,
                zone: &self.zone,
                advertiser_caps: &self.advertiser_caps,
            },
            now,
        )
    }

    /// What uses the budget up.
    pub(crate) fn paid(&self) -> Option<Event> {
        match self.terms.as_ref()?.pricing {
            Pricing::Cpm | Pricing::Impressions => Some(Event::Impression),
            Pricing::Cpc => Some(Event::Click),
            Pricing::Cpa => Some(Event::Conversion),
            Pricing::Flat => None,
        }
    }

    /// Enters a mark that counts.
    pub(crate) fn enter(&mut self, event: Event, issued: Instant) {
        self.counted[event as usize] += 1;
        if self.paid() != Some(event) {
            return;
        }
        let minute = issued.as_minutes().saturating_sub(self.first) as usize;
        if let Some(count) = self.by_minute.get_mut(minute) {
            *count += 1;
        }
        let day = self.zone.wall_time(issued).day;
        match self.by_day.iter_mut().find(|(on, _)| *on == day) {
            Some((_, count)) => *count += 1,
            None => {
                self.by_day.push((day, 1));
                self.by_day.sort_unstable();
            }
        }
    }

    /// Paid marks that count.
    pub(crate) fn used(&self) -> u64 {
        self.by_day.iter().map(|(_, count)| count).sum()
    }

    /// What is billed of each day: as `domain::billing` has it, since all units cost the same here.
    fn billed_days(&self) -> impl Iterator<Item = (Day, u64)> {
        let daily = self.terms.as_ref().and_then(|terms| terms.daily);
        let mut left = self.terms.as_ref().and_then(|terms| terms.total);
        self.by_day.iter().map(move |(day, count)| {
            let room = [daily, left].into_iter().flatten().min();
            let billed = room.map_or(*count, |room| room.min(*count));
            left = left.map(|left| left - billed);
            (*day, billed)
        })
    }

    /// Units that are billed.
    pub(crate) fn billed(&self) -> u64 {
        self.billed_days().map(|(_, billed)| billed).sum()
    }

    /// Units that the simulated day may bring: the budget of the days that it touches.
    pub(crate) fn planned(&self, start: Instant, end: Instant) -> Option<u64> {
        let terms = self.terms.as_ref()?;
        let from = self.zone.wall_time(start.max(self.starts_at)).day;
        let last = Instant::from_millis(end.as_millis() - 1);
        let days = 1 + self.zone.wall_time(last).day.days_since(from).max(0) as u64;
        let of_days = terms.daily.map(|daily| daily * days);
        [of_days, terms.total].into_iter().flatten().min()
    }

    /// How far it has come by what has arrived before `as_of`, which is now.
    pub(crate) fn progress(&self, as_of: Instant) -> Progress {
        let day = self.zone.wall_time(as_of).day;
        let counted = |units: u64| {
            let mut counted = Counted::default();
            let Some(terms) = &self.terms else {
                return counted;
            };
            let each_thousandths = match terms.pricing {
                Pricing::Cpm => terms.price_micros,
                Pricing::Cpc | Pricing::Cpa => terms.price_micros * 1000,
                Pricing::Impressions | Pricing::Flat => 0,
            };
            counted.impressions = self.counted[Event::Impression as usize];
            match self.paid() {
                Some(Event::Click) => counted.clicks = units,
                Some(Event::Conversion) => counted.conversions = units,
                _ => counted.impressions = units,
            }
            counted.spend_thousandths = units * each_thousandths;
            counted
        };
        let today = self.billed_days().find(|(on, _)| *on == day);
        let end = as_of.as_minutes();
        let last = (end.saturating_sub(self.first) as usize).min(self.by_minute.len());
        let recent = &self.by_minute[last.saturating_sub(LOOK_BACK)..last];
        Progress {
            as_of,
            total: counted(self.billed()),
            day,
            today: counted(today.map_or(0, |(_, billed)| billed)),
            recent: Minutes {
                end,
                counts: recent.to_vec(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;
    use crate::campaigns;

    #[test]
    fn a_day_is_billed_within_its_limit_and_the_next_begins_anew() {
        let start: Instant = "2026-03-01T15:00:00Z".parse().unwrap();
        let snapshot = campaigns::snapshot(start, 1e3, &mut StdRng::seed_from_u64(1)).unwrap();
        let mut books = Books::open(&snapshot, start, 1440);
        let whale = books
            .campaigns
            .iter_mut()
            .find(|it| it.kind == Kind::Whale)
            .unwrap();
        let tomorrow = start + std::time::Duration::from_secs(24 * 3600);
        for at in [start, tomorrow] {
            for _ in 0..250 {
                whale.enter(Event::Impression, at);
            }
            whale.enter(Event::Click, at);
        }
        assert_eq!(whale.used(), 500);
        assert_eq!(whale.billed(), 400);
        assert_eq!(whale.planned(start, tomorrow), Some(200));
        let progress = whale.progress(tomorrow);
        let terms = whale.terms.as_ref().unwrap();
        let used = progress.used(terms, tomorrow);
        assert_eq!((used.total, used.today), (400, 200));
    }
}
