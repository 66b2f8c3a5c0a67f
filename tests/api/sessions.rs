//! Where a member is signed in, and which tokens open anything.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::{
    people::{Guest, NOBODY, Person, at_once, by, guest, refresh, refused, told, with_environment},
    scenario::{Scenario, eventually},
    tracking::items,
};

const SESSIONS: &str = "/v1/me/sessions";

#[test]
fn a_member_sees_where_they_are_signed_in_and_signs_one_device_out() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let tablet = owner.on(&scenario, "tablet-1-example-0001");
    assert!(
        !everything_stored(&scenario).contains("tablet-1-example-0001"),
        "its id is not stored"
    );
    let listed = tablet.get(&scenario, SESSIONS);
    assert_eq!(listed.status, 200, "{}", listed.text());
    let listed = listed.json();
    let told_of = |name: &str| -> Vec<Value> {
        let sessions = listed["sessions"].as_array().unwrap().iter();
        sessions.map(|session| session[name].clone()).collect()
    };
    let shown = json!({ "platform": "ios" });
    assert_eq!(
        told_of("device"),
        [shown.clone(), shown],
        "without their ids"
    );
    assert_eq!(told_of("current"), [true, false]);
    assert_eq!(
        told_of("id"),
        [json!(tablet.session), json!(owner.person.session)]
    );

    let phones = format!("{SESSIONS}/{}", owner.person.session);
    assert_eq!(tablet.delete(&scenario, &phones).status, 204);
    let over = owner.person.get(&scenario, "/v1/me");
    assert_eq!(told(&over), refused(401, "token_invalid"), "at once");
    let answer = refresh(&scenario, &owner.person.refresh);
    assert_eq!(told(&answer), refused(401, "token_invalid"));
    assert_eq!(
        told(&tablet.delete(&scenario, &phones)),
        refused(404, "not_found")
    );
    let left = tablet.get(&scenario, SESSIONS).json();
    assert_eq!(left["sessions"].as_array().unwrap().len(), 1);

    // One's own is as good as signing out.
    let own = format!("{SESSIONS}/{}", tablet.session);
    assert_eq!(tablet.delete(&scenario, &own).status, 204);
    assert_eq!(
        told(&tablet.get(&scenario, SESSIONS)),
        refused(401, "token_invalid")
    );
}

#[test]
fn another_members_session_is_as_if_it_were_not_there() {
    let scenario = Scenario::start();
    let (mina, bora) = (
        guest(&scenario, "phone-1-example-0001"),
        guest(&scenario, "phone-2-example-0002"),
    );
    let not_there = mina.delete(&scenario, &format!("{SESSIONS}/{NOBODY}"));
    let not_hers = mina.delete(&scenario, &format!("{SESSIONS}/{}", bora.session));
    for answer in [&not_there, &not_hers] {
        assert_eq!(told(answer), refused(404, "not_found"));
    }
    assert_eq!(not_there.json()["detail"], not_hers.json()["detail"]);
    let none = mina.delete(&scenario, &format!("{SESSIONS}/none"));
    assert_eq!(told(&none), refused(400, "invalid_path"));
    bora.refreshed(&scenario);
}

/// All items of the Members table as text.
fn everything_stored(scenario: &Scenario) -> String {
    json!(items(scenario, "MembersTable", "", "")).to_string()
}

#[test]
fn a_device_reports_what_it_likes_and_operators_see_one_clean_line() {
    let scenario = Scenario::start();
    let device = json!({
        "id": "phone-1-example-0001", "platform": "android",
        "model": "SM-\u{202e}S928N\n2026-01-01 level=error \u{0}\u{7}".to_owned() + &"x".repeat(3_000),
        "os_version": "\u{2028}\t", "app_version": "v1.2.3 (\u{200f}4)",
    });
    let answer = scenario.post("/v1/auth/guest", &json!({ "device": device }));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let person = Person::of(&answer.json());
    let seen = scenario.service_get(&format!("/admin/v1/members/{}", person.id));
    for sessions in [seen, person.get(&scenario, SESSIONS)] {
        let device = sessions.json()["sessions"][0]["device"].clone();
        let model = device["model"].as_str().unwrap();
        assert!(
            model.starts_with("SM-S928N 2026-01-01 level=error x"),
            "{model}"
        );
        assert_eq!(model.chars().count(), 128);
        assert_eq!(device["app_version"], "v1.2.3 (4)");
        assert_eq!(device.get("os_version"), None);
    }
}

#[test]
fn a_member_has_at_most_twenty_sessions_and_pages_through_them() {
    let scenario = Scenario::start();
    let first = by(&scenario, "google", "g-1");
    let mut sessions: Vec<String> = (0..22)
        .map(|_| by(&scenario, "google", "g-1").session)
        .collect();
    assert_eq!(
        told(&first.get(&scenario, "/v1/me")),
        refused(401, "token_invalid"),
        "the least recently used is over"
    );
    let latest = by(&scenario, "google", "g-1");
    sessions.push(latest.session.clone());
    sessions.reverse();
    let (mut seen, mut target) = (Vec::new(), format!("{SESSIONS}?limit=8"));
    for length in [8, 8, 4] {
        let page = latest.get(&scenario, &target);
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        let ids = page["sessions"].as_array().unwrap().iter();
        let ids: Vec<_> = ids.map(|s| s["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), length, "{page}");
        seen.extend(ids);
        match page["next_cursor"].as_str() {
            Some(cursor) => target = format!("{SESSIONS}?limit=8&cursor={cursor}"),
            None => assert_eq!(length, 4, "the last page has no cursor"),
        }
    }
    assert_eq!(seen, sessions[..20]);
    for (query, code) in [
        ("limit=0", "invalid_query"),
        ("limit=101", "invalid_query"),
        ("cursor=none", "invalid_cursor"),
    ] {
        let answer = latest.get(&scenario, &format!("{SESSIONS}?{query}"));
        assert_eq!(told(&answer), refused(400, code), "{query}");
    }
}

#[test]
fn a_guest_who_signs_in_thirty_times_at_once_has_twenty_sessions() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let people = at_once(30, |_| owner.on(&scenario, "phone-1-example-0001"));
    let live = people.iter().filter(|person| {
        let answer = person.get(&scenario, "/v1/me");
        assert!(matches!(answer.status, 200 | 401), "{}", answer.text());
        answer.status == 200
    });
    let live = live.count();
    assert!((1..=20).contains(&live), "{live}");
}

#[test]
fn an_access_token_says_its_type_and_an_untyped_one_is_to_be_refreshed() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let (header, _) = person.access.split_once('.').unwrap();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&json!("at+jwt"), &json!("ES256"))
    );
}

/// Every route that wants a member, with a body that it takes.
fn member_routes() -> Vec<(&'static str, &'static str, Option<Value>)> {
    let session: &str = Box::leak(format!("{SESSIONS}/{NOBODY}").into_boxed_str());
    let export: &str = Box::leak(format!("/v1/me/exports/{NOBODY}").into_boxed_str());
    vec![
        ("GET", "/v1/me", None),
        ("PATCH", "/v1/me", Some(json!({ "country": "KR" }))),
        ("GET", "/v1/nicknames/availability?nickname=mina", None),
        ("POST", "/v1/me/consents", Some(json!({}))),
        ("POST", "/v1/me/withdrawal", None),
        ("POST", "/v1/me/transfer-code", None),
        ("DELETE", "/v1/me/withdrawal", None),
        ("POST", "/v1/me/exports", None),
        ("GET", export, None),
        ("GET", SESSIONS, None),
        ("DELETE", session, None),
        (
            "POST",
            "/v1/me/identities",
            Some(json!({ "provider": "google", "id_token": "a.b.c" })),
        ),
        (
            "POST",
            "/v1/me/identities/resolve",
            Some(json!({ "link_ticket": "x", "choice": "use_other" })),
        ),
        ("DELETE", "/v1/me/identities/google", None),
        (
            "POST",
            "/v1/auth/sign-out",
            Some(json!({ "scope": "local" })),
        ),
        ("GET", "/v1/devices/phone-1-example-0001/profile", None),
        (
            "PUT",
            "/v1/devices/phone-1-example-0001/profile",
            Some(json!({})),
        ),
        ("DELETE", "/v1/devices/phone-1-example-0001/profile", None),
        (
            "GET",
            "/v1/devices/phone-1-example-0001/content-config",
            None,
        ),
        (
            "POST",
            "/v1/profiles",
            Some(json!({ "device_id": "phone-1-example-0001" })),
        ),
    ]
}

fn ask(scenario: &Scenario, authorization: Option<&str>) -> Vec<(String, Response)> {
    let routes = member_routes().into_iter();
    routes
        .map(|(method, target, body)| {
            let mut request = Request::new(method, target).header("if-match", "*");
            if let Some(body) = &body {
                request = request.json(body);
            }
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            (format!("{method} {target}"), scenario.send(&request))
        })
        .collect()
}

#[test]
fn every_route_of_members_says_what_is_wrong_with_a_token() {
    let scenario = with_environment(&[("ACCESS_TOKEN_LIFETIME_S", "2")]);
    let person = guest(&scenario, "phone-1-example-0001");
    let (head, rest) = person.access.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    eventually("the token expires", || {
        let answer = person.get(&scenario, "/v1/me");
        assert!(matches!(answer.status, 200 | 401), "{}", answer.text());
        (answer.status == 401).then_some(())
    });
    let unsigned = format!("Bearer {head}.{payload}.");
    let swapped = format!("Bearer {payload}.{head}.{signature}");
    let refresh_token = format!("Bearer {}", person.refresh);
    let expired = format!("Bearer {}", person.access);
    let long = format!("Bearer {}", "a".repeat(4_000));
    for (authorization, code) in [
        (None, "token_missing"),
        (Some("Basic eDp5"), "token_invalid"),
        (Some("Bearer nonsense"), "token_invalid"),
        (Some(&*unsigned), "token_invalid"),
        (Some(&*swapped), "token_invalid"),
        (Some(&*refresh_token), "token_invalid"),
        (Some(&*long), "token_invalid"),
        (Some(&*expired), "token_expired"),
    ] {
        for (route, answer) in ask(&scenario, authorization) {
            assert_eq!(
                told(&answer),
                refused(401, code),
                "{route} {authorization:?}"
            );
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{route}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{route}");
        }
    }
    // Nothing was done by any of them.
    let again = person.refreshed(&scenario);
    assert_eq!(again.get(&scenario, "/v1/me").json()["status"], "active");
}

#[test]
fn a_service_key_is_no_member() {
    let scenario = Scenario::start();
    let key = format!("Bearer {}", scenario.courtyard.description().service_key);
    for (route, answer) in ask(&scenario, Some(&key)) {
        let devices = route.contains("/v1/devices/") || route.contains("/v1/profiles");
        match devices {
            true => assert!(answer.status < 500 && answer.status != 401, "{route}"),
            false => assert_eq!(told(&answer), refused(401, "token_invalid"), "{route}"),
        }
    }
}

#[test]
fn a_token_for_another_app_or_of_another_issuer_opens_nothing() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    assert_eq!(person.get(&scenario, "/v1/me").status, 200);
    let description = scenario.courtyard.description().clone();
    for (variable, code) in [
        ("TOKEN_AUDIENCE", "token_audience"),
        ("TOKEN_ISSUER", "token_issuer"),
    ] {
        let beside = with_environment(&[
            ("AWS_ENDPOINT_URL_DYNAMODB", &description.dynamodb_endpoint),
            (
                "AWS_ENDPOINT_URL_SECRETS_MANAGER",
                &description.secrets_endpoint,
            ),
            (variable, "another"),
        ]);
        for target in ["/v1/me", "/v1/devices/phone-1-example-0001/profile"] {
            let answer = person.get(&beside, target);
            assert_eq!(told(&answer), refused(401, code), "{target}");
        }
    }
}

#[test]
fn what_is_told_to_a_member_is_kept_by_nobody_on_the_way() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    for (route, answer) in ask(&scenario, Some(&format!("Bearer {}", person.access))) {
        assert!(answer.status < 500, "{route}: {}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{route}");
    }
    let etag = guest(&scenario, "phone-2-example-0002");
    let me = etag.get(&scenario, "/v1/me");
    let held = Request::get("/v1/me").header("if-none-match", me.header("etag").unwrap());
    let unchanged = etag.send(&scenario, held);
    assert_eq!(unchanged.status, 304);
    assert_eq!(unchanged.header("cache-control"), Some("no-store"));
}

#[test]
fn a_member_writes_of_their_own_device_and_of_no_other() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    for (method, body) in [("PUT", Some(json!({}))), ("GET", None), ("DELETE", None)] {
        for (device, own) in [
            ("phone-1-example-0001", true),
            ("phone-2-example-0002", false),
            ("phone-11-example-0011", false),
        ] {
            for of in ["profile", "content-config"] {
                if (method, of) == ("DELETE", "content-config") {
                    continue;
                }
                let target = format!("/v1/devices/{device}/{of}");
                let mut request = Request::new(method, &target);
                if let Some(body) = &body {
                    request = request.json(body);
                }
                let answer = person.send(&scenario, request);
                match own {
                    true => assert!(matches!(answer.status, 200 | 204), "{method} {target}"),
                    false => assert_eq!(told(&answer), refused(403, "forbidden"), "{target}"),
                }
            }
        }
    }
    // Signed in elsewhere, the same member writes of that device: tokens are bound, members are not.
    let owner = Guest::new(&scenario, "phone-3-example-0003");
    let tablet = owner.on(&scenario, "tablet-3-example-0003");
    let put = |person: &Person, device: &str| {
        let target = format!("/v1/devices/{device}/profile");
        person
            .send(&scenario, Request::new("PUT", &target).json(&json!({})))
            .status
    };
    assert_eq!(
        (
            put(&owner.person, "phone-3-example-0003"),
            put(&tablet, "tablet-3-example-0003")
        ),
        (200, 200)
    );
    assert_eq!(
        (
            put(&owner.person, "tablet-3-example-0003"),
            put(&tablet, "phone-3-example-0003")
        ),
        (403, 403)
    );
}
