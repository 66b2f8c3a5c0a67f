//! Who comes when, and what becomes of what they are shown: drawn from the seed before the day begins.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{shape::minute_of, store::SLOTS};

/// How many devices there are.
pub(crate) const DEVICES: u32 = 3_000;

/// Of so many impressions nobody ever hears.
const LOST: f64 = 0.08;

/// So many visits are reported a second time.
const TWICE: f64 = 0.05;

/// The latest that impressions are reported.
const LATEST: Duration = Duration::from_secs(120);

/// A visit to come.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Visit {
    /// When, after midnight.
    pub(crate) at: Duration,
    /// Whose.
    pub(crate) device: u32,
    /// How long after it its impressions are reported.
    pub(crate) delay: Duration,
    /// Whether they are reported twice.
    pub(crate) twice: bool,
    /// What becomes of each slot.
    pub(crate) slots: [Slot; SLOTS as usize],
}

/// What becomes of what is shown in a slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Slot {
    /// Its impression is never reported, nor is it clicked.
    pub(crate) lost: bool,
    /// It is clicked by whoever clicks at least this share of the time.
    pub(crate) click: f64,
}

/// The visits of the day in their order.
pub(crate) fn visits(seed: u64, count: usize) -> Vec<Visit> {
    let mut draws = StdRng::seed_from_u64(seed);
    let mut parts: Vec<f64> = (0..count).map(|_| draws.random()).collect();
    parts.sort_unstable_by(f64::total_cmp);
    parts
        .into_iter()
        .map(|part| Visit {
            at: Duration::from_secs_f64(60.0 * minute_of(part)),
            device: device(draws.random()),
            // Most come within seconds, some from where the network was bad.
            delay: LATEST.mul_f64(draws.random::<f64>().powi(3)),
            twice: draws.random::<f64>() < TWICE,
            slots: std::array::from_fn(|_| Slot {
                lost: draws.random::<f64>() < LOST,
                click: draws.random(),
            }),
        })
        .collect()
}

/// Some come often: a tenth of the devices makes almost a third of the visits.
fn device(draw: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to the number of devices"
    )]
    let device = (f64::from(DEVICES) * draw * draw) as u32;
    device.min(DEVICES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_makes_the_day() {
        assert_eq!(visits(1, 500), visits(1, 500));
        assert_ne!(visits(1, 500), visits(2, 500));
    }

    #[test]
    fn visits_come_in_order_within_the_day_and_from_all_devices() {
        let visits = visits(1, 20_000);
        assert!(visits.is_sorted_by_key(|visit| visit.at));
        assert!(visits[19_999].at < Duration::from_secs(86_400));
        assert!(visits.iter().all(|visit| visit.delay <= LATEST));
        let often = visits.iter().filter(|it| it.device < DEVICES / 10).count();
        assert!((6_000..6_700).contains(&often), "{often}");
    }
}
