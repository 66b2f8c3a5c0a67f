//! How a function is measured: starts first, then calls one after the other.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    binaries::zipped,
    emulator::Emulator,
    process::{Process, Vars},
};

/// How often a function is started; the median counts.
const STARTS: usize = 15;

/// Calls before anything is measured: connections are opened, caches filled.
const WARM_UP: usize = 200;

/// Calls between two looks at the clock.
const ROUND: usize = 50;

/// The most calls that are measured, and the longest time that they are measured for.
const MOST_CALLS: usize = 6_000;
const MEASURE_FOR: Duration = Duration::from_secs(3);

/// How long a function may take until its first good answer.
const COLD_PATIENCE: Duration = Duration::from_secs(20);

/// A function to be measured.
pub(crate) struct Subject {
    /// Its binary.
    pub(crate) binary: PathBuf,
    /// Its environment.
    pub(crate) vars: Vars,
    /// What it is called with, in turn.
    pub(crate) events: Vec<Vec<u8>>,
}

/// A function that has answered well; killed when dropped.
pub(crate) struct Running {
    emulator: Emulator,
    process: Process,
    /// From the first event to the first good answer.
    first: Duration,
}

impl Running {
    /// Has `count` events answered one after the other.
    pub(crate) fn invoke(&self, count: usize) -> Result<Vec<Duration>> {
        self.emulator.invoke(count)
    }
}

/// What a function costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// From the start of the process until it asks for an event.
    pub(crate) init_ms: f64,
    /// From an event to its answer: half of all calls took no longer.
    pub(crate) p50_us: f64,
    /// Of a hundred calls, 99 took no longer.
    pub(crate) p99_us: f64,
    /// Processor time per call.
    pub(crate) cpu_us: f64,
    /// The most memory that was resident.
    pub(crate) rss_mb: f64,
    /// What is deployed.
    pub(crate) zip_kb: f64,
}

/// What calls cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calls {
    /// From the first event to the first good answer.
    pub(crate) first_ms: f64,
    /// See [`Figures`].
    pub(crate) p50_us: f64,
    /// See [`Figures`].
    pub(crate) p99_us: f64,
    /// See [`Figures`].
    pub(crate) cpu_us: f64,
    /// See [`Figures`].
    pub(crate) rss_mb: f64,
}

impl Subject {
    /// Measures starts, calls and sizes.
    pub(crate) fn measure(&self) -> Result<Figures> {
        let init = self.init()?;
        let calls = self.calls()?;
        Ok(Figures {
            init_ms: init.as_secs_f64() * 1e3,
            p50_us: calls.p50_us,
            p99_us: calls.p99_us,
            cpu_us: calls.cpu_us,
            rss_mb: calls.rss_mb,
            zip_kb: zipped(&self.binary)? as f64 / 1e3,
        })
    }

    fn init(&self) -> Result<Duration> {
        let starts = (0..STARTS).map(|_| {
            let emulator = Emulator::start(Vec::new())?;
            Ok(Process::start(&self.binary, &self.vars, &emulator)?.init)
        });
        let mut starts = starts.collect::<Result<Vec<_>>>()?;
        starts.sort_unstable();
        Ok(percentile(&starts, 50))
    }

    /// Starts it and waits for its first good answer.
    pub(crate) fn start(&self) -> Result<Running> {
        let emulator = Emulator::start(self.events.clone())?;
        let process = Process::start(&self.binary, &self.vars, &emulator)?;
        let first = first_good_answer(&emulator)?;
        Ok(Running {
            emulator,
            process,
            first,
        })
    }

    /// The bodies that it answers its events with, in their order.
    pub(crate) fn answers(&self) -> Result<Vec<String>> {
        let running = self.start()?;
        let events = self.events.len().max(1);
        // What its start took is of the events' first rounds.
        running.invoke((events - running.emulator.sent() % events) % events)?;
        let answers = self.events.iter().map(|_| {
            running.invoke(1)?;
            let answer: Value = serde_json::from_str(&running.emulator.last_answer())?;
            let body = answer.get("body").and_then(Value::as_str);
            Ok(body.unwrap_or_default().to_owned())
        });
        answers.collect()
    }

    /// Measures calls alone, one after the other.
    pub(crate) fn calls(&self) -> Result<Calls> {
        let Running {
            emulator,
            process,
            first,
        } = self.start()?;
        emulator.invoke(WARM_UP)?;

        let mut latencies = Vec::with_capacity(MOST_CALLS);
        let cpu = process.cpu()?;
        let began = Instant::now();
        while latencies.len() < MOST_CALLS && began.elapsed() < MEASURE_FOR {
            latencies.extend(emulator.invoke(ROUND)?);
        }
        let cpu = process.cpu()?.saturating_sub(cpu);
        ensure!(
            is_good(&emulator.last_answer()),
            "the last answer was {}",
            emulator.last_answer()
        );
        latencies.sort_unstable();
        Ok(Calls {
            first_ms: first.as_secs_f64() * 1e3,
            p50_us: percentile(&latencies, 50).as_secs_f64() * 1e6,
            p99_us: percentile(&latencies, 99).as_secs_f64() * 1e6,
            cpu_us: cpu.as_secs_f64() * 1e6 / latencies.len() as f64,
            rss_mb: process.peak_memory()? as f64 / 1e6,
        })
    }
}

/// Calls until the function answers well: a large snapshot may take longer than the first request
/// waits for it.
fn first_good_answer(emulator: &Emulator) -> Result<Duration> {
    let began = Instant::now();
    loop {
        emulator.invoke(1)?;
        let answer = emulator.last_answer();
        if is_good(&answer) {
            return Ok(began.elapsed());
        }
        ensure!(
            began.elapsed() < COLD_PATIENCE,
            "no good answer within {COLD_PATIENCE:?}: {answer}"
        );
    }
}

/// Whether an answer is a 200, and of an allocation one that gives something.
fn is_good(answer: &str) -> bool {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let body = answer
        .get("body")
        .and_then(Value::as_str)
        .unwrap_or_default();
    answer.get("statusCode").and_then(Value::as_u64) == Some(200) && !body.contains("\"items\":[]")
}

/// The nearest rank of what is sorted; zero of nothing.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// What the selection alone takes, as its binary tells it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Selection {
    /// How many campaigns there are.
    pub(crate) campaigns: usize,
    /// Making the snapshot of its artefact.
    pub(crate) load_ms: f64,
    /// One request.
    pub(crate) select_us: f64,
}

/// Measures the selection for each number of campaigns.
pub(crate) fn selections(binary: &std::path::Path, sizes: &[usize]) -> Result<Vec<Selection>> {
    let arguments = sizes.iter().map(usize::to_string);
    let output = std::process::Command::new(binary)
        .args(arguments)
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = std::str::from_utf8(&output.stdout)?.lines();
    lines
        .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_measured_value() {
        let sorted: Vec<_> = (1..=10).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 50).as_millis(), 5);
        assert_eq!(percentile(&sorted, 99).as_millis(), 10);
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[test]
    fn an_answer_is_good_if_it_is_a_200_that_gives_something() {
        assert!(is_good(r#"{"statusCode":200,"body":"{\"items\":[1]}"}"#));
        assert!(is_good(r#"{"statusCode":200,"body":"hello"}"#));
        assert!(!is_good(r#"{"statusCode":200,"body":"{\"items\":[]}"}"#));
        assert!(!is_good(r#"{"statusCode":503,"body":""}"#));
        assert!(!is_good("oops"));
    }
}
