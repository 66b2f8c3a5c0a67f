//! Kakao: an id token signed with RS256, or an access token of our app.
//!
//! <https://developers.kakao.com/docs/latest/en/kakaologin/rest-api>

use domain::{
    Instant,
    identity::{Provider, Subject},
};
use jose::{Algorithm, Claims};
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::{
    AccountEvent, AccountEventKind, Identity, Proof, ProviderError, ProviderSettings, TokenFault,
    Unlinked,
    api::{Api, Refusal, Told},
    event::latest_moment,
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
            token: None,
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
        let admin_key = admin_key.get(now).await?;
        if admin_key.is_empty() {
            return Err(ProviderError::NOT_CALLED);
        }
        let expected = format!("KakaoAK {admin_key}");
        if !bool::from(authorization.as_bytes().ct_eq(expected.as_bytes())) {
            return Err(ProviderError::INVALID);
        }
        let told: Webhook = serde_urlencoded::from_str(form).map_err(|_| ProviderError::INVALID)?;
        if self.app_id.is_some_and(|ours| ours != told.app_id) {
            return Err(TokenFault::Audience.into());
        }
        let kind = match told.referrer_type.as_str() {
            "ACCOUNT_DELETE" | "FORCED_ACCOUNT_DELETE" => AccountEventKind::AccountDeleted,
            // The button says "delete all information".
            "UNLINK_FROM_APPS" => AccountEventKind::DeletionRequested,
            "UNLINK_FROM_ADMIN" => AccountEventKind::UnlinkedByProvider,
            "INCOMPLETE_SIGN_UP" => AccountEventKind::SignUpAbandoned,
            _ => AccountEventKind::SessionsRevoked,
        };
        Ok(AccountEvent {
            provider: Provider::Kakao,
            kind,
            subject: subject(&told.user_id)?,
            at: now,
            id: None,
        })
    }

    /// <https://developers.kakao.com/docs/latest/en/kakaologin/callback#ssf>
    pub(super) async fn security_event(
        &self,
        token: &str,
        now: Instant,
    ) -> Result<AccountEvent, ProviderError> {
        if !self.tokens.are_switched_on() {
            return Err(ProviderError::Disabled(Provider::Kakao));
        }
        let claims = self.tokens.lasting_claims(token, now).await?;
        // RFC 8417, section 4.5: an id token of the same issuer must not pass for an event.
        let is_event = claims.value("nonce").is_none() && claims.text("jti").is_some();
        let events = claims.value("events").and_then(Value::as_object);
        let events = events.filter(|events| is_event && !events.is_empty());
        let events = events.ok_or(ProviderError::INVALID)?;
        let kinds = events.keys().map(|uri| security_event_kind(uri));
        // RFC 8417, section 2.2: `toe` is when the event happened, a NumericDate, and optional; no event
        // is newer than its token.
        let happened_at = claims.numeric_date("toe").or(claims.issued_at());
        Ok(AccountEvent {
            provider: Provider::Kakao,
            kind: kinds.max_by_key(weight).unwrap_or(AccountEventKind::Other),
            subject: subject(event_subject(&claims, events)?)?,
            at: latest_moment(happened_at.unwrap_or(now), now),
            id: claims.text("jti").map(str::to_owned),
        })
    }
}

/// An event's type is the last part of its URI, whichever organisation defined it.
fn security_event_kind(uri: &str) -> AccountEventKind {
    let name = uri.rsplit('/').next().unwrap_or(uri);
    match name {
        "account-purged" => AccountEventKind::AccountDeleted,
        "user-unlinked" => AccountEventKind::UnlinkedByProvider,
        "sessions-revoked" | "tokens-revoked" | "account-disabled" | "credential-compromise" => {
            AccountEventKind::SessionsRevoked
        }
        _ => AccountEventKind::Other,
    }
}

/// Of several events about one account the one that changes most counts.
const fn weight(kind: &AccountEventKind) -> u8 {
    match kind {
        AccountEventKind::Other => 0,
        AccountEventKind::SessionsRevoked => 1,
        AccountEventKind::SignUpAbandoned | AccountEventKind::UnlinkedByProvider => 2,
        AccountEventKind::DeletionRequested | AccountEventKind::AccountDeleted => 3,
    }
}

/// The user that a security event token is about: `sub`, or the subject of each of its events. Two
/// that differ are refused.
fn event_subject<'c>(
    claims: &'c Claims,
    events: &'c Map<String, Value>,
) -> Result<&'c str, ProviderError> {
    let of_event = |event: &'c Value| {
        let subject = event.get("subject").unwrap_or(event);
        subject.get("sub").and_then(Value::as_str)
    };
    let mut subjects = claims.text("sub").into_iter();
    let mut of_events = events.values().filter_map(of_event);
    let first = subjects.next().or_else(|| of_events.next());
    let first = first.ok_or(ProviderError::INVALID)?;
    match of_events.all(|other| other == first) {
        true => Ok(first),
        false => Err(ProviderError::INVALID),
    }
}

fn code(refusal: &Refusal) -> Option<i64> {
    refusal.reasons().map(|Reason { code }| code)
}
