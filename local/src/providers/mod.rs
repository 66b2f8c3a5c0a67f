//! The sign-in providers as they behave on their own addresses, for made-up users: every flow can be
//! tried offline.
//!
//! Each lies under a path of its own, below which its routes are the provider's. Beside them,
//! `POST /<provider>/issue` gives the tokens that the provider's SDK would give an app for a user:
//!
//! ```text
//! curl -d '{"sub": "mina", "nonce": "…"}' http://127.0.0.1:…/google/issue
//! {"id_token": "…", "access_token": "…"}
//! ```
//!
//! What the body has under `claims` and `header` replaces or adds members of the id token; `null`
//! removes one. `POST /<provider>/rotate` signs with another key from then on; the page at `/` does
//! both from a browser. Nothing is kept beyond the process.
//!
//! What a provider would post to the app's server is made by `POST /apple/notify`, `POST /kakao/notify` (an
//! event of an account), `POST /kakao/unlink-notice` and `POST /facebook/data-deletion`; post the
//! response on to try them. `GET /apple/exchanged` lists the authorization codes that were spent.

mod keys;
mod page;
mod routes;
mod tokens;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use kit::Clock;
use serde_json::{Value, json};

use self::tokens::Tokens;
use crate::{
    http1::{Handler, Limits, Request, json as json_response},
    secrets::Vault,
};

/// A key set or an answer is small; so is what is asked.
pub(crate) const LIMITS: Limits = Limits {
    head_bytes: 64 * 1024,
    body_bytes: 64 * 1024,
};

/// The parameters of the template that say who the app is to its providers, with the values that the
/// sandboxes know; a parameter that has a value keeps it.
pub(crate) const APPS: &[(&str, &str)] = &[
    ("AppleClientIds", "com.example.app"),
    ("AppleTeamId", "SANDBOX001"),
    ("AppleKeyId", "SANDBOXKEY"),
    ("GoogleClientIds", "app.apps.googleusercontent.example"),
    ("KakaoClientIds", "kakao-app-key"),
    ("KakaoAppId", "1000"),
    ("NaverClientIds", "naver-client"),
    ("FacebookAppId", "2000"),
    ("LineClientIds", "3000,3001"),
    ("LineWebClientId", "3001"),
];

/// The secrets that the app shares with its providers.
const KAKAO_ADMIN_KEY: &str = "madang/dev/kakao-admin-key";
const FACEBOOK_APP_SECRET: &str = "madang/dev/facebook-app-secret";
const LINE_CHANNEL_SECRET: &str = "madang/dev/line-channel-secret";

/// The parameters of the template that say where providers are, with their paths in the sandboxes.
pub(crate) const ORIGINS: &[(&str, &str)] = &[
    ("AppleOrigin", "/apple"),
    ("GoogleOrigin", "/google"),
    ("KakaoAuthOrigin", "/kakao"),
    ("KakaoApiOrigin", "/kakao-api"),
    ("NaverOrigin", "/naver"),
    ("FacebookLimitedOrigin", "/facebook-limited"),
    ("FacebookGraphOrigin", "/facebook"),
    ("LineOrigin", "/line"),
];

/// All providers.
pub(crate) struct Providers {
    clock: Clock,
    vault: Arc<Mutex<Vault>>,
    tokens: Mutex<Tokens>,
}

/// A refusal in a provider's own form: a status and a document.
pub(crate) struct Refused(StatusCode, Value);

impl Providers {
    /// Providers who have given out nothing yet.
    pub(crate) fn new(clock: Clock, vault: Arc<Mutex<Vault>>) -> Self {
        Self {
            clock,
            vault,
            tokens: Mutex::default(),
        }
    }

    /// A panic while it was held cannot leave it half changed: entries are put whole.
    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a secret that both sides know.
    fn shared_secret(&self, name: &str) -> Result<String, Refused> {
        let vault = self.vault.lock().unwrap_or_else(PoisonError::into_inner);
        let value = vault.current(name).map(|value| value.trim().to_owned());
        value.ok_or_else(|| Refused::bad_request(format!("the secret {name} has no value")))
    }

    fn now_s(&self) -> i64 {
        self.clock.now().as_seconds()
    }
}

impl Handler for Providers {
    async fn handle(&self, request: Request) -> Response<Bytes> {
        if request.method == "GET" && request.path_and_query().0 == "/" {
            let mut page = Response::new(Bytes::from_static(page::HTML.as_bytes()));
            page.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/html; charset=utf-8"),
            );
            return page;
        }
        match self.answer(&request) {
            Ok(body) => json_response(StatusCode::OK, body.to_string()),
            Err(Refused(status, body)) => json_response(status, body.to_string()),
        }
    }
}

impl Refused {
    fn not_found() -> Self {
        Self(StatusCode::NOT_FOUND, json!({ "error": "not_found" }))
    }

    fn bad_request(why: impl Into<Value>) -> Self {
        Self(StatusCode::BAD_REQUEST, json!({ "error": why.into() }))
    }
}

#[cfg(test)]
mod tests;
