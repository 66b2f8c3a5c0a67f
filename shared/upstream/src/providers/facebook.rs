//! Facebook: an access token of the classic login, or an id token of Limited Login (RS256).
//!
//! <https://developers.facebook.com/docs/facebook-login/guides/access-tokens/debugging> and
//! <https://developers.facebook.com/docs/facebook-login/limited-login/token/validating>

use std::{fmt::Write as _, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::{
    Instant,
    identity::{Provider, Subject},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jose::Algorithm;
use serde::Deserialize;
use sha2::Sha256;

use super::{
    Identity, Proof, ProviderError, ProviderSettings, TokenFault, Unlinked,
    api::{Api, Refusal, Told},
    event::latest_moment,
    signed::{SKEW, SignedTokens, check_nonce, subject},
};
use crate::{
    https::{Https, Question},
    secrets::Secret,
};

/// Codes by which the Graph API says in a 4xx that it is in trouble itself: an unknown error, a
/// service that is down, too many calls of the app, a temporary block.
const OUTAGES: [i64; 4] = [1, 2, 4, 341];

/// Codes by which it says that it was asked too often about this user.
const TOO_OFTEN: [i64; 3] = [17, 32, 613];

/// The code for what does not exist, or is not ours: another app's token, a user who has left.
const NOT_OURS: i64 = 100;

/// The code and the subcodes of an access token that is over.
const TOKEN: i64 = 190;
const EXPIRED: [i64; 2] = [463, 467];

/// A signed request that is older is refused: for so long a repeated one is known again.
const SIGNED_REQUEST_AGE: Duration = Duration::from_secs(400 * 86_400);

/// A user's wish that Facebook passes on: everything that we store of them is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDeletion {
    /// Facebook's name for the user.
    pub subject: Subject,
    /// The code by which the user can look up the request; the same for the same request.
    pub confirmation_code: String,
    /// The last moment at which the user may have requested it: the end of the second that the request
    /// names, or when we heard of it.
    pub requested_by: Instant,
}

/// The payload of a signed request: more than is read.
#[derive(Deserialize)]
struct SignedRequest {
    algorithm: String,
    user_id: String,
    issued_at: Option<i64>,
}

pub(super) struct Facebook {
    tokens: SignedTokens,
    app_id: Option<String>,
    app_secret: Option<Secret<String>>,
    api: Api,
}

/// What is needed to ask about access tokens.
struct Credentials {
    app_id: String,
    app_secret: String,
}

#[derive(Deserialize)]
struct Debugged {
    data: TokenInfo,
}

#[derive(Deserialize)]
struct TokenInfo {
    is_valid: bool,
    app_id: Option<String>,
    user_id: Option<String>,
    /// Seconds since the epoch; 0 for never.
    #[serde(default)]
    expires_at: i64,
    error: Option<Reason>,
}

#[derive(Deserialize)]
struct User {
    id: String,
}

#[derive(Deserialize)]
struct Refused {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    code: i64,
    /// `error_subcode` in a refusal, `subcode` in what is told of a token.
    #[serde(alias = "error_subcode")]
    subcode: Option<i64>,
}

impl Facebook {
    pub(super) fn new(
        settings: &ProviderSettings,
        app_secret: Option<Secret<String>>,
        https: &Https,
    ) -> Self {
        let app_id = settings.facebook_app_id.clone();
        Self {
            tokens: SignedTokens::new(
                Provider::Facebook,
                Algorithm::Rs256,
                &settings.facebook_issuers.0,
                app_id.as_slice(),
                (&settings.facebook_jwks_url, https),
            ),
            app_id,
            app_secret,
            api: Api::new(
                Provider::Facebook,
                &settings.facebook_graph_url,
                https.clone(),
                |refusal| reason(refusal).is_some_and(|reason| OUTAGES.contains(&reason.code)),
            ),
        }
    }

    pub(super) async fn verify(
        &self,
        proof: &Proof,
        now: Instant,
    ) -> Result<Identity, ProviderError> {
        if !self.tokens.are_switched_on() {
            return Err(ProviderError::Disabled(Provider::Facebook));
        }
        if let Proof::AccessToken(_) = proof
            && self.app_secret.is_some()
        {
            return self.by_access_token(proof.access_token()?, now).await;
        }
        let (token, nonce) = proof.id_token()?;
        let claims = self.tokens.claims(token, now).await?;
        check_nonce(&claims, nonce)?;
        self.tokens.identity(&claims)
    }

    async fn by_access_token(&self, token: &str, now: Instant) -> Result<Identity, ProviderError> {
        let ours = self.credentials(now).await?;
        let ours = ours.ok_or(ProviderError::Disabled(Provider::Facebook))?;
        let url = self.api.at("/debug_token");
        let query = [("input_token", token), ("access_token", &ours.app_token())];
        let told = self.api.ask(&Question::get(&url, &query), now).await?;
        let Debugged { data } = about_a_token(told)?;
        let user_id = data.checked(&ours.app_id, now)?;

        let proof = ours.proof_of(token)?;
        let query = [
            ("fields", "id"),
            ("access_token", token),
            ("appsecret_proof", &proof),
        ];
        let url = self.api.at("/me");
        let told = self.api.ask(&Question::get(&url, &query), now).await?;
        let user: User = about_a_token(told)?;
        if user.id != user_id {
            return Err(ProviderError::INVALID);
        }
        Ok(Identity {
            provider: Provider::Facebook,
            subject: subject(&user.id)?,
            client_id: Some(ours.app_id),
            token: None,
        })
    }

    pub(super) async fn unlink(
        &self,
        user: &Subject,
        now: Instant,
    ) -> Result<Unlinked, ProviderError> {
        let Some(ours) = self.credentials(now).await? else {
            return Ok(Unlinked::NotPossible);
        };
        let user = user.as_str();
        // It becomes part of a path.
        let is_segment = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !user.bytes().all(is_segment) {
            return Ok(Unlinked::NotPossible);
        }
        let url = self.api.at(&format!("/{user}/permissions"));
        let question = Question::delete(&url, &[("access_token", &ours.app_token())]);
        match self.api.order(&question, now).await? {
            Told::Yes(()) => Ok(Unlinked::Done),
            Told::No(refusal) if reason(&refusal).is_some_and(|why| why.code == NOT_OURS) => {
                Ok(Unlinked::Done)
            }
            Told::No(refusal) => Err(refusal.of_ours(Provider::Facebook)),
        }
    }

    /// <https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback>
    pub(super) async fn data_deletion(
        &self,
        signed_request: &str,
        now: Instant,
    ) -> Result<DataDeletion, ProviderError> {
        let ours = self.credentials(now).await?;
        let ours = ours.ok_or(ProviderError::Disabled(Provider::Facebook))?;
        let (signature, payload) = signed_request
            .split_once('.')
            .ok_or(ProviderError::INVALID)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature.trim_end_matches('='));
        let signature = signature.map_err(|_| ProviderError::INVALID)?;
        ours.mac()?
            .chain_update(payload)
            .verify_slice(&signature)
            .map_err(|_| ProviderError::INVALID)?;
        let text = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('='));
        let text = text.map_err(|_| ProviderError::INVALID)?;
        let request: SignedRequest =
            serde_json::from_slice(&text).map_err(|_| ProviderError::INVALID)?;
        if !request.algorithm.eq_ignore_ascii_case("HMAC-SHA256") {
            return Err(ProviderError::INVALID);
        }
        let issued_at = request.issued_at.map(Instant::from_seconds);
        if let Some(issued_at) = issued_at {
            if issued_at > now + SKEW {
                return Err(ProviderError::INVALID);
            }
            if now > issued_at + SIGNED_REQUEST_AGE {
                return Err(TokenFault::Expired.into());
            }
        }
        let code = ours.mac()?.chain_update(CODE_LABEL).chain_update(payload);
        let code = hexadecimal(code.finalize().into_bytes().iter().take(CODE_BYTES));
        Ok(DataDeletion {
            subject: subject(&request.user_id)?,
            confirmation_code: code,
            requested_by: latest_moment(issued_at.unwrap_or(now), now),
        })
    }

    async fn credentials(&self, now: Instant) -> Result<Option<Credentials>, ProviderError> {
        let (Some(app_id), Some(app_secret)) = (&self.app_id, &self.app_secret) else {
            return Ok(None);
        };
        Ok(Some(Credentials {
            app_id: app_id.clone(),
            app_secret: app_secret.get(now).await?.to_string(),
        }))
    }
}

impl Credentials {
    /// What stands for the app itself.
    fn app_token(&self) -> String {
        format!("{}|{}", self.app_id, self.app_secret)
    }

    /// Shows that whoever uses the token is the app it was made for.
    fn proof_of(&self, token: &str) -> Result<String, ProviderError> {
        let bytes = self.mac()?.chain_update(token).finalize().into_bytes();
        Ok(hexadecimal(bytes.iter()))
    }

    /// Without a value of the secret anybody could sign.
    fn mac(&self) -> Result<Hmac<Sha256>, ProviderError> {
        if self.app_secret.is_empty() {
            return Err(ProviderError::NOT_CALLED);
        }
        let mac = Hmac::<Sha256>::new_from_slice(self.app_secret.as_bytes());
        mac.map_err(|_| ProviderError::NOT_CALLED)
    }
}

/// What makes a confirmation code another MAC than a signature.
const CODE_LABEL: &[u8] = b"madang data deletion\0";
const CODE_BYTES: usize = 16;

fn hexadecimal<'b>(bytes: impl Iterator<Item = &'b u8>) -> String {
    bytes.fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl TokenInfo {
    /// The user, of a token that is valid, ours and not over.
    fn checked(self, app_id: &str, now: Instant) -> Result<String, ProviderError> {
        let code = self.error.as_ref().map(|error| error.code);
        let is_anothers = match &self.app_id {
            Some(told) => told != app_id,
            None => code == Some(NOT_OURS),
        };
        if is_anothers {
            return Err(TokenFault::Audience.into());
        }
        let is_over = self.expires_at != 0 && Instant::from_seconds(self.expires_at) <= now;
        if is_over || self.error.as_ref().is_some_and(Reason::is_expired) {
            return Err(TokenFault::Expired.into());
        }
        // One that does not say which app it is for is for none.
        match (self.is_valid, self.app_id, self.user_id) {
            (true, Some(_), Some(user_id)) => Ok(user_id),
            _ => Err(ProviderError::INVALID),
        }
    }
}

impl Reason {
    fn is_expired(&self) -> bool {
        self.code == TOKEN && self.subcode.is_some_and(|code| EXPIRED.contains(&code))
    }
}

fn about_a_token<T>(told: Told<T>) -> Result<T, ProviderError> {
    let reason = match &told {
        Told::Yes(_) => None,
        Told::No(refusal) => reason(refusal),
    };
    match reason {
        Some(reason) if reason.is_expired() => Err(TokenFault::Expired.into()),
        Some(reason) if TOO_OFTEN.contains(&reason.code) => Err(ProviderError::UNAVAILABLE),
        _ => told.about_a_token(Provider::Facebook),
    }
}

fn reason(refusal: &Refusal) -> Option<Reason> {
    refusal.reasons().map(|Refused { error }| error)
}
