//! Tokens that a provider signs: one verifier for all, with the algorithm pinned.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::{
    Instant,
    identity::{Provider, Subject},
};
use jose::{Algorithm, Claims, Expected, KeySet, Refused};
use subtle::ConstantTimeEq as _;

use super::{Identity, ProviderError, ProviderUrl, TokenFault};
use crate::{https::Https, key_sets::RemoteKeySet};

/// How far clocks may be apart.
const SKEW: Duration = Duration::from_secs(60);

/// A token is accepted this long after it was issued.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// What one provider's tokens must be.
pub(super) struct SignedTokens {
    provider: Provider,
    algorithm: [Algorithm; 1],
    issuers: Vec<String>,
    audiences: Vec<String>,
    keys: RemoteKeySet,
}

impl SignedTokens {
    pub(super) fn new(
        provider: Provider,
        algorithm: Algorithm,
        issuers: &[String],
        audiences: &[String],
        (jwks_url, https): (&ProviderUrl, &Https),
    ) -> Self {
        Self {
            provider,
            algorithm: [algorithm],
            issuers: issuers.to_vec(),
            audiences: audiences.to_vec(),
            keys: RemoteKeySet::new(provider, jwks_url.as_str(), https.clone()),
        }
    }

    /// Whether we have an id at the provider.
    pub(super) fn are_switched_on(&self) -> bool {
        !self.audiences.is_empty()
    }

    /// What a token says, which is issued by the provider, to us, and at most an hour ago.
    pub(super) async fn claims(&self, token: &str, now: Instant) -> Result<Claims, ProviderError> {
        self.claims_of_age(token, Some(MAX_AGE), now).await
    }

    /// As [`Self::claims`], of a token that need not say when it ends.
    pub(super) async fn lasting_claims(
        &self,
        token: &str,
        now: Instant,
    ) -> Result<Claims, ProviderError> {
        let claims = self.claims_of_age(token, None, now).await?;
        let issued_at = claims.issued_at().ok_or(TokenFault::Invalid)?;
        match now > issued_at + MAX_AGE + SKEW {
            true => Err(TokenFault::Expired.into()),
            false => Ok(claims),
        }
    }

    async fn claims_of_age(
        &self,
        token: &str,
        max_age: Option<Duration>,
        now: Instant,
    ) -> Result<Claims, ProviderError> {
        let expected = Expected {
            issuers: &self.issuers,
            audiences: &self.audiences,
            skew: SKEW,
            max_age,
        };
        let held = self.keys.held(now);
        let none = KeySet::default();
        let keys = held.as_ref().map_or(&none, |held| &held.keys);
        let verified = match jose::verify(token, keys, &self.algorithm) {
            Err(Refused::UnknownKey { kid: Some(_) }) => {
                // Nobody is asked for the sake of a token that would be refused whoever signed it.
                unverified_claims(token)?.check(&expected, now)?;
                let newer = self.keys.newer_than(held.as_ref(), now).await?;
                jose::verify(token, &newer.keys, &self.algorithm)
            }
            verified => verified,
        };
        let verified = verified.map_err(|refused| {
            tracing::info!(provider = %self.provider, %refused, "a token is refused");
            refused
        })?;
        let claims = Claims::parse(&verified.payload)?;
        claims.check(&expected, now)?;
        Ok(claims)
    }

    /// Whom the token is about.
    pub(super) fn identity(&self, claims: &Claims) -> Result<Identity, ProviderError> {
        let subject = subject(claims.subject()?)?;
        Ok(Identity {
            provider: self.provider,
            subject,
            client_id: claims.text("aud").map(str::to_owned),
        })
    }
}

/// What a token says before anybody has vouched for it.
fn unverified_claims(token: &str) -> Result<Claims, ProviderError> {
    let payload = token.split('.').nth(1).unwrap_or_default();
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload);
    let payload = payload.map_err(|_| ProviderError::INVALID)?;
    Ok(Claims::parse(&payload)?)
}

/// Whether a token answers the challenge that was given, if one was; as it is, not hashed.
pub(super) fn check_nonce(claims: &Claims, nonce: Option<&str>) -> Result<(), ProviderError> {
    let Some(nonce) = nonce else {
        return Ok(());
    };
    let claimed = claims.text("nonce").unwrap_or_default();
    match !nonce.is_empty() && bool::from(claimed.as_bytes().ct_eq(nonce.as_bytes())) {
        true => Ok(()),
        false => Err(TokenFault::Nonce.into()),
    }
}

/// A provider's name for somebody, which it gave us as text.
pub(super) fn subject(text: &str) -> Result<Subject, ProviderError> {
    text.parse().map_err(|_| ProviderError::INVALID)
}
