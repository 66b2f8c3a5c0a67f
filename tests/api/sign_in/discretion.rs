//! What is secret is in no line that a stack logs, at any level that a stage may ask for.
//!
//! A stack logs to the standard output of its process, so one is started in a process of its own:
//! this test binary again, with the part that acts.

use std::{env, fs, process::Command};

use kit::logging;
use serde_json::{Value, json};
use tests::{
    fault::{Fault, Rule},
    http1::{self, Request, Response},
};

use crate::{
    scenario::Scenario,
    sign_in::{
        stand_in::{Manner, StandIn},
        visitor::{
            GUEST, PROOFS, SIGN_IN, answering, challenge, good, issue, phone, refused, sandbox,
            stack_with,
        },
    },
};

/// Names the file in which the acting process notes what must not be told.
const NOTES: &str = "DISCRETION_NOTES";
const LEVEL: &str = "DISCRETION_LEVEL";

const ADDRESSES: [&str; 2] = ["203.0.113.77", "2001:db8:77:1:2:3:4:5"];
const EMAIL: &str = "mina.kim@example.com";
const ANSWER: &str = "what-the-provider-answered";
const SUBJECT: &str = "the-providers-name-for-mina";

/// A caller who notes everything secret that they send and are told.
struct Noting<'s> {
    scenario: &'s Scenario,
    notes: Vec<String>,
    sent: usize,
}

impl Noting<'_> {
    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    fn post(&mut self, target: &str, bearer: Option<&Value>, body: &Value) -> Response {
        self.sent += 1;
        let address = ADDRESSES[self.sent % 2];
        let mut request = Request::new("POST", target).header("x-client", address);
        if let Some(token) = bearer {
            request = request.bearer(token.as_str().unwrap());
        }
        for name in [
            "id_token",
            "access_token",
            "authorization_code",
            "nonce",
            "refresh_token",
            "guest_secret",
            "link_ticket",
            "payload",
        ] {
            self.notes
                .extend(body[name].as_str().map(ToOwned::to_owned));
        }
        let answer = self.scenario.send(&request.json(body));
        let told = answer.json();
        for name in [
            "access_token",
            "refresh_token",
            "guest_secret",
            "link_ticket",
        ] {
            self.notes
                .extend(told[name].as_str().map(ToOwned::to_owned));
        }
        answer
    }

    fn sign_in(&mut self, body: &Value) -> Response {
        self.post(SIGN_IN, None, body)
    }

    /// A good proof of somebody whose e-mail address the token has.
    fn proof(&mut self, proof: (&str, &str), subject: &str) -> Value {
        if proof.1 == "access_token" {
            return good(self.scenario, proof, subject);
        }
        let challenge = challenge(self.scenario);
        self.note(challenge["nonce"].as_str().unwrap());
        let wish = json!({"sub": subject, "claims": {"email": EMAIL, "name": SUBJECT}});
        answering(self.scenario, proof.0, &challenge, &wish)
    }
}

/// The values of the secrets that the functions hold.
fn held_secrets(scenario: &Scenario) -> Vec<String> {
    let mut held = Vec::new();
    for name in [
        "auth-keys",
        "signing-keys",
        "facebook-app-secret",
        "kakao-admin-key",
        "apple-key",
    ] {
        let request = Request::new("POST", "/")
            .header("x-amz-target", "secretsmanager.GetSecretValue")
            .json(&json!({"SecretId": format!("madang/dev/{name}")}));
        let endpoint = &scenario.courtyard.description().secrets_endpoint;
        let value = http1::send(endpoint, &request).unwrap().json();
        let text = value["SecretString"]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: {value}"));
        // Whole, and each key that is within.
        held.push(text.to_owned());
        let words = text.split(|c: char| c.is_whitespace() || "\"{}[],:".contains(c));
        held.extend(words.filter(|word| word.len() >= 32).map(ToOwned::to_owned));
    }
    held
}

#[test]
#[ignore = "acts for the test below, in a process of its own"]
fn everything_that_is_secret_is_used_once() {
    let Some(notes) = env::var_os(NOTES) else {
        return;
    };
    logging::init(env::var(LEVEL).unwrap().parse().unwrap());
    let answers = json!({"resultcode": "00", "message": ANSWER, "keys": ANSWER}).to_string();
    let odd = StandIn::start(Manner::Say(200, answers.clone()));
    let scenario = stack_with(&[
        ("CLIENT_ADDRESS_HEADER", "x-client"),
        ("LINE_JWKS_URL", &odd.url),
        ("NAVER_API_URL", &odd.url),
    ]);
    let mut caller = Noting {
        scenario: &scenario,
        notes: held_secrets(&scenario),
        sent: 0,
    };
    caller.notes.extend(ADDRESSES.map(ToOwned::to_owned));
    for text in [
        EMAIL,
        ANSWER,
        SUBJECT,
        &scenario.courtyard.description().service_key,
    ] {
        caller.note(text);
    }
    good_proofs_and_bad_ones(&mut caller, &odd, &answers);
    sessions_and_links(&mut caller);
    outages(&mut caller);
    // A signing key's secret has its public half too.
    let public = scenario.get("/.well-known/jwks.json").text();
    caller.notes.retain(|note| !public.contains(note));
    let text = serde_json::to_string(&caller.notes).unwrap();
    fs::write(notes, text).unwrap();
}

fn good_proofs_and_bad_ones(caller: &mut Noting<'_>, odd: &StandIn, answers: &str) {
    let scenario = caller.scenario;
    for proof in PROOFS {
        let subject = match proof.0 {
            "kakao" | "facebook" => "4711",
            _ => SUBJECT,
        };
        let mut body = caller.proof(proof, subject);
        if proof.0 == "apple" {
            // The sandbox takes the user's name for their code.
            body["authorization_code"] = json!(SUBJECT);
        }
        let answer = caller.sign_in(&body);
        if matches!(proof.0, "naver" | "line") {
            assert!(matches!(answer.status, 401 | 503), "{}", answer.text());
            continue;
        }
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
        refused_in_every_way(caller, &body);
    }
    for status in [401, 403, 429, 500] {
        odd.set(Manner::Say(status, answers.to_owned()));
        let body = caller.proof(("naver", "access_token"), SUBJECT);
        caller.sign_in(&body);
    }
    let event = json!({"type": "consent-revoked", "sub": "nobody-of-ours"});
    let notify = Request::new("POST", "/apple/notify").json(&event);
    let payload = sandbox(scenario, &notify).json();
    let hook = "/hooks/v1/apple/account";
    assert_eq!(caller.post(hook, None, &payload).status, 200);
    let forged = json!({"payload": format!("{}x", payload["payload"].as_str().unwrap())});
    refused(
        &caller.post(hook, None, &forged),
        401,
        "token_invalid",
        "hook",
    );
}

/// What was accepted once, again and bent.
fn refused_in_every_way(caller: &mut Noting<'_>, body: &Value) {
    for name in ["id_token", "access_token"] {
        let Some(token) = body[name].as_str() else {
            continue;
        };
        for bent in [
            format!("{token}x"),
            token[..token.len() / 2].to_owned(),
            format!("x{}", &token[1..]),
            format!("{token} {EMAIL}"),
        ] {
            let mut bad = body.clone();
            bad[name] = json!(bent);
            assert!(matches!(caller.sign_in(&bad).status, 401 | 503));
        }
    }
    let mut bad = body.clone();
    bad["nonce"] = json!("a-nonce-that-nobody-gave");
    assert_eq!(caller.sign_in(&bad).status, 401);
    let mut bad = body.clone();
    bad["surprise-of-the-app"] = body["id_token"].clone();
    refused(&caller.sign_in(&bad), 422, "validation_failed", "surprise");
}

fn sessions_and_links(caller: &mut Noting<'_>) {
    let guest = caller.post(GUEST, None, &json!({"device": phone()})).json();
    let mut wrong = json!({"device": phone(), "guest_id": guest["guest_id"]});
    wrong["guest_secret"] = json!(format!("{}x", guest["guest_secret"].as_str().unwrap()));
    refused(
        &caller.post(GUEST, None, &wrong),
        401,
        "token_invalid",
        "guest",
    );

    let refresh = "/v1/auth/refresh";
    let first = json!({"refresh_token": guest["refresh_token"]});
    let second = caller.post(refresh, None, &first).json();
    let second = json!({"refresh_token": second["refresh_token"]});
    let third = caller.post(refresh, None, &second).json();
    let third = json!({"refresh_token": third["refresh_token"]});
    assert_eq!(caller.post(refresh, None, &third).status, 200);
    let garbage =
        json!({"refresh_token": format!("{}x", second["refresh_token"].as_str().unwrap())});
    refused(
        &caller.post(refresh, None, &garbage),
        401,
        "token_invalid",
        "refresh",
    );

    // Two others followed it and were used: the session is over.
    refused(
        &caller.post(refresh, None, &first),
        401,
        "refresh_token_reused",
        "reused",
    );

    let guest = caller.post(GUEST, None, &json!({"device": phone()})).json();
    let member = Some(&guest["access_token"]);
    let link = "/v1/me/identities";
    let free = caller.proof(("kakao", "id_token"), "4799");
    assert_eq!(caller.post(link, member, &free).status, 201);
    let taken = caller.proof(("google", "id_token"), SUBJECT);
    let in_use = caller.post(link, member, &taken);
    refused(&in_use, 409, "identity_in_use", "link");
    let choice = json!({"link_ticket": in_use.json()["link_ticket"], "choice": "use_other"});
    let resolve = "/v1/me/identities/resolve";
    assert_eq!(caller.post(resolve, member, &choice).status, 200);

    let altered = json!(format!("{}x", guest["access_token"].as_str().unwrap()));
    let out = json!({"scope": "global"});
    caller.post("/v1/auth/sign-out", Some(&altered), &out);
}

fn outages(caller: &mut Noting<'_>) {
    let scenario = caller.scenario;
    let unknown = json!({"sub": "4711", "header": {"kid": "unknown"}});
    let token = issue(scenario, "google", &unknown)["id_token"].clone();
    let body = caller.proof(("google", "id_token"), SUBJECT);
    let mut of_unknown_key = body.clone();
    of_unknown_key["id_token"] = token;
    caller.sign_in(&of_unknown_key);
    for fault in [Fault::ServerError, Fault::Refuse] {
        let rule = Rule::from(fault);
        scenario.courtyard.database.inject(rule).unwrap();
        let answer = caller.sign_in(&body);
        refused(&answer, 503, "unavailable", "an outage");
        caller.post(GUEST, None, &json!({"device": phone()}));
        scenario.courtyard.database.heal().unwrap();
    }
}

/// The parts of a secret that tell it; the header of a token is no secret.
fn telling(secret: &str) -> Vec<&str> {
    match secret.split('.').collect::<Vec<_>>()[..] {
        [_, payload, signature] if secret.len() > 100 => vec![payload, signature],
        _ => vec![secret],
    }
}

fn act(level: &str) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes.json");
    let acting = "sign_in::discretion::everything_that_is_secret_is_used_once";
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", acting, "--ignored", "--nocapture"])
        .env(NOTES, &notes)
        .env(LEVEL, level)
        .output()
        .unwrap();
    let logged = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{logged}{errors}");
    let notes = serde_json::from_slice(&fs::read(notes).unwrap()).unwrap();
    (logged + &errors, notes)
}

#[test]
fn nothing_secret_is_in_any_line_that_is_logged() {
    for level in ["info", "debug", "trace"] {
        let (logged, notes) = act(level);
        let of = |text: &str| logged.matches(text).count();
        assert!(of("POST /v1/auth/sign-in") > 30, "{level}: {logged}");
        assert!(
            of("a token is refused") > 5 && of("no new keys") > 0,
            "{level}"
        );
        assert!(notes.len() > 100, "{level}: {} secrets", notes.len());
        // The caller's own; below `info` libraries name the services that they connect to.
        assert!(level != "info" || of("127.0.0.1") == 0, "{logged}");
        for secret in &notes {
            for part in telling(secret).into_iter().filter(|part| part.len() >= 8) {
                let line = logged.lines().find(|line| line.contains(part));
                assert_eq!(line, None, "{level}: {part} is told");
            }
        }
    }
}
