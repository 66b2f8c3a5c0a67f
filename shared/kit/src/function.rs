//! The seam between a function and whatever carries its events: the Lambda runtime when deployed,
//! the local stack on a laptop. Both hand over the same bytes and get the same bytes back.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use lambda_runtime::Context;
use schemars::SchemaGenerator;

use crate::api::Operation;

/// What a function crate's `function(&Vars)` builds: ready for concurrent invocations.
pub type Function = Arc<dyn Invoke>;

/// A boxed future that may cross threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Answers one event with one answer.
pub trait Invoke: Send + Sync + 'static {
    /// `event` and the answer are JSON documents: for an HTTP function an API Gateway payload-2.0
    /// event and its response, for a worker whatever its caller sends.
    fn invoke(
        self: Arc<Self>,
        event: Bytes,
        context: Context,
    ) -> BoxFuture<Result<Vec<u8>, InvokeError>>;

    /// Tells what would be lost with the process. An optimisation: a sandbox may be killed without it.
    fn shut_down(self: Arc<Self>) -> BoxFuture<()> {
        Box::pin(async {})
    }

    /// Whether somebody closes its routes during maintenance.
    fn has_gate(&self) -> bool {
        false
    }

    /// The routes it answers, for the OpenAPI document; a worker has none.
    fn operations(&self, generator: &mut SchemaGenerator) -> Vec<Operation>;
}

/// The function failed as a function: what the Lambda service reports as a function error.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct InvokeError {
    /// A stable name for the kind of failure, such as `EventRefused` or `WorkerFailed`.
    pub kind: &'static str,
    /// What went wrong, for the operator's eyes.
    pub message: String,
}
