//! Times the selection alone, without a function around it: for each number of campaigns on the
//! command line, one line of JSON.
#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    env,
    hint::black_box,
    io::{self, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use bench_selection::{campaigns, requests};
use domain::{
    allocation::{Given, Lineup, Request, Snapshot, allocate},
    caps::Showings,
    content::{Kind, compile, format},
};
use rand::{SeedableRng as _, rngs::StdRng};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// How long each size is measured.
const MEASURE_FOR: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Measured {
    campaigns: usize,
    load_ms: f64,
    select_us: f64,
}

fn main() -> Result<()> {
    for size in env::args().skip(1) {
        let measured = measure(size.parse().context("expected numbers of campaigns")?)?;
        writeln!(io::stdout().lock(), "{}", serde_json::to_string(&measured)?)?;
    }
    Ok(())
}

fn measure(count: usize) -> Result<Measured> {
    let items = campaigns(count)?;
    let artefact = compile(Kind::Campaigns, &items).map_err(|faults| anyhow!("{faults:?}"))?;
    drop(items);
    let before = processor_time()?;
    let snapshot = Snapshot::load(format(Kind::Campaigns), &artefact)?;
    let load = processor_time()? - before;

    let requests: Vec<Request> = requests()
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<_, _>>()?;
    let now = "2026-01-01T12:00:00Z".parse()?;
    let lineup = Lineup::new(Arc::new(snapshot), Arc::default(), Duration::ZERO, now);
    let (showings, leases) = (Showings::default(), HashMap::new());
    let mut rng = StdRng::seed_from_u64(1);
    let mut rounds = 0;
    let began = Instant::now();
    let before = processor_time()?;
    while began.elapsed() < MEASURE_FOR {
        for request in &requests {
            let given = Given {
                request,
                profile: None,
                config: None,
                showings: &showings,
                leases: &leases,
                store: None,
                now,
            };
            black_box(allocate(&lineup, black_box(&given), &mut rng));
        }
        rounds += 1;
    }
    let each = (processor_time()? - before) / rounds / u32::try_from(requests.len())?;
    Ok(Measured {
        campaigns: count,
        load_ms: load.as_secs_f64() * 1e3,
        select_us: each.as_secs_f64() * 1e6,
    })
}

/// What this process has used of a processor: unlike the time on the wall, it does not grow when
/// others want the processor too.
fn processor_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::ProcessCPUTime).try_into()?)
}
