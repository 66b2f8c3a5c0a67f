//! Traffic: when requests come in a day, and from which devices.

use rand::{Rng, RngExt as _};
use rand_distr::{Distribution as _, Exp1, Poisson, StandardNormal};

/// How much each hour weighs, by Seoul's clocks: quiet at night, a peak at lunch, a larger one in
/// the evening.
const HOURS: [f64; 24] = [
    45., 28., 17., 11., 9., 13., 30., 62., 86., 80., 78., 92., 126., 104., 86., 82., 88., 104.,
    124., 140., 156., 162., 134., 82.,
];

/// Seconds of a day.
pub(crate) const DAY_S: u32 = 86_400;

/// When something is sent to everybody, in seconds of the day, and how long its wake halves in.
const BURSTS: [u32; 2] = [12 * 3600 + 300, 20 * 3600 + 1800];
const BURST_HALF_LIFE_S: f64 = 120.0;
/// How much a burst adds, in parts of what comes without it.
const BURST: f64 = 1.5;

/// How much of a minute's deviation the next minute keeps, and how large deviations are.
const NOISE_KEPT: f64 = 0.8;
const NOISE: f64 = 0.06;

/// The requests of a day, second by second.
#[derive(Debug)]
pub(crate) struct Day {
    /// Requests a second while the curve weighs 1.
    scale: f64,
    noise: f64,
}

impl Day {
    /// A day of about so many requests.
    pub(crate) fn of(requests: u64) -> Self {
        let weight: f64 = (0..DAY_S).map(weight).sum();
        Self {
            scale: requests as f64 / weight,
            noise: 0.0,
        }
    }

    /// How many requests a second of the day brings on average.
    pub(crate) fn rate(&self, second: u32) -> f64 {
        self.scale * weight(second)
    }

    /// The highest rate of the day.
    pub(crate) fn peak(&self) -> f64 {
        let minutes = (0..DAY_S).step_by(60).map(|second| self.rate(second));
        minutes.fold(0.0, f64::max)
    }

    /// What each hour of the clock brings, the first of this day first.
    pub(crate) fn hours(&self) -> [f64; 24] {
        std::array::from_fn(|hour| {
            let first = hour as u32 * 3600;
            (first..first + 3600).map(|second| self.rate(second)).sum()
        })
    }

    /// The milliseconds within a second at which requests come, in order.
    pub(crate) fn arrivals(&mut self, second: u32, rng: &mut impl Rng) -> Vec<u16> {
        if second.is_multiple_of(60) {
            let fresh: f64 = StandardNormal.sample(rng);
            self.noise = NOISE_KEPT * self.noise + NOISE * (1.0 - NOISE_KEPT).sqrt() * fresh;
        }
        let count = poisson(self.rate(second) * self.noise.exp(), rng);
        let mut times: Vec<u16> = (0..count).map(|_| rng.random_range(0..1000)).collect();
        times.sort_unstable();
        times
    }
}

/// How much a second of the day weighs: hours run into each other, and bursts are on top.
fn weight(second: u32) -> f64 {
    let at = f64::from(second % DAY_S) / 3600.0 - 0.5;
    let before = at.floor();
    let hour = before.rem_euclid(24.0) as usize;
    let part = at - before;
    let between = HOURS[hour] * (1.0 - part) + HOURS[(hour + 1) % 24] * part;
    let wake: f64 = BURSTS
        .iter()
        .filter(|burst| **burst <= second)
        .map(|burst| BURST * (-f64::from(second - burst) / BURST_HALF_LIFE_S).exp2())
        .sum();
    between * (1.0 + wake)
}

fn poisson(mean: f64, rng: &mut impl Rng) -> u64 {
    Poisson::new(mean).map_or(0, |poisson| poisson.sample(rng) as u64)
}

/// So many seconds on average, most of them fewer.
pub(crate) fn about(mean_s: f64, rng: &mut impl Rng) -> f64 {
    let unit: f64 = Exp1.sample(rng);
    mean_s * unit
}

/// Which device a request comes from: the rate of the device of rank `r` falls as
/// `(r + shift)^-exponent`, a Zipf law that is flat at its head (Mandelbrot's), since nobody looks at a
/// phone more often than there are seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Activity {
    devices: u32,
    shift: f64,
    exponent: f64,
}

impl Activity {
    /// Of so many devices.
    pub(crate) fn of(devices: u32) -> Self {
        Self {
            devices,
            shift: (f64::from(devices) / 1000.0).max(1.0),
            exponent: 0.7,
        }
    }

    /// Draws a device by its rank, 0 for the busiest.
    pub(crate) fn draw(&self, rng: &mut impl Rng) -> u32 {
        let whole = self.below(f64::from(self.devices));
        let wanted = rng.random::<f64>() * whole;
        let power = 1.0 - self.exponent;
        let rank = (wanted + self.shift.powf(power)).powf(power.recip()) - self.shift;
        (rank as u32).min(self.devices - 1)
    }

    /// The share of all requests that comes from the devices of the lowest ranks.
    #[cfg(test)]
    fn share(&self, devices: u32) -> f64 {
        self.below(f64::from(devices)) / self.below(f64::from(self.devices))
    }

    fn below(&self, rank: f64) -> f64 {
        let power = 1.0 - self.exponent;
        (rank + self.shift).powf(power) - self.shift.powf(power)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn a_day_brings_as_many_requests_as_asked_and_most_of_them_in_the_evening() {
        let day = Day::of(1_000_000);
        let sum: f64 = day.hours().iter().sum();
        assert!((sum - 1e6).abs() < 1.0, "{sum}");
        let busiest = (0..24).max_by(|a, b| day.hours()[*a].total_cmp(&day.hours()[*b]));
        assert!(matches!(busiest, Some(20 | 21)), "{busiest:?}");
        assert!(day.hours()[12] > 1.2 * day.hours()[10], "lunch");
        assert!(day.peak() > 2.0 * 1e6 / f64::from(DAY_S));
    }

    #[test]
    fn seconds_come_to_the_day_within_chance() {
        let (mut day, mut rng) = (Day::of(200_000), StdRng::seed_from_u64(1));
        let sum: usize = (0..DAY_S)
            .map(|second| day.arrivals(second, &mut rng).len())
            .sum();
        assert!((195_000..205_000).contains(&sum), "{sum}");
    }

    #[test]
    fn devices_are_drawn_by_their_rank() {
        let activity = Activity::of(100_000);
        let mut rng = StdRng::seed_from_u64(1);
        let draws = 200_000;
        let mut counts = vec![0u32; 100_000];
        for _ in 0..draws {
            counts[activity.draw(&mut rng) as usize] += 1;
        }
        for first in [1_000, 10_000, 50_000] {
            let found: u32 = counts[..first as usize].iter().sum();
            let (found, expected) = (f64::from(found) / f64::from(draws), activity.share(first));
            assert!((found - expected).abs() < 0.01, "{first}: {found}");
        }
        assert!(activity.share(10_000) > 0.3, "a tenth does a third of it");
    }
}
