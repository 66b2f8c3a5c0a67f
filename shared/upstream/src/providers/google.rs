//! Google: an id token, signed with RS256.
//!
//! <https://developers.google.com/identity/gsi/web/guides/verify-google-id-token>

use domain::{Instant, identity::Provider};
use jose::Algorithm;

use super::{
    Identity, Proof, ProviderError, ProviderSettings,
    signed::{SignedTokens, check_nonce},
};
use crate::https::Https;

pub(super) struct Google(SignedTokens);

impl Google {
    pub(super) fn new(settings: &ProviderSettings, https: &Https) -> Self {
        Self(SignedTokens::new(
            Provider::Google,
            Algorithm::Rs256,
            &settings.google_issuers.0,
            &settings.google_client_ids.0,
            (&settings.google_jwks_url, https),
        ))
    }

    pub(super) async fn verify(
        &self,
        proof: &Proof,
        now: Instant,
    ) -> Result<Identity, ProviderError> {
        if !self.0.are_switched_on() {
            return Err(ProviderError::Disabled(Provider::Google));
        }
        let (token, nonce) = proof.id_token()?;
        let claims = self.0.claims(token, now).await?;
        check_nonce(&claims, nonce)?;
        self.0.identity(&claims)
    }
}
