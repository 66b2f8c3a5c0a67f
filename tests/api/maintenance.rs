//! The maintenance gate, in front of every route that is for users.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use domain::Instant;
use serde_json::{Value, json};
use tests::{
    fault::Fault,
    http1::{Request, Response},
};

use crate::scenario::{Scenario, eventually};

const OUTAGES: [Fault; 4] = [
    Fault::Refuse,
    Fault::Hang,
    Fault::Throttle,
    Fault::ServerError,
];

/// A window that is open for decades, to everybody.
fn window() -> Value {
    json!({
        "gate": "window", "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
        "message": {"default": "Back soon", "ko": "곧 돌아옵니다"}, "url": "https://status.example/",
    })
}

/// The same to some.
fn window_for(limits: &Value) -> Value {
    let mut window = window();
    for (name, limit) in limits.as_object().unwrap() {
        window[name] = limit.clone();
    }
    window
}

/// A route that is for users: without a token 401, which is what whoever gets past the gate sees.
fn me() -> Request {
    Request::get("/v1/me")
}

fn is_closed(answer: &Response) -> bool {
    let code = answer.json()["code"].clone();
    match answer.status {
        503 if code == "maintenance" => true,
        401 if code == "token_missing" => false,
        _ => panic!("{} {}", answer.status, answer.text()),
    }
}

fn closed(scenario: &Scenario, request: &Request) -> bool {
    is_closed(&scenario.send(request))
}

/// Publishes what closes the app, and waits until [`me`] is closed to whoever asks so.
fn close(scenario: &Scenario, item: &Value, ask: &Request) {
    scenario.create("maintenance", "closed", item);
    scenario.publish_live("maintenance", |s| closed(s, ask));
}

fn now() -> Instant {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    Instant::from_millis(i64::try_from(since.as_millis()).unwrap())
}

#[test]
fn exactly_the_routes_that_say_so_are_closed_and_before_anybody_asks_who_calls() {
    let document: Value =
        serde_json::from_str(&tests::project::read("openapi.json").unwrap()).unwrap();
    let scenario = Scenario::start();
    close(&scenario, &window(), &me());
    let (mut refused, mut answered) = (Vec::new(), Vec::new());
    for (path, methods) in document["paths"].as_object().unwrap() {
        let target: Vec<_> = path
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect();
        for (method, operation) in methods.as_object().unwrap() {
            let told = operation["responses"]["503"]["description"].as_str();
            let closes = told.is_some_and(|told| told.contains("`maintenance`"));
            let name = format!("{} {path}", method.to_uppercase());
            let request = Request::new(&method.to_uppercase(), &target.join("/"));
            let answer = scenario.send(&request);
            let is_closed = answer.status == 503 && answer.json()["code"] == "maintenance";
            assert_eq!(
                is_closed,
                closes,
                "{name}: {} {}",
                answer.status,
                answer.text()
            );
            if closes {
                assert_eq!(answer.header("retry-after"), Some("3600"), "{name}");
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
                refused.push(name);
            } else {
                answered.push(name);
            }
        }
    }
    for name in [
        "GET /v1/me",
        "POST /v1/allocations",
        "POST /v1/auth/sign-in",
        "PUT /v1/devices/{id}/profile",
        "POST /v1/withdrawals",
    ] {
        assert!(refused.iter().any(|refused| refused == name), "{name}");
    }
    for name in [
        "GET /health",
        "GET /health/ready",
        "GET /docs",
        "GET /openapi.json",
        "GET /.well-known/jwks.json",
        "GET /v1/app/status",
        "GET /v1/t/imp/{token}",
        "POST /v1/t/batch",
        "POST /hooks/v1/apple/account",
        "GET /admin/v1/members",
        "POST /admin/v1/content/{kind}/publish",
        "GET /withdrawal",
    ] {
        assert!(answered.iter().any(|answered| answered == name), "{name}");
    }
    assert_eq!(scenario.get("/nowhere").status, 404);
}

#[test]
fn users_are_told_why_and_until_when_in_their_language() {
    let scenario = Scenario::start();
    close(&scenario, &window(), &me());
    for (language, message) in [
        ("ko-KR,ko;q=0.9", "곧 돌아옵니다"),
        ("ja", "Back soon"),
        ("en", "Back soon"),
        ("en, ko;q=0.5", "곧 돌아옵니다"),
    ] {
        let answer = scenario.send(&me().header("accept-language", language));
        let told = answer.json();
        assert_eq!(told["message"], message, "{language}");
        assert_eq!(told["ends_at"], "2099-01-01T00:00:00.000Z");
        assert_eq!(told["url"], "https://status.example/");
    }
    for (locale, message) in [
        ("ko-KR", "곧 돌아옵니다"),
        ("en", "Back soon"),
        ("%zz", "곧 돌아옵니다"),
        ("", "곧 돌아옵니다"),
    ] {
        let asked = Request::get(&format!("/v1/banners?locale={locale}"));
        let answer = scenario.send(&asked.header("accept-language", "ko"));
        assert_eq!(answer.json()["message"], message, "{locale}");
    }
    let asked = Request::get("/v1/banners?locale=ko").header("accept-language", "en");
    assert_eq!(scenario.send(&asked).json()["message"], "곧 돌아옵니다");
}

#[test]
fn testers_come_in_by_their_devices_and_by_where_they_sit() {
    let scenario = Scenario::start();
    let team = json!({"device_ids": ["test-phone-example-01"], "cidrs": ["192.0.2.0/24"]});
    scenario.create("testers", "team", &team);
    assert_eq!(scenario.publish("testers")["state"], "live");
    close(&scenario, &window(), &me());
    let of = |device: &str| me().header("x-device-id", device);
    assert!(!closed(&scenario, &of("test-phone-example-01")));
    assert!(closed(&scenario, &of("another-phone-example-01")));
    assert!(closed(&scenario, &of("not a device's id")));
    let status = Request::get("/v1/app/status").header("x-device-id", "test-phone-example-01");
    let told = scenario.send(&status).json();
    assert_eq!(told["status"]["code"], 202);
    assert_eq!(told["maintenance"]["message"], "Back soon");

    scenario.create("testers", "office", &json!({"cidrs": ["127.0.0.0/8"]}));
    scenario.publish_live("testers", |s| !closed(s, &me()));
    let told = || scenario.get("/v1/app/status").json()["status"]["code"].clone();
    eventually("the status agrees", || (told() == 202).then_some(()));
}

#[test]
fn a_window_for_some_closes_the_app_to_those_who_say_that_they_are_such() {
    let scenario = Scenario::start();
    let ios = me().header("x-app-platform", "ios");
    close(&scenario, &window_for(&json!({"platforms": ["ios"]})), &ios);
    let by = |name: &str, value: &str| me().header(name, value);
    let query = |query: &str| Request::get(&format!("/v1/me?{query}"));
    for (request, expected) in [
        (by("x-app-platform", "ios"), true),
        (by("x-app-store", "app_store"), true),
        (query("platform=ios"), true),
        (query("store=app_store"), true),
        (
            query("platform=amiga").header("x-app-platform", "ios"),
            true,
        ),
        (query("platform=%zz").header("x-app-platform", "ios"), true),
        (query("utm_term=50%off&platform=ios"), true),
        (query("%C7%D1=1&store=app_store&q=a<b"), true),
        (by("x-app-platform", "android"), false),
        (by("x-app-store", "google_play"), false),
        (me(), false),
    ] {
        assert_eq!(closed(&scenario, &request), expected, "{request:?}");
    }
    let android = query("platform=android").header("x-app-platform", "ios");
    let answer = scenario.send(&android);
    assert_ne!(answer.status, 503, "the query goes before the header");
}

#[test]
fn what_a_body_says_of_its_device_counts_as_much_as_headers() {
    let scenario = Scenario::start();
    let android = me().header("x-app-platform", "android");
    let item = window_for(&json!({"platforms": ["android"]}));
    close(&scenario, &item, &android);
    let guest = |device: Value| {
        let request = Request::new("POST", "/v1/auth/guest");
        request.json(&json!({ "device": device }))
    };
    let device = |platform: &str| json!({"id": "a-phone-of-a-guest-1", "platform": platform});
    let allocation = |platform: &str| {
        let placements = json!([{"id": "a", "count": 1}]);
        let body = json!({"placements": placements, "device": device(platform)});
        Request::new("POST", "/v1/allocations").json(&body)
    };
    for (request, closed) in [
        (guest(device("android")), true),
        (guest(device("ios")), false),
        (
            guest(device("ios")).header("x-app-platform", "android"),
            true,
        ),
        (
            guest(device("android")).header("x-app-platform", "ios"),
            true,
        ),
        (allocation("android"), true),
        (allocation("ios"), false),
    ] {
        let answer = scenario.send(&request);
        let is_closed = answer.status == 503 && answer.json()["code"] == "maintenance";
        assert_eq!(is_closed, closed, "{request:?}: {}", answer.text());
        assert_eq!(
            answer.header("retry-after").is_some(),
            closed,
            "{request:?}"
        );
    }
    for body in [
        "",
        "{",
        "[1]",
        r#"{"device": 7}"#,
        r#"{"device": {"platform": 7}}"#,
    ] {
        let request =
            Request::new("POST", "/v1/auth/guest").header("content-type", "application/json");
        let answer = scenario.send(&request.body(body));
        assert!(
            matches!(answer.status, 400 | 422),
            "{body}: {}",
            answer.text()
        );
    }

    // A tester is known by the device in the body too.
    let team = json!({"device_ids": ["a-phone-of-a-guest-1"]});
    scenario.create("testers", "team", &team);
    scenario.publish_live("testers", |s| {
        s.send(&guest(device("android"))).status == 201
    });
}

#[test]
fn a_window_closes_and_opens_the_app_to_the_second() {
    let scenario = Scenario::start();
    let (starts_at, ends_at) = (
        now() + Duration::from_secs(6),
        now() + Duration::from_secs(8),
    );
    let item = window_for(&json!({"starts_at": starts_at, "ends_at": ends_at}));
    scenario.create("maintenance", "soon", &item);
    assert_eq!(scenario.publish("maintenance")["state"], "live");
    let (mut open, mut shut, mut open_again) = (0, 0, 0);
    while now() < ends_at + Duration::from_secs(1) {
        let asked = now();
        let answer = scenario.send(&me());
        let closed = is_closed(&answer);
        let answered = now();
        if answered < starts_at {
            assert!(!closed, "before it starts");
            open += 1;
        } else if asked >= starts_at && answered < ends_at {
            assert!(closed, "while it is open");
            let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=2).contains(&seconds), "{seconds}");
            shut += 1;
        } else if asked >= ends_at {
            assert!(!closed, "after its end");
            open_again += 1;
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(open > 0 && shut > 0 && open_again > 0);
}

#[test]
fn doors_open_again_when_a_window_is_published_away() {
    let scenario = Scenario::start();
    close(&scenario, &window(), &me());
    let item = "/admin/v1/content/maintenance/items/closed";
    let etag = scenario
        .service_get(item)
        .header("etag")
        .unwrap()
        .to_owned();
    let gone = scenario.service(Request::new("DELETE", item).header("if-match", &etag));
    assert_eq!(gone.status, 204, "{}", gone.text());
    assert!(closed(&scenario, &me()), "a draft opens nothing");
    scenario.publish_live("maintenance", |s| !closed(s, &me()));
}

#[test]
fn the_end_of_the_service_and_blocked_devices_are_told_and_close_no_route() {
    let scenario = Scenario::start();
    let blocked = json!({
        "gate": "blocked_device", "device_id": "bad-phone-example-01",
        "message": {"default": "Ask the support", "ko": "고객센터에 문의하세요"},
    });
    scenario.create("maintenance", "blocked", &blocked);
    let status = |s: &Scenario, device: &str| {
        let target = "/v1/app/status?locale=ko-KR";
        let answer = s.send(&Request::get(target).header("x-device-id", device));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let code = |s: &Scenario, device: &str| status(s, device)["status"]["code"].clone();
    scenario.publish_live("maintenance", |s| code(s, "bad-phone-example-01") == 301);
    assert_eq!(
        status(&scenario, "bad-phone-example-01")["maintenance"],
        json!({"message": "고객센터에 문의하세요"})
    );
    assert_eq!(code(&scenario, "good-phone-example-01"), 200);
    assert!(!closed(
        &scenario,
        &me().header("x-device-id", "bad-phone-example-01")
    ));

    let end = json!({
        "gate": "service_end", "at": "2021-01-01T00:00:00Z",
        "message": {"default": "Goodbye", "ko": "안녕히 가세요"},
    });
    scenario.create("maintenance", "end", &end);
    scenario.publish_live("maintenance", |s| code(s, "good-phone-example-01") == 302);
    assert_eq!(
        status(&scenario, "good-phone-example-01")["maintenance"],
        json!({"starts_at": "2021-01-01T00:00:00.000Z", "message": "안녕히 가세요"})
    );
    assert_eq!(code(&scenario, "bad-phone-example-01"), 302);
    // Longer than a gate goes on without a look at what is published.
    thread::sleep(Duration::from_secs(5));
    assert!(!closed(&scenario, &me()));
}

#[test]
fn while_the_database_is_away_the_gate_stays_as_it_was_known() {
    let scenario = Scenario::start();
    assert!(!closed(&scenario, &me()));
    let android = me().header("x-app-platform", "android");
    let only_android = window_for(&json!({"platforms": ["android"]}));
    for fault in OUTAGES {
        scenario.courtyard.database.inject(fault).unwrap();
        for _ in 0..2 {
            assert!(!closed(&scenario, &me()), "{fault:?}");
        }
        scenario.courtyard.database.heal().unwrap();
    }
    close(&scenario, &only_android, &android);
    for fault in OUTAGES {
        scenario.courtyard.database.inject(fault).unwrap();
        for _ in 0..2 {
            assert!(closed(&scenario, &android), "{fault:?}");
            assert!(!closed(&scenario, &me()), "{fault:?}");
        }
        scenario.courtyard.database.heal().unwrap();
    }
}

#[test]
fn testers_are_read_while_a_window_is_open_and_who_cannot_be_known_is_none() {
    let scenario = Scenario::start();
    let team = json!({"device_ids": ["test-phone-example-01"]});
    scenario.create("testers", "team", &team);
    assert_eq!(scenario.publish("testers")["state"], "live");
    scenario.create(
        "maintenance",
        "android",
        &window_for(&json!({"platforms": ["android"]})),
    );
    assert_eq!(scenario.publish("maintenance")["state"], "live");
    assert!(!closed(&scenario, &me()), "reads the window, and no tester");
    let tester = me()
        .header("x-app-platform", "android")
        .header("x-device-id", "test-phone-example-01");
    scenario.courtyard.database.inject(Fault::Refuse).unwrap();
    assert!(
        closed(&scenario, &tester),
        "who the testers are is not known"
    );
    scenario.courtyard.database.heal().unwrap();
    assert!(!closed(&scenario, &tester));
}

#[test]
fn a_gate_that_knows_nothing_yet_is_closed_with_a_time_to_come_back() {
    for fault in OUTAGES {
        let scenario = Scenario::start();
        scenario.courtyard.database.inject(fault).unwrap();
        let cold = scenario.send(&me());
        assert_eq!(
            (cold.status, &cold.json()["code"]),
            (503, &"unavailable".into()),
            "{fault:?}"
        );
        let seconds = cold.header("retry-after").map(str::parse::<u32>);
        assert!(matches!(seconds, Some(Ok(1..))), "{fault:?}: {seconds:?}");
        scenario.courtyard.database.heal().unwrap();
        eventually("it opens once the database answers", || {
            (scenario.send(&me()).status == 401).then_some(())
        });
    }
}
