//! `make bench ARGS=--load`: the local stack, seeded, under as much as a busy small app sends, then under
//! ten times that, then under the same as before. Requests are sent by the clock, whether or not earlier
//! ones were answered, and a latency counts from the moment a request was due.

mod clients;
mod mix;
mod report;
mod stack;

use std::time::Duration;

use anyhow::{Result, ensure};
use rand::{SeedableRng as _, rngs::StdRng};

use crate::{binaries::Binaries, machine, say};
use clients::{Clients, raise_file_limit};
use mix::{HEALTH, Mix};
use report::{Burst, Report, Steady};
use stack::Stack;

/// Requests a second, as long as nothing is wrong.
const RATE: u32 = 500;

/// Requests a second of the burst, and how long it lasts.
const BURST_RATE: u32 = 5_000;
const BURST: Duration = Duration::from_secs(5);

/// Before anything is measured, and again after a first burst: connections are opened, snapshots loaded,
/// tokens collected.
const WARM_UP: Duration = Duration::from_secs(5);

/// The same rate again, after the burst: until functions have closed the connections to the database
/// that they do not need any more, which they do after 20 s.
const AFTERWARDS: Duration = Duration::from_secs(30);

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A good answer.
    Served,
    /// 429 or 503: not now.
    Refused,
    /// Any other answer, or none.
    Wrong(u16),
}

/// One request of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Which of the mix.
    pub(crate) route: usize,
    /// When it was due, since the run began.
    pub(crate) due: Duration,
    /// From then until its answer.
    pub(crate) latency: Duration,
    /// What it was answered.
    pub(crate) outcome: Outcome,
}

/// Runs it all and prints what came of it.
///
/// # Errors
/// The stack does not start, something was answered wrongly, or a request was refused at the steady
/// rate.
pub(crate) fn run(profile: &str, steady: Duration) -> Result<()> {
    let binaries = Binaries::tool(profile, "local")?;
    raise_file_limit()?;
    say("starting and seeding the stack");
    let stack = Stack::start(&binaries.path("local"))?;
    let clients = Clients::new(stack.address())?;
    let mut rng = StdRng::seed_from_u64(1);
    let mix = Mix::all();
    let mut send =
        |clients: &Clients, mix: &Mix, rate, time| clients.send(mix, &mut rng, rate, time);

    say("warming up");
    send(&clients, &mix, RATE, WARM_UP)?;
    let rss_fresh = stack.rss_bytes()?;
    // An allocator keeps what a first burst took: a second one shows whether any of it is lost.
    send(&Clients::new(stack.address())?, &mix, BURST_RATE, BURST)?;
    send(&clients, &mix, RATE, WARM_UP)?;
    say("the baseline: nothing but /health");
    let baseline = send(
        &clients,
        &Mix::only(&HEALTH),
        RATE,
        (steady / 6).max(WARM_UP),
    )?;
    say(&format!(
        "{RATE} requests a second for {} s",
        steady.as_secs()
    ));
    let (rss_before, cpu_before) = (stack.rss_bytes()?, stack.cpu()?);
    let samples = send(&clients, &mix, RATE, steady)?;
    let cpu = stack.cpu()?.saturating_sub(cpu_before);
    let rss_steady = stack.rss_bytes()?;
    say(&format!(
        "{BURST_RATE} requests a second for {} s",
        BURST.as_secs()
    ));
    // They come, and they leave.
    let burst = send(&Clients::new(stack.address())?, &mix, BURST_RATE, BURST)?;
    say("the same as before");
    let after = send(&clients, &mix, RATE, AFTERWARDS)?;
    let report = Report {
        machine: machine::machine(),
        profile: profile.to_owned(),
        routes: mix.names(),
        steady: Steady {
            rate: RATE,
            baseline,
            samples,
            cpu,
            rss_fresh,
            rss_before,
            rss_after: rss_steady,
        },
        burst: Burst {
            rate: BURST_RATE,
            samples: burst,
            after,
            rss_after: stack.rss_bytes()?,
        },
    };
    say("");
    report.print()?;
    let wrong = report.wrong();
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}
