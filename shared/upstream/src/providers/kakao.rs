//! Kakao: an id token signed with RS256, or an access token of our app.
//!
//! <https://developers.kakao.com/docs/latest/en/kakaologin/rest-api>

use domain::{
    Instant,
    identity::{Provider, Subject},
};
use jose::Algorithm;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::{
    AccountEvent, AccountEventKind, Identity, Proof, ProviderError, ProviderSettings, TokenFault,
    Unlinked,
    api::{Api, Refusal, Told},
    signed::{SignedTokens, check_nonce, subject},
};
use crate::{
    https::{Https, Question},
    secrets::Secret,
};

/// Codes by which Kakao says in a 400 that it is in trouble itself: an internal error, maintenance,
/// too many calls of the app, a time-out.
const OUTAGES: [i64; 4] = [-1, -7, -10, -603];

/// The code for a user who is not connected with the app.
const NOT_CONNECTED: i64 = -101;

pub(super) struct Kakao {
    tokens: SignedTokens,
    app_id: Option<u64>,
    admin_key: Option<Secret<String>>,
    api: Api,
}

#[derive(Deserialize)]
struct TokenInfo {
    id: u64,
    app_id: u64,
}

#[derive(Deserialize)]
struct User {
    id: u64,
}

#[derive(Deserialize)]
struct Reason {
    code: i64,
}

/// What Kakao sends when a user leaves: more than is read.
#[derive(Deserialize)]
struct Webhook {
    app_id: u64,
    user_id: String,
    #[serde(default)]
    referrer_type: String,
}

impl Kakao {
    pub(super) fn new(
        settings: &ProviderSettings,
        admin_key: Option<Secret<String>>,
        https: &Https,
    ) -> Self {
        Self {
            tokens: SignedTokens::new(
                Provider::Kakao,
                Algorithm::Rs256,
                &settings.kakao_issuers.0,
                &settings.kakao_client_ids.0,
                (&settings.kakao_jwks_url, https),
            ),
            app_id: settings.kakao_app_id,
            admin_key,
            api: Api::new(
                Provider::Kakao,
                &settings.kakao_api_url,
                https.clone(),
                |refusal| code(refusal).is_some_and(|code| OUTAGES.contains(&code)),
            ),
        }
    }

    pub(super) async fn verify(
        &self,
        proof: &Proof,
        now: Instant,
    ) -> Result<Identity, ProviderError> {
        if !self.tokens.are_switched_on() {
            return Err(ProviderError::Disabled(Provider::Kakao));
        }
        match (proof, self.app_id) {
            (Proof::AccessToken(_), Some(app_id)) => self.by_access_token(proof, app_id, now).await,
            _ => self.by_id_token(proof, now).await,
        }
    }

    async fn by_id_token(&self, proof: &Proof, now: Instant) -> Result<Identity, ProviderError> {
        let (token, nonce) = proof.id_token()?;
        let claims = self.tokens.claims(token, now).await?;
        check_nonce(&claims, nonce)?;
        self.tokens.identity(&claims)
    }

    async fn by_access_token(
        &self,
        proof: &Proof,
        app_id: u64,
        now: Instant,
    ) -> Result<Identity, ProviderError> {
        let token = proof.access_token()?;
        let info: TokenInfo = self.told("/v1/user/access_token_info", token, now).await?;
        if info.app_id != app_id {
            return Err(TokenFault::Audience.into());
        }
        let user: User = self.told("/v2/user/me", token, now).await?;
        if user.id != info.id {
            return Err(ProviderError::INVALID);
        }
        Ok(Identity {
            provider: Provider::Kakao,
            subject: subject(&user.id.to_string())?,
            client_id: None,
        })
    }

    async fn told<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        token: &str,
        now: Instant,
    ) -> Result<T, ProviderError> {
        let question = Question::get(&self.api.at(path), &[]).authorized("Bearer", token);
        let told = self.api.ask(&question, now).await?;
        told.about_a_token(Provider::Kakao)
    }

    pub(super) async fn unlink(
        &self,
        subject: &Subject,
        now: Instant,
    ) -> Result<Unlinked, ProviderError> {
        let Some(admin_key) = &self.admin_key else {
            return Ok(Unlinked::NotPossible);
        };
        let admin_key = admin_key.get(now).await?;
        let form = [
            ("target_id_type", "user_id"),
            ("target_id", subject.as_str()),
        ];
        let question = Question::post(&self.api.at("/v1/user/unlink"), &form);
        let question = question.authorized("KakaoAK", &admin_key);
        match self.api.order(&question, now).await? {
            Told::Yes(()) => Ok(Unlinked::Done),
            Told::No(refusal) if code(&refusal) == Some(NOT_CONNECTED) => Ok(Unlinked::Done),
            Told::No(refusal) => Err(refusal.of_ours(Provider::Kakao)),
        }
    }

    /// <https://developers.kakao.com/docs/latest/en/kakaologin/callback#unlink>
    pub(super) async fn event(
        &self,
        authorization: &str,
        form: &str,
        now: Instant,
    ) -> Result<AccountEvent, ProviderError> {
        let admin_key = self.admin_key.as_ref();
        let admin_key = admin_key.ok_or(ProviderError::Disabled(Provider::Kakao))?;
        let expected = format!("KakaoAK {}", admin_key.get(now).await?);
        if !bool::from(authorization.as_bytes().ct_eq(expected.as_bytes())) {
            return Err(ProviderError::INVALID);
        }
        let told: Webhook = serde_urlencoded::from_str(form).map_err(|_| ProviderError::INVALID)?;
        if self.app_id.is_some_and(|ours| ours != told.app_id) {
            return Err(TokenFault::Audience.into());
        }
        let kind = match told.referrer_type.as_str() {
            "ACCOUNT_DELETE" | "FORCED_ACCOUNT_DELETE" => AccountEventKind::AccountDeleted,
            _ => AccountEventKind::ConsentRevoked,
        };
        Ok(AccountEvent {
            provider: Provider::Kakao,
            kind,
            subject: subject(&told.user_id)?,
            at: now,
            id: None,
        })
    }
}

fn code(refusal: &Refusal) -> Option<i64> {
    refusal.reasons().map(|Reason { code }| code)
}
