//! LINE: an id token, signed with ES256 for apps and with our channel secret (HS256) on the web.
//!
//! Which of the two is expected follows from the channel id that the token is for, never from its header.
//!
//! <https://developers.line.biz/en/docs/line-login/verify-id-token/>

use domain::{Instant, identity::Provider};
use jose::Algorithm;

use super::{
    Identity, Proof, ProviderError, ProviderSettings,
    signed::{SecretTokens, SignedTokens, check_nonce},
};
use crate::{https::Https, secrets::Secret};

pub(super) struct Line {
    is_switched_on: bool,
    tokens: SignedTokens,
    web: Option<SecretTokens>,
}

impl Line {
    pub(super) fn new(
        settings: &ProviderSettings,
        channel_secret: Option<Secret<String>>,
        https: &Https,
    ) -> Self {
        let issuers = &settings.line_issuers.0;
        let ids = settings.line_client_ids.0.iter();
        let (web, apps): (Vec<_>, Vec<_>) = ids
            .cloned()
            .partition(|id| settings.line_web_client_id.as_ref() == Some(id));
        let web = web.into_iter().next().zip(channel_secret);
        Self {
            is_switched_on: !settings.line_client_ids.0.is_empty(),
            tokens: SignedTokens::new(
                Provider::Line,
                Algorithm::Es256,
                issuers,
                &apps,
                (&settings.line_jwks_url, https),
            ),
            web: web.map(|(id, secret)| SecretTokens::new(Provider::Line, issuers, &id, secret)),
        }
    }

    pub(super) async fn verify(
        &self,
        proof: &Proof,
        now: Instant,
    ) -> Result<Identity, ProviderError> {
        if !self.is_switched_on {
            return Err(ProviderError::Disabled(Provider::Line));
        }
        let (token, nonce) = proof.id_token()?;
        let claims = match self.web.as_ref().filter(|web| web.are_named_by(token)) {
            Some(web) => web.claims(token, now).await?,
            None => self.tokens.claims(token, now).await?,
        };
        check_nonce(&claims, nonce)?;
        self.tokens.identity(&claims)
    }
}
