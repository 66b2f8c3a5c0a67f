//! Access tokens, issued.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::{
    DeviceKey, Instant, RandomId,
    identity::{AccessClaims, MemberId, NO_SESSION, SessionId, own_data_audience},
};
use jose::SigningError;
use rand::Rng;

use super::{PublishedKeys, SigningKeys};
use crate::{Stamp, StoreError};

/// A key that was seen to be published is believed to be so for this long.
const BELIEVED: Duration = Duration::from_secs(600);

/// To whom a token is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The member.
    pub member: MemberId,
    /// Their session.
    pub session: SessionId,
    /// The device that the session is bound to, if it is bound to one.
    pub device: Option<DeviceKey>,
}

/// A token, and how long it is good.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The token: `Authorization: Bearer …`.
    pub token: String,
    /// For so long it is good.
    pub expires_in: Duration,
}

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The key could not be published.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The library could not sign.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// Issues access tokens. It publishes the key that signs before the first token under it goes out, so
/// that a deployment needs nobody to do it first.
#[derive(Debug)]
pub struct Issuer {
    published: PublishedKeys,
    issuer: String,
    audience: String,
    lifetime: Duration,
    /// The key that was last seen to be published, and when.
    seen: Mutex<Option<(String, Instant)>>,
}

impl Issuer {
    /// Issues tokens as `issuer`, for `audience`, that are good for `lifetime`.
    pub fn new(
        published: PublishedKeys,
        issuer: String,
        audience: String,
        lifetime: Duration,
    ) -> Self {
        Self {
            published,
            issuer,
            audience,
            lifetime,
            seen: Mutex::new(None),
        }
    }

    /// A token for `grant`, signed with the current one of `keys`.
    ///
    /// # Errors
    /// [`IssueError`].
    pub async fn issue(
        &self,
        keys: &SigningKeys,
        grant: Grant,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<AccessToken, IssueError> {
        let audience = self.audience.clone();
        self.issue_for(audience, keys, grant, now, rng).await
    }

    /// A token that opens nothing but a banned member's own data, signed with the current one of
    /// `keys`.
    ///
    /// # Errors
    /// [`IssueError`].
    pub async fn issue_for_own_data(
        &self,
        keys: &SigningKeys,
        member: MemberId,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<AccessToken, IssueError> {
        let grant = Grant {
            member,
            session: NO_SESSION,
            device: None,
        };
        let audience = own_data_audience(&self.audience);
        self.issue_for(audience, keys, grant, now, rng).await
    }

    async fn issue_for(
        &self,
        audience: String,
        keys: &SigningKeys,
        grant: Grant,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<AccessToken, IssueError> {
        let (stamp, jti) = (Stamp::random(rng), RandomId::new(now, rng));
        self.make_sure_it_is_published(keys, stamp, now).await?;
        let iat = now.as_seconds();
        let claims = AccessClaims {
            iss: self.issuer.clone(),
            aud: audience,
            sub: grant.member,
            sid: grant.session,
            dev: grant.device,
            jti,
            iat,
            exp: (now + self.lifetime).as_seconds(),
        };
        let token = keys.sign(&claims)?;
        let expires_in = self.lifetime;
        Ok(AccessToken { token, expires_in })
    }

    async fn make_sure_it_is_published(
        &self,
        keys: &SigningKeys,
        stamp: Stamp,
        now: Instant,
    ) -> Result<(), StoreError> {
        if !self.has_seen(keys.current_kid(), now) {
            self.published.publish(keys, stamp).await?;
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            *seen = Some((keys.current_kid().to_owned(), now));
        }
        Ok(())
    }

    fn has_seen(&self, kid: &str, now: Instant) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref()
            .is_some_and(|(seen, at)| seen == kid && *at <= now && now.since(*at) < BELIEVED)
    }
}
