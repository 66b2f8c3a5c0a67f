//! How AWS is reached: region, credentials, endpoints, timeouts, retries and one HTTPS client.
//!
//! Everything is given by the caller and nothing is discovered: no environment, no profile files,
//! no metadata service, no system certificate store. That keeps a cold start short and lets many
//! functions, each with its own settings, live in one process.
#![forbid(unsafe_code)]

mod environment;
mod http;
mod pace;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::{
    rt::sleep::{SharedAsyncSleep, TokioSleep},
    time::{SharedTimeSource, SystemTimeSource, TimeSource},
};
use aws_smithy_runtime_api::client::{
    behavior_version::BehaviorVersion, http::SharedHttpClient,
    stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_types::{SdkConfig, app_name::AppName, region::Region};

pub use crate::{
    environment::{Endpoint, Environment, connect, start},
    pace::Pace,
};

/// What a function is told about the AWS it runs in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The region, such as `ap-northeast-2` (`AWS_REGION`).
    pub region: String,
    /// The function's own credentials. Lambda gives them for as long as the sandbox lives.
    pub credentials: Keys,
    /// Addresses to use in place of AWS's own.
    pub endpoints: Endpoints,
    /// The function's name: it goes into every call's user agent, so that calls can be told apart.
    pub app_name: String,
}

/// An access key. Its `Debug` output names the key's id only.
#[derive(Clone)]
pub struct Keys {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`, which temporary credentials have.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// Overridden service addresses, by the names of the SDK's own variables (`AWS_ENDPOINT_URL_…`).
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// `AWS_ENDPOINT_URL_DYNAMODB`.
    pub dynamodb: Option<String>,
    /// `AWS_ENDPOINT_URL_LAMBDA`.
    pub lambda: Option<String>,
    /// `AWS_ENDPOINT_URL_S3`; a `file:///…` address means a folder of this machine.
    pub s3: Option<String>,
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`.
    pub secrets_manager: Option<String>,
}

/// The services that are used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Tables.
    DynamoDb,
    /// Asynchronous invocations.
    Lambda,
    /// Blobs.
    S3,
    /// Secrets.
    SecretsManager,
}

/// The function's name cannot stand in a user agent.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` cannot be an app name: letters, digits and !#$%&'*+-.^_`|~ only")]
pub struct AppNameRefused(String);

/// The way to AWS: shared settings and one connection pool, from which clients are configured.
///
/// Making one costs microseconds and opens nothing; connections are made by first use.
#[derive(Debug, Clone)]
pub struct Aws {
    region: Region,
    credentials: SharedCredentialsProvider,
    endpoints: Endpoints,
    app_name: AppName,
    http: SharedHttpClient,
    time: SharedTimeSource,
}

impl Aws {
    /// Takes the settings and reads the time from the machine's wall clock.
    pub fn new(settings: Settings) -> Result<Self, AppNameRefused> {
        Self::with_time(settings, SystemTimeSource::new())
    }

    /// Takes the settings and the clock: requests are signed with it, and it tells how long the
    /// process may have been frozen.
    pub fn with_time(
        settings: Settings,
        time: impl TimeSource + 'static,
    ) -> Result<Self, AppNameRefused> {
        let keys = settings.credentials;
        let credentials = Credentials::new(
            keys.access_key_id,
            keys.secret_access_key,
            keys.session_token,
            None,
            "settings",
        );
        let app_name = AppName::new(settings.app_name.clone())
            .map_err(|_| AppNameRefused(settings.app_name))?;
        Ok(Self {
            region: Region::new(settings.region),
            credentials: SharedCredentialsProvider::new(credentials),
            endpoints: settings.endpoints,
            app_name,
            http: http::client(),
            time: SharedTimeSource::new(time),
        })
    }

    /// The configuration of a client for `service` that keeps to `pace`.
    pub fn config(&self, service: Service, pace: Pace) -> SdkConfig {
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .app_name(self.app_name.clone())
            .http_client(self.http.clone())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(self.time.clone())
            .timeout_config(pace.timeouts())
            .retry_config(pace.retries());
        // Of S3 alone are bodies streamed; all others are read whole within an attempt's time, and
        // measuring how fast each of them comes costs every call.
        if service != Service::S3 {
            let unmeasured = StalledStreamProtectionConfig::disabled();
            config.set_stalled_stream_protection(Some(unmeasured));
        }
        config.set_endpoint_url(self.endpoint(service).map(str::to_owned));
        config.build()
    }

    /// The address that stands in for `service`'s own, if any.
    pub fn endpoint(&self, service: Service) -> Option<&str> {
        match service {
            Service::DynamoDb => self.endpoints.dynamodb.as_deref(),
            Service::Lambda => self.endpoints.lambda.as_deref(),
            Service::S3 => self.endpoints.s3.as_deref(),
            Service::SecretsManager => self.endpoints.secrets_manager.as_deref(),
        }
    }
}
