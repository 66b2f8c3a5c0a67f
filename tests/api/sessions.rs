//! Where a member is signed in, and which tokens open anything.

use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::{
    people::{Guest, NOBODY, Person, guest, phone, refresh, refused, told, with_environment},
    scenario::{Scenario, eventually},
};

const SESSIONS: &str = "/v1/me/sessions";

#[test]
fn a_member_sees_where_they_are_signed_in_and_signs_one_device_out() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let tablet = owner.on(&scenario, "tablet-1-example-0001");
    let listed = tablet.get(&scenario, SESSIONS);
    assert_eq!(listed.status, 200, "{}", listed.text());
    let listed = listed.json();
    let told_of = |name: &str| -> Vec<Value> {
        let sessions = listed["sessions"].as_array().unwrap().iter();
        sessions.map(|session| session[name].clone()).collect()
    };
    assert_eq!(
        told_of("device"),
        [
            phone("tablet-1-example-0001"),
            phone("phone-1-example-0001")
        ],
        "the newest first"
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
