//! Sign-in providers: who vouches for somebody, by which proof, and how we let go of them.
//!
//! Each provider's file says what it takes as proof and what is checked of it. Only configured URLs
//! are ever asked, whatever a token says of addresses.

use std::sync::Arc;

use domain::{
    Instant,
    identity::{Provider, Subject, TokenUse},
};
use serde::{Deserialize, Serialize};

use crate::https::Https;

mod api;
mod apple;
mod error;
mod event;
mod facebook;
mod google;
mod kakao;
mod line;
mod naver;
mod production;
mod secrets;
mod settings;
mod signed;

use self::secrets::ProviderSecrets;
pub use self::{
    apple::AppleKey,
    error::{ProviderError, TokenFault},
    event::{AccountEvent, AccountEventKind},
    facebook::DataDeletion,
    settings::{Listed, Milliseconds, ProviderSettings, ProviderUrl},
    signed::id_token_has_nonce,
};

/// What somebody brings to show who they are. Never printed.
pub enum Proof {
    /// A token that the provider signed.
    IdToken {
        /// The token.
        token: String,
        /// The nonce that we gave out for it. Without one it is not compared: whoever calls decides
        /// whether one is needed.
        nonce: Option<String>,
    },
    /// A token that the provider's API takes.
    AccessToken(String),
}

/// Whom the provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider.
    pub provider: Provider,
    /// Its own name for them: the only thing that an account may be found by.
    pub subject: Subject,
    /// Which of our ids at the provider the token was made for, where it says.
    pub client_id: Option<String>,
    /// The token's own id, where the token must count once.
    pub token: Option<TokenUse>,
}

/// What lets us end a member's connection with Apple later: kept encrypted. Never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Which of our ids it was given to.
    pub client_id: String,
    /// Apple's refresh token.
    pub refresh_token: String,
}

/// Whose connection with the provider is to end.
pub struct Unlink<'a> {
    /// The provider's name for them.
    pub subject: &'a Subject,
    /// What Apple gave at sign-in, where it was kept.
    pub grant: Option<&'a Grant>,
}

/// What came of ending a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlinked {
    /// There is none any more, or there was none.
    Done,
    /// The provider takes this only from the user, or we lack what it asks for.
    NotPossible,
}

/// All of them. Clones share keys, connections and breakers.
#[derive(Clone)]
pub struct Providers(Arc<Inner>);

struct Inner {
    apple: apple::Apple,
    google: google::Google,
    kakao: kakao::Kakao,
    naver: naver::Naver,
    facebook: facebook::Facebook,
    line: line::Line,
}

impl Providers {
    /// Nobody is asked before there is a proof. Only [`ProviderSettings::providers`] makes one, which
    /// refuses what production must not ask.
    fn new(settings: &ProviderSettings, secrets: &ProviderSecrets) -> Self {
        let https = Https::new(settings.timeout.0);
        Self(Arc::new(Inner {
            apple: apple::Apple::new(settings, secrets.apple_key.clone(), &https),
            google: google::Google::new(settings, &https),
            kakao: kakao::Kakao::new(settings, secrets.kakao_admin_key.clone(), &https),
            naver: naver::Naver::new(settings, &https),
            facebook: facebook::Facebook::new(
                settings,
                secrets.facebook_app_secret.clone(),
                &https,
            ),
            line: line::Line::new(settings, secrets.line_channel_secret.clone(), &https),
        }))
    }

    /// Whom `provider` vouches for by this proof.
    ///
    /// # Errors
    /// See [`ProviderError`]. Guests are nobody's to vouch for: [`ProviderError::Disabled`].
    pub async fn verify(
        &self,
        provider: Provider,
        proof: &Proof,
        now: Instant,
    ) -> Result<Identity, ProviderError> {
        let all = &self.0;
        match provider {
            Provider::Apple => all.apple.verify(proof, now).await,
            Provider::Google => all.google.verify(proof, now).await,
            Provider::Kakao => all.kakao.verify(proof, now).await,
            Provider::Naver => all.naver.verify(proof, now).await,
            Provider::Facebook => all.facebook.verify(proof, now).await,
            Provider::Line => all.line.verify(proof, now).await,
            Provider::Guest => Err(ProviderError::Disabled(Provider::Guest)),
        }
    }

    /// What Apple gives for the authorization code that came with the proof of `identity`: `None`
    /// where we have no key to ask with.
    ///
    /// # Errors
    /// [`TokenFault::Invalid`] when the code is used up, or somebody else's.
    pub async fn exchange_apple_code(
        &self,
        authorization_code: &str,
        identity: &Identity,
        now: Instant,
    ) -> Result<Option<Grant>, ProviderError> {
        let apple = &self.0.apple;
        apple.exchange(authorization_code, identity, now).await
    }

    /// Whether an id token of `provider` is accepted that answers no challenge of ours.
    pub fn allows_no_nonce(&self, provider: Provider) -> bool {
        provider == Provider::Google && self.0.google.allows_no_nonce()
    }

    /// Ends the connection between somebody and us at the provider. Doing it again changes nothing.
    ///
    /// # Errors
    /// The provider cannot be asked now.
    pub async fn unlink(
        &self,
        provider: Provider,
        unlink: &Unlink<'_>,
        now: Instant,
    ) -> Result<Unlinked, ProviderError> {
        match provider {
            Provider::Apple => self.0.apple.revoke(unlink.grant, now).await,
            Provider::Kakao => self.0.kakao.unlink(unlink.subject, now).await,
            Provider::Facebook => self.0.facebook.unlink(unlink.subject, now).await,
            Provider::Google | Provider::Naver | Provider::Line | Provider::Guest => {
                Ok(Unlinked::NotPossible)
            }
        }
    }

    /// What Apple tells of an account: the `payload` of its call.
    ///
    /// # Errors
    /// It is not Apple's, not for us, or not for now.
    pub async fn apple_event(
        &self,
        payload: &str,
        now: Instant,
    ) -> Result<AccountEvent, ProviderError> {
        self.0.apple.event(payload, now).await
    }

    /// What Kakao tells of an account: the `Authorization` header and the form of its call.
    ///
    /// # Errors
    /// The header does not hold our admin key, or the form is not about our app.
    pub async fn kakao_event(
        &self,
        authorization: &str,
        form: &str,
        now: Instant,
    ) -> Result<AccountEvent, ProviderError> {
        self.0.kakao.event(authorization, form, now).await
    }

    /// What Kakao reports of an account in a security event token (RFC 8417), the body of its call.
    ///
    /// # Errors
    /// It is not Kakao's, not for us, or not for now.
    pub async fn kakao_security_event(
        &self,
        token: &str,
        now: Instant,
    ) -> Result<AccountEvent, ProviderError> {
        self.0.kakao.security_event(token, now).await
    }

    /// The user whose data Facebook asks us to delete: the `signed_request` of its call.
    ///
    /// # Errors
    /// It is not signed with our app's secret, or not for now.
    pub async fn facebook_data_deletion(
        &self,
        signed_request: &str,
        now: Instant,
    ) -> Result<DataDeletion, ProviderError> {
        self.0.facebook.data_deletion(signed_request, now).await
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Providers")
    }
}

/// Longer than any provider's access token.
const MAX_ACCESS_TOKEN: usize = 4_096;

impl Proof {
    /// For a provider that takes signed tokens.
    fn id_token(&self) -> Result<(&str, Option<&str>), ProviderError> {
        match self {
            Self::IdToken { token, nonce } => Ok((token, nonce.as_deref())),
            Self::AccessToken(_) => Err(ProviderError::ProofMissing("id_token")),
        }
    }

    /// For a provider that takes access tokens. What could be none is not sent to anybody.
    fn access_token(&self) -> Result<&str, ProviderError> {
        let Self::AccessToken(token) = self else {
            return Err(ProviderError::ProofMissing("access_token"));
        };
        let fits = (1..=MAX_ACCESS_TOKEN).contains(&token.len());
        match fits && token.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(token),
            false => Err(ProviderError::INVALID),
        }
    }
}
