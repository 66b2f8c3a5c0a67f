//! Google: an id token, signed with RS256.
//!
//! <https://developers.google.com/identity/gsi/web/guides/verify-google-id-token>

use std::time::Duration;

use domain::{
    Instant,
    identity::{Provider, TokenUse},
};
use jose::{Algorithm, Claims};

use super::{
    Identity, Proof, ProviderError, ProviderSettings, TokenFault,
    signed::{MAX_AGE, SKEW, SignedTokens, check_nonce},
};
use crate::https::Https;

/// How old a token may be that answers no challenge of ours.
const MAX_AGE_WITHOUT_NONCE: Duration = Duration::from_secs(300);

pub(super) struct Google {
    tokens: SignedTokens,
    allow_no_nonce: bool,
}

impl Google {
    pub(super) fn new(settings: &ProviderSettings, https: &Https) -> Self {
        Self {
            tokens: SignedTokens::new(
                Provider::Google,
                Algorithm::Rs256,
                &settings.google_issuers.0,
                &settings.google_client_ids.0,
                (&settings.google_jwks_url, https),
            ),
            allow_no_nonce: settings.google_allow_no_nonce,
        }
    }

    /// Whether a token is accepted that answers no challenge of ours.
    pub(super) fn allows_no_nonce(&self) -> bool {
        self.allow_no_nonce
    }

    pub(super) async fn verify(
        &self,
        proof: &Proof,
        now: Instant,
    ) -> Result<Identity, ProviderError> {
        if !self.tokens.are_switched_on() {
            return Err(ProviderError::Disabled(Provider::Google));
        }
        let (token, nonce) = proof.id_token()?;
        if nonce.is_none() && !self.allow_no_nonce {
            return Err(TokenFault::Nonce.into());
        }
        let claims = self.tokens.claims(token, now).await?;
        check_nonce(&claims, nonce)?;
        let issued_at = claims.issued_at().ok_or(TokenFault::Invalid)?;
        if nonce.is_none() && now > issued_at + MAX_AGE_WITHOUT_NONCE {
            return Err(TokenFault::Expired.into());
        }
        // With the setting on, a token that answered a challenge could be sent again without one.
        let once = self.allow_no_nonce.then(|| TokenUse {
            serial: TokenUse::serial_of(token_id(&claims, token)),
            until: issued_at + MAX_AGE + SKEW + SKEW,
        });
        Ok(Identity {
            token: once,
            ..self.tokens.identity(&claims)?
        })
    }
}

/// A token's id; the signature stands for it in a token without one.
fn token_id<'t>(claims: &'t Claims, token: &'t str) -> &'t str {
    let signature = || {
        token
            .rsplit_once('.')
            .map_or(token, |(_, signature)| signature)
    };
    claims
        .text("jti")
        .filter(|id| !id.is_empty())
        .unwrap_or_else(signature)
}
