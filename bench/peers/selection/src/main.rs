//! Times the selection alone, without a function around it: for each number of campaigns on the
//! command line, one line of JSON.
//!
//! Campaigns are compiled in one process and measured in another, which then holds nothing but what
//! an instance would: its resident memory is that of the artefact and the snapshot.
#![forbid(unsafe_code)]

mod naive;

use std::{
    collections::HashSet,
    env, fs,
    hint::black_box,
    io::{self, Write as _},
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use bench_selection::full;
use domain::{
    Day,
    allocation::{Allocation, Given, Lineup, Profile, Request, Snapshot, allocate},
    caps::Showings,
    content::{Kind, compile, format},
    delivery::Delivery,
    targeting::{Matcher, Targeting},
};
use naive::Naive;
use rand::{SeedableRng as _, rngs::StdRng};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use serde_json::Value;

/// How long each measurement takes.
const MEASURE_FOR: Duration = Duration::from_secs(1);

/// A scan over more campaigns than this takes longer than it is worth.
const MOST_SCANNED: usize = 100_000;

/// What the process that measures is called with first.
const LOAD: &str = "--load";

#[derive(Serialize)]
struct Measured {
    campaigns: usize,
    /// Processor time to load the artefact.
    load_ms: f64,
    artefact_bytes: usize,
    /// Resident memory of the whole process with the snapshot, when loading is done.
    resident_mb: f64,
    /// The most there was on the way, the artefact included.
    peak_mb: f64,
    /// Processor time to make the lineup anew.
    lineup_ms: f64,
    /// One slot, with everything that allocation knows.
    select_us: f64,
    /// One slot, by targeting alone.
    targeting_us: f64,
    /// One slot with everything, by a scan; not for many campaigns.
    naive_us: Option<f64>,
    /// Of a request: tickets drawn, tiers intersected, allocations on the heap.
    tickets: f64,
    intersections: f64,
    heap_allocations: f64,
    /// Of all requests, the part for which a campaign was found.
    fill: f64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [first, artefact, count] = &*arguments
        && first == LOAD
    {
        let measured = measure(Path::new(artefact), count.parse()?)?;
        writeln!(io::stdout().lock(), "{}", serde_json::to_string(&measured)?)?;
        return Ok(());
    }
    for size in arguments {
        let count: usize = size.parse().context("expected numbers of campaigns")?;
        let artefact = tempfile::NamedTempFile::new()?;
        fs::write(&artefact, compiled(count)?)?;
        let status = Command::new(env::current_exe()?)
            .arg(LOAD)
            .arg(artefact.path())
            .arg(count.to_string())
            .status()?;
        ensure!(status.success(), "the measurement failed: {status}");
    }
    Ok(())
}

fn compiled(count: usize) -> Result<Vec<u8>> {
    let items: Vec<_> = full::campaigns().take(count).collect::<Result<_, _>>()?;
    compile(Kind::Campaigns, &items).map_err(|faults| anyhow!("{faults:?}"))
}

fn measure(artefact: &Path, campaigns: usize) -> Result<Measured> {
    let bytes = fs::read(artefact)?;
    let before = processor_time()?;
    let snapshot = Snapshot::load(format(Kind::Campaigns), &bytes)?;
    let load = processor_time()? - before;
    let artefact_bytes = bytes.len();
    let peak_mb = memory_mb("VmHWM:")?;
    drop(bytes);
    let resident_mb = memory_mb("VmRSS:")?;

    let now = "2026-01-01T12:00:00Z".parse()?;
    let delivery = Arc::new(full::delivery(&snapshot, now));
    let snapshot = Arc::new(snapshot);
    let age_limit = Duration::from_secs(300);
    let before = processor_time()?;
    let lineup = Lineup::new(Arc::clone(&snapshot), Arc::clone(&delivery), age_limit, now);
    let lineup_ms = millis(processor_time()? - before);

    let requests = read(full::requests())?;
    let profile: Profile = serde_json::from_value(bench_selection::profile())?;
    let segments = bench_selection::segments(&profile);
    let showings = full::showings(&snapshot, Day::of(now), now.as_minutes());
    let leases = full::leases(&delivery);
    let given = |request| Given {
        request,
        profile: Some(&profile),
        segments: Some(&segments),
        config: None,
        showings: &showings,
        leases: &leases,
        member: None,
        now,
    };
    let mut rng = StdRng::seed_from_u64(1);
    let mut totals = Totals::default();
    let select = time(&requests, |request| {
        totals.add(&allocate(&lineup, &given(request), &mut rng));
    })?;
    let heap = allocation_counter::measure(|| {
        for request in &requests {
            black_box(allocate(&lineup, &given(request), &mut rng));
        }
    });

    let (no_showings, no_leases) = (Showings::default(), HashSet::new());
    let unbounded = unbounded(&delivery);
    let unbounded = Lineup::new(Arc::clone(&snapshot), unbounded, age_limit, now);
    let plain = read(bench_selection::requests())?;
    let targeting = time(&plain, |request| {
        let given = Given {
            profile: None,
            segments: None,
            showings: &no_showings,
            leases: &no_leases,
            ..given(request)
        };
        black_box(allocate(&unbounded, black_box(&given), &mut rng));
    })?;

    let naive = if campaigns <= MOST_SCANNED {
        let matchers: Vec<Matcher> = full::campaigns()
            .take(campaigns)
            .map(|made| matcher(&made?.1))
            .collect::<Result<_>>()?;
        let naive = Naive::new(&snapshot, matchers.into_iter(), &delivery);
        Some(time(&requests, |request| {
            black_box(naive.select(black_box(&given(request)), &mut rng));
        })?)
    } else {
        None
    };
    Ok(Measured {
        campaigns,
        load_ms: millis(load),
        artefact_bytes,
        resident_mb,
        peak_mb,
        lineup_ms,
        select_us: select,
        targeting_us: targeting,
        naive_us: naive,
        tickets: totals.tickets as f64 / totals.requests as f64,
        intersections: totals.intersections as f64 / totals.requests as f64,
        heap_allocations: heap.count_total as f64 / requests.len() as f64,
        fill: totals.filled as f64 / totals.requests as f64,
    })
}

/// The processor time of one request in microseconds: the median of rounds over all of them, which
/// does not see what others on the machine do to some.
fn time<'r>(requests: &'r [Request], mut work: impl FnMut(&'r Request)) -> Result<f64> {
    // Once for the caches.
    requests.iter().for_each(&mut work);
    let mut rounds = Vec::new();
    let began = Instant::now();
    while began.elapsed() < MEASURE_FOR {
        let before = processor_time()?;
        requests.iter().for_each(&mut work);
        rounds.push(processor_time()? - before);
    }
    rounds.sort_unstable();
    let median = rounds.get(rounds.len() / 2).context("no round was made")?;
    Ok(median.as_secs_f64() * 1e6 / requests.len() as f64)
}

/// What requests came to.
#[derive(Default)]
struct Totals {
    requests: u64,
    filled: u64,
    tickets: u64,
    intersections: u64,
}

impl Totals {
    fn add(&mut self, allocation: &Allocation<'_>) {
        self.requests += 1;
        self.filled += u64::from(!allocation.placed.is_empty());
        self.tickets += u64::from(allocation.effort.tickets);
        self.intersections += u64::from(allocation.effort.intersections);
    }
}

/// The same delivery with nothing held back.
fn unbounded(delivery: &Delivery) -> Arc<Delivery> {
    let throttles = delivery.throttles.keys();
    let free = throttles.map(|key| (*key, domain::delivery::Throttle::FREE));
    Arc::new(Delivery {
        throttles: free.collect(),
        ..delivery.clone()
    })
}

fn matcher(campaign: &Value) -> Result<Matcher> {
    let targeting: Targeting = serde_json::from_value(campaign["targeting"].clone())?;
    targeting.compile().map_err(|faults| anyhow!("{faults:?}"))
}

fn read(requests: Vec<Value>) -> Result<Vec<Request>> {
    let requests = requests.into_iter().map(serde_json::from_value);
    Ok(requests.collect::<Result<_, _>>()?)
}

/// What this process has used of a processor: unlike the time on the wall, it does not grow when
/// others want the processor too.
fn processor_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::ProcessCPUTime).try_into()?)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A figure of this process's memory, as Linux tells it.
fn memory_mb(name: &str) -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes: f64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("no such figure")?
        .parse()?;
    Ok(kilobytes / 1024.0)
}
