//! The keys of `auth-keys`, and how what they signed is known again.

use std::sync::Arc;

use domain::{
    Instant,
    identity::{
        Challenge, ChallengeRefused, IdentityHash, Provider, RefreshToken, RefreshTokenRefused,
        Subject,
    },
    keyring::Keys,
};
use kit::{Code, Problem};
use upstream::{Secret, SecretError};

/// The keys that sign refresh tokens and challenges, and seal what providers gave us. Clones share
/// what was read.
#[derive(Clone)]
pub struct AuthKeys(Secret<Keys>);

impl AuthKeys {
    /// Keys that are not read yet.
    pub(crate) fn new(secret: Secret<Keys>) -> Self {
        Self(secret)
    }

    /// The keys.
    pub async fn current(&self, now: Instant) -> Result<Arc<Keys>, SecretError> {
        self.0.get(now).await
    }

    /// Reads a refresh token that came back.
    ///
    /// # Errors
    /// 401 `token_invalid` for what is none of ours, and nothing was touched.
    pub async fn presented(&self, text: &str, now: Instant) -> Result<RefreshToken, Problem> {
        let verified = match RefreshToken::verify(&*self.current(now).await?, text) {
            Err(RefreshTokenRefused::UnknownKey(_)) => {
                let keys = self.0.refresh(now).await?;
                RefreshToken::verify(&keys, text)
            }
            verified => verified,
        };
        verified.map_err(|refused| Problem::new(Code::TokenInvalid).detail(refused.to_string()))
    }

    /// Returns the keyed hashes of an identity, by which a ban that outlived its member is found: one
    /// for each key, the current one first.
    ///
    /// # Errors
    /// The keys cannot be read.
    pub async fn identity_hashes(
        &self,
        provider: Provider,
        subject: &Subject,
        secret_sha256: Option<&str>,
        now: Instant,
    ) -> Result<Vec<IdentityHash>, SecretError> {
        let keys = self.current(now).await?;
        Ok(IdentityHash::all(&keys, provider, subject, secret_sha256))
    }

    /// The challenge of that id, if it is ours and has not lapsed.
    ///
    /// # Errors
    /// 401 `challenge_used`.
    pub async fn challenge(&self, id: &str, now: Instant) -> Result<Challenge, Problem> {
        let verified = match Challenge::verify(&*self.current(now).await?, id, now) {
            Err(ChallengeRefused::UnknownKey(_)) => {
                let keys = self.0.refresh(now).await?;
                Challenge::verify(&keys, id, now)
            }
            verified => verified,
        };
        verified.map_err(|refused| Problem::new(Code::ChallengeUsed).detail(refused.to_string()))
    }
}
