//! Id tokens that are forged, bent, broken or somebody else's: each is refused by its code, nobody
//! becomes a member, and no address that a token names is ever asked.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use kit::Clock;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    scenario::Scenario,
    sign_in::{
        stand_in::{Manner, StandIn},
        visitor::{
            SIGNING, answering, challenge, enter, issue, kept, key_set, phone, refused, sign_in,
        },
    },
};

/// A provider, the challenge that its tokens answer, and what good ones of it say.
struct Forger<'s> {
    scenario: &'s Scenario,
    provider: &'static str,
    issuer: &'static str,
    challenge: Value,
    /// The provider's own key.
    key: Value,
    good: String,
}

impl<'s> Forger<'s> {
    fn new(
        scenario: &'s Scenario,
        (provider, issuer, keys): (&'static str, &'static str, &str),
    ) -> Self {
        let challenge = challenge(scenario);
        let good = answering(scenario, provider, &challenge, &json!({}));
        Self {
            scenario,
            provider,
            issuer,
            key: key_set(scenario, keys)["keys"][0].clone(),
            good: good["id_token"].as_str().unwrap().to_owned(),
            challenge,
        }
    }

    /// The provider's own token, bent.
    fn bent(&self, wish: &Value) -> String {
        let body = answering(self.scenario, self.provider, &self.challenge, wish);
        body["id_token"].as_str().unwrap().to_owned()
    }

    /// A stranger's token that says all that the provider's says; `header` bends its header.
    fn strangers(&self, stranger: &str, header: &Value) -> String {
        let claims = segment(&self.good, 1);
        let mut named = json!({"kid": self.key["kid"], "alg": self.key["alg"]});
        for (name, value) in header.as_object().unwrap() {
            named[name] = value.clone();
        }
        let wish = json!({"sub": "4711", "claims": claims, "header": named});
        let tokens = issue(self.scenario, stranger, &wish);
        tokens["id_token"].as_str().unwrap().to_owned()
    }

    /// Claims of the good token under any header, signed with nothing or with a text that everybody
    /// knows.
    fn rewritten(&self, header: &Value, secret: Option<&[u8]>) -> String {
        let claims = self.good.split('.').nth(1).unwrap();
        let signed = format!("{}.{claims}", encode(header.to_string()));
        let signature = secret.map_or_else(Vec::new, |secret| {
            let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
            mac.chain_update(&signed).finalize().into_bytes().to_vec()
        });
        format!("{signed}.{}", encode(signature))
    }

    fn try_it(&self, token: &str, code: &str, what: &str) {
        let body = json!({
            "provider": self.provider, "id_token": token,
            "challenge_id": self.challenge["challenge_id"], "device": phone(),
        });
        let answer = sign_in(self.scenario, &body);
        refused(&answer, 401, code, &format!("{}: {what}", self.provider));
    }

    /// Tries each, and then the good token: nothing of the others was kept.
    fn try_all(&self, tokens: impl IntoIterator<Item = (String, &'static str, String)>) {
        let before = kept(self.scenario);
        for (token, code, what) in tokens {
            self.try_it(&token, code, &what);
        }
        assert_eq!(kept(self.scenario), before, "{}", self.provider);
        let body = json!({
            "provider": self.provider, "id_token": self.good,
            "challenge_id": self.challenge["challenge_id"], "device": phone(),
        });
        assert_eq!(enter(self.scenario, &body)["created"], true);
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn segment(token: &str, nth: usize) -> Value {
    let text = token.split('.').nth(nth).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

#[test]
fn a_token_that_says_the_wrong_things_is_refused_by_what_is_wrong() {
    let scenario = Scenario::start();
    let trap = StandIn::start(Manner::Say(200, json!({"keys": []}).to_string()));
    let now = Clock::system().now().as_seconds();
    for signing in SIGNING {
        let forger = Forger::new(&scenario, signing);
        let app = segment(&forger.good, 1)["aud"].clone();
        let bends = [
            (json!({"aud": "another"}), "token_audience"),
            (json!({"aud": trap.url}), "token_audience"),
            (json!({"aud": [app, "another"]}), "token_audience"),
            (json!({"aud": []}), "token_audience"),
            (json!({"aud": null}), "token_audience"),
            (json!({"aud": 7}), "token_invalid"),
            (json!({"iss": "https://evil.example"}), "token_issuer"),
            (json!({"iss": trap.url}), "token_issuer"),
            (
                json!({"iss": format!("{}.evil.example", forger.issuer)}),
                "token_issuer",
            ),
            (json!({"iss": null}), "token_issuer"),
            (json!({"exp": now - 90, "iat": now - 600}), "token_expired"),
            (
                json!({"iat": now - 3_700, "exp": now + 600}),
                "token_expired",
            ),
            (json!({"nbf": now + 120}), "token_invalid"),
            (json!({"iat": now + 120}), "token_invalid"),
            (json!({"exp": null}), "token_invalid"),
            (json!({"exp": "tomorrow"}), "token_invalid"),
            (json!({"iat": null}), "token_invalid"),
            (json!({"nonce": "another"}), "token_nonce"),
            (json!({"nonce": ""}), "token_nonce"),
            (json!({"nonce": null}), "token_nonce"),
            (json!({"nonce": 7}), "token_nonce"),
            (json!({"sub": null}), "token_invalid"),
            (json!({"sub": ""}), "token_invalid"),
            (json!({"sub": 4711}), "token_invalid"),
            (json!({"sub": "a b"}), "token_invalid"),
            (json!({"sub": "x".repeat(256)}), "token_invalid"),
        ];
        forger.try_all(bends.map(|(claims, code)| {
            (
                forger.bent(&json!({"claims": claims})),
                code,
                claims.to_string(),
            )
        }));
    }
    assert_eq!(
        trap.requests(),
        0,
        "an address that a token names was asked"
    );
}

#[test]
fn a_header_that_asks_for_what_we_never_do_is_refused_even_when_the_provider_signed_it() {
    let scenario = Scenario::start();
    let trap = StandIn::start(Manner::Say(200, json!({"keys": []}).to_string()));
    for signing in SIGNING {
        let forger = Forger::new(&scenario, signing);
        let url = format!("{}/keys", trap.url);
        let other = if signing.0 == "line" {
            "RS256"
        } else {
            "ES256"
        };
        let bends = [
            json!({"jwk": forger.key}),
            json!({"jku": url}),
            json!({"x5u": url}),
            json!({"x5c": ["MIIB"]}),
            json!({"crit": ["exp"]}),
            json!({"crit": ["b64"], "b64": false}),
            json!({"zip": "DEF"}),
            json!({"kid": "../../keys"}),
            json!({"kid": "/dev/null"}),
            json!({"kid": url}),
            json!({"kid": 7}),
            json!({"kid": ""}),
            json!({"kid": "x".repeat(300)}),
            json!({"kid": "a\nb"}),
            json!({"alg": "none"}),
            json!({"alg": "NONE"}),
            json!({"alg": "HS256"}),
            json!({"alg": "RS512"}),
            json!({"alg": "PS256"}),
            json!({"alg": other}),
            json!({"alg": null}),
            json!({"typ": 7}),
        ];
        forger.try_all(bends.map(|header| {
            (
                forger.bent(&json!({"header": header})),
                "token_invalid",
                header.to_string(),
            )
        }));
    }
    assert_eq!(
        trap.requests(),
        0,
        "an address that a token names was asked"
    );
}

#[test]
fn nobody_signs_for_a_provider_but_the_provider() {
    let scenario = Scenario::start();
    let trap = StandIn::start(Manner::Hang);
    for signing in SIGNING {
        let forger = Forger::new(&scenario, signing);
        // Google's sandbox is the stranger with an RSA key to Apple, and Apple's to Google.
        let (stranger, at) = match signing.0 {
            "google" => ("apple", SIGNING[0].2),
            _ => ("google", SIGNING[1].2),
        };
        issue(&scenario, stranger, &json!({"sub": "stranger"}));
        let brought = key_set(&scenario, at);
        trap.set(Manner::Say(200, brought.to_string()));
        let (own, url) = (&brought["keys"][0], format!("{}/keys", trap.url));
        let mut named = own.clone();
        named["kid"] = forger.key["kid"].clone();
        let headers = [
            json!({}),
            json!({"jwk": named}),
            json!({"jku": url}),
            json!({"x5u": url}),
            json!({"alg": "RS256"}),
            json!({"kid": null}),
        ];
        let mut tokens: Vec<_> = headers
            .into_iter()
            .map(|header| (forger.strangers(stranger, &header), header.to_string()))
            .collect();
        let modulus = forger.key["n"]
            .as_str()
            .or(forger.key["x"].as_str())
            .unwrap();
        let modulus_bytes = BASE64_URL_SAFE_NO_PAD.decode(modulus).unwrap();
        let hs256 = json!({"alg": "HS256", "kid": forger.key["kid"]});
        let jwk = forger.key.to_string();
        let known = [
            jwk.as_bytes(),
            modulus.as_bytes(),
            &modulus_bytes,
            b"secret",
        ];
        tokens.extend(known.map(|secret| {
            (
                forger.rewritten(&hs256, Some(secret)),
                "HS256 with what is public".to_owned(),
            )
        }));
        for algorithm in ["none", "None", "nOnE", ""] {
            let header = json!({"alg": algorithm, "kid": forger.key["kid"]});
            let token = forger.rewritten(&header, None);
            tokens.push((format!("{token}AAAA"), header.to_string()));
            tokens.push((token, header.to_string()));
        }
        forger.try_all(
            tokens
                .into_iter()
                .map(|(token, what)| (token, "token_invalid", what)),
        );
        let unknown = forger.strangers(stranger, &json!({"kid": own["kid"]}));
        forger.try_it(&unknown, "token_invalid", "a stranger's own key");
    }
    assert_eq!(
        trap.requests(),
        0,
        "an address that a token names was asked"
    );
}

#[test]
fn a_token_that_is_not_whole_is_refused() {
    let scenario = Scenario::start();
    for signing in SIGNING {
        let forger = Forger::new(&scenario, signing);
        let good = forger.good.clone();
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let (header, payload) = signed.split_once('.').unwrap();
        let mut claims = segment(&good, 1);
        claims["sub"] = json!("somebody-else");
        let altered = encode(claims.to_string());
        let text = claims.to_string();
        let twice = encode(text.replacen('{', r#"{"sub":"4711","#, 1));
        let mut flipped = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        flipped[10] ^= 1;
        let broken = [
            format!("{header}.{altered}.{signature}"),
            format!("{header}.{twice}.{signature}"),
            format!("{header}.{payload}.{}", encode(flipped)),
            format!("{header}.{payload}."),
            format!("{header}.{payload}"),
            format!("{header}..{signature}"),
            format!(".{payload}.{signature}"),
            format!("{good}.{signature}"),
            format!("{good}="),
            format!("{good} "),
            format!(" {good}"),
            format!("{good}\n"),
            format!("Bearer {good}"),
            good[..good.len() - 4].to_owned(),
            good[1..].to_owned(),
            good[..20].to_owned(),
            good.replace('.', ","),
            format!("{header}.{payload}.{}", "A".repeat(20_000)),
            format!("{header}.{}.{signature}", "A".repeat(40_000)),
            String::new(),
            "..".to_owned(),
            "token".to_owned(),
            "토큰".to_owned(),
        ];
        forger.try_all(broken.map(|token| {
            let what = token.chars().take(60).collect();
            (token, "token_invalid", what)
        }));
    }
}
