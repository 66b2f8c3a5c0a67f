//! Small functions that do one thing each, in place of the workspace's.

use std::{fs::OpenOptions, io::Write, sync::Arc, time::Duration};

use bytes::Bytes;
use kit::{
    Function, Invoke, InvokeError, Vars, api::Operation, config::Faults, function::BoxFuture,
};
use lambda_runtime::Context;
use local::functions::Registry;
use schemars::SchemaGenerator;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

type Outcome = Result<Vec<u8>, InvokeError>;

struct Does<F>(F);

impl<F> Invoke for Does<F>
where
    F: Fn(Value, Context) -> BoxFuture<Outcome> + Send + Sync + 'static,
{
    fn invoke(self: Arc<Self>, event: Bytes, context: Context) -> BoxFuture<Outcome> {
        (self.0)(serde_json::from_slice(&event).unwrap(), context)
    }

    fn operations(&self, _: &mut SchemaGenerator) -> Vec<Operation> {
        Vec::new()
    }
}

fn does<F>(act: F) -> Function
where
    F: Fn(Value, Context) -> BoxFuture<Outcome> + Send + Sync + 'static,
{
    Arc::new(Does(act))
}

pub(crate) fn registry() -> Registry {
    let functions: [(&'static str, local::functions::Constructor); 7] = [
        ("echo", echo),
        ("fallback", fallback),
        ("fails", fails),
        ("panics", panics),
        ("sleeps", sleeps),
        ("waits", waits),
        ("worker", worker),
    ];
    functions.into_iter().collect()
}

/// Answers the event and the context that it was given; `?as=cookies` and `?as=bytes` differently.
fn echo(_: &Vars) -> Result<Function, Faults> {
    Ok(does(|event, context| {
        Box::pin(async move {
            let answer = match event["queryStringParameters"]["as"].as_str() {
                Some("cookies") => {
                    json!({"statusCode": 200, "cookies": ["a=1", "b=2"], "body": "x"})
                }
                Some("bytes") => {
                    json!({"statusCode": 200, "body": "/wAB", "isBase64Encoded": true})
                }
                Some("plain") => json!({"said": "nothing of a status"}),
                Some("nonsense") => json!({"statusCode": "none"}),
                _ => json!({
                    "statusCode": 200,
                    "headers": {"content-type": "application/json"},
                    "body": json!({"event": event, "context": context}).to_string(),
                }),
            };
            Ok(answer.to_string().into_bytes())
        })
    }))
}

fn fallback(_: &Vars) -> Result<Function, Faults> {
    Ok(does(|_, _| {
        Box::pin(async { Ok(br#"{"statusCode": 404, "body": "nothing here"}"#.to_vec()) })
    }))
}

fn fails(_: &Vars) -> Result<Function, Faults> {
    Ok(does(|_, _| {
        Box::pin(async {
            Err(InvokeError {
                kind: "WorkerFailed",
                message: "as it was told to".to_owned(),
            })
        })
    }))
}

fn panics(_: &Vars) -> Result<Function, Faults> {
    Ok(does(|_, _| Box::pin(async { panic!("on purpose") })))
}

fn sleeps(_: &Vars) -> Result<Function, Faults> {
    Ok(does(|_, _| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(b"{}".to_vec())
        })
    }))
}

/// What invocations of `waits` wait for: a permit each.
pub(crate) static PERMITS: Semaphore = Semaphore::const_new(0);

fn waits(_: &Vars) -> Result<Function, Faults> {
    Ok(does(|_, _| {
        Box::pin(async {
            let permit = PERMITS.acquire().await.map_err(|closed| InvokeError {
                kind: "WorkerFailed",
                message: closed.to_string(),
            })?;
            permit.forget();
            Ok(br#"{"statusCode": 204}"#.to_vec())
        })
    }))
}

/// Appends each event to the file that `SEEN` names; fails where the event says so.
fn worker(vars: &Vars) -> Result<Function, Faults> {
    let seen = vars.get("SEEN").unwrap_or("/dev/null").to_owned();
    Ok(does(move |event, context| {
        let seen = seen.clone();
        Box::pin(async move {
            let mut file = OpenOptions::new()
                .append(true)
                .create(true)
                .open(&seen)
                .unwrap();
            writeln!(file, "{event}").unwrap();
            match event["fail"].as_bool() {
                Some(true) => Err(InvokeError {
                    kind: "WorkerFailed",
                    message: "as it was told to".to_owned(),
                }),
                _ => Ok(
                    json!({"did": event, "as": context.env_config.function_name})
                        .to_string()
                        .into_bytes(),
                ),
            }
        })
    }))
}
