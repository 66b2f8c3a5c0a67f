//! Limits that hold for all instances, by address, device, session and guest.

use serde_json::json;
use tests::http1::{Request, Response};

use crate::{
    identities::link,
    people::{Guest, guest, phone, proof, refresh, refused, told, with_environment},
    scenario::Scenario,
    tracking::items,
};

/// 429 with everything that a client needs to wait for the right time.
fn limited(answer: &Response, policy: &str, window_s: u64) {
    assert_eq!(told(answer), refused(429, "rate_limited"), "{policy}");
    let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
    let wait: u64 = header("retry-after").parse().unwrap();
    assert!((1..=window_s).contains(&wait), "{policy}: {wait}");
    assert!(
        header("ratelimit").starts_with(&format!("\"{policy}\";r=0;t=")),
        "{policy}"
    );
    let quota = header("ratelimit-policy");
    assert!(quota.starts_with(&format!("\"{policy}\";q=")), "{quota}");
    assert!(quota.ends_with(&format!(";w={window_s}")), "{quota}");
}

/// Sends until it is refused, which `calls` a minute may take twice: windows begin on the full minute, and
/// a test may go across one.
fn first_limited(calls: usize, policy: &str, send: impl Fn() -> Response) {
    let mut answers = (0..=2 * calls).map(|_| send());
    let refused = answers.find(|answer| answer.status == 429);
    limited(&refused.expect("a refusal"), policy, 60);
}

fn new_guest(scenario: &Scenario, device: &str) -> Response {
    scenario.post("/v1/auth/guest", &json!({ "device": phone(device) }))
}

fn from(address: &str, device: &str) -> Request {
    let body = json!({ "device": phone(device) });
    let request = Request::new("POST", "/v1/auth/guest").header("x-client", address);
    request.json(&body)
}

#[test]
fn new_guests_are_limited_by_address_and_an_ipv6_host_is_its_network() {
    let scenario = with_environment(&[
        ("GUEST_LIMIT_ADDRESS_PER_HOUR", "3"),
        ("CLIENT_ADDRESS_HEADER", "x-client"),
    ]);
    for nth in 0..3 {
        let address = format!("2001:db8::{nth}");
        let answer = scenario.send(&from(&address, &format!("phone-{nth}-example-0001")));
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let late = scenario.send(&from("2001:db8::ffff:1", "phone-9-example-0009"));
    limited(&late, "guests-address", 3_600);
    for other in ["2001:db8:0:1::1", "192.0.2.1"] {
        let answer = scenario.send(&from(other, "phone-9-example-0009"));
        assert_eq!(answer.status, 201, "{other}: {}", answer.text());
    }
    // No counter says whose it is.
    let stored = json!(items(&scenario, "RequestsTable", "", "")).to_string();
    assert!(
        !stored.contains("2001:db8") && !stored.contains("phone-"),
        "{stored}"
    );
}

#[test]
fn who_names_anothers_device_uses_up_nothing_of_its_owners() {
    let scenario = with_environment(&[
        ("GUEST_LIMIT_ADDRESS_PER_HOUR", "2"),
        ("SIGN_IN_LIMIT_ADDRESS_PER_MIN", "3"),
        ("CLIENT_ADDRESS_HEADER", "x-client"),
    ]);
    let (attacker, owner, device) = ("192.0.2.66", "198.51.100.7", "phone-1-example-0001");
    for _ in 0..2 {
        let answer = scenario.send(&from(attacker, device));
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    limited(
        &scenario.send(&from(attacker, device)),
        "guests-address",
        3_600,
    );
    let made = scenario.send(&from(owner, device));
    assert_eq!(made.status, 201, "{}", made.text());

    let sign_in = |address: &str, provider: &str| {
        let mut body = proof(&scenario, provider, "u-1", json!({}));
        body["device"] = phone(device);
        let request = Request::new("POST", "/v1/auth/sign-in").header("x-client", address);
        scenario.send(&request.json(&body))
    };
    for provider in ["google", "apple", "line"] {
        assert_eq!(sign_in(attacker, provider).status, 201, "{provider}");
    }
    first_limited(3, "sign-ins-address", || sign_in(attacker, "google"));
    assert_eq!(sign_in(owner, "google").status, 200);
    let made = made.json();
    let back = json!({
        "device": phone(device),
        "guest_id": made["guest_id"], "guest_secret": made["guest_secret"],
    });
    let back = Request::new("POST", "/v1/auth/guest").json(&back);
    let back = scenario.send(&back.header("x-client", owner));
    assert_eq!(back.status, 200, "{}", back.text());
}

#[test]
fn a_repeat_under_its_key_is_answered_though_the_limit_is_reached() {
    let scenario = with_environment(&[("GUEST_LIMIT_ADDRESS_PER_HOUR", "1")]);
    let request = from("", "phone-1-example-0001").header("idempotency-key", "k-1");
    let (first, again) = (scenario.send(&request), scenario.send(&request));
    assert_eq!((first.status, again.status), (201, 201), "{}", again.text());
    limited(
        &new_guest(&scenario, "phone-1-example-0001"),
        "guests-address",
        3_600,
    );
}

#[test]
fn ten_wrong_secrets_of_a_guest_are_told_so_and_the_right_one_always_gets_in() {
    let scenario = Scenario::start();
    let made = new_guest(&scenario, "phone-1-example-0001").json();
    let wrong = json!({
        "device": phone("phone-1-example-0001"), "guest_id": made["guest_id"], "guest_secret": "wrong",
    });
    let by_page = json!({
        "provider": "guest", "guest_id": made["guest_id"], "guest_secret": "wrong",
    });
    for nth in 0..10 {
        let answer = match nth % 2 {
            0 => scenario.post("/v1/auth/guest", &wrong),
            _ => scenario.post("/v1/withdrawals", &by_page),
        };
        assert_eq!(told(&answer), refused(401, "token_invalid"), "{nth}");
    }
    limited(
        &scenario.post("/v1/auth/guest", &wrong),
        "guest-secrets",
        3_600,
    );
    limited(
        &scenario.post("/v1/withdrawals", &by_page),
        "guest-secrets",
        3_600,
    );
    let mut right = wrong;
    right["guest_secret"] = made["guest_secret"].clone();
    assert_eq!(scenario.post("/v1/auth/guest", &right).status, 200);
}

#[test]
fn sign_ins_are_limited_by_address_with_a_proof_or_a_guests_secret_alike() {
    let scenario = with_environment(&[("SIGN_IN_LIMIT_ADDRESS_PER_MIN", "4")]);
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let sign_in = |device: &str| {
        let mut body = proof(&scenario, "google", "g-1", json!({}));
        body["device"] = phone(device);
        scenario.post("/v1/auth/sign-in", &body)
    };
    assert_eq!(sign_in("phone-1-example-0001").status, 201);
    for device in ["phone-1-example-0001", "phone-2-example-0002"] {
        assert_eq!(sign_in(device).status, 200);
    }
    owner.on(&scenario, "phone-1-example-0001");
    first_limited(4, "sign-ins-address", || sign_in("phone-3-example-0003"));
    first_limited(4, "sign-ins-address", || {
        owner.try_on(&scenario, "phone-4-example-0004")
    });
}

#[test]
fn refreshes_links_withdrawals_transfers_and_events_have_limits_of_their_own() {
    let scenario = with_environment(&[
        ("REFRESH_LIMIT_SESSION_PER_MIN", "2"),
        ("LINK_LIMIT_MEMBER_PER_HOUR", "1"),
        ("WITHDRAWAL_LIMIT_ADDRESS_PER_HOUR", "1"),
        ("TRANSFER_LIMIT_ADDRESS_PER_HOUR", "1"),
        ("EVENTS_LIMIT_ADDRESS_PER_MIN", "1"),
    ]);
    let (person, other) = (
        guest(&scenario, "phone-1-example-0001"),
        guest(&scenario, "phone-2-example-0002"),
    );
    let person = person.refreshed(&scenario).refreshed(&scenario);
    first_limited(2, "refreshes-session", || {
        refresh(&scenario, &person.refresh)
    });
    other.refreshed(&scenario);

    let linked = link(&scenario, &person, "google", "g-1");
    assert_eq!(linked.status, 201, "{}", linked.text());
    let again = link(&scenario, &person, "apple", "a-1");
    limited(&again, "links-member", 3_600);

    let leave = json!({ "provider": "guest", "guest_id": "nobody", "guest_secret": "x" });
    let first = scenario.post("/v1/withdrawals", &leave);
    assert_eq!(told(&first), refused(401, "token_invalid"));
    limited(
        &scenario.post("/v1/withdrawals", &leave),
        "withdrawals-address",
        3_600,
    );

    let code = json!({ "code": "0".repeat(20), "device": phone("phone-1-example-0001") });
    let first = scenario.post("/v1/auth/transfer", &code);
    assert_eq!(told(&first), refused(401, "transfer_code_invalid"));
    limited(
        &scenario.post("/v1/auth/transfer", &code),
        "transfers-address",
        3_600,
    );

    let now = kit::Clock::system().now();
    let events = json!({ "events": [{ "id": "e-1", "type": "opened", "at": now }] });
    let first = scenario.post("/v1/events", &events);
    assert_eq!(first.status, 200, "{}", first.text());
    first_limited(1, "events-address", || scenario.post("/v1/events", &events));
}
