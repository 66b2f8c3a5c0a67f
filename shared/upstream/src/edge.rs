//! How secrets are configured, and how their absence is told to a caller.

use std::{fmt, time::Duration};

use aws::Aws;
use kit::{Problem, config::Seconds};

use crate::secrets::{Freshness, Secret, SecretError, SecretsManager};

impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        match error {
            error @ SecretError::Unavailable { .. } => {
                tracing::error!(%error, "a secret is missing");
                Self::unavailable("a secret cannot be read")
            }
            error => Self::internal(&error),
        }
    }
}

kit::settings! {
    /// How long secrets are believed.
    pub struct SecretSettings {
        /// A secret is read again, beside requests, once it was read longer ago than this.
        ttl: Seconds = "SECRETS_TTL_S", default "300";
        /// While it cannot be read again it is used up to this age.
        stale_limit: Seconds = "SECRETS_STALE_LIMIT_S", default "86400";
    }
}

impl SecretSettings {
    /// The secret called `name`, which is not read yet.
    pub fn secret<T, E>(&self, aws: &Aws, name: &str, parse: fn(&str) -> Result<T, E>) -> Secret<T>
    where
        T: Send + Sync + 'static,
        E: fmt::Display + 'static,
    {
        let freshness = Freshness {
            ttl: self.ttl.0,
            stale_limit: self.stale_limit.0,
        };
        SecretsManager::connect(aws).secret(name, freshness, parse)
    }
}

/// A secret that is read whenever it is wanted: for asking whether it can be.
pub fn unkept<T, E>(aws: &Aws, name: &str, parse: fn(&str) -> Result<T, E>) -> Secret<T>
where
    T: Send + Sync + 'static,
    E: fmt::Display + 'static,
{
    let never = Freshness {
        ttl: Duration::ZERO,
        stale_limit: Duration::ZERO,
    };
    SecretsManager::connect(aws).secret(name, never, parse)
}
