//! `GET /health`: is the function alive, and which build is it?
//!
//! Answers 200 as long as the function runs; whether what it depends on answers is `readiness`'s to
//! say. The build is stamped in by `build.rs`, into this function only: a commit id in every binary
//! would republish every function at every commit.
#![forbid(unsafe_code)]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use domain::Instant;
use kit::{
    Call, Endpoint, Faults, Function, Method, Nothing, Problem, Rate, Reply, Runtime, Vars,
    reply::Json,
};
use schemars::JsonSchema;
use serde::Serialize;

const GET: Endpoint = Endpoint::new(
    Method::Get,
    "/health",
    "getHealth",
    "Whether the function runs, and which build it is",
)
.rate(Rate::Unlimited)
.during_maintenance();

/// What `GET /health` says.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Health {
    /// Always `ok`.
    status: &'static str,
    /// Always `madang`.
    service: &'static str,
    /// `dev`, `qa`, `stg` or `prd`.
    stage: &'static str,
    /// The version of the product.
    version: &'static str,
    /// The commit it was built from.
    commit: &'static str,
    /// When that commit was made.
    commit_time: Instant,
    /// When it was built.
    build_time: Instant,
    /// Whether the tree differed from the commit.
    dirty_build: bool,
    /// When this instance started.
    started_at: Instant,
    /// Seconds since then.
    uptime_s: u64,
    /// Whether this is the instance's first answer.
    cold_start: bool,
}

struct Instance {
    runtime: Runtime,
    started_at: Instant,
    warm: AtomicBool,
}

/// Every variable that the function reads.
pub const VARIABLES: &[&[kit::config::Variable]] = &[kit::runtime::Settings::VARIABLES];

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let runtime = Runtime::read(vars)?;
    let instance = Arc::new(Instance {
        started_at: runtime.clock.now(),
        runtime: runtime.clone(),
        warm: AtomicBool::new(false),
    });
    Ok(kit::Api::new("health", runtime)
        .route(GET, &instance, get)
        .build())
}

async fn get(
    instance: Arc<Instance>,
    call: Call<Nothing, Nothing, Nothing>,
) -> Result<Reply<Json<Health>>, Problem> {
    let up = call.now().as_millis() - instance.started_at.as_millis();
    Ok(Reply::ok(Health {
        status: "ok",
        service: "madang",
        stage: instance.runtime.settings.stage.as_str(),
        version: env!("CARGO_PKG_VERSION"),
        commit: env!("BUILD_COMMIT"),
        commit_time: stamped(env!("BUILD_COMMIT_TIME_S")),
        build_time: stamped(env!("BUILD_TIME_S")),
        dirty_build: env!("BUILD_DIRTY") == "true",
        started_at: instance.started_at,
        uptime_s: u64::try_from(up / 1_000).unwrap_or(0),
        cold_start: !instance.warm.swap(true, Ordering::Relaxed),
    }))
}

/// Seconds since the epoch, as `build.rs` writes them.
fn stamped(seconds: &str) -> Instant {
    Instant::from_millis(seconds.parse::<i64>().unwrap_or(0) * 1_000)
}
