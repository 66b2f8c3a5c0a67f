//! The pair of tokens that a session is told by.

use std::time::Duration;

use aws::Aws;
use domain::{
    Instant,
    identity::{Ban, MemberId, RefreshToken, Session, SessionId, SessionTerms},
    keyring::Keys,
};
use kit::{
    Problem,
    config::{ResourceName, Seconds},
    problem::OwnDataToken,
};
use rand::Rng;
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    Database,
    edge::{IssuerSettings, TokenSettings},
    signing_keys::{Grant, Issuer, SigningKeys},
};
use upstream::{Secret, SecretSettings};

use crate::AuthKeys;

kit::settings! {
    /// What functions need that give out sessions.
    pub struct SessionSettings {
        /// The secret with the keys that sign refresh tokens and challenges.
        auth_keys: ResourceName = "AUTH_KEYS_SECRET", example "madang/dev/auth-keys";
        /// A refresh token whose successor was used is still answered with the current pair for so many seconds; one whose successor was not used, always.
        refresh_grace: Seconds = "REFRESH_GRACE_S", default "60";
        /// A session that is not used for so long is over.
        idle: Seconds = "SESSION_IDLE_S", default "7776000";
        /// A session is over after so long, however much it is used.
        lifetime: Seconds = "SESSION_LIFETIME_S", default "31536000";
    }
}

impl SessionSettings {
    /// How long sessions last.
    pub fn terms(&self) -> SessionTerms {
        SessionTerms {
            grace: self.refresh_grace.0,
            idle: self.idle.0,
            lifetime: self.lifetime.0,
        }
    }

    /// The keys that sign refresh tokens and challenges, which are not read yet.
    pub fn keys(&self, secrets: &SecretSettings, aws: &Aws) -> AuthKeys {
        AuthKeys::new(secrets.secret(aws, &self.auth_keys.0, Keys::parse))
    }
}

/// Gives out pairs of tokens, and knows again what it gave out.
pub struct Sessions {
    issuer: Issuer,
    signing_keys: Secret<SigningKeys>,
    keys: AuthKeys,
    terms: SessionTerms,
}

/// What an app holds of its session.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TokenPair")]
pub struct TokenPair {
    /// `Authorization: Bearer …`.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// For how many seconds the access token is good.
    pub expires_in: u64,
    /// What the next pair is asked for with.
    pub refresh_token: String,
    /// For how many seconds the refresh token is good.
    pub refresh_expires_in: u64,
    /// The session.
    pub session_id: SessionId,
}

impl Sessions {
    /// Returns the refusal of a banned member who proved their identity: 403 `member_banned`, with a
    /// token that opens nothing but their own data unless they are gone.
    ///
    /// # Errors
    /// The keys that sign access tokens cannot be read.
    pub async fn banned(
        &self,
        member: Option<MemberId>,
        ban: &Ban,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<Problem, Problem> {
        let problem = Problem::banned(ban.message.clone(), ban.ends_at);
        let Some(member) = member else {
            return Ok(problem);
        };
        let keys = self.signing_keys.get(now).await?;
        let issued = self
            .issuer
            .issue_for_own_data(&keys, member, now, rng)
            .await?;
        let token = OwnDataToken {
            access_token: issued.token,
            token_type: "Bearer",
            expires_in: issued.expires_in.as_secs(),
        };
        Ok(problem.with("own_data", token))
    }

    /// Nothing is read before the first request.
    pub fn new(
        settings: &SessionSettings,
        (tokens, issuer): (&TokenSettings, &IssuerSettings),
        secrets: &SecretSettings,
        aws: &Aws,
        database: &Database,
    ) -> Self {
        Self {
            issuer: tokens.issuer(database, issuer.lifetime),
            signing_keys: secrets.secret(aws, &issuer.signing_keys.0, SigningKeys::parse),
            keys: settings.keys(secrets, aws),
            terms: settings.terms(),
        }
    }

    /// How long sessions last.
    pub fn terms(&self) -> &SessionTerms {
        &self.terms
    }

    /// The keys that sign refresh tokens and challenges, and seal what providers gave us.
    pub fn keys(&self) -> &AuthKeys {
        &self.keys
    }

    /// The live pair of a session: the access token is a new one each time, the refresh token the
    /// same for the same turn.
    pub async fn pair(
        &self,
        session: &Session,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<TokenPair, Problem> {
        let grant = Grant {
            member: session.member,
            session: session.id,
            device: session.device_key,
        };
        let signing_keys = self.signing_keys.get(now).await?;
        let access = self.issuer.issue(&signing_keys, grant, now, rng).await?;
        let turn = RefreshToken {
            member: session.member,
            session: session.id,
            counter: session.counter,
        };
        Ok(TokenPair {
            access_token: access.token,
            token_type: "Bearer",
            expires_in: access.expires_in.as_secs(),
            refresh_token: turn.sign(&*self.keys.current(now).await?),
            refresh_expires_in: left(session.ends_at(&self.terms), now).as_secs(),
            session_id: session.id,
        })
    }
}

fn left(end: Instant, now: Instant) -> Duration {
    end.since(now)
}
