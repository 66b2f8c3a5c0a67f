//! The settings as a function's environment gives them, by the names that Lambda and the SDKs use.

use std::time::SystemTime;

use aws_smithy_async::time::TimeSource;
use kit::{
    Clock, Faults, Runtime, Vars,
    config::{Fault, Setting, Stage},
};

use crate::{Aws, Endpoints, Keys, Settings};

/// An address that stands in for a service's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(pub String);

impl Setting for Endpoint {
    const EXPECTED: &'static str = "an http, https or file URL";
    fn parse(text: &str) -> Option<Self> {
        ["http://", "https://", "file:///"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
            .then(|| Self(text.trim_end_matches('/').to_owned()))
    }
}

impl Endpoint {
    /// Whether it is this machine: right on a laptop, never in production.
    fn is_local(&self) -> bool {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        self.0.starts_with("file:")
            || ["localhost", "127.", "[::1]", "0.0.0.0"]
                .iter()
                .any(|host| rest.starts_with(host))
    }
}

kit::settings! {
    /// What Lambda tells a function of its AWS.
    pub struct Environment {
        /// The region; Lambda sets it.
        region: String = "AWS_REGION", example "ap-northeast-2";
        /// The function's own credentials; Lambda sets them.
        access_key_id: String = "AWS_ACCESS_KEY_ID", example "ASIAEXAMPLE";
        /// The function's own credentials; Lambda sets them.
        secret_access_key: String = "AWS_SECRET_ACCESS_KEY", example "(secret)";
        /// The function's own credentials; Lambda sets them.
        session_token: Option<String> = "AWS_SESSION_TOKEN", example "(secret)";
        /// DynamoDB's address, where it is not AWS's own.
        dynamodb: Option<Endpoint> = "AWS_ENDPOINT_URL_DYNAMODB", example "http://127.0.0.1:8000";
        /// Lambda's address, where it is not AWS's own.
        lambda: Option<Endpoint> = "AWS_ENDPOINT_URL_LAMBDA", example "http://127.0.0.1:9001";
        /// S3's address, where it is not AWS's own; a file URL keeps blobs in that folder.
        s3: Option<Endpoint> = "AWS_ENDPOINT_URL_S3", example "file:///var/lib/madang/blobs";
        /// Secrets Manager's address, where it is not AWS's own.
        secrets_manager: Option<Endpoint> = "AWS_ENDPOINT_URL_SECRETS_MANAGER", example "http://127.0.0.1:9002";
    }
}

/// The way to AWS for the function `name`, from its environment.
///
/// # Errors
/// Every variable that is absent or wrong; in `prd`, every endpoint that is this machine.
pub fn connect(vars: &Vars, name: &str, clock: Clock) -> Result<Aws, Faults> {
    let environment = Environment::read(vars)?;
    if vars.get("STAGE").and_then(Stage::parse) == Some(Stage::Prd) {
        environment.refuse_loopback()?;
    }
    let text = |endpoint: Option<Endpoint>| endpoint.map(|endpoint| endpoint.0);
    let settings = Settings {
        region: environment.region,
        credentials: Keys {
            access_key_id: environment.access_key_id,
            secret_access_key: environment.secret_access_key,
            session_token: environment.session_token,
        },
        endpoints: Endpoints {
            dynamodb: text(environment.dynamodb),
            lambda: text(environment.lambda),
            s3: text(environment.s3),
            secrets_manager: text(environment.secrets_manager),
        },
        app_name: name.to_owned(),
    };
    Aws::with_time(settings, WallClock(clock))
        .map_err(|error| Faults::one("AWS_LAMBDA_FUNCTION_NAME", error.to_string()))
}

/// What a function that calls AWS starts with: its runtime, its own settings and the way to AWS, or
/// every fault of all three.
///
/// # Errors
/// See above.
pub fn start<S>(
    vars: &Vars,
    name: &str,
    settings: impl FnOnce(&Vars) -> Result<S, Faults>,
) -> Result<(Runtime, S, Aws), Faults> {
    let runtime = Runtime::read(vars);
    // AWS refuses signatures of a time that is not now, and a pool of connections ages by the
    // wall's clock: a demonstration's faster one is not for them.
    let clock = match &runtime {
        Ok(runtime) if runtime.settings.clock_course.is_none() => runtime.clock.clone(),
        _ => Clock::system(),
    };
    let ((runtime, settings), aws) = Faults::both(
        Faults::both(runtime, settings(vars)),
        connect(vars, name, clock),
    )?;
    Ok((runtime, settings, aws))
}

impl Environment {
    fn refuse_loopback(&self) -> Result<(), Faults> {
        let named = [
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb),
            ("AWS_ENDPOINT_URL_LAMBDA", &self.lambda),
            ("AWS_ENDPOINT_URL_S3", &self.s3),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &self.secrets_manager),
        ];
        let faults: Vec<_> = named
            .into_iter()
            .filter(|(_, endpoint)| endpoint.as_ref().is_some_and(Endpoint::is_local))
            .map(|(name, _)| Fault {
                name,
                expected: "an address other than this machine, in the stage prd".to_owned(),
            })
            .collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Faults(faults))
        }
    }
}

/// The clock that was handed in, as the SDK asks for it.
#[derive(Debug)]
struct WallClock(Clock);

impl TimeSource for WallClock {
    fn now(&self) -> SystemTime {
        let millis = u64::try_from(self.0.now().as_millis()).unwrap_or(0);
        SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(extra: &[(&str, &str)]) -> Vars {
        [
            ("AWS_REGION", "ap-northeast-2"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ]
        .iter()
        .chain(extra)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
    }

    #[test]
    fn production_refuses_endpoints_of_this_machine_and_names_each() {
        let local = [
            ("STAGE", "prd"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8000"),
            ("AWS_ENDPOINT_URL_S3", "file:///tmp/blobs"),
            ("AWS_ENDPOINT_URL_LAMBDA", "https://lambda.example.com"),
        ];
        let faults = connect(&vars(&local), "health", Clock::system()).unwrap_err();
        let names: Vec<_> = faults.0.iter().map(|fault| fault.name).collect();
        assert_eq!(names, ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_S3"]);
        let local = local.map(|(name, value)| (name, if name == "STAGE" { "dev" } else { value }));
        assert!(connect(&vars(&local), "health", Clock::system()).is_ok());
    }
}
