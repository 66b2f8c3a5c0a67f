//! What the demo found, and whether it is what it must be.

use std::{fmt, time::Duration};

use anyhow::Result;

use crate::{
    campaigns::Campaigns,
    checks::{Check, checks},
    client::Counts,
    options::Options,
    replay::Outcome,
    stack::Stack,
    statistics::{Latencies, Spread},
};

/// The end of a run.
#[derive(Debug)]
pub struct Summary {
    seed: u64,
    concurrency: usize,
    stack: String,
    campaigns: String,
    visits: usize,
    elapsed: Duration,
    allocations: Latencies,
    tracking: Latencies,
    unfilled: usize,
    spread: Option<Spread>,
    sent: Counts,
    counted: Counts,
    checks: Vec<Check>,
}

impl Summary {
    pub(crate) fn new(
        options: &Options,
        stack: &Stack,
        campaigns: &Campaigns,
        version: u64,
        excluded: usize,
        outcome: Outcome,
        counted: Vec<Counts>,
    ) -> Result<Self> {
        let shown: Vec<u64> = outcome.sent.iter().map(|sent| sent.impressions).collect();
        let spread = match options.targeted {
            true => None,
            false => Some(Spread::of(&shown)?),
        };
        let url = &stack.description().base_url;
        Ok(Self {
            seed: options.seed,
            concurrency: options.concurrency,
            stack: match stack {
                Stack::Running(_) => format!("the one that runs on {url}"),
                Stack::Own(_) => {
                    format!("started for this run, data in {}", options.data.display())
                }
            },
            campaigns: described(campaigns, version, excluded),
            checks: checks(campaigns, &outcome, &counted, spread.as_ref()),
            visits: outcome.visits,
            elapsed: outcome.elapsed,
            allocations: Latencies::new(outcome.allocations),
            tracking: Latencies::new(outcome.tracking),
            unfilled: outcome.unfilled,
            spread,
            sent: sum(&outcome.sent),
            counted: sum(&counted),
        })
    }

    /// Whether everything is what it must be.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.fault.is_none())
    }
}

fn described(campaigns: &Campaigns, version: u64, excluded: usize) -> String {
    let targeted = campaigns.audiences.iter().flatten().count();
    let mut text = format!("{} live as version {version}", campaigns.ids.len());
    if targeted > 0 {
        text += &format!(", {targeted} of them targeted");
    }
    if excluded > 0 {
        text += &format!("; others on this stack, left out: {excluded}");
    }
    text
}

fn sum(counts: &[Counts]) -> Counts {
    Counts {
        impressions: counts.iter().map(|count| count.impressions).sum(),
        clicks: counts.iter().map(|count| count.clicks).sum(),
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = self.allocations.count() + self.tracking.count();
        let seconds = self.elapsed.as_secs_f64();
        let filled = self.visits - self.unfilled;
        writeln!(
            f,
            "Open Bandit, {} visits, {} at once, seed {}",
            count(self.visits),
            self.concurrency,
            self.seed
        )?;
        writeln!(f)?;
        writeln!(f, "  stack        {}", self.stack)?;
        writeln!(f, "  campaigns    {}", self.campaigns)?;
        writeln!(
            f,
            "  speed        {:.0} requests per second: {} in {seconds:.1} s",
            ratio(requests, seconds),
            count(requests)
        )?;
        writeln!(f)?;
        writeln!(
            f,
            "  {:<13}{:>8}{:>10}{:>10}{:>10}{:>10}",
            "latency, ms", "count", "p50", "p90", "p99", "max"
        )?;
        for (name, latencies) in [
            ("allocations", &self.allocations),
            ("tracking", &self.tracking),
        ] {
            write!(f, "  {name:<13}{:>8}", count(latencies.count()))?;
            for percent in [50, 90, 99] {
                write!(f, "{:>10.2}", millis(latencies.percentile(percent)))?;
            }
            writeln!(f, "{:>10.2}", millis(latencies.max()))?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "  fill         {:.1} %: {} of {}",
            100.0 * ratio(filled, float(self.visits)),
            count(filled),
            count(self.visits)
        )?;
        if let Some(Spread {
            chi_squared,
            degrees,
            p_value,
        }) = self.spread
        {
            writeln!(
                f,
                "  spread       χ² = {chi_squared:.1} over {degrees} degrees of freedom, p = {p_value:.3}"
            )?;
        }
        for (name, sent, counted) in [
            (
                "impressions",
                self.sent.impressions,
                self.counted.impressions,
            ),
            ("clicks", self.sent.clicks, self.counted.clicks),
        ] {
            writeln!(
                f,
                "  {name:<13}{} sent, {} counted",
                count(sent),
                count(counted)
            )?;
        }
        writeln!(f)?;
        for Check { what, fault } in &self.checks {
            match fault {
                None => writeln!(f, "  ✓ {what}")?,
                Some(fault) => writeln!(f, "  ✗ {what}: {fault}")?,
            }
        }
        Ok(())
    }
}

/// A number with its thousands apart.
pub(crate) fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn ratio(part: usize, whole: f64) -> f64 {
    float(part) / whole
}

#[expect(clippy::cast_precision_loss, reason = "the counts of a demo are small")]
fn float(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number as u64), text);
        }
    }
}
