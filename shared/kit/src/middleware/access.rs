//! One line per request, which is its metrics too.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use rand::RngExt as _;

use super::{Inner, Middleware, facts};
use crate::{
    Request, Response,
    metrics::{self, Unit, directive},
    problem::Code,
    runtime::Runtime,
};

/// Writes the access line. Lines of sampled routes may be left out; errors never are, and the
/// requests that had no line are counted in the next.
pub(crate) struct AccessLog {
    runtime: Runtime,
    warm: AtomicBool,
    unlogged: AtomicU64,
}

impl AccessLog {
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self {
            runtime,
            warm: AtomicBool::new(false),
            unlogged: AtomicU64::new(0),
        }
    }

    /// Counts the requests that had no line and will be in no later one.
    pub(crate) fn flush(&self, service: &'static str) {
        let unlogged = self.unlogged.swap(0, Ordering::Relaxed);
        if unlogged > 0 {
            let stage = self.runtime.settings.stage.as_str();
            let _entered = tracing::error_span!("shutdown", service, stage).entered();
            let now = self.runtime.clock.now();
            // Some thousand at most: exact in floating point.
            metrics::emit(now, "requests", Unit::Count, unlogged as f64);
        }
    }

    fn leave_out(&self, sampled: bool) -> bool {
        let share = self.runtime.settings.access_log_sample.0;
        sampled && share < 1.0 && self.runtime.random.rng().random::<f64>() >= share
    }
}

impl Middleware for AccessLog {
    async fn handle<S: Inner>(self: Arc<Self>, request: Request, next: S) -> Response {
        let Some(facts) = facts(&request) else {
            return next.run(request).await;
        };
        let cold_start = !self.warm.swap(true, Ordering::Relaxed);
        // Durations are measured, not told: the monotonic clock, whatever clock was handed in.
        let started = std::time::Instant::now();
        let response = next.run(request).await;
        let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;

        let status = response.status().as_u16();
        if status < 400 && !cold_start && self.leave_out(facts.endpoint.sampled) {
            self.unlogged.fetch_add(1, Ordering::Relaxed);
            return response;
        }
        // Being closed is no failure: nobody is woken by it, and no deployment goes back.
        let code = response.extensions().get::<Code>().copied();
        let metrics = directive(
            facts.received_at,
            &[&["stage", "service", "route"], &["stage", "service"]],
            &[
                ("requests", Unit::Count),
                ("client_errors", Unit::Count),
                ("server_errors", Unit::Count),
                ("cold_starts", Unit::Count),
                ("duration_ms", Unit::Milliseconds),
            ],
        );
        tracing::info!(
            _aws = metrics,
            status,
            code = code.map(Code::as_str),
            bytes = response.body().len(),
            duration_ms,
            cold_start,
            requests = 1 + self.unlogged.swap(0, Ordering::Relaxed),
            client_errors = u64::from((400..500).contains(&status)),
            server_errors = u64::from(status >= 500 && code != Some(Code::Maintenance)),
            cold_starts = u64::from(cold_start),
            "request"
        );
        response
    }
}
