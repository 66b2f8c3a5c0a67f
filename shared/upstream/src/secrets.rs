//! Secrets: read from Secrets Manager once, kept for a while, refreshed beside requests, and never
//! printed.
//!
//! Actions on the secret: secretsmanager:GetSecretValue.

use std::{
    error::Error as StdError,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use aws::{Aws, Pace, Service};
use aws_sdk_secretsmanager::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use domain::Instant;
use kit::problem::Chain;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tracing::Instrument as _;

/// A secret is asked for no more often than this, whoever wants it and whatever came of it.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A connection to Secrets Manager.
#[derive(Debug, Clone)]
pub struct SecretsManager {
    client: Client,
}

impl SecretsManager {
    /// Configures a client. Nothing is opened before the first secret is wanted.
    pub fn connect(aws: &Aws) -> Self {
        Self {
            client: Client::new(&aws.config(Service::SecretsManager, Pace::NORMAL)),
        }
    }

    /// The secret of that name or ARN, which is not read yet. What `parse` cannot read is
    /// [`SecretError::Malformed`]. Its error is told to operators, so it must not quote the text.
    pub fn secret<T, E>(
        &self,
        name: &str,
        freshness: Freshness,
        parse: fn(&str) -> Result<T, E>,
    ) -> Secret<T>
    where
        T: Send + Sync + 'static,
        E: fmt::Display + 'static,
    {
        Secret(Arc::new(Inner {
            client: self.client.clone(),
            name: name.into(),
            freshness,
            parse: Box::new(move |text| parse(text).map_err(|error| error.to_string())),
            held: ArcSwapOption::empty(),
            failed: RwLock::new(None),
            flight: Arc::default(),
        }))
    }
}

/// How long a secret is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// Read again once it was read longer ago than this.
    pub ttl: Duration,
    /// Used while it cannot be read again, up to this age.
    pub stale_limit: Duration,
}

/// Why there is no secret to use.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not answer, or asked for patience.
    #[error("the secret `{name}` cannot be read now")]
    Unavailable {
        /// The secret's name.
        name: Arc<str>,
        /// What the SDK says.
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// There is no such secret, or it was not given a value yet, as between a deployment and its
    /// first filling.
    #[error("the secret `{name}` has no value yet")]
    Missing {
        /// The secret's name.
        name: Arc<str>,
    },
    /// Secrets Manager refuses the call: the function may not read the secret, say.
    #[error("the secret `{name}` may not be read: {code}")]
    Refused {
        /// The secret's name.
        name: Arc<str>,
        /// Secrets Manager's error code.
        code: String,
    },
    /// There is one, and it is not what it should be.
    #[error("the secret `{name}` does not have the form that is expected: {reason}")]
    Malformed {
        /// The secret's name.
        name: Arc<str>,
        /// What is wrong, without quoting it.
        reason: String,
    },
}

/// A secret as a typed value. Clones share what was read.
pub struct Secret<T>(Arc<Inner<T>>);

struct Inner<T> {
    client: Client,
    name: Arc<str>,
    freshness: Freshness,
    parse: Parse<T>,
    held: ArcSwapOption<Held<T>>,
    failed: RwLock<Option<Failed>>,
    /// Held by whoever is asking Secrets Manager.
    flight: Arc<Mutex<()>>,
}

type Parse<T> = Box<dyn Fn(&str) -> Result<T, String> + Send + Sync>;

struct Held<T> {
    value: Arc<T>,
    read_at: Instant,
}

#[derive(Clone)]
struct Failed {
    error: SecretError,
    at: Instant,
}

impl<T: Send + Sync + 'static> Secret<T> {
    /// The secret.
    ///
    /// Read within its time to live, it is given at once. Read longer ago, it is given at once too,
    /// while one task reads it again beside. Where there is none that may be used, one caller reads
    /// it and the others wait for that one.
    pub async fn get(&self, now: Instant) -> Result<Arc<T>, SecretError> {
        let Freshness { ttl, stale_limit } = self.0.freshness;
        match self.usable(now, stale_limit) {
            Some((value, age)) => {
                if age >= ttl {
                    self.refresh_beside(now);
                }
                Ok(value)
            }
            None => self.read_unless(now, ttl).await,
        }
    }

    /// The secret as it is now, for who has seen that it must have changed: read again, by one
    /// caller for all, unless that was done a second ago. An error says that this could not be;
    /// what [`Self::get`] gives stays.
    pub async fn refresh(&self, now: Instant) -> Result<Arc<T>, SecretError> {
        self.read_unless(now, RETRY_AFTER).await
    }

    /// How long ago the secret was read; `None` when it never was.
    pub fn age(&self, now: Instant) -> Option<Duration> {
        let held = self.0.held.load();
        held.as_ref().map(|held| now.since(held.read_at))
    }

    /// The name it was asked for by.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    fn usable(&self, now: Instant, limit: Duration) -> Option<(Arc<T>, Duration)> {
        let held = self.0.held.load();
        let held = held.as_ref()?;
        let age = now.since(held.read_at);
        (age < limit).then(|| (Arc::clone(&held.value), age))
    }

    /// At most one task, and none right after a failure.
    fn refresh_beside(&self, now: Instant) {
        if self.0.failed_lately(now).is_some() {
            return;
        }
        let Ok(turn) = Arc::clone(&self.0.flight).try_lock_owned() else {
            return;
        };
        let inner = Arc::clone(&self.0);
        let read = async move {
            if let Err(error) = inner.read(now, turn).await {
                let (secret, error) = (&*inner.name, Chain(&error));
                tracing::warn!(secret, %error, "the secret stays as it is");
            }
        };
        // What it logs belongs to the request that began it.
        tokio::spawn(read.in_current_span());
    }

    /// Reads the secret, unless it was read within `age`.
    async fn read_unless(&self, now: Instant, age: Duration) -> Result<Arc<T>, SecretError> {
        let turn = Arc::clone(&self.0.flight).lock_owned().await;
        // Whoever had the turn before may have read it, or found that it cannot be read.
        if let Some((value, _)) = self.usable(now, age) {
            return Ok(value);
        }
        match self.0.failed_lately(now) {
            Some(error) => Err(error),
            None => self.0.read(now, turn).await,
        }
    }
}

impl<T> Inner<T> {
    async fn read(&self, now: Instant, _turn: OwnedMutexGuard<()>) -> Result<Arc<T>, SecretError> {
        let read = self.fetch().await;
        let failed = read.as_ref().err().map(|error| Failed {
            error: error.clone(),
            at: now,
        });
        *self.failed.write().unwrap_or_else(PoisonError::into_inner) = failed;
        let value = Arc::new(read?);
        self.held.store(Some(Arc::new(Held {
            value: Arc::clone(&value),
            read_at: now,
        })));
        Ok(value)
    }

    async fn fetch(&self) -> Result<T, SecretError> {
        let answer = self
            .client
            .get_secret_value()
            .secret_id(&*self.name)
            .send()
            .await
            .map_err(|error| failure(&self.name, error))?;
        let name = Arc::clone(&self.name);
        match answer.secret_string() {
            None => Err(SecretError::Malformed {
                name,
                reason: "it has no text".to_owned(),
            }),
            Some(text) if text.trim().is_empty() => Err(SecretError::Missing { name }),
            Some(text) => {
                (self.parse)(text).map_err(|reason| SecretError::Malformed { name, reason })
            }
        }
    }

    fn failed_lately(&self, now: Instant) -> Option<SecretError> {
        let failed = self.failed.read().unwrap_or_else(PoisonError::into_inner);
        let lately = failed
            .as_ref()
            .filter(|failed| now.since(failed.at) < RETRY_AFTER)?;
        Some(lately.error.clone())
    }
}

/// Client errors of Secrets Manager are about us; whatever else is a matter of time.
pub(crate) fn failure<E>(name: &Arc<str>, error: SdkError<E, HttpResponse>) -> SecretError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let broken = error
        .raw_response()
        .is_some_and(|answer| answer.status().is_server_error());
    let refusal = error.as_service_error().and_then(|service| {
        let code = service.code()?;
        let passing = [
            "InternalServiceError",
            "ThrottlingException",
            "TooManyRequestsException",
        ];
        let transient = broken || passing.contains(&code);
        (!transient).then(|| code.to_owned())
    });
    let name = Arc::clone(name);
    match refusal {
        // The same code for a secret that is not there and for one without a value.
        Some(code) if code == "ResourceNotFoundException" => SecretError::Missing { name },
        Some(code) => SecretError::Refused { name, code },
        None => SecretError::Unavailable {
            name,
            source: Arc::new(error),
        },
    }
}

impl<T> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.0.name)
    }
}
