//! `make bench`: what a function costs at its start, per call and in bytes, and what an allocation
//! costs as campaigns grow in number, here and with servers in other languages. Every figure stands
//! beside others that were measured in the same run. It informs and judges nothing but whether all
//! give the same answers; see `README.md`.
#![forbid(unsafe_code)]
#![allow(
    clippy::cast_precision_loss,
    reason = "what is counted here is far below 2⁵³"
)]

mod agreement;
mod backend;
mod binaries;
mod counter;
mod emulator;
mod event;
mod http1;
mod load;
mod machine;
mod measure;
mod operations;
mod options;
mod peers;
mod process;
mod report;
mod server;

use std::{
    env, fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, Result};

use agreement::{Expected, Signed};
use backend::{Backend, DATABASE};
use bench_selection::workload::Workload;
use binaries::Binaries;
use counter::Counter;
use event::Request;
use measure::{Subject, selections};
use operations::Operations;
use options::{HELP, Options};
use process::{Cores, pin};
use report::{Allocation, FLOOR, Function, HELLO, PeerFigures, Report};
use serde_json::{Value, json};

/// How many campaigns there are, in turn.
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

const PACKAGES: [&str; 7] = [
    "bench-floor",
    "bench-hello",
    "bench-selection",
    "health",
    "device-profiles",
    "allocations",
    "auth-guest",
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
    if let Some(folder) = &options.workload {
        return write_workloads(folder);
    }
    if let Some(time) = options.load {
        return load::run(&options.profile, time);
    }
    let binaries = Binaries::build(&options.profile, &PACKAGES)?;
    if options.build {
        return Ok(());
    }
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

/// Writes the work of each size into a folder of its own.
fn write_workloads(folder: &Path) -> Result<()> {
    for size in SIZES {
        let folder = folder.join(size.to_string());
        fs::create_dir_all(&folder)?;
        Workload::write(&folder, size)?;
    }
    Ok(())
}

fn measured(binaries: &Binaries) -> Result<Report> {
    let cores = Cores::choose()?;
    let (peers, skipped) = peers::find(binaries)?;
    pin(cores.database)?;
    let backend = Backend::start()?;
    let counter = Counter::start(backend.database())?;
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
    say("counting DynamoDB operations of allocations");
    let operations = operations(binaries, &backend, &counter)?;
    let mut beside: Vec<_> = peers.iter().map(PeerFigures::of).collect();
    say("measuring selection");
    for selection in selections(&binaries.path("bench-selection"), &SIZES)? {
        let size = selection.campaigns;
        say(&format!("measuring allocations with {size} campaigns"));
        backend.publish(size)?;
        let ours = allocations(binaries, &backend)?;
        let calls = ours.calls()?;
        let unread_cpu_us = Some(unread(binaries, &backend)?.calls()?.cpu_us);
        allocation.push(Allocation {
            selection,
            calls,
            unread_cpu_us,
        });

        let workload = Workload::new(size)?;
        let expected = Expected::new(&workload, backend.now())?;
        agrees(&ours, &expected).context("allocations does not agree with a scan of the rules")?;
        let folder = tempfile::tempdir()?;
        Workload::write(folder.path(), size)?;
        for (peer, figures) in peers.iter().zip(&mut beside) {
            say(&format!("measuring {} with {size} campaigns", peer.name));
            let cpu_us = server::measure(peer, folder.path(), &expected, cores)
                .with_context(|| format!("{} with {size} campaigns", peer.name))?;
            figures.cpu_us.insert(size, cpu_us);
        }
    }
    Ok(Report {
        machine: machine::machine(),
        versions: machine::versions()?,
        functions,
        allocation,
        peers: beside,
        skipped,
        operations: Some(operations),
    })
}

/// Counts what allocations ask of the database.
fn operations(binaries: &Binaries, backend: &Backend, counter: &Counter) -> Result<Operations> {
    let mut subject = allocations(binaries, backend)?;
    for (name, value) in &mut subject.vars {
        if name == DATABASE {
            *value = counter.url();
        }
    }
    operations::count(&subject, counter)
}

/// Holds the function's answers against a scan.
fn agrees(ours: &Subject, expected: &Expected<'_>) -> Result<()> {
    for (request, answer) in ours.answers()?.iter().enumerate() {
        expected.check_answer(request, answer.as_bytes(), Signed::Elsewhere)?;
    }
    Ok(())
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
    let profile = |key: &str| {
        Request {
            method: "GET",
            route: "/v1/devices/{id}/profile",
            path: &format!("/v1/devices/{device}/profile"),
            parameter: Some(("id", &device)),
            key: Some(key),
            body: None,
        }
        .event()
    };
    let guest = backend.guest(&device)?;
    let sign_in = json!({
        "guest_id": guest.guest_id,
        "guest_secret": guest.guest_secret,
        "device": { "id": device, "platform": "android" },
    });
    let sign_in = Request {
        method: "POST",
        route: "/v1/auth/guest",
        path: "/v1/auth/guest",
        parameter: None,
        key: None,
        body: Some(&sign_in),
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
        (
            "device-profiles",
            function("device-profiles", profile(backend.service_key()))?,
        ),
        (
            "device-profiles, by a member",
            function("device-profiles", profile(&guest.access_token))?,
        ),
        ("auth-guest", function("auth-guest", sign_in)?),
        ("allocations", allocations(binaries, backend)?),
    ])
}

fn allocations(binaries: &Binaries, backend: &Backend) -> Result<Subject> {
    allocating(binaries, backend, &bench_selection::requests())
}

/// The same, asked by devices that do not say which they are: nothing is read for them.
fn unread(binaries: &Binaries, backend: &Backend) -> Result<Subject> {
    let mut requests = bench_selection::requests();
    for request in &mut requests {
        if let Some(device) = request.get_mut("device").and_then(Value::as_object_mut) {
            device.remove("id");
        }
    }
    allocating(binaries, backend, &requests)
}

fn allocating(binaries: &Binaries, backend: &Backend, requests: &[Value]) -> Result<Subject> {
    let events = requests
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
