//! Providers configured for one stand-in.

use std::time::Duration;

use aws::{Aws, Endpoints, Keys, Settings};
use domain::{Instant, identity::Provider};
use kit::Vars;
use serde_json::{Value, json};
use upstream::{
    ProviderError, Providers, SecretSettings,
    providers::{Identity, Proof, ProviderSettings, TokenFault},
};

use crate::{
    issuer::{Issuer, key_set},
    stand_in::{Reply, StandIn},
};

pub(crate) const NOW: Instant = Instant::from_seconds(1_800_000_000);

/// Long enough for a loaded machine to answer, and short enough to be waited for.
pub(crate) const DEADLINE: Duration = Duration::from_millis(500);

pub(crate) const NONCE: &str = "n-0S6_WzA2Mj";

pub(crate) fn after(seconds: u64) -> Instant {
    NOW + Duration::from_secs(seconds)
}

/// The providers that sign tokens, with a path for their keys.
pub(crate) const SIGNING: [(Provider, &str); 5] = [
    (Provider::Apple, "/apple/keys"),
    (Provider::Google, "/google/keys"),
    (Provider::Kakao, "/kakao/keys"),
    (Provider::Facebook, "/facebook/keys"),
    (Provider::Line, "/line/keys"),
];

pub(crate) struct World {
    pub(crate) stand_in: StandIn,
    /// Nobody may ever come here.
    pub(crate) trap: StandIn,
    pub(crate) providers: Providers,
}

impl World {
    pub(crate) async fn new() -> Self {
        let stand_in = StandIn::start().await;
        stand_in.set_secret("facebook-secret", "facebook-app-secret\n");
        stand_in.set_secret("kakao-secret", "kakao-admin-key");
        Self {
            providers: providers(&stand_in, &[]),
            stand_in,
            trap: StandIn::start().await,
        }
    }

    pub(crate) async fn verify(
        &self,
        provider: Provider,
        proof: &Proof,
    ) -> Result<Identity, ProviderError> {
        self.verify_at(provider, proof, NOW).await
    }

    pub(crate) async fn verify_at(
        &self,
        provider: Provider,
        proof: &Proof,
        now: Instant,
    ) -> Result<Identity, ProviderError> {
        self.providers.verify(provider, proof, now).await
    }

    /// Publishes the keys of a provider.
    pub(crate) fn publish(&self, path: &str, issuers: &[&Issuer]) {
        self.stand_in.set(path, Reply::ok(key_set(issuers)));
    }
}

/// What every provider is known by here; `more` replaces or adds.
pub(crate) fn settings(stand_in: &StandIn, more: &[(&str, &str)]) -> ProviderSettings {
    let at = |path: &str| format!("{}{path}", stand_in.url);
    let deadline = DEADLINE.as_millis().to_string();
    let own = [
        ("APPLE_JWKS_URL", at("/apple/keys")),
        ("APPLE_TOKEN_URL", at("/apple/token")),
        ("APPLE_REVOKE_URL", at("/apple/revoke")),
        (
            "APPLE_CLIENT_IDS",
            "com.example.app,com.example.web".to_owned(),
        ),
        ("APPLE_TEAM_ID", "TEAM".to_owned()),
        ("APPLE_KEY_ID", "KEY".to_owned()),
        ("APPLE_KEY_SECRET", "apple-secret".to_owned()),
        ("GOOGLE_JWKS_URL", at("/google/keys")),
        ("GOOGLE_CLIENT_IDS", "client".to_owned()),
        ("KAKAO_JWKS_URL", at("/kakao/keys")),
        ("KAKAO_CLIENT_IDS", "client".to_owned()),
        ("KAKAO_APP_ID", "123".to_owned()),
        ("KAKAO_API_URL", at("/kakao")),
        ("KAKAO_ADMIN_KEY_SECRET", "kakao-secret".to_owned()),
        ("NAVER_API_URL", at("/naver")),
        ("NAVER_CLIENT_IDS", "client".to_owned()),
        ("FACEBOOK_JWKS_URL", at("/facebook/keys")),
        ("FACEBOOK_APP_ID", "client".to_owned()),
        ("FACEBOOK_GRAPH_URL", at("/facebook")),
        ("FACEBOOK_APP_SECRET", "facebook-secret".to_owned()),
        ("LINE_JWKS_URL", at("/line/keys")),
        ("LINE_CLIENT_IDS", "client".to_owned()),
        ("UPSTREAM_TIMEOUT_MS", deadline),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    let more = more
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let vars: Vars = own.into_iter().chain(more).collect();
    ProviderSettings::read(&vars).unwrap()
}

pub(crate) fn providers(stand_in: &StandIn, more: &[(&str, &str)]) -> Providers {
    let settings = settings(stand_in, more);
    let aws = Aws::new(Settings {
        region: "ap-northeast-2".into(),
        credentials: Keys {
            access_key_id: "id".into(),
            secret_access_key: "secret".into(),
            session_token: None,
        },
        endpoints: Endpoints {
            secrets_manager: Some(stand_in.url.clone()),
            ..Endpoints::default()
        },
        app_name: "tests".into(),
    })
    .unwrap();
    let freshness = SecretSettings::read(&Vars::default()).unwrap();
    settings
        .providers(kit::config::Stage::Dev, &freshness, &aws)
        .unwrap()
}

/// A key as the provider has one.
pub(crate) fn issuer_of(provider: Provider, kid: &str) -> Issuer {
    match provider {
        Provider::Line => Issuer::es256(kid),
        _ => Issuer::rs256(kid),
    }
}

/// What a good token of the provider says.
pub(crate) fn claims_of(provider: Provider) -> Value {
    let (issuer, audience) = match provider {
        Provider::Apple => ("https://appleid.apple.com", "com.example.app"),
        Provider::Google => ("https://accounts.google.com", "client"),
        Provider::Kakao => ("https://kauth.kakao.com", "client"),
        Provider::Facebook => ("https://www.facebook.com", "client"),
        _ => ("https://access.line.me", "client"),
    };
    json!({
        "iss": issuer,
        "aud": audience,
        "sub": "somebody",
        "iat": NOW.as_seconds() - 10,
        "exp": NOW.as_seconds() + 600,
        "nonce": NONCE,
    })
}

pub(crate) fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}

pub(crate) fn proof(token: impl Into<String>) -> Proof {
    Proof::IdToken {
        token: token.into(),
        nonce: Some(NONCE.to_owned()),
    }
}

pub(crate) fn access(token: &str) -> Proof {
    Proof::AccessToken(token.to_owned())
}

pub(crate) fn token_fault(fault: TokenFault) -> Result<Identity, ProviderError> {
    Err(ProviderError::Token(fault))
}

pub(crate) fn is_unavailable<T>(told: &Result<T, ProviderError>) -> bool {
    matches!(
        told,
        Err(ProviderError::Unavailable { .. } | ProviderError::NotCalled { .. })
    )
}
