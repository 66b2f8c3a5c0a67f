//! The four steps.

use std::time::Duration;

use domain::Instant;
use jose::{Algorithm, KeySet, SigningError};
use serde::Serialize;
use store::{PublishedKeys, SigningKeys, Stamp, StoreError, signing_keys::PublicKeySet};
use upstream::{SecretError, SecretVersions, rotation::Stages};

const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";

/// Rotates one secret.
#[derive(Debug)]
pub(crate) struct Rotation {
    pub(crate) secret: SecretVersions,
    pub(crate) published: PublishedKeys,
    /// How long a key is kept after it was retired.
    pub(crate) kept_for: Duration,
}

/// Why a step was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// It is about a secret that this worker does not rotate.
    #[error("`{0}` is not the secret that is rotated here")]
    OtherSecret(String),
    /// The version was never begun, or was given up.
    #[error("the version `{0}` is not staged for rotation")]
    NotStaged(String),
    /// The version has no value: the first step was not carried out.
    #[error("the version `{0}` has no value yet")]
    NotCreated(String),
    /// What the new keys sign is not verified with what is published.
    #[error("what the key `{0}` signs is not verified")]
    NotVerified(String),
    /// Secrets Manager.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The library.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// What is signed to try a key.
#[derive(Serialize)]
struct Trial {
    iat: i64,
}

impl Rotation {
    /// The stages of the secret's versions, if this one may be worked on.
    pub(crate) async fn stages(
        &self,
        secret: &str,
        version: &str,
    ) -> Result<Stages, RotationError> {
        let described = self.secret.describe().await?;
        if secret != described.arn {
            return Err(RotationError::OtherSecret(secret.to_owned()));
        }
        let stages = described.stages;
        let staged = stages.has(version, PENDING) || stages.has(version, CURRENT);
        match staged {
            true => Ok(stages),
            false => Err(RotationError::NotStaged(version.to_owned())),
        }
    }

    /// Makes the version's value, unless that was done.
    pub(crate) async fn create(
        &self,
        version: &str,
        now: Instant,
    ) -> Result<String, RotationError> {
        if let Some(keys) = self.keys_of(version).await? {
            return Ok(keys.current_kid().to_owned());
        }
        let current = self.secret.read_stage(CURRENT, SigningKeys::parse).await?;
        let next = match current {
            Some(current) => current.rotated(now, self.kept_for)?,
            None => SigningKeys::first()?,
        };
        self.secret.put(version, PENDING, next.to_secret()?).await?;
        // Another run may have been faster: what is there counts.
        Ok(self.created(version).await?.current_kid().to_owned())
    }

    /// Publishes the halves of all its keys.
    pub(crate) async fn publish(
        &self,
        version: &str,
        stamp: Stamp,
    ) -> Result<String, RotationError> {
        let keys = self.created(version).await?;
        self.published.publish(&keys, stamp).await?;
        Ok(keys.current_kid().to_owned())
    }

    /// Verifies what it signs with what is published. Secrets Manager takes this step alone to try a
    /// rotation that is only being configured, with a version that has no value: then it is the
    /// current one that is tried, if there is one.
    pub(crate) async fn test(
        &self,
        version: &str,
        now: Instant,
    ) -> Result<Option<String>, RotationError> {
        let keys = match self.keys_of(version).await? {
            Some(keys) => Some(keys),
            None => self.secret.read_stage(CURRENT, SigningKeys::parse).await?,
        };
        let Some(keys) = keys else {
            return Ok(None);
        };
        let published = PublicKeySet::read(self.published.all().await?)?;
        let trial = Trial {
            iat: now.as_seconds(),
        };
        for (kid, token) in keys.kids_in_use().iter().zip(keys.sign_with_each(&trial)?) {
            if !is_verified(&token, &published.keys) {
                return Err(RotationError::NotVerified((*kid).to_owned()));
            }
        }
        Ok(Some(keys.current_kid().to_owned()))
    }

    /// Makes it the current version, unless that was done, and retires the key before.
    pub(crate) async fn finish(
        &self,
        version: &str,
        stages: &Stages,
        stamp: Stamp,
        now: Instant,
    ) -> Result<String, RotationError> {
        let keys = self.created(version).await?;
        if !stages.has(version, CURRENT) {
            let before = stages.holder(CURRENT);
            self.secret.move_stage(CURRENT, before, version).await?;
        }
        self.published
            .retire(&keys, self.kept_for, stamp, now)
            .await?;
        Ok(keys.current_kid().to_owned())
    }

    async fn created(&self, version: &str) -> Result<SigningKeys, RotationError> {
        let keys = self.keys_of(version).await?;
        keys.ok_or_else(|| RotationError::NotCreated(version.to_owned()))
    }

    async fn keys_of(&self, version: &str) -> Result<Option<SigningKeys>, RotationError> {
        let keys = self.secret.read_version(version, SigningKeys::parse).await;
        Ok(keys?)
    }
}

fn is_verified(token: &str, published: &KeySet) -> bool {
    jose::verify(token, published, &[Algorithm::Es256]).is_ok()
}
