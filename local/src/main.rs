//! `make run`: the local stack on `PORT` (3000), with its data under `DATA` (`.local`), from
//! `TEMPLATE` (the nearest `template.yaml`). `FRESH=1` starts empty, `SEED=1` writes a small app's content to
//! try things on (what is there stays), `LOG_LEVEL` (info) chooses how
//! much the functions log on standard output: lines for people where that is a terminal, JSON elsewhere;
//! `LOG_FORMAT` (`text`, `json`) chooses. `DYNAMODB_PORT` fixes where the database is served;
//! `DYNAMODB_ENDPOINT=http://127.0.0.1:8000`, or `AWS_ENDPOINT_URL_DYNAMODB`, runs on another DynamoDB,
//! such as Amazon's DynamoDB Local, and creates the tables that are missing there.
//! `RATE_LIMIT` and `BURST_LIMIT` are how many requests a second, and at once, the gateway lets through.
//! `LEGACY_ORIGIN=http://127.0.0.1:8000` sends what no route takes to the server there, as a
//! deployed stack with a `LegacyOrigin` does. Any other variable that a function reads, but the names of
//! its resources, replaces the template's where it is set.

use std::{
    collections::BTreeMap,
    env, io,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use jiff::Timestamp;
use kit::logging::Format;
use local::{Home, Options, Stack, demo_app};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let began = Instant::now();
    match run(began) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("local: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(began: Instant) -> Result<(), Box<dyn std::error::Error>> {
    let options = options()?;
    let seeds = switch("SEED")?;
    kit::logging::init_in(log_format()?, log_level()?);
    let data = options.data.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut interrupted = signal(SignalKind::interrupt())?;
        let mut terminated = signal(SignalKind::terminate())?;
        let stack = Stack::start(options).await?;
        if !stack.created_tables().is_empty() {
            say(&format!("created {}", stack.created_tables().join(", ")));
        }
        say(&stack.description().print(&data).to_string());
        say(&format!("ready in {} ms", began.elapsed().as_millis()));
        if seeds {
            let began = Instant::now();
            let seeded = demo_app::seed(stack.description(), now()).await?;
            say(&format!(
                "{seeded}\nseeded in {} ms",
                began.elapsed().as_millis()
            ));
        }
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        stack.stop().await;
        say("stopped");
        Ok(())
    })
}

fn now() -> domain::Instant {
    domain::Instant::from_millis(Timestamp::now().as_millisecond())
}

fn options() -> Result<Options, Box<dyn std::error::Error>> {
    let template = match variable("TEMPLATE") {
        Some(path) => PathBuf::from(path),
        None => nearest_template(&env::current_dir()?)
            .ok_or("no template.yaml here or above; set TEMPLATE")?,
    };
    let data = match variable("DATA") {
        Some(path) => PathBuf::from(path),
        None => template.with_file_name(".local"),
    };
    let mut options = Options::new(template, data);
    options.fresh = switch("FRESH")?;
    options.port = port("PORT", 3000)?;
    options.dynamodb_port = port("DYNAMODB_PORT", 0)?;
    options.dynamodb_endpoint =
        variable("DYNAMODB_ENDPOINT").or_else(|| variable("AWS_ENDPOINT_URL_DYNAMODB"));
    options.home = Some(Home {
        seeded: switch("SEED")?,
    });
    options.legacy_origin = variable("LEGACY_ORIGIN");
    let limits = [("RATE_LIMIT", "RateLimit"), ("BURST_LIMIT", "BurstLimit")];
    let limits = limits.map(|(name, parameter)| Some((parameter.to_owned(), variable(name)?)));
    options.parameters = limits.into_iter().flatten().collect();
    options.environment = replaced();
    Ok(options)
}

/// The variables of the functions that this process was given too. What names a resource, and what the
/// stack sets itself, stays as it is.
fn replaced() -> BTreeMap<String, String> {
    let is_own = |name: &str| {
        let resource = ["_TABLE", "_BUCKET", "_FUNCTION", "_SECRET"];
        let resource = resource.iter().any(|end| name.ends_with(end));
        let stack = ["STAGE", "LOG_LEVEL", "PUBLIC_BASE_URL"].contains(&name);
        resource || stack || name.starts_with("AWS_")
    };
    local::functions::variables()
        .into_iter()
        .filter(|name| !is_own(name))
        .filter_map(|name| Some((name.to_owned(), variable(name)?)))
        .collect()
}

fn nearest_template(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .map(|folder| folder.join("template.yaml"))
        .find(|path| path.is_file())
}

fn switch(name: &str) -> Result<bool, String> {
    match variable(name).as_deref() {
        None | Some("0" | "no" | "false") => Ok(false),
        Some("1" | "yes" | "true") => Ok(true),
        Some(other) => Err(format!("{name} is 1 or 0, not {other}")),
    }
}

fn port(name: &str, default: u16) -> Result<u16, String> {
    match variable(name) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .map_err(|_| format!("{name}={text}: expected a port, 0 to 65535")),
    }
}

/// The least severe level that the functions' logs show, for all of them.
fn log_level() -> Result<tracing::Level, String> {
    match variable("LOG_LEVEL") {
        None => Ok(tracing::Level::INFO),
        Some(text) => text
            .parse()
            .map_err(|_| format!("LOG_LEVEL={text}: expected error, warn, info, debug or trace")),
    }
}

/// How the functions' logs are written. Colors are for terminals, unless `NO_COLOR` is set.
fn log_format() -> Result<Format, String> {
    let is_terminal = io::stdout().is_terminal();
    let colors = is_terminal && variable("NO_COLOR").is_none();
    match variable("LOG_FORMAT").as_deref() {
        None if !is_terminal => Ok(Format::Json),
        None | Some("text") => Ok(Format::Text { colors }),
        Some("json") => Ok(Format::Json),
        Some(other) => Err(format!("LOG_FORMAT={other}: expected text or json")),
    }
}

/// An empty variable counts as absent, as `make run FRESH=` means it.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn say(line: &str) {
    // With standard error closed there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
}
