//! Access tokens, as the authentication layer asks for them.

use std::{sync::Arc, time::Duration};

use domain::{
    Instant,
    identity::{AccessClaims, NO_SESSION, own_data_audience},
};
use futures_util::future::join;
use jose::{Algorithm, ClaimFault, Claims, Expected, Refused, Verified};
use kit::{
    BoxFuture, Clock, Code, Principal, Problem,
    config::{ResourceName, Setting},
    middleware::Authority,
};

use super::KeyAuthority;
use crate::{
    Database, PublicKeys, PublishedKeys, Revocations, ServiceKeys, Table,
    revocations::{LONGEST_TOKEN, Refusal, RevocationList, RevocationReader},
    signing_keys::{IssueError, Issuer, PublicKeySet},
};

/// Ours are far shorter.
const MOST_BYTES: usize = 1_536;

/// How far the clocks of who issues and who verifies may be apart for a token that is just issued.
/// It expires to the second all the same.
const SKEW: Duration = Duration::from_secs(60);

kit::settings! {
    /// What a function verifies access tokens by.
    pub struct TokenSettings {
        /// Where members, public signing keys and revocations are kept.
        members_table: ResourceName = "MEMBERS_TABLE", example "madang-dev-members";
        /// Who issues access tokens: their `iss`.
        issuer: String = "TOKEN_ISSUER", example "madang";
        /// Whom access tokens are for: their `aud`.
        audience: String = "TOKEN_AUDIENCE", example "app";
    }
}

kit::settings! {
    /// What a function needs beside to issue them.
    pub struct IssuerSettings {
        /// How long an access token is good, in seconds.
        lifetime: AccessTokenLifetime = "ACCESS_TOKEN_LIFETIME_S", default "900";
        /// The secret with the keys that sign access tokens.
        signing_keys: ResourceName = "SIGNING_KEYS_SECRET", example "madang/dev/signing-keys";
    }
}

/// How long an access token is good: at most 15 minutes, since it cannot be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessTokenLifetime(pub Duration);

impl Setting for AccessTokenLifetime {
    const EXPECTED: &'static str = "a whole number of seconds from 1 to 900";

    fn parse(text: &str) -> Option<Self> {
        let lifetime = Duration::from_secs(text.parse().ok()?);
        let legal = !lifetime.is_zero() && lifetime <= LONGEST_TOKEN;
        legal.then_some(Self(lifetime))
    }
}

impl TokenSettings {
    /// Who verifies access tokens, and nothing else.
    pub fn authority(&self, database: &Database) -> TokenAuthority {
        let members = database.table(&self.members_table.0);
        TokenAuthority::new(&members, self.issuer.clone(), self.audience.clone())
    }

    /// Who issues access tokens that are good for `lifetime`.
    pub fn issuer(&self, database: &Database, lifetime: AccessTokenLifetime) -> Issuer {
        Issuer::new(
            PublishedKeys::new(database.table(&self.members_table.0)),
            self.issuer.clone(),
            self.audience.clone(),
            lifetime.0,
        )
    }
}

impl From<IssueError> for Problem {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

/// Knows members by their access tokens and, where it was told of them, service keys.
pub struct TokenAuthority {
    service_keys: Option<Arc<KeyAuthority>>,
    verifier: Verifier,
}

/// What tokens are verified with. Clones share what is kept in memory.
#[derive(Clone)]
struct Verifier {
    keys: PublicKeys,
    revocations: RevocationReader,
    issuer: Arc<str>,
    audience: Arc<str>,
}

impl TokenAuthority {
    /// Takes the Members table, and what tokens must say of their issuer and audience.
    pub fn new(members: &Table, issuer: String, audience: String) -> Self {
        Self {
            service_keys: None,
            verifier: Verifier {
                keys: PublicKeys::new(PublishedKeys::new(members.clone())),
                revocations: RevocationReader::new(Revocations::new(members.clone())),
                issuer: issuer.into(),
                audience: audience.into(),
            },
        }
    }

    /// Knows service keys too.
    #[must_use]
    pub fn with_service_keys(self, keys: ServiceKeys, clock: Clock) -> Self {
        Self {
            service_keys: Some(KeyAuthority::new(keys, clock)),
            ..self
        }
    }
}

impl Authority for TokenAuthority {
    fn service_key(&self, key: String) -> BoxFuture<Result<Option<Principal>, Problem>> {
        match &self.service_keys {
            Some(keys) => keys.service_key(key),
            None => Box::pin(std::future::ready(Ok(None))),
        }
    }

    fn access_token(&self, token: String, now: Instant) -> BoxFuture<Result<Principal, Problem>> {
        let verifier = self.verifier.clone();
        Box::pin(async move { verifier.member(&token, Admits::Members, now).await })
    }

    fn own_data_token(&self, token: String, now: Instant) -> BoxFuture<Result<Principal, Problem>> {
        let verifier = self.verifier.clone();
        Box::pin(async move { verifier.member(&token, Admits::Banned, now).await })
    }
}

/// Whom a route admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admits {
    /// Members who are not banned.
    Members,
    /// Banned members too, and tokens that open nothing but their own data.
    Banned,
}

impl Verifier {
    async fn member(
        &self,
        token: &str,
        admits: Admits,
        now: Instant,
    ) -> Result<Principal, Problem> {
        if token.len() > MOST_BYTES {
            return Err(Problem::new(Code::TokenInvalid));
        }
        let (keys, revocations) = join(self.keys.current(now), self.revocations.current(now)).await;
        let (Some(keys), Some(revocations)) = (keys, revocations) else {
            return Err(Problem::unavailable("the token cannot be verified now"));
        };
        let verified = self.verified(token, &keys, now).await?;
        let claims = self.claims(&verified.payload, admits, now)?;
        check_type(&verified)?;
        // A token for own data is of no session; the routes that take it read the member.
        if claims.sid != NO_SESSION {
            admit(&revocations, &claims, admits, now)?;
        }
        Ok(Principal::Member {
            id: claims.sub,
            session: claims.sid,
            device: claims.dev,
        })
    }

    /// Returns a token that one of our keys signed.
    async fn verified(
        &self,
        token: &str,
        keys: &PublicKeySet,
        now: Instant,
    ) -> Result<Verified, Problem> {
        let verify = |keys: &PublicKeySet| jose::verify(token, &keys.keys, &[Algorithm::Es256]);
        let verified = match verify(keys) {
            Err(Refused::UnknownKey { kid: Some(kid) }) => {
                let newest = self.keys.newest(&kid, now).await;
                verify(newest.as_deref().unwrap_or(keys))
            }
            other => other,
        };
        match verified {
            Ok(verified) => Ok(verified),
            Err(refused) => {
                tracing::debug!(%refused, "a token was refused");
                Err(Problem::new(Code::TokenInvalid))
            }
        }
    }

    fn claims(
        &self,
        payload: &[u8],
        admits: Admits,
        now: Instant,
    ) -> Result<AccessClaims, Problem> {
        let invalid = || Problem::new(Code::TokenInvalid);
        let own_data = own_data_audience(&self.audience);
        let audiences: &[&str] = match admits {
            Admits::Members => &[&self.audience],
            Admits::Banned => &[&self.audience, &own_data],
        };
        let expected = Expected {
            issuers: &[&*self.issuer],
            audiences,
            skew: SKEW,
            max_age: None,
        };
        let read = Claims::parse(payload).map_err(|_| invalid())?;
        read.check(&expected, now).map_err(|fault| {
            Problem::new(match fault {
                ClaimFault::Issuer => Code::TokenIssuer,
                ClaimFault::Audience => Code::TokenAudience,
                ClaimFault::Expired | ClaimFault::TooOld => Code::TokenExpired,
                ClaimFault::Malformed(_) | ClaimFault::NotYetValid => Code::TokenInvalid,
            })
        })?;
        let claims: AccessClaims = serde_json::from_slice(payload).map_err(|_| invalid())?;
        let (issued_at, expires_at) = (
            Instant::from_seconds(claims.iat),
            Instant::from_seconds(claims.exp),
        );
        if now >= expires_at {
            return Err(Problem::new(Code::TokenExpired));
        }
        // Only a token for own data has no session.
        if (claims.aud == own_data) != (claims.sid == NO_SESSION) {
            return Err(invalid());
        }
        // What is revoked is remembered for the life of the longest token, so none may be longer.
        if expires_at > issued_at + LONGEST_TOKEN {
            return Err(invalid());
        }
        Ok(claims)
    }
}

/// Refuses what is no access token by its type. Earlier versions issued access tokens as plain `JWT`,
/// and those live for minutes beyond a deployment: a client that is told that its token has expired
/// refreshes it, and gets one with the type.
fn check_type(verified: &Verified) -> Result<(), Problem> {
    if verified.is_of_type(AccessClaims::TYP) {
        return Ok(());
    }
    Err(Problem::new(match verified.is_of_type("JWT") {
        true => Code::TokenExpired,
        false => Code::TokenInvalid,
    }))
}

/// Admits whoever is not revoked.
fn admit(
    revocations: &RevocationList,
    claims: &AccessClaims,
    admits: Admits,
    now: Instant,
) -> Result<(), Problem> {
    let checked = match admits {
        Admits::Members => revocations.check(claims, now),
        Admits::Banned => revocations.check_session(claims),
    };
    checked.map_err(|refusal| {
        match refusal {
            Refusal::Banned { message, ends_at } => Problem::banned(message, ends_at),
            Refusal::Ended => Problem::new(Code::TokenInvalid).detail("the session is over"),
            // A client that is told so refreshes, and the refresh sees who they are.
            Refusal::ToBeRenewed => Problem::new(Code::TokenExpired),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_token_lives_from_a_second_to_a_quarter_of_an_hour() {
        let seconds = |text| AccessTokenLifetime::parse(text).map(|lifetime| lifetime.0.as_secs());
        assert_eq!(seconds("1"), Some(1));
        assert_eq!(seconds("900"), Some(900));
        for refused in ["", "0", "-1", "901"] {
            assert_eq!(seconds(refused), None, "{refused}");
        }
    }
}
