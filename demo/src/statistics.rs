//! What the measurements say: latency percentiles, and whether a spread is the uniform draw that
//! it should be.

use std::time::Duration;

use anyhow::{Result, ensure};
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Durations that were measured, in order of length.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Sorts what was measured.
    pub(crate) fn new(mut measured: Vec<Duration>) -> Self {
        measured.sort_unstable();
        Self(measured)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest duration that at least `percent` of all do not exceed (nearest rank); zero
    /// when nothing was measured.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// The longest.
    pub(crate) fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

/// How far counts are from being equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    /// Pearson's χ².
    pub(crate) chi_squared: f64,
    /// Its degrees of freedom.
    pub(crate) degrees: f64,
    /// How often a uniform draw would give a χ² at least this large.
    pub(crate) p_value: f64,
}

impl Spread {
    /// Compares `counts` with a uniform draw (Pearson's test).
    ///
    /// # Errors
    /// There are fewer than two counts, or nothing was drawn.
    pub(crate) fn of(counts: &[u64]) -> Result<Self> {
        let drawn: u64 = counts.iter().sum();
        ensure!(
            counts.len() >= 2 && drawn > 0,
            "a spread needs two bins and one draw"
        );
        let degrees = float(counts.len() as u64) - 1.0;
        let expected = float(drawn) / float(counts.len() as u64);
        let chi_squared = counts
            .iter()
            .map(|count| (float(*count) - expected).powi(2) / expected)
            .sum();
        let p_value = ChiSquared::new(degrees)?.sf(chi_squared);
        Ok(Self {
            chi_squared,
            degrees,
            p_value,
        })
    }
}

/// Counts here are far below 2⁵³, where a float stops being exact.
#[expect(clippy::cast_precision_loss, reason = "the counts of a demo are small")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values_of_the_nearest_rank() {
        let measured = Latencies::new((1..=200).rev().map(Duration::from_millis).collect());
        let at = |percent| measured.percentile(percent).as_millis();
        assert_eq!((at(50), at(90), at(99), at(100)), (100, 180, 198, 200));
        assert_eq!(measured.max().as_millis(), 200);
        assert_eq!(Latencies::default().percentile(50), Duration::ZERO);
    }

    #[test]
    fn the_p_value_agrees_with_the_tables() {
        // Critical values of χ²: 3.841 at 5 % of one degree of freedom, 10.597 at 0.5 % of two.
        let one = Spread::of(&[1_000, 1_000 - 88]).unwrap();
        assert!((one.chi_squared - 88.0_f64.powi(2) / 1_912.0).abs() < 1e-9);
        assert!((one.p_value - 0.0441).abs() < 1e-3, "{one:?}");
        let even = Spread::of(&[50; 80]).unwrap();
        assert_eq!(
            (even.chi_squared, even.degrees, even.p_value),
            (0.0, 79.0, 1.0)
        );
    }

    #[test]
    fn a_skewed_spread_is_found() {
        let mut counts = [125; 80];
        counts[0] = 300;
        assert!(Spread::of(&counts).unwrap().p_value < 1e-6);
        assert!(Spread::of(&[]).is_err() && Spread::of(&[0, 0]).is_err());
    }
}
