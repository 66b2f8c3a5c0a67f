//! How secrets are configured, and how their absence is told to a caller.

use std::{fmt, time::Duration};

use aws::Aws;
use kit::{Problem, config::Seconds, problem::Chain};

use crate::secrets::{Freshness, Secret, SecretError, SecretsManager};

impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        match error {
            error @ (SecretError::Unavailable { .. } | SecretError::Missing { .. }) => {
                tracing::error!(error = %Chain(&error), "a secret is missing");
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

#[cfg(test)]
mod tests {
    use kit::Code;

    use super::*;

    #[test]
    fn a_secret_that_may_be_there_soon_is_waited_for() {
        let name = || "tracking-keys".into();
        for (error, code) in [
            (SecretError::Missing { name: name() }, Code::Unavailable),
            (
                SecretError::Unavailable {
                    name: name(),
                    source: std::sync::Arc::new(std::fmt::Error),
                },
                Code::Unavailable,
            ),
            (
                SecretError::Refused {
                    name: name(),
                    code: "AccessDeniedException".into(),
                },
                Code::Internal,
            ),
            (
                SecretError::Malformed {
                    name: name(),
                    reason: "no key".into(),
                },
                Code::Internal,
            ),
        ] {
            assert_eq!(Problem::from(error.clone()).code, code, "{error}");
        }
    }
}
