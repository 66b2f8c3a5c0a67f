//! A worker function: called by a schedule or asynchronously, with no HTTP around it.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use domain::Instant;
use futures_util::FutureExt as _;
use lambda_runtime::Context;
use schemars::SchemaGenerator;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracing::Instrument as _;

use crate::{
    api::Operation,
    function::{BoxFuture, Function, Invoke, InvokeError},
    problem::Chain,
    random::Random,
    runtime::Runtime,
    trace::Trace,
};

/// One run of a worker.
#[derive(Debug)]
pub struct Job<E> {
    /// What its caller sent.
    pub event: E,
    /// When it began.
    pub now: Instant,
    /// When the platform ends it.
    pub deadline: Instant,
    /// Randomness of its own.
    pub random: Random,
}

/// What a caller may put into any event beside its own members: the trace that it goes on with.
#[derive(Default, Deserialize)]
struct Sent {
    traceparent: Option<String>,
}

struct Worker<S, F, E> {
    service: &'static str,
    runtime: Runtime,
    state: Arc<S>,
    work: F,
    event: std::marker::PhantomData<fn() -> E>,
}

/// A worker named `service` whose runs are `work`.
pub fn worker<S, E, A, X, F, Fut>(
    service: &'static str,
    runtime: Runtime,
    state: S,
    work: F,
) -> Function
where
    S: Send + Sync + 'static,
    E: DeserializeOwned + Send + 'static,
    A: Serialize + 'static,
    X: std::error::Error + 'static,
    F: Fn(Arc<S>, Job<E>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<A, X>> + Send + 'static,
{
    Arc::new(Worker {
        service,
        runtime,
        state: Arc::new(state),
        work,
        event: std::marker::PhantomData,
    })
}

impl<S, E, A, X, F, Fut> Invoke for Worker<S, F, E>
where
    S: Send + Sync + 'static,
    E: DeserializeOwned + Send + 'static,
    A: Serialize + 'static,
    X: std::error::Error + 'static,
    F: Fn(Arc<S>, Job<E>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<A, X>> + Send + 'static,
{
    fn invoke(
        self: Arc<Self>,
        event: Bytes,
        context: Context,
    ) -> BoxFuture<Result<Vec<u8>, InvokeError>> {
        let sent: Sent = serde_json::from_slice(&event).unwrap_or_default();
        let trace = Trace::from_headers(
            sent.traceparent.as_deref(),
            context.xray_trace_id.as_deref(),
            &mut self.runtime.random.rng(),
        );
        let span = tracing::error_span!(
            "run",
            service = self.service,
            stage = self.runtime.settings.stage.as_str(),
            version = self.runtime.settings.function_version.as_str(),
            trace_id = trace.trace_id,
            request_id = context.request_id,
        );
        let run = async move {
            AssertUnwindSafe(self.run(event, context))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| {
                    Err(InvokeError {
                        kind: "WorkerPanicked",
                        message: "see the log".to_owned(),
                    })
                })
        };
        Box::pin(run.instrument(span))
    }

    fn operations(&self, _: &mut SchemaGenerator) -> Vec<Operation> {
        Vec::new()
    }
}

impl<S, F, E> Worker<S, F, E> {
    async fn run<A, X, Fut>(
        self: Arc<Self>,
        event: Bytes,
        context: Context,
    ) -> Result<Vec<u8>, InvokeError>
    where
        E: DeserializeOwned,
        A: Serialize,
        X: std::error::Error + 'static,
        F: Fn(Arc<S>, Job<E>) -> Fut,
        Fut: Future<Output = Result<A, X>>,
    {
        let event = serde_json::from_slice(&event).map_err(|error| InvokeError {
            kind: "EventRefused",
            message: error.to_string(),
        })?;
        let now = self.runtime.clock.now();
        let deadline = i64::try_from(context.deadline)
            .ok()
            .filter(|ms| *ms > 0)
            .map_or_else(
                || now + std::time::Duration::from_secs(60),
                Instant::from_millis,
            );
        let job = Job {
            event,
            now,
            deadline,
            random: self.runtime.random.clone(),
        };
        let started = std::time::Instant::now();
        let outcome = (self.work)(Arc::clone(&self.state), job).await;
        let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
        let answer = match &outcome {
            Ok(answer) => serde_json::to_vec(answer).map_err(|error| error.to_string()),
            Err(error) => Err(Chain(error).to_string()),
        };
        answer
            .inspect(|_| tracing::info!(duration_ms, "run ended"))
            .map_err(|message| {
                tracing::error!(duration_ms, error = message, "run failed");
                InvokeError {
                    kind: "WorkerFailed",
                    message,
                }
            })
    }
}
