//! One function as the Lambda service would run it: a context and a deadline for every invocation,
//! a time-out, and a crash that ends with the invocation.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kit::{Clock, Function};
use lambda_runtime::{Config, Context};
use tokio::{runtime::Handle, time::timeout};

use crate::{identifier, say::say, template};

/// The largest event and the largest answer of a synchronous invocation, in bytes.
pub const PAYLOAD_BYTES: usize = 6 * 1024 * 1024;

/// A function with its name, its limits and what the runtime tells it about itself.
pub struct Sandbox {
    /// The function's name as deployed.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// How long an invocation may take.
    pub timeout: Duration,
    function: Function,
    config: Arc<Config>,
    clock: Clock,
    runtime: Handle,
}

/// An invocation that gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The function said that it failed.
    #[error("{kind}: {message}")]
    Refused {
        /// The name of the failure.
        kind: String,
        /// What went wrong.
        message: String,
    },
    /// It took longer than it may.
    #[error("Task timed out after {:.2} seconds", .0.as_secs_f64())]
    TimedOut(Duration),
    /// It panicked.
    #[error("Runtime exited with a panic: {0}")]
    Crashed(String),
    /// Its answer is larger than Lambda passes on.
    #[error("Response payload size exceeded maximum allowed payload size ({PAYLOAD_BYTES} bytes).")]
    AnswerTooLarge,
}

impl Failure {
    /// Lambda's `errorType`.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Refused { kind, .. } => kind,
            Self::TimedOut(_) => "Sandbox.Timedout",
            Self::Crashed(_) => "Runtime.ExitError",
            Self::AnswerTooLarge => "Function.ResponseSizeTooLarge",
        }
    }

    /// Lambda's `errorMessage`.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Refused { message, .. } => message.clone(),
            other => other.to_string(),
        }
    }
}

impl Sandbox {
    /// Puts `function` into a sandbox as the template declares it; deadlines go by `clock`. It works
    /// on the runtime that this is called on, whoever invokes it.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    pub fn new(declared: &template::Function, function: Function, clock: Clock) -> Self {
        let config = Config {
            function_name: declared.name.clone(),
            memory: declared.memory_mb,
            version: "$LATEST".to_owned(),
            log_stream: "local".to_owned(),
            log_group: format!("/aws/lambda/{}", declared.name),
        };
        Self {
            name: declared.name.clone(),
            arn: declared.arn.clone(),
            timeout: declared.timeout,
            function,
            config: Arc::new(config),
            clock,
            runtime: Handle::current(),
        }
    }

    /// Invokes the function with one event. `trace` is the value of `X-Amzn-Trace-Id`.
    ///
    /// # Errors
    /// The function failed, panicked, took too long or answered too much; the failure is also
    /// printed, as Lambda's own log would have it.
    pub async fn invoke(&self, event: Bytes, trace: Option<String>) -> Result<Vec<u8>, Failure> {
        let outcome = self.run(event, trace).await;
        if let Err(failure) = &outcome {
            say(format_args!("{}: {failure}", self.name));
        }
        outcome
    }

    async fn run(&self, event: Bytes, trace: Option<String>) -> Result<Vec<u8>, Failure> {
        // A task of its own, so that a panic ends the invocation and nothing else.
        let invocation = Arc::clone(&self.function).invoke(event, self.context(trace));
        let mut task = self.runtime.spawn(invocation);
        let answer = match timeout(self.timeout, &mut task).await {
            Err(_) => {
                task.abort();
                return Err(Failure::TimedOut(self.timeout));
            }
            Ok(Err(join)) => return Err(Failure::Crashed(panic_text(join))),
            Ok(Ok(answer)) => answer.map_err(|error| Failure::Refused {
                kind: error.kind.to_owned(),
                message: error.message,
            })?,
        };
        if answer.len() > PAYLOAD_BYTES {
            return Err(Failure::AnswerTooLarge);
        }
        Ok(answer)
    }

    fn context(&self, trace: Option<String>) -> Context {
        let deadline = (self.clock.now() + self.timeout).as_millis();
        let mut context = Context::default();
        context.request_id = identifier::uuid();
        context.deadline = deadline.unsigned_abs();
        context.invoked_function_arn.clone_from(&self.arn);
        context.xray_trace_id = Some(trace.unwrap_or_else(identifier::trace));
        context.env_config = Arc::clone(&self.config);
        context
    }
}

fn panic_text(join: tokio::task::JoinError) -> String {
    match join.try_into_panic() {
        Ok(payload) => payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned()),
        Err(cancelled) => cancelled.to_string(),
    }
}
