//! What a function's `main` calls: environment to configuration to the Lambda runtime.

use std::{process::ExitCode, sync::Arc};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::value::RawValue;

use crate::{
    config::{Faults, Vars},
    function::Function,
    logging,
    runtime::Settings,
};

/// Runs one function until the platform ends the process.
///
/// The environment is read here and nowhere else. A configuration that is refused is logged with
/// all its faults and ends the process, which Lambda reports as a failed initialisation.
pub fn run(function: impl FnOnce(&Vars) -> Result<Function, Faults>) -> ExitCode {
    // A variable that is not UTF-8 is none of ours.
    let vars: Vars = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    // What is wrong with the settings the function itself will say.
    let settings = Settings::read(&vars).ok();
    let level = settings.as_ref().map(|settings| settings.log_level.0);
    logging::init(level.unwrap_or(tracing::Level::INFO));
    let function = match function(&vars) {
        Ok(function) => function,
        Err(faults) => {
            for fault in &faults.0 {
                tracing::error!(
                    variable = fault.name,
                    expected = fault.expected,
                    "configuration refused"
                );
            }
            return ExitCode::FAILURE;
        }
    };
    let graceful = settings.is_some_and(|settings| settings.graceful_shutdown);
    // A multi-thread runtime triples the CPU per call; only an instance that is sent concurrent
    // invocations gains from one.
    let concurrent = vars
        .get("AWS_LAMBDA_MAX_CONCURRENCY")
        .and_then(|text| text.parse::<u32>().ok())
        .is_some_and(|limit| limit > 1);
    let mut builder = match concurrent {
        true => tokio::runtime::Builder::new_multi_thread(),
        false => tokio::runtime::Builder::new_current_thread(),
    };
    let served = builder
        .enable_all()
        .build()
        .map_err(lambda_runtime::Error::from)
        .and_then(|runtime| runtime.block_on(serve(function, graceful)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the runtime ended");
            ExitCode::FAILURE
        }
    }
}

async fn serve(function: Function, graceful: bool) -> Result<(), lambda_runtime::Error> {
    if graceful {
        let function = Arc::clone(&function);
        let told = move || function.shut_down();
        lambda_runtime::spawn_graceful_shutdown_handler(told).await;
    }
    let service = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let function = Arc::clone(&function);
        async move {
            let (payload, context) = event.into_parts();
            let bytes = Box::<str>::from(payload).into_boxed_bytes().into_vec();
            let answer = function
                .invoke(bytes.into(), context)
                .await
                .map_err(|error| Diagnostic {
                    error_type: error.kind.to_owned(),
                    error_message: error.message,
                })?;
            RawValue::from_string(String::from_utf8(answer).map_err(refused)?).map_err(refused)
        }
    });
    lambda_runtime::run_concurrent(service).await
}

fn refused(error: impl std::fmt::Display) -> Diagnostic {
    Diagnostic {
        error_type: "AnswerRefused".to_owned(),
        error_message: error.to_string(),
    }
}
