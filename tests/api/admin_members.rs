//! What operators do to members: who is found, what is done, how soon it acts, and what is written
//! down of it.

use std::time::{Duration, Instant};

use aws::{Aws, Endpoints, Keys, Pace, Settings};
use serde_json::{Value, json};
use store::{Database, ServiceKeys, Stamp, service_keys::Plaintext};
use tests::http1::{Request, Response};

use crate::{
    people::{Guest, NOBODY, Person, audited, by, guest, refresh, refused, told},
    scenario::{Scenario, eventually},
    tracking::items,
};

/// What is revoked acts everywhere within this.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);

fn act(scenario: &Scenario, id: &str, action: &str, body: &Value) -> Response {
    scenario.service_post(&format!("/admin/v1/members/{id}/{action}"), body)
}

fn put_profile(scenario: &Scenario, person: &Person, device: &str) -> Response {
    let target = format!("/v1/devices/{device}/profile");
    person.send(scenario, Request::new("PUT", &target).json(&json!({})))
}

/// Waits until a member's token is refused where no member is read.
fn known_everywhere(scenario: &Scenario, person: &Person, device: &str, status: u16) -> Response {
    let began = Instant::now();
    let answer = eventually("it is known everywhere", || {
        let answer = put_profile(scenario, person, device);
        (answer.status == status).then_some(answer)
    });
    assert!(began.elapsed() < KNOWN_WITHIN, "{:?}", began.elapsed());
    answer
}

#[test]
fn a_ban_is_told_at_once_and_everywhere_in_the_members_language() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    assert_eq!(
        put_profile(&scenario, &person, "phone-1-example-0001").status,
        200
    );
    let ends_at = "2099-01-01T00:00:00.000Z";
    let ban = json!({ "reason": "speed hack", "template": "cheating", "ends_at": ends_at });
    let banned = act(&scenario, &person.id, "ban", &ban);
    assert_eq!(banned.status, 200, "{}", banned.text());
    assert_eq!(banned.json()["status"], "banned");
    assert_eq!(banned.json()["ban"]["reason"], "speed hack");
    for (language, begins) in [
        ("ko-KR,ko;q=0.9,en;q=0.8", "부정행위"),
        ("ja", "不正行為"),
        ("en-US", "This account"),
        ("fr", "This account"),
    ] {
        let get = Request::get("/v1/me").header("accept-language", language);
        let answer = person.send(&scenario, get);
        assert_eq!(told(&answer), refused(403, "member_banned"), "{language}");
        let problem = answer.json();
        let message = problem["message"].as_str().unwrap();
        assert!(message.starts_with(begins), "{language}: {message}");
        assert_eq!(problem["ends_at"], ends_at);
        assert!(!answer.text().contains("speed hack"), "{}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let elsewhere = known_everywhere(&scenario, &person, "phone-1-example-0001", 403);
    assert_eq!(told(&elsewhere), refused(403, "member_banned"));
    assert_eq!(elsewhere.json()["ends_at"], ends_at);
    assert!(elsewhere.json()["message"].is_string());
    for (method, target) in [
        ("GET", "/v1/me/sessions"),
        ("DELETE", "/v1/me/identities/guest"),
    ] {
        let answer = person.send(&scenario, Request::new(method, target));
        assert_eq!(
            told(&answer),
            refused(403, "member_banned"),
            "{method} {target}"
        );
    }
    let lifted = act(
        &scenario,
        &person.id,
        "unban",
        &json!({ "reason": "appeal" }),
    );
    assert_eq!(
        (lifted.status, &lifted.json()["status"]),
        (200, &json!("active"))
    );
    person.refreshed(&scenario);
    known_everywhere(&scenario, &person, "phone-1-example-0001", 200);
    eventually("the ban is lifted for a token of before, too", || {
        (person.get(&scenario, "/v1/me").status == 200).then_some(())
    });
}

#[test]
fn a_ban_with_an_end_lapses_by_itself() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let person = &owner.person;
    let now = kit::Clock::system().now();
    let ends_at = now + Duration::from_secs(3);
    let message = json!({ "default": "Back soon.", "ko": "곧 돌아오세요." });
    let ban = json!({ "reason": "spam", "message": message, "ends_at": ends_at });
    let banned = act(&scenario, &person.id, "ban", &ban);
    assert_eq!(banned.status, 200, "{}", banned.text());
    let answer = person.get(&scenario, "/v1/me");
    assert_eq!(told(&answer), refused(403, "member_banned"));
    assert_eq!(answer.json()["message"], "Back soon.");
    eventually("the ban lapses", || {
        (person.get(&scenario, "/v1/me").status == 200).then_some(())
    });
    assert!(kit::Clock::system().now() >= ends_at);
    known_everywhere(&scenario, person, "phone-1-example-0001", 200);
    person.refreshed(&scenario);
    owner.on(&scenario, "phone-2-example-0002");
    let viewed = scenario
        .service_get(&format!("/admin/v1/members/{}", person.id))
        .json();
    assert_eq!(viewed["member"]["status"], "active");
    assert_eq!(
        viewed["ban"]["reason"], "spam",
        "operators see that it was there"
    );
}

#[test]
fn an_operator_signs_a_member_out_everywhere() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let sessions = [
        owner.person.clone(),
        owner.on(&scenario, "phone-2-example-0002"),
    ];
    let bystander = guest(&scenario, "phone-3-example-0003");
    for (session, device) in sessions
        .iter()
        .zip(["phone-1-example-0001", "phone-2-example-0002"])
    {
        assert_eq!(put_profile(&scenario, session, device).status, 200);
    }
    let out = act(
        &scenario,
        &owner.person.id,
        "sign-out",
        &json!({ "reason": "lost phone" }),
    );
    assert_eq!(out.status, 204, "{}", out.text());
    for (session, device) in sessions
        .iter()
        .zip(["phone-1-example-0001", "phone-2-example-0002"])
    {
        let me = session.get(&scenario, "/v1/me");
        assert_eq!(told(&me), refused(401, "token_invalid"));
        let refreshed = refresh(&scenario, &session.refresh);
        assert_eq!(told(&refreshed), refused(401, "token_invalid"));
        let elsewhere = known_everywhere(&scenario, session, device, 401);
        assert_eq!(told(&elsewhere), refused(401, "token_invalid"));
    }
    // Nobody else, and nobody who comes back.
    assert_eq!(
        put_profile(&scenario, &bystander, "phone-3-example-0003").status,
        200
    );
    let back = owner.on(&scenario, "phone-1-example-0001");
    assert_eq!(back.get(&scenario, "/v1/me").status, 200);
    assert_eq!(
        put_profile(&scenario, &back, "phone-1-example-0001").status,
        200
    );
}

#[test]
fn whatever_an_operator_does_is_written_down_with_it() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let records = || items(&scenario, "OperatorsTable", "audit#", "").len();
    for (action, name, body) in [
        (
            "ban",
            "member.ban",
            json!({ "reason": "why 1", "template": "abuse" }),
        ),
        ("unban", "member.unban", json!({ "reason": "why 2" })),
        ("sign-out", "member.sign_out", json!({ "reason": "why 3" })),
    ] {
        let before = records();
        let answer = act(&scenario, &person.id, action, &body);
        assert!(answer.status < 300, "{}", answer.text());
        assert_eq!(records(), before + 1, "{action}");
        let [record] = &audited(&scenario, name)[..] else {
            panic!("{action}");
        };
        assert_eq!(record["operator"]["S"], "service:dev");
        let resource = format!("member/{}", person.id);
        assert_eq!(record["resource"]["S"], resource.as_str());
        let day = &record["at"]["S"].as_str().unwrap()[..10];
        assert_eq!(record["pk"]["S"], format!("audit#{day}"));
        assert!(record["request_id"]["S"].is_string());
        assert!(record["ip"]["S"].is_string());
        let why = body["reason"].as_str().unwrap();
        assert!(record["after"].to_string().contains(why), "{record}");
    }
    // What was refused changed nothing, and there is nothing to write down.
    let before = records();
    for (action, body, status, code) in [
        ("ban", json!({}), 422, "validation_failed"),
        ("ban", json!({ "reason": "" }), 422, "validation_failed"),
        (
            "ban",
            json!({ "reason": "x", "template": "rude" }),
            422,
            "validation_failed",
        ),
        (
            "ban",
            json!({ "reason": "x", "ends_at": "2020-01-01T00:00:00.000Z" }),
            422,
            "validation_failed",
        ),
        (
            "ban",
            json!({ "reason": "x", "template": "abuse", "message": { "default": "no" } }),
            422,
            "validation_failed",
        ),
        (
            "ban",
            json!({ "reason": "x", "message": { "default": "금".repeat(2_001) } }),
            422,
            "validation_failed",
        ),
        ("unban", json!({}), 422, "validation_failed"),
        ("sign-out", json!({ "why": "x" }), 422, "validation_failed"),
    ] {
        let answer = act(&scenario, &person.id, action, &body);
        assert_eq!(told(&answer), refused(status, code), "{action} {body}");
    }
    for action in ["ban", "unban", "sign-out"] {
        let answer = act(&scenario, NOBODY, action, &json!({ "reason": "x" }));
        assert_eq!(told(&answer), refused(404, "not_found"), "{action}");
    }
    assert_eq!(records(), before);
}

/// A service key that may do this and nothing else.
pub fn key_with(scenario: &Scenario, id: &str, scopes: &[&str]) -> String {
    let aws = Aws::new(Settings {
        region: "ap-northeast-2".into(),
        credentials: Keys {
            access_key_id: "tests".into(),
            secret_access_key: "tests".into(),
            session_token: None,
        },
        endpoints: Endpoints {
            dynamodb: Some(scenario.courtyard.description().dynamodb_endpoint.clone()),
            ..Endpoints::default()
        },
        app_name: "tests".into(),
    })
    .unwrap();
    let table = &scenario.courtyard.description().tables["OperatorsTable"];
    let keys = ServiceKeys::new(Database::connect(&aws, Pace::NORMAL).table(table));
    let mut rng = kit::Random::system().rng();
    let key = Plaintext::random(id.parse().unwrap(), &mut rng);
    let scopes: Vec<_> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let now = kit::Clock::system().now();
    let stamp = Stamp::random(&mut rng);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(keys.create(&key, &scopes, stamp, now))
        .unwrap();
    key.reveal()
}

#[test]
fn who_may_read_members_may_not_write_them() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let reader = key_with(&scenario, "reader", &["members:read"]);
    let writer = key_with(&scenario, "writer", &["members:write"]);
    let other = key_with(
        &scenario,
        "other",
        &["content:read", "content:write", "devices:write"],
    );
    let view = format!("/admin/v1/members/{}", person.id);
    let reads = [view.clone(), format!("/admin/v1/members?id={}", person.id)];
    let writes = ["ban", "unban", "sign-out"].map(|action| format!("{view}/{action}"));
    let reason = json!({ "reason": "x" });
    for (key, reads_it, writes_it) in [
        (&*reader, true, false),
        (&*writer, false, true),
        (&*other, false, false),
    ] {
        for target in &reads {
            let answer = scenario.send(&Request::get(target).bearer(key));
            match reads_it {
                true => assert_eq!(answer.status, 200, "{}", answer.text()),
                false => assert_eq!(told(&answer), refused(403, "forbidden"), "{target}"),
            }
        }
        let before = items(&scenario, "OperatorsTable", "audit#", "").len();
        for target in &writes {
            let request = Request::new("POST", target).json(&reason).bearer(key);
            let answer = scenario.send(&request);
            match writes_it {
                true => assert!(answer.status < 300, "{target}: {}", answer.text()),
                false => assert_eq!(told(&answer), refused(403, "forbidden"), "{target}"),
            }
        }
        let after = items(&scenario, "OperatorsTable", "audit#", "").len();
        assert_eq!(after > before, writes_it);
    }
    for target in reads.iter().chain(&writes) {
        let method = if reads.contains(target) {
            "GET"
        } else {
            "POST"
        };
        let request = Request::new(method, target).json(&reason);
        assert_eq!(
            told(&scenario.send(&request)),
            refused(401, "token_missing")
        );
        let member = person.send(&scenario, request);
        assert_eq!(
            told(&member),
            refused(401, "token_invalid"),
            "members are no operators"
        );
    }
}

#[test]
fn members_are_found_by_what_operators_are_told_of_them() {
    let scenario = Scenario::start();
    let mina = by(&scenario, "google", "g-1").named(&scenario, "mina");
    let minji = guest(&scenario, "shared-phone-example-01").named(&scenario, "Minji");
    let bora = guest(&scenario, "shared-phone-example-01").named(&scenario, "bora");
    let find = |query: &str| {
        let answer = scenario.service_get(&format!("/admin/v1/members?{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let found = answer.json()["members"].as_array().unwrap().clone();
        let mut ids: Vec<_> = found
            .iter()
            .map(|member| member["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    let sorted = |people: &[&Person]| {
        let mut ids: Vec<_> = people.iter().map(|person| person.id.clone()).collect();
        ids.sort();
        ids
    };
    for (query, expected) in [
        (format!("id={}", bora.id), &[&bora][..]),
        (format!("id={NOBODY}"), &[]),
        ("nickname=mina".to_owned(), &[&mina]),
        ("nickname=MIN".to_owned(), &[&mina, &minji]),
        ("nickname=zz".to_owned(), &[]),
        ("provider=google&subject=g-1".to_owned(), &[&mina]),
        ("provider=line&subject=g-1".to_owned(), &[]),
        (
            "device_id=shared-phone-example-01".to_owned(),
            &[&minji, &bora],
        ),
        ("device_id=g-1-phone-example-01".to_owned(), &[&mina]),
    ] {
        assert_eq!(find(&query), sorted(expected), "{query}");
    }
    for bad in [
        "",
        "nickname=a&device_id=b",
        "provider=google",
        "subject=g-1",
        "limit=0&nickname=a",
    ] {
        let answer = scenario.service_get(&format!("/admin/v1/members?{bad}"));
        assert_eq!(told(&answer), refused(400, "invalid_query"), "{bad}");
    }
    let view = scenario.service_get(&format!("/admin/v1/members/{}", mina.id));
    assert_eq!(view.status, 200, "{}", view.text());
    let view = view.json();
    assert_eq!(view["member"]["nickname"], "mina");
    assert_eq!(view["identities"][0]["subject"], "g-1");
    assert_eq!(view["sessions"][0]["id"], mina.session.as_str());
    assert!(!view.to_string().contains("token"), "{view}");
    let nobody = scenario.service_get(&format!("/admin/v1/members/{NOBODY}"));
    assert_eq!(told(&nobody), refused(404, "not_found"));
}
