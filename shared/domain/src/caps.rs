//! Frequency caps: how often one device may see a creative, a campaign, an advertiser.
//!
//! A device keeps counters of what it was shown ([`Counter`]). An impression is counted in all
//! counters that its campaign's caps look at, where none of them is at its end ([`charges`]); an
//! allocation looks at how much is left ([`Showings::left`]). Days are those of the campaign's zone,
//! hours begin with the hours of its clocks, minutes are everybody's.

use std::collections::HashMap;

use crate::{
    Day, Instant, TimeZoneName,
    content::campaigns::{Cap, CapPeriod, CapScope},
};

/// What showings are counted of, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Counter {
    /// Whether of a creative, a campaign or an advertiser.
    pub scope: CapScope,
    /// The key ([`key_of`](crate::key_of)) of the creative's or the campaign's id, or of the
    /// advertiser; a creative's is mixed with its campaign's, since it is unique there only
    /// ([`creative_key`]).
    pub key: u64,
    /// How long it counts.
    pub span: Span,
}

/// How long a counter counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Span {
    /// A day of a zone, with the day's hours and minutes.
    Day(Day, Box<str>),
    /// For ever.
    Lifetime,
}

/// What a counter says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// Showings over the whole span.
    pub total: u32,
    /// Showings by hour, named by the minute since 1970 with which it begins.
    pub hours: Vec<(u32, u32)>,
    /// Showings by minute since 1970.
    pub minutes: Vec<(u32, u32)>,
}

impl Count {
    /// Showings in the hour that begins with this minute.
    pub fn in_hour(&self, begin: u32) -> u32 {
        at(&self.hours, begin)
    }

    /// Showings in this minute.
    pub fn in_minute(&self, minute: u32) -> u32 {
        at(&self.minutes, minute)
    }
}

fn at(counts: &[(u32, u32)], begin: u32) -> u32 {
    let found = counts.iter().find(|(at, _)| *at == begin);
    found.map_or(0, |(_, count)| *count)
}

/// The stretches of time that a moment lies in, in some zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The zone's day.
    pub day: Day,
    /// The zone's hour, as the minute since 1970 with which it begins.
    pub hour: u32,
    /// The minute since 1970.
    pub minute: u32,
}

impl Window {
    /// The window of `now`.
    pub fn at(zone: &TimeZoneName, now: Instant) -> Self {
        let wall = zone.wall_time(now);
        let minute = now.as_minutes();
        Self {
            day: wall.day,
            hour: minute.saturating_sub(wall.minute.into()),
            minute,
        }
    }
}

/// The key of a creative's counter.
pub const fn creative_key(campaign: u64, creative: u64) -> u64 {
    campaign.rotate_left(1) ^ creative
}

/// What a device was shown, as its counters tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Showings(HashMap<(CapScope, u64), Vec<(Span, Count)>>);

impl Showings {
    /// Adds a counter as it was read.
    pub fn insert(&mut self, counter: Counter, count: Count) {
        let Counter { scope, key, span } = counter;
        self.0.entry((scope, key)).or_default().push((span, count));
    }

    /// Whether nothing was ever counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many more showings the caps of one scope leave at `now`; `None` where none of them is of
    /// the scope.
    pub fn left(
        &self,
        caps: &[Cap],
        scope: CapScope,
        key: u64,
        zone: &TimeZoneName,
        now: Instant,
    ) -> Option<u32> {
        let of_scope = || caps.iter().filter(|cap| cap.scope == scope);
        let Some(counters) = self.0.get(&(scope, key)) else {
            return of_scope().map(|cap| cap.max).min();
        };
        let window = Window::at(zone, now);
        let shown = |cap: &Cap| {
            let of_span = |wanted: &dyn Fn(&Span) -> bool| {
                let found = counters.iter().find(|(span, _)| wanted(span));
                found.map(|(_, count)| count)
            };
            let today = || {
                of_span(
                    &|span| matches!(span, Span::Day(day, of) if *day == window.day && **of == *zone.as_str()),
                )
            };
            match cap.per {
                CapPeriod::Minute => today().map_or(0, |count| count.in_minute(window.minute)),
                CapPeriod::Hour => today().map_or(0, |count| count.in_hour(window.hour)),
                CapPeriod::Day => today().map_or(0, |count| count.total),
                CapPeriod::Lifetime => {
                    of_span(&|span| *span == Span::Lifetime).map_or(0, |count| count.total)
                }
            }
        };
        of_scope()
            .map(|cap| cap.max.saturating_sub(shown(cap)))
            .min()
    }
}

/// One counter that an impression is counted in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The counter.
    pub counter: Counter,
    /// The hour and the minute to count in; of a lifetime nothing but the total is counted.
    pub window: Option<Window>,
    /// Where the counter ends, by the caps of the campaign that is shown.
    pub limits: Limits,
}

/// The most that a counter may say; `None` is no end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of the whole span.
    pub total: Option<u32>,
    /// Of the hour.
    pub hour: Option<u32>,
    /// Of the minute.
    pub minute: Option<u32>,
}

impl Limits {
    /// Whether there is one.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

impl Charge {
    /// Whether the counter, as `count` has it, is at its end.
    pub fn is_at_end(&self, count: &Count) -> bool {
        let reached = |value: u32, most: Option<u32>| most.is_some_and(|most| value >= most);
        let Limits {
            total,
            hour,
            minute,
        } = self.limits;
        reached(count.total, total)
            || self.window.is_some_and(|window| {
                reached(count.in_hour(window.hour), hour)
                    || reached(count.in_minute(window.minute), minute)
            })
    }
}

/// What caps of any of an advertiser's campaigns look at: an impression of one of them counts for
/// all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdvertiserCaps {
    /// The zones in whose days, hours or minutes one of them counts.
    pub zones: Vec<TimeZoneName>,
    /// Whether one of them counts for ever.
    pub lifetime: bool,
}

impl AdvertiserCaps {
    /// Of an advertiser none of whose campaigns has a cap of its scope.
    pub const NONE: &Self = &Self {
        zones: Vec::new(),
        lifetime: false,
    };

    /// What the caps of one more of the advertiser's campaigns look at.
    pub fn add(&mut self, caps: &[Cap], zone: &TimeZoneName) {
        for cap in caps.iter().filter(|cap| cap.scope == CapScope::Advertiser) {
            if cap.per == CapPeriod::Lifetime {
                self.lifetime = true;
            } else if !self.zones.contains(zone) {
                self.zones.push(zone.clone());
            }
        }
    }
}

/// As many charges as one impression has at most: with its mark and a lease they fit into one
/// transaction of 100 writes. Nobody has campaigns with caps in so many zones; if somebody had, what
/// is left out is counted for other campaigns than the one that is shown.
pub const MOST_CHARGES: usize = 98;

/// What is shown, as far as caps are concerned.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The campaign's key.
    pub campaign: u64,
    /// The creative's key.
    pub creative: u64,
    /// The advertiser's key.
    pub advertiser: u64,
    /// The campaign's caps.
    pub caps: &'a [Cap],
    /// The campaign's zone.
    pub zone: &'a TimeZoneName,
    /// What the advertiser's campaigns look at, this one included.
    pub advertiser_caps: &'a AdvertiserCaps,
}

/// Every counter that one impression at `now` is counted in, each once, up to [`MOST_CHARGES`].
pub fn charges(shown: &Shown<'_>, now: Instant) -> Vec<Charge> {
    let mut charges = Vec::new();
    let own = [
        (
            CapScope::Creative,
            creative_key(shown.campaign, shown.creative),
        ),
        (CapScope::Campaign, shown.campaign),
    ];
    for (scope, key) in own {
        let of_scope = || shown.caps.iter().filter(|cap| cap.scope == scope);
        if of_scope().any(|cap| cap.per != CapPeriod::Lifetime) {
            charges.push(in_day(shown, scope, key, shown.zone, now));
        }
        if of_scope().any(|cap| cap.per == CapPeriod::Lifetime) {
            charges.push(for_ever(shown, scope, key));
        }
    }
    let (scope, key) = (CapScope::Advertiser, shown.advertiser);
    if shown.advertiser_caps.lifetime {
        charges.push(for_ever(shown, scope, key));
    }
    let (own, others): (Vec<_>, Vec<_>) = shown
        .advertiser_caps
        .zones
        .iter()
        .partition(|zone| *zone == shown.zone);
    for zone in own.into_iter().chain(others) {
        charges.push(in_day(shown, scope, key, zone, now));
    }
    charges.truncate(MOST_CHARGES);
    charges
}

/// The counter of a zone's day. Only in its own zone do the campaign's caps end it.
fn in_day(
    shown: &Shown<'_>,
    scope: CapScope,
    key: u64,
    zone: &TimeZoneName,
    now: Instant,
) -> Charge {
    let window = Window::at(zone, now);
    let ends = |per| max_of(shown.caps, scope, per).filter(|_| zone == shown.zone);
    Charge {
        counter: Counter {
            scope,
            key,
            span: Span::Day(window.day, zone.as_str().into()),
        },
        window: Some(window),
        limits: Limits {
            total: ends(CapPeriod::Day),
            hour: ends(CapPeriod::Hour),
            minute: ends(CapPeriod::Minute),
        },
    }
}

fn for_ever(shown: &Shown<'_>, scope: CapScope, key: u64) -> Charge {
    Charge {
        counter: Counter {
            scope,
            key,
            span: Span::Lifetime,
        },
        window: None,
        limits: Limits {
            total: max_of(shown.caps, scope, CapPeriod::Lifetime),
            ..Limits::default()
        },
    }
}

fn max_of(caps: &[Cap], scope: CapScope, per: CapPeriod) -> Option<u32> {
    let of = caps
        .iter()
        .filter(|cap| cap.scope == scope && cap.per == per);
    of.map(|cap| cap.max).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZoneName {
        name.parse().unwrap()
    }

    fn cap(scope: CapScope, per: CapPeriod, max: u32) -> Cap {
        Cap { scope, per, max }
    }

    /// Counts the charges of one impression where their limits allow it, as the store does.
    fn count(counters: &mut HashMap<Counter, Count>, charges: &[Charge]) -> bool {
        let read = |counters: &HashMap<Counter, Count>, charge: &Charge| {
            let count = counters.get(&charge.counter).cloned().unwrap_or_default();
            let window = charge.window;
            let hour = window.map_or(0, |window| count.in_hour(window.hour));
            let minute = window.map_or(0, |window| count.in_minute(window.minute));
            (count, hour, minute)
        };
        let fits = charges
            .iter()
            .all(|charge| !charge.is_at_end(&read(counters, charge).0));
        for charge in charges.iter().filter(|_| fits) {
            let (mut count, hour, minute) = read(counters, charge);
            count.total += 1;
            if let Some(window) = charge.window {
                count.hours.retain(|(at, _)| *at != window.hour);
                count.hours.push((window.hour, hour + 1));
                count.minutes.retain(|(at, _)| *at != window.minute);
                count.minutes.push((window.minute, minute + 1));
            }
            counters.insert(charge.counter.clone(), count);
        }
        fits
    }

    fn showings(counters: &HashMap<Counter, Count>) -> Showings {
        let mut showings = Showings::default();
        for (counter, count) in counters {
            showings.insert(counter.clone(), count.clone());
        }
        showings
    }

    #[test]
    fn an_impression_counts_until_a_cap_is_reached_and_again_in_the_next_period() {
        let seoul = zone("Asia/Seoul");
        // 23:58 in Seoul.
        let start: Instant = "2026-03-01T14:58:00Z".parse().unwrap();
        let minutes = |minutes: u64| start + std::time::Duration::from_secs(60 * minutes);
        for (per, at, counted) in [
            (CapPeriod::Minute, [0, 0, 0, 1], [true, true, false, true]),
            // The hour turns with the clock, two minutes later.
            (CapPeriod::Hour, [0, 1, 1, 2], [true, true, false, true]),
            (CapPeriod::Day, [0, 1, 1, 2], [true, true, false, true]),
            (
                CapPeriod::Lifetime,
                [0, 1, 2, 99_999],
                [true, true, false, false],
            ),
        ] {
            let caps = [cap(CapScope::Campaign, per, 2)];
            let shown = Shown {
                campaign: 1,
                creative: 2,
                advertiser: 3,
                caps: &caps,
                zone: &seoul,
                advertiser_caps: &AdvertiserCaps::default(),
            };
            let mut counters = HashMap::new();
            for (at, expected) in at.into_iter().zip(counted) {
                let now = minutes(at);
                let left = showings(&counters).left(&caps, CapScope::Campaign, 1, &seoul, now);
                assert_eq!(left.unwrap() > 0, expected, "{per:?} after {at} min");
                assert_eq!(count(&mut counters, &charges(&shown, now)), expected);
            }
        }
    }

    #[test]
    fn an_advertisers_campaigns_count_for_each_other_in_every_zone_that_is_looked_at() {
        let (seoul, new_york) = (zone("Asia/Seoul"), zone("America/New_York"));
        let both = AdvertiserCaps {
            zones: vec![seoul.clone(), new_york.clone()],
            lifetime: false,
        };
        let caps = [cap(CapScope::Advertiser, CapPeriod::Day, 1)];
        let shown = |campaign, zone| Shown {
            campaign,
            creative: 9,
            advertiser: 7,
            caps: &caps,
            zone,
            advertiser_caps: &both,
        };
        let now = "2026-03-01T14:58:00Z".parse().unwrap();
        let mut counters = HashMap::new();
        assert!(count(&mut counters, &charges(&shown(1, &seoul), now)));
        assert!(!count(&mut counters, &charges(&shown(2, &new_york), now)));
        // Two minutes later it is the next day in Seoul, and still the same in New York.
        let later = "2026-03-01T15:00:00Z".parse().unwrap();
        let left = |zone| showings(&counters).left(&caps, CapScope::Advertiser, 7, zone, later);
        assert_eq!((left(&seoul), left(&new_york)), (Some(1), Some(0)));
    }

    #[test]
    fn what_an_advertisers_campaigns_look_at_is_gathered_from_their_caps() {
        let (seoul, utc) = (zone("Asia/Seoul"), TimeZoneName::utc());
        let own = [cap(CapScope::Campaign, CapPeriod::Day, 1)];
        let daily = [cap(CapScope::Advertiser, CapPeriod::Day, 1)];
        let both = [
            cap(CapScope::Advertiser, CapPeriod::Hour, 1),
            cap(CapScope::Advertiser, CapPeriod::Lifetime, 9),
        ];
        let of = |zones: &[&TimeZoneName], lifetime| AdvertiserCaps {
            zones: zones.iter().copied().cloned().collect(),
            lifetime,
        };
        let mut gathered = AdvertiserCaps::default();
        for (caps, zone, expected) in [
            (&own[..], &seoul, of(&[], false)),
            (&daily, &seoul, of(&[&seoul], false)),
            (&daily, &seoul, of(&[&seoul], false)),
            (&both, &utc, of(&[&seoul, &utc], true)),
        ] {
            gathered.add(caps, zone);
            assert_eq!(gathered, expected);
        }
    }

    #[test]
    fn the_charges_of_an_impression_fit_into_a_transaction_those_with_an_end_first() {
        let mut zones: Vec<TimeZoneName> = (1..=14)
            .flat_map(|hours| ["+", "-"].map(|sign| format!("Etc/GMT{sign}{hours}")))
            .filter_map(|name| name.parse().ok())
            .cycle()
            .take(200)
            .collect();
        let own = zone("Asia/Seoul");
        zones.push(own.clone());
        let caps = [cap(CapScope::Advertiser, CapPeriod::Day, 5)];
        let shown = Shown {
            campaign: 1,
            creative: 2,
            advertiser: 3,
            caps: &caps,
            zone: &own,
            advertiser_caps: &AdvertiserCaps {
                zones,
                lifetime: true,
            },
        };
        let charges = charges(&shown, Instant::default());
        assert_eq!(charges.len(), MOST_CHARGES);
        let limited = charges.iter().position(|charge| charge.limits.any());
        assert_eq!(limited, Some(1), "after the one that counts for ever");
    }

    #[test]
    fn a_scope_without_a_cap_has_no_end() {
        let caps = [cap(CapScope::Creative, CapPeriod::Day, 4)];
        let now = Instant::default();
        let left = |scope| Showings::default().left(&caps, scope, 1, &TimeZoneName::utc(), now);
        assert_eq!(left(CapScope::Creative), Some(4));
        assert_eq!(left(CapScope::Campaign), None);
    }

    #[test]
    fn an_hour_begins_with_the_clocks_of_its_zone() {
        // Kolkata is five and a half hours ahead.
        let window = Window::at(
            &zone("Asia/Kolkata"),
            "2026-03-01T00:40:00Z".parse().unwrap(),
        );
        let half_past: Instant = "2026-03-01T00:30:00Z".parse().unwrap();
        assert_eq!(window.hour, half_past.as_minutes());
    }
}
