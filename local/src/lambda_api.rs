//! The Lambda service's `Invoke`, so that functions can call each other and tools can call workers
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{json, value::RawValue};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    http1::{Handler, Limits, Request, json as json_response},
    identifier,
    sandbox::{PAYLOAD_BYTES, Sandbox},
    say::say,
    stop::Stopped,
};

/// What the service accepts.
pub const LIMITS: Limits = Limits {
    head_bytes: 64 * 1024,
    body_bytes: PAYLOAD_BYTES,
};

/// How long Lambda waits before it tries an asynchronous invocation again, and again.
pub const RETRIES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];

/// `Invoke` over the functions of the stack.
pub struct LambdaApi {
    functions: BTreeMap<String, Arc<Sandbox>>,
    retries: [Duration; 2],
    background: Mutex<JoinSet<()>>,
    stopped: Stopped,
}

impl LambdaApi {
    /// A service over `functions`. When `stopped` turns true, no retry is waited for any more.
    pub fn new(
        functions: impl IntoIterator<Item = Arc<Sandbox>>,
        retries: [Duration; 2],
        stopped: Stopped,
    ) -> Self {
        Self {
            functions: functions
                .into_iter()
                .map(|sandbox| (sandbox.name.clone(), sandbox))
                .collect(),
            retries,
            background: Mutex::default(),
            stopped,
        }
    }

    /// Waits for asynchronous invocations that are running, at most as long as `grace`.
    pub async fn drain(&self, grace: Duration) {
        let mut background = std::mem::take(&mut *self.background());
        let ended = async { while background.join_next().await.is_some() {} };
        if timeout(grace, ended).await.is_err() {
            say("asynchronous invocations were cut off");
        }
    }

    async fn answer(&self, request: &Request) -> Response<Bytes> {
        let (path, _) = request.path_and_query();
        let named = path
            .strip_prefix("/2015-03-31/functions/")
            .and_then(|rest| rest.strip_suffix("/invocations"))
            .filter(|_| request.method == "POST")
            .map(|name| percent_decode_str(name).decode_utf8_lossy());
        let Some(named) = named else {
            return error(
                StatusCode::NOT_FOUND,
                "UnknownOperationException",
                "Only Invoke is offered by the local stack",
            );
        };
        let Some(sandbox) = self.find(&named) else {
            return error(
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                &format!("Function not found: {named}"),
            );
        };
        let event = match &request.body {
            body if body.is_empty() => Bytes::from_static(b"{}"),
            body if serde_json::from_slice::<&RawValue>(body).is_ok() => body.clone(),
            _ => {
                return error(
                    StatusCode::BAD_REQUEST,
                    "InvalidRequestContentException",
                    "Could not parse request body into json",
                );
            }
        };
        let trace = request.header("x-amzn-trace-id").map(str::to_owned);
        match request.header("x-amz-invocation-type") {
            None | Some("RequestResponse") => synchronous(&sandbox, event, trace).await,
            Some("Event") => {
                self.later(sandbox, event, trace);
                empty(StatusCode::ACCEPTED)
            }
            Some("DryRun") => empty(StatusCode::NO_CONTENT),
            Some(other) => error(
                StatusCode::BAD_REQUEST,
                "InvalidParameterValueException",
                &format!("{other} is not an invocation type"),
            ),
        }
    }

    /// A function by its name, its ARN or part of that, with or without a qualifier.
    fn find(&self, named: &str) -> Option<Arc<Sandbox>> {
        let name = match named.split_once("function:") {
            Some((_, name)) => name,
            None => named,
        };
        let name = name.split(':').next().unwrap_or(name);
        self.functions.get(name).cloned()
    }

    /// Invokes in the background; a function error is tried twice more.
    fn later(&self, sandbox: Arc<Sandbox>, event: Bytes, trace: Option<String>) {
        let mut stopped = self.stopped.clone();
        let retries = self.retries;
        let mut background = self.background();
        while background.try_join_next().is_some() {}
        background.spawn(async move {
            let mut failed = sandbox.invoke(event.clone(), trace.clone()).await.is_err();
            for pause in retries {
                let waited = tokio::select! {
                    () = sleep(pause) => true,
                    () = stopped.wait() => false,
                };
                if !failed || !waited {
                    return;
                }
                failed = sandbox.invoke(event.clone(), trace.clone()).await.is_err();
            }
            if failed {
                say(format_args!(
                    "{}: an event was given up after three attempts",
                    sandbox.name
                ));
            }
        });
    }

    fn background(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.background
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for LambdaApi {
    async fn handle(&self, request: Request) -> Response<Bytes> {
        let mut response = self.answer(&request).await;
        set(&mut response, "x-amzn-requestid", &identifier::uuid());
        response
    }
}

async fn synchronous(sandbox: &Sandbox, event: Bytes, trace: Option<String>) -> Response<Bytes> {
    let mut response = match sandbox.invoke(event, trace).await {
        Ok(answer) => json_response(StatusCode::OK, answer),
        Err(failure) => {
            let body = json!({ "errorType": failure.kind(), "errorMessage": failure.message() });
            let mut response = json_response(StatusCode::OK, body.to_string());
            set(&mut response, "x-amz-function-error", "Unhandled");
            response
        }
    };
    set(&mut response, "x-amz-executed-version", "$LATEST");
    response
}

fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response<Bytes> {
    let body = json!({ "Type": "User", "Message": message, "message": message });
    let mut response = json_response(status, body.to_string());
    set(&mut response, "x-amzn-errortype", kind);
    response
}

fn set(response: &mut Response<Bytes>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
}
