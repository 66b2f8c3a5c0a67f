//! Apple: an id token, signed with RS256, and what Apple tells of its accounts.
//!
//! <https://developer.apple.com/documentation/signinwithapple/authenticating-users-with-sign-in-with-apple>

use domain::{Instant, identity::Provider};
use jose::{Algorithm, Claims, nonce_matches};
use serde::Deserialize;

use super::{
    AccountEvent, AccountEventKind, Identity, Proof, ProviderError, ProviderSettings, TokenFault,
    event::latest_moment,
    signed::{SignedTokens, subject},
};
use crate::{https::Https, secrets::Secret};

mod grants;
mod key;

pub use key::AppleKey;

pub(super) struct Apple {
    tokens: SignedTokens,
    grants: grants::Grants,
}

/// What `events` holds, a JSON document in a string.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    sub: String,
    event_time: i64,
}

impl Apple {
    pub(super) fn new(
        settings: &ProviderSettings,
        key: Option<Secret<AppleKey>>,
        https: &Https,
    ) -> Self {
        Self {
            tokens: SignedTokens::new(
                Provider::Apple,
                Algorithm::Rs256,
                &settings.apple_issuers.0,
                &settings.apple_client_ids.0,
                (&settings.apple_jwks_url, https),
            ),
            grants: grants::Grants::new(settings, key, https),
        }
    }

    pub(super) async fn verify(
        &self,
        proof: &Proof,
        now: Instant,
    ) -> Result<Identity, ProviderError> {
        self.switched_on()?;
        let (token, nonce) = proof.id_token()?;
        let claims = self.tokens.claims(token, now).await?;
        check_nonce(&claims, nonce)?;
        self.tokens.identity(&claims)
    }

    /// <https://developer.apple.com/documentation/signinwithapple/processing-changes-for-sign-in-with-apple-accounts>
    pub(super) async fn event(
        &self,
        payload: &str,
        now: Instant,
    ) -> Result<AccountEvent, ProviderError> {
        self.switched_on()?;
        let claims = self.tokens.lasting_claims(payload, now).await?;
        let event = claims.text("events").unwrap_or_default();
        let event: Event = serde_json::from_str(event).map_err(|_| ProviderError::INVALID)?;
        Ok(AccountEvent {
            provider: Provider::Apple,
            kind: kind(&event.kind),
            subject: subject(&event.sub)?,
            at: latest_moment(moment(event.event_time), now),
            id: claims.text("jti").map(str::to_owned),
        })
    }

    fn switched_on(&self) -> Result<(), ProviderError> {
        match self.tokens.are_switched_on() {
            true => Ok(()),
            false => Err(ProviderError::Disabled(Provider::Apple)),
        }
    }
}

/// A nonce is there as the app got it or hashed, and may be missing only where Apple says that the
/// device could not send one.
fn check_nonce(claims: &Claims, nonce: Option<&str>) -> Result<(), ProviderError> {
    let matches = match (nonce, claims.text("nonce")) {
        (None, _) => true,
        (Some(nonce), Some(claimed)) => nonce_matches(claimed, nonce),
        (Some(_), None) => {
            claims.value("nonce").is_none() && claims.flag("nonce_supported") == Some(false)
        }
    };
    match matches {
        true => Ok(()),
        false => Err(TokenFault::Nonce.into()),
    }
}

fn kind(name: &str) -> AccountEventKind {
    match name {
        "consent-revoked" => AccountEventKind::SessionsRevoked,
        // Apple's pages spell it both ways.
        "account-delete" | "account-deleted" => AccountEventKind::AccountDeleted,
        _ => AccountEventKind::Other,
    }
}

/// Documented in seconds, and seen in milliseconds.
fn moment(time: i64) -> Instant {
    const LATEST_SECONDS: i64 = 100_000_000_000;
    match time > LATEST_SECONDS {
        true => Instant::from_millis(time),
        false => Instant::from_seconds(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_may_be_missing_only_where_the_device_could_not_send_one() {
        let hashed = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for (claims, accepted) in [
            (r#"{"nonce": "abc"}"#, true),
            (&*format!(r#"{{"nonce": "{hashed}"}}"#), true),
            (r#"{"nonce": "abd", "nonce_supported": false}"#, false),
            (r#"{"nonce": 1, "nonce_supported": false}"#, false),
            (r#"{"nonce_supported": false}"#, true),
            (r#"{"nonce_supported": "false"}"#, true),
            (r#"{"nonce_supported": true}"#, false),
            (r#"{"nonce_supported": "true"}"#, false),
            ("{}", false),
        ] {
            let parsed = Claims::parse(claims.as_bytes()).unwrap();
            assert_eq!(
                check_nonce(&parsed, Some("abc")).is_ok(),
                accepted,
                "{claims}"
            );
            assert!(check_nonce(&parsed, None).is_ok());
        }
    }

    #[test]
    fn seconds_and_milliseconds_are_the_same_moment() {
        assert_eq!(moment(1_508_184_845), moment(1_508_184_845_000));
    }
}
