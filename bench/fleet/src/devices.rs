//! Devices: what each was shown. Stands in for the counters of `store::devices` and for the
//! conditions of the transaction that moves them; which counters there are, and what is left of a cap,
//! is the domain's own ([`charges`](domain::caps::charges), [`Showings`]).

use std::collections::HashMap;

use domain::{
    Instant,
    caps::{Charge, Count, Counter, Showings, Span},
};

/// What a profile and a content-config take, of devices that have them: of ten, six.
const PROFILE_BYTES: usize = 600;
const WITH_PROFILE: u32 = 6;

/// A counter's item: its keys, total and expiry; each of its hours and minutes.
const COUNTER_BYTES: usize = 130;
const PART_BYTES: usize = 12;

/// The counters of a day stay for so many days, until DynamoDB has deleted them.
const DAYS_KEPT: usize = 3;

/// What all devices were shown.
pub(crate) struct Devices {
    devices: Vec<Vec<Held>>,
    counters: Vec<Counter>,
    places: HashMap<Counter, u16>,
    /// The minute that others are counted from.
    base: u32,
    /// How often a counter went beyond its limit: never, if all is well.
    pub(crate) beyond: u64,
}

/// One device's counter, with its last hour and minute only: time goes forward.
#[derive(Debug, Clone, Copy)]
struct Held {
    counter: u16,
    total: u16,
    hour: u16,
    in_hour: u16,
    minute: u16,
    in_minute: u16,
}

impl Devices {
    /// Nobody was shown anything before `start`.
    pub(crate) fn new(devices: u32, start: Instant) -> Self {
        Self {
            devices: vec![Vec::new(); devices as usize],
            counters: Vec::new(),
            places: HashMap::new(),
            base: start.as_minutes() - 1440,
            beyond: 0,
        }
    }

    /// What allocation reads.
    pub(crate) fn showings(&self, device: u32) -> Showings {
        let mut showings = Showings::default();
        for held in &self.devices[device as usize] {
            let counter = self.counters[usize::from(held.counter)].clone();
            showings.insert(counter, self.count_of(*held));
        }
        showings
    }

    /// The size of what allocation reads, in bytes.
    pub(crate) fn size(&self, device: u32) -> usize {
        let profile = if device % 10 < WITH_PROFILE {
            PROFILE_BYTES
        } else {
            0
        };
        let counters = self.devices[device as usize].iter().map(|held| {
            let total = usize::from(held.total);
            match self.counters[usize::from(held.counter)].span {
                Span::Day(..) => {
                    let parts = PART_BYTES * (total + total.min(24));
                    DAYS_KEPT * (COUNTER_BYTES + parts)
                }
                Span::Lifetime => COUNTER_BYTES,
            }
        });
        profile + counters.sum::<usize>()
    }

    /// Whether none of the counters is at its end.
    pub(crate) fn fits(&self, device: u32, charges: &[Charge]) -> bool {
        charges.iter().all(|charge| {
            let Some(place) = self.places.get(&charge.counter) else {
                return true;
            };
            let mut held = self.devices[device as usize].iter();
            let held = held.find(|held| held.counter == *place);
            held.is_none_or(|held| self.has_room(*held, charge))
        })
    }

    /// Counts an impression in all of its counters.
    pub(crate) fn count(&mut self, device: u32, charges: &[Charge]) {
        for charge in charges {
            let place = self.place(&charge.counter);
            let base = self.base;
            let held = self.held(device, place);
            held.total += 1;
            if let Some(window) = charge.window {
                let (hour, minute) = (relative(window.hour, base), relative(window.minute, base));
                if held.hour != hour {
                    (held.hour, held.in_hour) = (hour, 0);
                }
                if held.minute != minute {
                    (held.minute, held.in_minute) = (minute, 0);
                }
                held.in_hour += 1;
                held.in_minute += 1;
            }
            let held = *held;
            let past = |value: u16, most: Option<u32>| most.is_some_and(|it| u32::from(value) > it);
            let limits = charge.limits;
            let beyond = past(held.total, limits.total)
                || past(held.in_hour, limits.hour)
                || past(held.in_minute, limits.minute);
            self.beyond += u64::from(beyond);
        }
    }

    fn has_room(&self, held: Held, charge: &Charge) -> bool {
        let below = |value: u32, most: Option<u32>| most.is_none_or(|most| value < most);
        let limits = charge.limits;
        let in_window = charge.window.is_none_or(|window| {
            let hour = if held.hour == relative(window.hour, self.base) {
                held.in_hour
            } else {
                0
            };
            let minute = if held.minute == relative(window.minute, self.base) {
                held.in_minute
            } else {
                0
            };
            below(hour.into(), limits.hour) && below(minute.into(), limits.minute)
        });
        below(held.total.into(), limits.total) && in_window
    }

    fn held(&mut self, device: u32, place: u16) -> &mut Held {
        let device = &mut self.devices[device as usize];
        let at = device.iter().position(|held| held.counter == place);
        let at = at.unwrap_or_else(|| {
            if device.is_empty() {
                // Growing a million of them from one on would tear memory to pieces.
                device.reserve_exact(8);
            }
            device.push(Held {
                counter: place,
                total: 0,
                hour: 0,
                in_hour: 0,
                minute: 0,
                in_minute: 0,
            });
            device.len() - 1
        });
        &mut device[at]
    }

    fn place(&mut self, counter: &Counter) -> u16 {
        if let Some(place) = self.places.get(counter) {
            return *place;
        }
        let place = self.counters.len() as u16;
        self.counters.push(counter.clone());
        self.places.insert(counter.clone(), place);
        place
    }

    fn count_of(&self, held: Held) -> Count {
        if held.in_minute == 0 {
            return Count {
                total: held.total.into(),
                ..Count::default()
            };
        }
        Count {
            total: held.total.into(),
            hours: vec![(self.base + u32::from(held.hour), held.in_hour.into())],
            minutes: vec![(self.base + u32::from(held.minute), held.in_minute.into())],
        }
    }
}

fn relative(minute: u32, base: u32) -> u16 {
    minute.saturating_sub(base) as u16
}

#[cfg(test)]
mod tests {
    use domain::{
        TimeZoneName,
        caps::{AdvertiserCaps, Shown, charges},
        content::campaigns::{Cap, CapPeriod, CapScope},
    };

    use super::*;

    #[test]
    fn a_counter_ends_where_the_cap_does_and_begins_anew_in_the_next_hour() {
        let start: Instant = "2026-03-01T15:00:00Z".parse().unwrap();
        let mut devices = Devices::new(2, start);
        let cap = |per, max| Cap {
            scope: CapScope::Campaign,
            per,
            max,
        };
        let caps = [cap(CapPeriod::Hour, 2), cap(CapPeriod::Day, 3)];
        let zone: TimeZoneName = "Asia/Seoul".parse().unwrap();
        let shown = Shown {
            campaign: 1,
            creative: 2,
            advertiser: 3,
            caps: &caps,
            zone: &zone,
            advertiser_caps: &AdvertiserCaps::default(),
        };
        let mut at = |minutes: u64| {
            let now = start + std::time::Duration::from_secs(60 * minutes);
            let left = devices
                .showings(1)
                .left(&caps, CapScope::Campaign, 1, &zone, now);
            let charges = charges(&shown, now);
            let fits = devices.fits(1, &charges);
            assert_eq!(left.unwrap() > 0, fits, "{minutes}");
            if fits {
                devices.count(1, &charges);
            }
            fits
        };
        let counted = [0, 1, 59, 60, 61, 24 * 60].map(&mut at);
        assert_eq!(counted, [true, true, false, true, false, true]);
        assert_eq!(devices.beyond, 0);
        assert!(devices.size(1) > devices.size(0));
    }
}
