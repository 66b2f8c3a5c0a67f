//! What was given out: keys by provider, access tokens and Apple's refresh tokens by their text.

use std::collections::HashMap;

use domain::identity::Provider;
use rand::RngExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::keys::{Key, LibraryRefused, sign_by_secret};

/// How long id tokens and access tokens are good for, in seconds.
pub(super) const LIFETIME_S: i64 = 3_600;

/// What `POST /<provider>/issue` is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issue {
    /// The provider's id of the user.
    pub(super) sub: String,
    /// The app; this one without it.
    pub(super) aud: Option<String>,
    /// What the app's SDK was given to put into the token.
    pub(super) nonce: Option<String>,
    /// Members of the id token that replace or add to the usual ones; `null` removes one.
    #[serde(default)]
    pub(super) claims: Map<String, Value>,
    /// The same for its header.
    #[serde(default)]
    pub(super) header: Map<String, Value>,
}

/// An access token that was given out.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    pub(super) provider: Provider,
    pub(super) sub: String,
    pub(super) app: String,
    pub(super) expires_at_s: i64,
}

/// Everything that was given out.
#[derive(Default)]
pub(super) struct Tokens {
    keys: HashMap<Provider, Vec<Key>>,
    granted: HashMap<String, Granted>,
    /// Users who took their consent back, by provider.
    unlinked: Vec<(Provider, String)>,
    /// Apple's authorization codes that were exchanged.
    exchanged: Vec<String>,
}

impl Tokens {
    /// The keys of a provider, the one that signs last.
    pub(super) fn key_set(&mut self, provider: Provider) -> Result<Value, LibraryRefused> {
        self.signing(provider)?;
        let keys = self.keys.get(&provider).map(Vec::as_slice);
        let keys: Vec<Value> = keys.unwrap_or_default().iter().map(Key::jwk).collect();
        Ok(json!({ "keys": keys }))
    }

    /// Signs with a new key from now on; the one before stays published.
    pub(super) fn rotate(&mut self, provider: Provider) -> Result<(), LibraryRefused> {
        let kid = format!("{provider}-{}", random_text());
        let key = match provider {
            Provider::Line => Key::ec(kid)?,
            _ => Key::rsa(kid)?,
        };
        let keys = self.keys.entry(provider).or_default();
        keys.push(key);
        let retired = keys.len().saturating_sub(2);
        keys.drain(..retired);
        Ok(())
    }

    /// The tokens of a user.
    pub(super) fn issue(
        &mut self,
        provider: Provider,
        app: &str,
        wish: &Issue,
        now_s: i64,
    ) -> Result<Value, LibraryRefused> {
        let app = wish.aud.as_deref().unwrap_or(app);
        let mut answer = json!({
            "access_token": self.grant(provider, app, &wish.sub, now_s),
            "token_type": "bearer",
            "expires_in": LIFETIME_S,
        });
        if provider != Provider::Naver {
            let claims = id_claims(provider, app, wish, now_s);
            let token = self.signing(provider)?.sign(&wish.header, &claims)?;
            let told = [("id_token".to_owned(), token.into())];
            merge(&mut answer, &told.into_iter().collect());
        }
        Ok(answer)
    }

    /// The tokens of a user of LINE on the web, where id tokens are signed with the app's own secret.
    pub(super) fn issue_by_secret(&mut self, secret: &str, wish: &Issue, now_s: i64) -> Value {
        let app = wish.aud.as_deref().unwrap_or_default();
        let claims = id_claims(Provider::Line, app, wish, now_s);
        json!({
            "access_token": self.grant(Provider::Line, app, &wish.sub, now_s),
            "token_type": "Bearer",
            "expires_in": LIFETIME_S,
            "id_token": sign_by_secret(secret, &wish.header, &claims),
        })
    }

    /// Notes that an authorization code was exchanged.
    pub(super) fn exchange(&mut self, code: &str) {
        self.exchanged.push(code.to_owned());
    }

    /// The authorization codes that were exchanged, in their order.
    pub(super) fn exchanged(&self) -> &[String] {
        &self.exchanged
    }

    /// An access token of a user for an app.
    pub(super) fn grant(&mut self, provider: Provider, app: &str, sub: &str, now_s: i64) -> String {
        self.unlinked
            .retain(|gone| *gone != (provider, sub.to_owned()));
        let token = format!("{provider}-{}", random_text());
        let granted = Granted {
            provider,
            sub: sub.to_owned(),
            app: app.to_owned(),
            expires_at_s: now_s + LIFETIME_S,
        };
        self.granted.insert(token.clone(), granted);
        token
    }

    /// Whose token it is, while it is good.
    pub(super) fn granted(&self, provider: Provider, token: &str, now_s: i64) -> Option<Granted> {
        let granted = self.granted.get(token)?;
        (granted.provider == provider && now_s < granted.expires_at_s).then(|| granted.clone())
    }

    /// Takes back what a user gave the app. `false` where there was nothing.
    pub(super) fn unlink(&mut self, provider: Provider, sub: &str) -> bool {
        let before = self.granted.len();
        self.granted
            .retain(|_, granted| granted.provider != provider || granted.sub != sub);
        let gone = (provider, sub.to_owned());
        let known = self.granted.len() < before;
        if !self.unlinked.contains(&gone) {
            self.unlinked.push(gone);
        }
        known
    }

    /// Users who took back what they gave, or whom we did it for.
    pub(super) fn unlinked(&self, provider: Provider) -> Vec<&str> {
        self.unlinked
            .iter()
            .filter(|(by, _)| *by == provider)
            .map(|(_, sub)| sub.as_str())
            .collect()
    }

    /// A document that the provider signs, such as Apple's notifications.
    pub(super) fn sign(
        &mut self,
        provider: Provider,
        claims: &Value,
    ) -> Result<String, LibraryRefused> {
        self.sign_as(provider, &Map::new(), claims)
    }

    /// The same; members of `header` replace or add to its header.
    pub(super) fn sign_as(
        &mut self,
        provider: Provider,
        header: &Map<String, Value>,
        claims: &Value,
    ) -> Result<String, LibraryRefused> {
        self.signing(provider)?.sign(header, claims)
    }

    fn signing(&mut self, provider: Provider) -> Result<&Key, LibraryRefused> {
        if self.keys.get(&provider).is_none_or(Vec::is_empty) {
            self.rotate(provider)?;
        }
        let keys = self.keys.get(&provider);
        keys.and_then(|keys| keys.last()).ok_or(LibraryRefused)
    }
}

/// What an id token of a user says.
fn id_claims(provider: Provider, app: &str, wish: &Issue, now_s: i64) -> Value {
    let mut claims = json!({
        "iss": issuer(provider),
        "aud": app,
        "sub": wish.sub,
        "iat": now_s,
        "exp": now_s + LIFETIME_S,
    });
    let nonce = wish.nonce.iter();
    let mut more: Map<_, Value> = nonce
        .map(|nonce| ("nonce".to_owned(), nonce.as_str().into()))
        .collect();
    if provider == Provider::Apple {
        more.insert("nonce_supported".to_owned(), true.into());
    }
    merge(&mut claims, &more);
    merge(&mut claims, &wish.claims);
    claims
}

/// Who a provider's id tokens say they are from.
pub(super) const fn issuer(provider: Provider) -> &'static str {
    match provider {
        Provider::Apple => "https://appleid.apple.com",
        Provider::Google => "https://accounts.google.com",
        Provider::Kakao => "https://kauth.kakao.com",
        Provider::Facebook => "https://www.facebook.com",
        Provider::Line => "https://access.line.me",
        Provider::Naver | Provider::Guest => "",
    }
}

/// Replaces and adds members; `null` removes one.
pub(super) fn merge(into: &mut Value, members: &Map<String, Value>) {
    let Some(object) = into.as_object_mut() else {
        return;
    };
    for (name, value) in members {
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.clone(), value.clone());
        }
    }
}

fn random_text() -> String {
    format!("{:016x}", rand::rng().random::<u64>())
}
