//! Marks on their way: impressions that come after a moment, or hours later, or never, or twice; and
//! what clicks and conversions follow from them.

use std::time::Duration;

use domain::Instant;
use rand::{Rng, RngExt as _};

use crate::{
    books::Event,
    campaigns::{CLICKED, CONVERTED},
    traffic::about,
};

/// Of what is given out, so much is seen.
const SEEN: f64 = 0.85;
/// Of what is seen: told only once the device is on line again, within so many hours; told after a
/// minute rather than after a moment; told twice.
const OFFLINE: f64 = 0.03;
const OFFLINE_H: f64 = 5.0;
const SLOW: f64 = 0.04;
const TWICE: f64 = 0.02;

/// How many marks a device that was off line sends in one call.
pub(crate) const BATCH: f64 = 8.0;

/// A mark on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) issued: Instant,
    pub(crate) expires_at: Instant,
    pub(crate) device: u32,
    pub(crate) lease: Option<u32>,
    pub(crate) campaign: u16,
    pub(crate) creative: u8,
    pub(crate) event: Event,
    /// It was sent before.
    pub(crate) again: bool,
    /// It is one of a batch.
    pub(crate) offline: bool,
}

/// Marks by the second in which they arrive.
#[derive(Debug)]
pub(crate) struct OnTheirWay {
    start: Instant,
    seconds: Vec<Vec<Mark>>,
}

impl OnTheirWay {
    /// For so many seconds from `start` on; what comes later is lost.
    pub(crate) fn new(start: Instant, seconds: u32) -> Self {
        Self {
            start,
            seconds: vec![Vec::new(); seconds as usize],
        }
    }

    /// Sends off what becomes of an impression that was given out.
    pub(crate) fn send(&mut self, impression: Mark, rng: &mut impl Rng) {
        if !rng.random_bool(SEEN) {
            return;
        }
        let kind: f64 = rng.random();
        let offline = kind < OFFLINE;
        let after_s = if offline {
            rng.random_range(600.0..OFFLINE_H * 3600.0)
        } else if kind < OFFLINE + SLOW {
            about(60.0, rng)
        } else {
            0.5 + about(2.0, rng)
        };
        let mark = Mark {
            offline,
            ..impression
        };
        self.push(mark, after_s);
        if rng.random_bool(TWICE) {
            let again = Mark {
                again: true,
                ..mark
            };
            self.push(again, after_s + 1.0 + about(20.0, rng));
        }
        if rng.random_bool(CLICKED) {
            let clicked_s = after_s + 1.0 + about(10.0, rng);
            let click = Mark {
                event: Event::Click,
                ..mark
            };
            self.push(click, clicked_s);
            if rng.random_bool(CONVERTED) {
                // Conversions count for days: the window of `track`, not the token's own life.
                let conversion = Mark {
                    event: Event::Conversion,
                    expires_at: mark.issued + Duration::from_secs(7 * 24 * 3600),
                    offline: false,
                    ..mark
                };
                self.push(conversion, clicked_s + about(600.0, rng));
            }
        }
    }

    /// What arrives in a second, in the order of sending.
    pub(crate) fn arrive(&mut self, second: u32) -> Vec<Mark> {
        self.seconds
            .get_mut(second as usize)
            .map(std::mem::take)
            .unwrap_or_default()
    }

    fn push(&mut self, mark: Mark, after_s: f64) {
        let at = mark.issued + Duration::from_secs_f64(after_s);
        let second = at.since(self.start).as_secs() as usize;
        if let Some(second) = self.seconds.get_mut(second) {
            second.push(mark);
        }
    }
}
