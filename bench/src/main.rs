//! `make bench`: what a function costs at its start, per call and in bytes, and what an allocation
//! costs as campaigns grow in number. Every figure stands beside a floor and a hello that were
//! measured in the same run. It informs and judges nothing; see `README.md`.
#![forbid(unsafe_code)]
#![allow(
    clippy::cast_precision_loss,
    reason = "what is counted here is far below 2⁵³"
)]

mod backend;
mod binaries;
mod emulator;
mod event;
mod machine;
mod measure;
mod options;
mod process;
mod report;

use std::{
    env,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, Result};

use backend::Backend;
use binaries::Binaries;
use event::Request;
use measure::{Subject, selections};
use options::{HELP, Options};
use process::{Cores, pin};
use report::{Allocation, FLOOR, Function, HELLO, Report};

/// How many campaigns there are, in turn.
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

const PACKAGES: [&str; 6] = [
    "bench-floor",
    "bench-hello",
    "bench-selection",
    "health",
    "device-profiles",
    "allocations",
];

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json");

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let Some(options) = Options::parse(env::args_os().skip(1))? else {
        write!(io::stdout().lock(), "{HELP}")?;
        return Ok(());
    };
    let binaries = Binaries::build(&options.profile, &PACKAGES)?;
    let report = measured(&binaries)?;
    write!(io::stdout().lock(), "{report}")?;
    let baseline = Path::new(BASELINE);
    if let Some(before) = Report::read(baseline)? {
        write!(io::stdout().lock(), "\n{}", report.drift(&before))?;
    }
    if options.save {
        report.write(baseline)?;
    }
    Ok(())
}

fn measured(binaries: &Binaries) -> Result<Report> {
    let cores = Cores::choose()?;
    pin(cores.database)?;
    let backend = Backend::start()?;
    backend.put_profiles()?;
    pin(cores.function)?;
    let mut allocation = Vec::new();
    let mut functions = Vec::new();
    for (name, subject) in subjects(binaries, &backend)? {
        say(&format!("measuring {name}"));
        let figures = subject.measure().with_context(|| name.to_owned())?;
        functions.push(Function {
            name: name.to_owned(),
            figures,
        });
    }
    say("measuring selection");
    for selection in selections(&binaries.path("bench-selection"), &SIZES)? {
        say(&format!(
            "measuring allocations with {} campaigns",
            selection.campaigns
        ));
        backend.publish(selection.campaigns)?;
        let calls = allocations(binaries, &backend)?.calls()?;
        allocation.push(Allocation { selection, calls });
    }
    Ok(Report {
        machine: machine::machine(),
        versions: machine::versions()?,
        functions,
        allocation,
    })
}

/// What is measured, in this order.
fn subjects(binaries: &Binaries, backend: &Backend) -> Result<Vec<(&'static str, Subject)>> {
    let health = Request {
        method: "GET",
        route: "/health",
        path: "/health",
        parameter: None,
        key: None,
        body: None,
    }
    .event();
    let device = bench_selection::device(0);
    let profile = Request {
        method: "GET",
        route: "/v1/devices/{id}/profile",
        path: &format!("/v1/devices/{device}/profile"),
        parameter: Some(("id", &device)),
        key: Some(backend.service_key()),
        body: None,
    }
    .event();
    let peer = |name| Subject {
        binary: binaries.path(name),
        vars: Vec::new(),
        events: vec![health.clone()],
    };
    let function = |name, event| {
        let vars = backend.environment(name)?;
        Ok::<_, anyhow::Error>(Subject {
            binary: binaries.path(name),
            vars,
            events: vec![event],
        })
    };
    backend.publish(SIZES.into_iter().min().unwrap_or(0))?;
    Ok(vec![
        (FLOOR, peer("bench-floor")),
        (HELLO, peer("bench-hello")),
        ("health", function("health", health.clone())?),
        ("device-profiles", function("device-profiles", profile)?),
        ("allocations", allocations(binaries, backend)?),
    ])
}

fn allocations(binaries: &Binaries, backend: &Backend) -> Result<Subject> {
    let events = bench_selection::requests()
        .iter()
        .map(|body| {
            Request {
                method: "POST",
                route: "/v1/allocations",
                path: "/v1/allocations",
                parameter: None,
                key: None,
                body: Some(body),
            }
            .event()
        })
        .collect();
    let vars = backend.environment("allocations")?;
    Ok(Subject {
        binary: binaries.path("allocations"),
        vars,
        events,
    })
}

fn say(line: &str) {
    // With standard error closed there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
}
