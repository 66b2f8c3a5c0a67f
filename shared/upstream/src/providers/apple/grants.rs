//! What Apple grants for an authorization code, and how it is given back.
//!
//! <https://developer.apple.com/documentation/signinwithapplerestapi/generate-and-validate-tokens> and
//! <https://developer.apple.com/documentation/signinwithapplerestapi/revoke-tokens>

use std::{sync::Arc, time::Duration};

use domain::{Instant, identity::Provider};
use serde::{Deserialize, Serialize};

use super::{Apple, AppleKey};
use crate::{
    https::{Https, Question},
    providers::{
        Grant, Identity, ProviderError, ProviderSettings, ProviderUrl, Unlinked,
        api::{Api, Refusal, Told},
    },
    secrets::Secret,
};

/// Whom our signature is for, whichever URL it is sent to.
const AUDIENCE: &str = "https://appleid.apple.com";

/// How long our signature is good.
const LIFETIME: Duration = Duration::from_secs(300);

/// Apple's word for a code or a token that is over.
const OVER: &str = "invalid_grant";

pub(super) struct Grants {
    token_url: ProviderUrl,
    revoke_url: ProviderUrl,
    api: Api,
    signer: Option<Signer>,
}

struct Signer {
    team_id: String,
    key_id: String,
    key: Secret<AppleKey>,
}

/// What we say of ourselves (`client_secret`).
#[derive(Serialize)]
struct Ourselves<'a> {
    iss: &'a str,
    iat: i64,
    exp: i64,
    aud: &'static str,
    sub: &'a str,
}

#[derive(Deserialize)]
struct Granted {
    refresh_token: String,
    id_token: String,
}

#[derive(Deserialize)]
struct Reason {
    error: String,
}

impl Grants {
    pub(super) fn new(
        settings: &ProviderSettings,
        key: Option<Secret<AppleKey>>,
        https: &Https,
    ) -> Self {
        let ids = (&settings.apple_team_id, &settings.apple_key_id, key);
        let signer = match ids {
            (Some(team_id), Some(key_id), Some(key)) => Some(Signer {
                team_id: team_id.clone(),
                key_id: key_id.clone(),
                key,
            }),
            _ => None,
        };
        Self {
            token_url: settings.apple_token_url.clone(),
            revoke_url: settings.apple_revoke_url.clone(),
            api: Api::new(
                Provider::Apple,
                &settings.apple_token_url,
                https.clone(),
                |_| false,
            ),
            signer,
        }
    }
}

impl Apple {
    pub(in crate::providers) async fn exchange(
        &self,
        authorization_code: &str,
        identity: &Identity,
        now: Instant,
    ) -> Result<Option<Grant>, ProviderError> {
        let Grants { token_url, api, .. } = &self.grants;
        let (Some(signer), Some(client_id)) = (&self.grants.signer, &identity.client_id) else {
            return Ok(None);
        };
        let client_secret = signer.client_secret(client_id, now).await?;
        let form = [
            ("client_id", &**client_id),
            ("client_secret", &client_secret),
            ("code", authorization_code),
            ("grant_type", "authorization_code"),
        ];
        let question = Question::post(token_url.as_str(), &form);
        let granted: Granted = match api.ask(&question, now).await? {
            Told::Yes(granted) => granted,
            Told::No(refusal) if is_over(&refusal) => return Err(ProviderError::INVALID),
            Told::No(refusal) => return Err(refusal.of_ours(Provider::Apple)),
        };
        // The code may be somebody else's: their grant must not become this member's.
        let claims = self.tokens.claims(&granted.id_token, now).await?;
        if claims.subject()? != identity.subject.as_str() {
            return Err(ProviderError::INVALID);
        }
        Ok(Some(Grant {
            client_id: client_id.clone(),
            refresh_token: granted.refresh_token,
        }))
    }

    pub(in crate::providers) async fn revoke(
        &self,
        grant: Option<&Grant>,
        now: Instant,
    ) -> Result<Unlinked, ProviderError> {
        let Grants {
            revoke_url, api, ..
        } = &self.grants;
        let (Some(signer), Some(grant)) = (&self.grants.signer, grant) else {
            return Ok(Unlinked::NotPossible);
        };
        let client_secret = signer.client_secret(&grant.client_id, now).await?;
        let form = [
            ("client_id", &*grant.client_id),
            ("client_secret", &client_secret),
            ("token", &grant.refresh_token),
            ("token_type_hint", "refresh_token"),
        ];
        let question = Question::post(revoke_url.as_str(), &form);
        match api.order(&question, now).await? {
            Told::Yes(()) => Ok(Unlinked::Done),
            Told::No(refusal) if is_over(&refusal) => Ok(Unlinked::Done),
            Told::No(refusal) => Err(refusal.of_ours(Provider::Apple)),
        }
    }
}

impl Signer {
    async fn client_secret(&self, client_id: &str, now: Instant) -> Result<String, ProviderError> {
        let key: Arc<AppleKey> = self.key.get(now).await?;
        let ourselves = Ourselves {
            iss: &self.team_id,
            iat: now.as_seconds(),
            exp: (now + LIFETIME).as_seconds(),
            aud: AUDIENCE,
            sub: client_id,
        };
        key.0.sign(&self.key_id, &ourselves).map_err(|error| {
            tracing::error!(%error, "Apple's client secret cannot be signed");
            ProviderError::NOT_CALLED
        })
    }
}

fn is_over(refusal: &Refusal) -> bool {
    refusal
        .reasons()
        .is_some_and(|Reason { error }| error == OVER)
}
