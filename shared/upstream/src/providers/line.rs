//! LINE: an id token, signed with ES256.
//!
//! <https://developers.line.biz/en/docs/line-login/verify-id-token/>

use domain::{Instant, identity::Provider};
use jose::Algorithm;

use super::{
    Identity, Proof, ProviderError, ProviderSettings,
    signed::{SignedTokens, check_nonce},
};
use crate::https::Https;

pub(super) struct Line(SignedTokens);

impl Line {
    pub(super) fn new(settings: &ProviderSettings, https: &Https) -> Self {
        Self(SignedTokens::new(
            Provider::Line,
            Algorithm::Es256,
            &settings.line_issuers.0,
            &settings.line_client_ids.0,
            (&settings.line_jwks_url, https),
        ))
    }

    pub(super) async fn verify(
        &self,
        proof: &Proof,
        now: Instant,
    ) -> Result<Identity, ProviderError> {
        if !self.0.are_switched_on() {
            return Err(ProviderError::Disabled(Provider::Line));
        }
        let (token, nonce) = proof.id_token()?;
        let claims = self.0.claims(token, now).await?;
        check_nonce(&claims, nonce)?;
        self.0.identity(&claims)
    }
}
