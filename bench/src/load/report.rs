//! What came of the load, as it is printed.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use anyhow::Result;

use super::{Outcome, Sample};
use crate::measure::percentile;

/// How long a refusal may take, 99 of 100.
const REFUSED_WITHIN: Duration = Duration::from_millis(50);

/// How long after a burst requests may still be refused.
const RECOVERED_WITHIN: Duration = Duration::from_secs(5);

/// How much of the memory from before a burst may be there in addition afterwards.
const MEMORY: f64 = 0.1;

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) profile: String,
    /// By their places in samples.
    pub(crate) routes: Vec<&'static str>,
    pub(crate) steady: Steady,
    pub(crate) burst: Burst,
}

/// The rate that is nothing special.
pub(crate) struct Steady {
    pub(crate) rate: u32,
    /// The same rate of requests that cost nothing.
    pub(crate) baseline: Vec<Sample>,
    pub(crate) samples: Vec<Sample>,
    /// What the stack used meanwhile.
    pub(crate) cpu: Duration,
    /// Before the burst of the warm-up.
    pub(crate) rss_fresh: u64,
    pub(crate) rss_before: u64,
    pub(crate) rss_after: u64,
}

/// What is too much, and what comes after it.
pub(crate) struct Burst {
    pub(crate) rate: u32,
    pub(crate) samples: Vec<Sample>,
    /// The steady rate again, from the last answer of the burst on.
    pub(crate) after: Vec<Sample>,
    pub(crate) rss_after: u64,
}

impl Report {
    /// What must not be: anything but a good answer at the steady rate, and in a burst anything but a
    /// good answer or a refusal.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let failed = count(&self.steady.samples, |outcome| outcome != Outcome::Served);
        if failed > 0 {
            wrong.push(format!("{failed} errors at the steady rate"));
        }
        let strange = count(&self.burst.samples, |outcome| {
            matches!(outcome, Outcome::Wrong(_))
        });
        if strange > 0 {
            wrong.push(format!(
                "{strange} answers of the burst are neither good nor a refusal"
            ));
        }
        wrong
    }

    /// Prints it.
    pub(crate) fn print(&self) -> Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}, profile {}", self.machine, self.profile)?;
        writeln!(
            out,
            "stack and clients share the processors; a latency counts from the moment a request was due\n"
        )?;
        for line in self.steady_lines().into_iter().chain(self.burst_lines()) {
            writeln!(out, "{line}")?;
        }
        let missed = self.missed();
        if missed.is_empty() {
            writeln!(out, "\nnothing was missed")?;
        }
        for missed in missed {
            writeln!(out, "\nmissed: {missed}")?;
        }
        Ok(())
    }

    fn steady_lines(&self) -> Vec<String> {
        let steady = &self.steady;
        let baseline = Latencies::of(&steady.baseline, |_| true);
        let mut lines = vec![format!(
            "{:<22}{:>9}{:>8}{:>10}{:>10}{:>10}{:>12}",
            format!("{} a second", steady.rate),
            "count",
            "errors",
            "p50 ms",
            "p99 ms",
            "max ms",
            "× baseline"
        )];
        let mut row = |name: &str, samples: &[Sample], of: &dyn Fn(&Sample) -> bool| {
            let latencies = Latencies::of(samples, of);
            let errors = samples
                .iter()
                .filter(|sample| of(sample) && sample.outcome != Outcome::Served)
                .count();
            lines.push(format!(
                "{name:<22}{:>9}{errors:>8}{:>10.2}{:>10.2}{:>10.2}{:>12}",
                latencies.0.len(),
                millis(latencies.percentile(50)),
                millis(latencies.percentile(99)),
                millis(latencies.percentile(100)),
                format!(
                    "{:.1} / {:.1}",
                    ratio(latencies.percentile(50), baseline.percentile(50)),
                    ratio(latencies.percentile(99), baseline.percentile(99)),
                ),
            ));
        };
        row("baseline: health", &steady.baseline, &|_| true);
        row("all", &steady.samples, &|_| true);
        for (place, name) in self.routes.iter().enumerate() {
            row(&format!("  {name}"), &steady.samples, &|sample| {
                sample.route == place
            });
        }
        let requests = steady.samples.len().max(1) as f64;
        lines.push(format!(
            "\nthe stack used {:.2} s of processor time for 1,000 requests; memory {:.0} MB before, {:.0} MB after ({:.0} MB before any burst)",
            steady.cpu.as_secs_f64() * 1e3 / requests,
            megabytes(steady.rss_before),
            megabytes(steady.rss_after),
            megabytes(steady.rss_fresh),
        ));
        lines
    }

    fn burst_lines(&self) -> Vec<String> {
        let burst = &self.burst;
        let mut lines = vec![format!(
            "\n{:<22}{:>9}{:>18}{:>10}{:>10}",
            format!("{} a second", burst.rate),
            "count",
            "p50 ms",
            "p99 ms",
            "max ms"
        )];
        let mut row = |name: &str, latencies: &Latencies| {
            lines.push(format!(
                "  {name:<20}{:>9}{:>18.2}{:>10.2}{:>10.2}",
                latencies.0.len(),
                millis(latencies.percentile(50)),
                millis(latencies.percentile(99)),
                millis(latencies.percentile(100)),
            ));
        };
        row("served", &self.served());
        row("refused", &self.refused());
        let wrong = |sample: &Sample| matches!(sample.outcome, Outcome::Wrong(_));
        row("wrong", &Latencies::of(&burst.samples, wrong));
        lines.push(format!(
            "\nafterwards free of errors after {:.1} s; memory {:.0} MB, {:+.0} %",
            self.recovered().as_secs_f64(),
            megabytes(burst.rss_after),
            self.growth() * 100.0,
        ));
        lines
    }

    /// What the run was to show and did not.
    fn missed(&self) -> Vec<String> {
        let mut missed = self.wrong();
        let refused = self.refused().percentile(99);
        if refused > REFUSED_WITHIN {
            let (took, aim) = (millis(refused), millis(REFUSED_WITHIN));
            missed.push(format!("refusals took {took:.0} ms (p99), not {aim:.0}"));
        }
        let recovered = self.recovered();
        if recovered > RECOVERED_WITHIN {
            let (took, aim) = (recovered.as_secs_f64(), RECOVERED_WITHIN.as_secs());
            missed.push(format!(
                "errors until {took:.1} s after the burst, not {aim}"
            ));
        }
        if self.growth() > MEMORY {
            let (grown, aim) = (self.growth() * 100.0, MEMORY * 100.0);
            missed.push(format!(
                "{grown:.0} % more memory after the burst, not {aim:.0}"
            ));
        }
        missed
    }

    fn served(&self) -> Latencies {
        Latencies::of(&self.burst.samples, |sample| {
            sample.outcome == Outcome::Served
        })
    }

    fn refused(&self) -> Latencies {
        Latencies::of(&self.burst.samples, |sample| {
            sample.outcome == Outcome::Refused
        })
    }

    /// From the end of the burst until the last error had come.
    fn recovered(&self) -> Duration {
        let errors = self.burst.after.iter();
        let errors = errors.filter(|sample| sample.outcome != Outcome::Served);
        errors
            .map(|sample| sample.due + sample.latency)
            .max()
            .unwrap_or_default()
    }

    /// How much more memory there is after the burst, as a share of what was before it.
    fn growth(&self) -> f64 {
        self.burst.rss_after as f64 / self.steady.rss_after.max(1) as f64 - 1.0
    }
}

fn count(samples: &[Sample], of: impl Fn(Outcome) -> bool) -> usize {
    samples.iter().filter(|sample| of(sample.outcome)).count()
}

/// Latencies in their order.
struct Latencies(Vec<Duration>);

impl Latencies {
    fn of(samples: &[Sample], of: impl Fn(&Sample) -> bool) -> Self {
        let chosen = samples.iter().filter(|sample| of(sample));
        let mut latencies: Vec<Duration> = chosen.map(|sample| sample.latency).collect();
        latencies.sort_unstable();
        Self(latencies)
    }

    fn percentile(&self, percent: usize) -> Duration {
        percentile(&self.0, percent)
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn ratio(time: Duration, baseline: Duration) -> f64 {
    time.as_secs_f64() / baseline.as_secs_f64().max(1e-9)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(due_s: u64, latency_ms: u64, outcome: Outcome) -> Sample {
        Sample {
            route: 0,
            due: Duration::from_secs(due_s),
            latency: Duration::from_millis(latency_ms),
            outcome,
        }
    }

    fn report(steady: Vec<Sample>, burst: Vec<Sample>, after: Vec<Sample>, rss: u64) -> Report {
        Report {
            machine: "a machine".to_owned(),
            profile: "quick".to_owned(),
            routes: vec!["allocations"],
            steady: Steady {
                rate: 500,
                baseline: vec![sample(0, 1, Outcome::Served)],
                samples: steady,
                cpu: Duration::from_millis(4),
                rss_fresh: 50_000_000,
                rss_before: 90_000_000,
                rss_after: 100_000_000,
            },
            burst: Burst {
                rate: 5_000,
                samples: burst,
                after,
                rss_after: rss,
            },
        }
    }

    #[test]
    fn a_good_run_misses_nothing() {
        let steady = vec![sample(0, 2, Outcome::Served), sample(1, 4, Outcome::Served)];
        let burst = vec![
            sample(0, 900, Outcome::Served),
            sample(0, 50, Outcome::Refused),
        ];
        let after = vec![
            sample(4, 1_000, Outcome::Refused),
            sample(5, 1, Outcome::Served),
        ];
        let good = report(steady, burst, after, 109_000_000);
        assert_eq!(good.missed(), Vec::<String>::new());
        let lines = good.steady_lines();
        let all: Vec<&str> = lines[2].split_whitespace().collect();
        assert_eq!(
            all,
            ["all", "2", "0", "2.00", "4.00", "4.00", "2.0", "/", "4.0"]
        );
        assert!(lines[4].contains("2.00 s of processor time for 1,000 requests"));
        let after = good.burst_lines().pop().unwrap();
        assert!(
            after.contains("after 5.0 s; memory 109 MB, +9 %"),
            "{after}"
        );
    }

    #[test]
    fn what_is_missed_is_told_and_only_wrong_answers_fail_a_run() {
        let slow = report(
            vec![sample(0, 1, Outcome::Served)],
            vec![sample(0, 51, Outcome::Refused)],
            vec![sample(5, 1, Outcome::Refused)],
            111_000_000,
        );
        assert_eq!(slow.missed().len(), 3, "{:?}", slow.missed());
        assert_eq!(slow.wrong(), Vec::<String>::new());
        let wrong = report(
            vec![sample(0, 1, Outcome::Refused)],
            vec![sample(0, 1, Outcome::Wrong(500))],
            vec![],
            100_000_000,
        );
        assert_eq!(wrong.wrong().len(), 2);
        assert_eq!(wrong.missed().len(), 2);
    }
}
