//! The providers' routes, as their documentation has them.

use domain::identity::Provider;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{
    APPS, FACEBOOK_APP_SECRET, KAKAO_ADMIN_KEY, LINE_CHANNEL_SECRET, Providers, Refused,
    keys::{LibraryRefused, signed_request},
    tokens::{Granted, Issue, LIFETIME_S, merge},
};
use crate::http1::Request;

impl From<LibraryRefused> for Refused {
    fn from(refused: LibraryRefused) -> Self {
        let why = json!({ "error": refused.to_string() });
        Self(StatusCode::INTERNAL_SERVER_ERROR, why)
    }
}

impl Providers {
    /// The answer of whichever provider is asked.
    pub(super) fn answer(&self, request: &Request) -> Result<Value, Refused> {
        let (path, query) = request.path_and_query();
        let query = form(query);
        match (&*request.method, path) {
            ("GET", "/apple/auth/keys") => self.key_set(Provider::Apple),
            ("GET", "/google/oauth2/v3/certs") => self.key_set(Provider::Google),
            ("GET", "/kakao/.well-known/jwks.json") => self.key_set(Provider::Kakao),
            ("GET", "/facebook-limited/.well-known/oauth/openid/jwks/") => {
                self.key_set(Provider::Facebook)
            }
            ("GET", "/line/oauth2/v2.1/certs") => self.key_set(Provider::Line),
            ("POST", "/apple/auth/token") => self.apple_token(&form(text(request)?)),
            ("POST", "/apple/auth/revoke") => self.apple_revoke(&form(text(request)?)),
            ("POST", "/apple/notify") => self.apple_notify(text(request)?),
            ("GET", "/apple/exchanged") => Ok(json!({ "codes": self.tokens().exchanged() })),
            ("POST", "/kakao/notify") => self.kakao_notify(text(request)?),
            ("POST", "/kakao/unlink-notice") => self.kakao_unlink_notice(text(request)?),
            ("POST", "/facebook/data-deletion") => self.facebook_data_deletion(text(request)?),
            ("GET", "/kakao-api/v1/user/access_token_info") => {
                let granted = self.kakao(request)?;
                Ok(json!({
                    "id": number(&granted.sub),
                    "expires_in": granted.expires_at_s - self.now_s(),
                    "app_id": number(&granted.app),
                }))
            }
            ("GET" | "POST", "/kakao-api/v2/user/me") => {
                let granted = self.kakao(request)?;
                Ok(json!({ "id": number(&granted.sub), "kakao_account": {} }))
            }
            ("POST", "/kakao-api/v1/user/unlink") => self.kakao_unlink(request),
            ("GET", "/naver/v1/nid/verify") => {
                let granted = self.naver(request)?;
                Ok(json!({
                    "resultcode": "00",
                    "message": "success",
                    "response": { "token": bearer(request), "client_id": granted.app },
                }))
            }
            ("GET", "/naver/v1/nid/me") => {
                let granted = self.naver(request)?;
                Ok(json!({
                    "resultcode": "00",
                    "message": "success",
                    "response": { "id": granted.sub },
                }))
            }
            ("GET", "/facebook/debug_token") => self.facebook_debug(&query),
            ("GET", "/facebook/me") => self.facebook_me(&query),
            ("DELETE", path) => self.facebook_unlink(path, &query),
            _ => self.own_routes(request, path),
        }
    }

    /// What no provider has: giving out tokens, changing keys, telling who was unlinked.
    fn own_routes(&self, request: &Request, path: &str) -> Result<Value, Refused> {
        let (of, action) = path
            .trim_start_matches('/')
            .split_once('/')
            .ok_or_else(Refused::not_found)?;
        let provider: Provider = of.parse().map_err(|_| Refused::not_found())?;
        match (&*request.method, action) {
            ("POST", "issue") => {
                let wish: Issue = serde_json::from_slice(&request.body)
                    .map_err(|error| Refused::bad_request(error.to_string()))?;
                let (now_s, app) = (self.now_s(), app_of(provider));
                if provider == Provider::Line && wish.aud.as_deref() == Some(line_web()) {
                    let secret = self.shared_secret(LINE_CHANNEL_SECRET)?;
                    return Ok(self.tokens().issue_by_secret(&secret, &wish, now_s));
                }
                Ok(self.tokens().issue(provider, app, &wish, now_s)?)
            }
            ("POST", "rotate") => {
                self.tokens().rotate(provider)?;
                self.key_set(provider)
            }
            ("GET", "unlinked") => Ok(json!({ "subjects": self.tokens().unlinked(provider) })),
            _ => Err(Refused::not_found()),
        }
    }

    fn key_set(&self, provider: Provider) -> Result<Value, Refused> {
        Ok(self.tokens().key_set(provider)?)
    }

    /// <https://developer.apple.com/documentation/signinwithapplerestapi/generate-and-validate-tokens>:
    /// the code is any text; whose it is, is the text itself.
    fn apple_token(&self, form: &Pairs) -> Result<Value, Refused> {
        let code = form
            .get("code")
            .ok_or_else(|| Refused::bad_request("invalid_request"))?;
        form.get("client_secret")
            .ok_or_else(|| Refused::bad_request("invalid_client"))?;
        let app = form.get("client_id").unwrap_or_default();
        let now_s = self.now_s();
        let mut tokens = self.tokens();
        tokens.exchange(code);
        let wish = Issue {
            sub: code.to_owned(),
            aud: Some(app.to_owned()),
            nonce: None,
            claims: Map::new(),
            header: Map::new(),
        };
        let mut answer = tokens.issue(Provider::Apple, app, &wish, now_s)?;
        let refresh_token = tokens.grant(Provider::Apple, app, code, now_s);
        let told = [("refresh_token".to_owned(), refresh_token.into())];
        merge(&mut answer, &told.into_iter().collect());
        Ok(answer)
    }

    /// <https://developer.apple.com/documentation/signinwithapplerestapi/revoke-tokens>: 200 also for
    /// a token that is revoked already.
    fn apple_revoke(&self, form: &Pairs) -> Result<Value, Refused> {
        let token = form
            .get("token")
            .ok_or_else(|| Refused::bad_request("invalid_request"))?;
        let now_s = self.now_s();
        let mut tokens = self.tokens();
        if let Some(granted) = tokens.granted(Provider::Apple, token, now_s) {
            tokens.unlink(Provider::Apple, &granted.sub);
        }
        Ok(json!({}))
    }

    /// The notification that Apple would post to the app's server:
    /// <https://developer.apple.com/documentation/signinwithapple/processing-changes-for-sign-in-with-apple-accounts>.
    fn apple_notify(&self, body: &str) -> Result<Value, Refused> {
        let event: Value =
            serde_json::from_str(body).map_err(|error| Refused::bad_request(error.to_string()))?;
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let now = self.clock.now();
        let (now_s, now_ms) = (now.as_seconds(), now.as_millis());
        let mut tokens = self.tokens();
        let claims = json!({
            "iss": super::tokens::issuer(Provider::Apple),
            "aud": app_of(Provider::Apple),
            "iat": now_s,
            "exp": now_s + LIFETIME_S,
            "jti": format!("{now_ms}-{}", text("sub")),
            "events": json!({
                "type": text("type"),
                "sub": text("sub"),
                "event_time": now_ms,
            })
            .to_string(),
        });
        Ok(json!({ "payload": tokens.sign(Provider::Apple, &claims)? }))
    }

    /// The security event token that Kakao would post to the app's server about a user (`sub`), with the
    /// event's URI (`type`): <https://developers.kakao.com/docs/latest/en/kakaologin/callback>.
    fn kakao_notify(&self, body: &str) -> Result<Value, Refused> {
        let event = object(body)?;
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let now = self.clock.now();
        let (now_s, now_ms) = (now.as_seconds(), now.as_millis());
        let mut claims = json!({
            "iss": super::tokens::issuer(Provider::Kakao),
            "aud": app_of(Provider::Kakao),
            "sub": text("sub"),
            "iat": now_s,
            "toe": now_s,
            "jti": format!("{now_ms}-{}", text("sub")),
            "events": {
                text("type"): {
                    "subject": {
                        "subject_type": "iss-sub",
                        "iss": super::tokens::issuer(Provider::Kakao),
                        "sub": text("sub"),
                    },
                },
            },
        });
        if let Some(more) = event.get("claims").and_then(Value::as_object) {
            merge(&mut claims, more);
        }
        let header = [("typ".to_owned(), Value::from("secevent+jwt"))];
        let header: Map<_, _> = header.into_iter().collect();
        let token = self.tokens().sign_as(Provider::Kakao, &header, &claims)?;
        Ok(json!({ "content_type": "application/secevent+jwt", "body": token }))
    }

    /// The notice that Kakao would post when a user (`sub`) was unlinked, and why (`referrer_type`).
    fn kakao_unlink_notice(&self, body: &str) -> Result<Value, Refused> {
        let notice = object(body)?;
        let text = |name: &str| notice.get(name).and_then(Value::as_str).unwrap_or_default();
        let (app, user, why) = (
            of_parameter("KakaoAppId"),
            text("sub"),
            text("referrer_type"),
        );
        Ok(json!({
            "authorization": format!("KakaoAK {}", self.shared_secret(KAKAO_ADMIN_KEY)?),
            "content_type": "application/x-www-form-urlencoded;charset=utf-8",
            "body": format!("app_id={app}&user_id={user}&referrer_type={why}"),
        }))
    }

    /// The request that Facebook would post for a user (`sub`) who wants their data deleted:
    /// <https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback>.
    fn facebook_data_deletion(&self, body: &str) -> Result<Value, Refused> {
        let wish = object(body)?;
        let mut payload = json!({
            "algorithm": "HMAC-SHA256",
            "issued_at": self.now_s(),
            "user_id": wish.get("sub").cloned().unwrap_or_default(),
        });
        if let Some(more) = wish.get("claims").and_then(Value::as_object) {
            merge(&mut payload, more);
        }
        let secret = self.shared_secret(FACEBOOK_APP_SECRET)?;
        let signed = signed_request(&secret, &payload);
        Ok(json!({
            "content_type": "application/x-www-form-urlencoded",
            "body": format!("signed_request={signed}"),
            "signed_request": signed,
        }))
    }

    /// <https://developers.kakao.com/docs/latest/en/kakaologin/rest-api>: -401 for a token that is none.
    fn kakao(&self, request: &Request) -> Result<Granted, Refused> {
        let unknown = || {
            let body = json!({ "msg": "this access token does not exist", "code": -401 });
            Refused(StatusCode::UNAUTHORIZED, body)
        };
        let token = bearer(request).ok_or_else(unknown)?;
        let mut granted = self
            .tokens()
            .granted(Provider::Kakao, token, self.now_s())
            .ok_or_else(unknown)?;
        // The app's number stands for the app's key here.
        if granted.app == app_of(Provider::Kakao) {
            granted.app = of_parameter("KakaoAppId").to_owned();
        }
        Ok(granted)
    }

    fn kakao_unlink(&self, request: &Request) -> Result<Value, Refused> {
        let admin = request
            .header("authorization")
            .is_some_and(|value| value.starts_with("KakaoAK "));
        let form = form(text(request)?);
        let target = form.get("target_id").filter(|_| admin);
        let target = target.ok_or_else(|| {
            let body = json!({ "msg": "wrong appKey", "code": -401 });
            Refused(StatusCode::UNAUTHORIZED, body)
        })?;
        if self.tokens().unlink(Provider::Kakao, target) {
            return Ok(json!({ "id": number(target) }));
        }
        let body = json!({ "msg": "NotRegisteredUserException", "code": -101 });
        Err(Refused(StatusCode::BAD_REQUEST, body))
    }

    /// <https://developers.naver.com/docs/login/api/api.md>: 024 for a token that is none.
    fn naver(&self, request: &Request) -> Result<Granted, Refused> {
        let unknown = || {
            let body = json!({ "resultcode": "024", "message": "Authentication failed" });
            Refused(StatusCode::UNAUTHORIZED, body)
        };
        let token = bearer(request).ok_or_else(unknown)?;
        self.tokens()
            .granted(Provider::Naver, token, self.now_s())
            .ok_or_else(unknown)
    }

    /// <https://developers.facebook.com/docs/graph-api/reference/debug_token/>.
    fn facebook_debug(&self, query: &Pairs) -> Result<Value, Refused> {
        query
            .get("access_token")
            .filter(|token| token.contains('|'))
            .ok_or_else(facebook_refuses)?;
        let token = query.get("input_token").unwrap_or_default();
        Ok(
            match self
                .tokens()
                .granted(Provider::Facebook, token, self.now_s())
            {
                Some(granted) => json!({ "data": {
                    "app_id": granted.app,
                    "type": "USER",
                    "is_valid": true,
                    "user_id": granted.sub,
                    "expires_at": granted.expires_at_s,
                }}),
                None => json!({ "data": { "is_valid": false } }),
            },
        )
    }

    fn facebook_me(&self, query: &Pairs) -> Result<Value, Refused> {
        query.get("appsecret_proof").ok_or_else(facebook_refuses)?;
        let token = query.get("access_token").unwrap_or_default();
        self.tokens()
            .granted(Provider::Facebook, token, self.now_s())
            .map(|granted| json!({ "id": granted.sub }))
            .ok_or_else(facebook_refuses)
    }

    /// <https://developers.facebook.com/docs/facebook-login/guides/permissions/request-revoke>.
    fn facebook_unlink(&self, path: &str, query: &Pairs) -> Result<Value, Refused> {
        let user = path
            .strip_prefix("/facebook/")
            .and_then(|rest| rest.strip_suffix("/permissions"))
            .ok_or_else(Refused::not_found)?;
        query
            .get("access_token")
            .filter(|token| token.contains('|'))
            .ok_or_else(facebook_refuses)?;
        self.tokens().unlink(Provider::Facebook, user);
        Ok(json!({ "success": true }))
    }
}

fn facebook_refuses() -> Refused {
    let body = json!({ "error": { "type": "OAuthException", "code": 190 } });
    Refused(StatusCode::BAD_REQUEST, body)
}

/// LINE's name of the app on the web.
fn line_web() -> &'static str {
    of_parameter("LineWebClientId")
}

fn object(body: &str) -> Result<Value, Refused> {
    serde_json::from_str(body).map_err(|error| Refused::bad_request(error.to_string()))
}

/// What the app is called by a provider: the first of its names.
fn app_of(provider: Provider) -> &'static str {
    let names = of_parameter(match provider {
        Provider::Apple => "AppleClientIds",
        Provider::Google => "GoogleClientIds",
        Provider::Kakao => "KakaoClientIds",
        Provider::Naver => "NaverClientIds",
        Provider::Facebook => "FacebookAppId",
        Provider::Line => "LineClientIds",
        Provider::Guest => "",
    });
    names.split(',').next().unwrap_or(names)
}

fn of_parameter(name: &str) -> &'static str {
    let found = APPS.iter().find(|(parameter, _)| *parameter == name);
    found.map_or("", |(_, value)| value)
}

/// Kakao's ids are numbers; a made-up one that is none stays text.
fn number(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| id.into(), Value::from)
}

fn bearer(request: &Request) -> Option<&str> {
    request.header("authorization")?.strip_prefix("Bearer ")
}

fn text(request: &Request) -> Result<&str, Refused> {
    std::str::from_utf8(&request.body).map_err(|_| Refused::bad_request("not text"))
}

/// `application/x-www-form-urlencoded`, decoded.
struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn form(text: &str) -> Pairs {
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    Pairs(
        pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name), decode(value))
            })
            .collect(),
    )
}
