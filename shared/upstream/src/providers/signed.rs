//! Tokens that a provider signs: one verifier for all, with the algorithm pinned.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::{
    Instant,
    identity::{Provider, Subject},
};
use jose::{Algorithm, Claims, Expected, KeySet, Refused, Verified};
use subtle::ConstantTimeEq as _;

use super::{Identity, ProviderError, ProviderUrl, TokenFault};
use crate::{https::Https, key_sets::RemoteKeySet, secrets::Secret};

/// How far clocks may be apart.
pub(super) const SKEW: Duration = Duration::from_secs(60);

/// A token is accepted this long after it was issued.
pub(super) const MAX_AGE: Duration = Duration::from_secs(3_600);

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
        checked(self.provider, verified, &expected, now)
    }

    /// Whom the token is about.
    pub(super) fn identity(&self, claims: &Claims) -> Result<Identity, ProviderError> {
        let subject = subject(claims.subject()?)?;
        Ok(Identity {
            provider: self.provider,
            subject,
            client_id: claims.text("aud").map(str::to_owned),
            token: None,
        })
    }
}

/// Tokens that are signed with a secret of ours (HS256), for one client id.
pub(super) struct SecretTokens {
    provider: Provider,
    issuers: Vec<String>,
    audience: [String; 1],
    secret: Secret<String>,
}

impl SecretTokens {
    pub(super) fn new(
        provider: Provider,
        issuers: &[String],
        client_id: &str,
        secret: Secret<String>,
    ) -> Self {
        Self {
            provider,
            issuers: issuers.to_vec(),
            audience: [client_id.to_owned()],
            secret,
        }
    }

    /// Whether a token says that it is for this client id, before its signature was looked at.
    pub(super) fn are_named_by(&self, token: &str) -> bool {
        let [audience] = &self.audience;
        unverified_claims(token).is_ok_and(|claims| claims.text("aud") == Some(audience.as_str()))
    }

    /// The claims of a token that is signed with the secret, and at most an hour old.
    pub(super) async fn claims(&self, token: &str, now: Instant) -> Result<Claims, ProviderError> {
        let secret = self.secret.get(now).await?;
        let key = serde_json::json!({
            "keys": [{ "kty": "oct", "k": BASE64_URL_SAFE_NO_PAD.encode(secret.as_bytes()) }],
        });
        let keys = KeySet::parse(key.to_string().as_bytes()).map_err(|error| {
            tracing::error!(provider = %self.provider, %error, "client secret is no key");
            ProviderError::NOT_CALLED
        })?;
        let expected = Expected {
            issuers: &self.issuers,
            audiences: &self.audience,
            skew: SKEW,
            max_age: Some(MAX_AGE),
        };
        let verified = jose::verify(token, &keys, &[Algorithm::Hs256]);
        checked(self.provider, verified, &expected, now)
    }
}

/// The claims of a token whose signature was looked at.
fn checked(
    provider: Provider,
    verified: Result<Verified, Refused>,
    expected: &Expected<'_, String>,
    now: Instant,
) -> Result<Claims, ProviderError> {
    let verified = verified.map_err(|refused| {
        tracing::info!(%provider, %refused, "a token is refused");
        refused
    })?;
    let claims = Claims::parse(&verified.payload)?;
    claims.check(expected, now)?;
    Ok(claims)
}

/// Whether an id token says which nonce it was made for, before its signature was looked at.
pub fn id_token_has_nonce(token: &str) -> bool {
    unverified_claims(token).is_ok_and(|claims| claims.value("nonce").is_some())
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
