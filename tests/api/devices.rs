//! Device profiles, content-configs and segments: who owns them, and who may read and write them.

use domain::DeviceKey;
use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::{
    people::{Guest, Person, guest, refused, told},
    scenario::{Scenario, campaign_with, device},
    tracking::items,
};

const PATH: &str = "/v1/devices/phone-1-example-0001/profile";

#[test]
fn a_profile_is_put_read_and_erased() {
    let scenario = Scenario::start();
    assert_eq!(scenario.service_get(PATH).status, 404);
    let profile = json!({
        "country": "KR", "birth_year": 1990, "gender": "female", "interests": ["golf"],
        "segments": ["new"], "attributes": {"plan": "pro", "level": 3, "beta": true},
    });
    let put = scenario.service(Request::new("PUT", PATH).json(&profile));
    assert_eq!(put.status, 200, "{}", put.text());
    let got = scenario.service_get(PATH);
    assert_eq!(got.status, 200);
    let mut expected = profile.clone();
    expected["updated_at"] = got.json()["updated_at"].clone();
    assert_eq!(got.json(), expected);
    assert!(expected["updated_at"].is_string());

    for _ in 0..2 {
        assert_eq!(scenario.service(Request::new("DELETE", PATH)).status, 204);
    }
    assert_eq!(scenario.service_get(PATH).status, 404);
}

#[test]
fn an_insert_never_overwrites() {
    let scenario = Scenario::start();
    let profile = json!({"device_id": "phone-2-example-0002", "segments": ["a"]});
    let first = scenario.service_post("/v1/profiles", &profile);
    assert_eq!(
        (first.status, &first.json()["device_id"]),
        (201, &"phone-2-example-0002".into())
    );
    let second = scenario.service_post(
        "/v1/profiles",
        &json!({"device_id": "phone-2-example-0002"}),
    );
    assert_eq!(
        (second.status, &second.json()["code"]),
        (409, &"profile_exists".into())
    );
    let kept = scenario
        .service_get("/v1/devices/phone-2-example-0002/profile")
        .json();
    assert_eq!(kept["segments"], json!(["a"]));
}

#[test]
fn only_whom_the_route_wants_may_call_it() {
    let scenario = Scenario::start();
    let key = &scenario.courtyard.description().service_key;
    let (last, rest) = key.split_at(key.len() - 1);
    let altered = format!("{last}{}", if rest == "A" { "E" } else { "A" });
    let unknown = key.replacen("msk_dev_", "msk_other_", 1);
    for (authorization, code) in [
        (None, "token_missing"),
        (Some("Basic eDp5".to_owned()), "token_invalid"),
        (Some("Bearer not-a-key".to_owned()), "token_invalid"),
        (Some("Bearer msk_short".to_owned()), "service_key_invalid"),
        (Some(format!("Bearer {altered}")), "service_key_invalid"),
        (Some(format!("Bearer {unknown}")), "service_key_invalid"),
    ] {
        let mut request = Request::get(PATH);
        if let Some(value) = &authorization {
            request = request.header("authorization", value);
        }
        let answer = scenario.send(&request);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (401, &code.into()),
            "{authorization:?}"
        );
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
}

#[test]
fn a_device_may_be_written_so_often_a_minute() {
    let scenario = Scenario::start();
    let put = || scenario.service(Request::new("PUT", PATH).json(&json!({})));
    let limited = (0..260)
        .map(|_| put())
        .find(|answer| answer.status == 429)
        .expect("a limit");
    assert_eq!(limited.json()["code"], "rate_limited");
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert!(
        limited
            .header("ratelimit-policy")
            .unwrap()
            .contains("q=120;w=60")
    );
    let other = Request::new("PUT", "/v1/devices/phone-9-example-0009/profile").json(&json!({}));
    assert_eq!(scenario.service(other).status, 200);
}

const CONFIG: &str = "/v1/devices/phone-1-example-0001/content-config";

#[test]
fn a_content_config_has_defaults_and_is_put_whole() {
    let scenario = Scenario::start();
    let got = scenario.service_get(CONFIG);
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.json(), json!({"categories": {}, "frequency": "normal"}));

    let config = json!({"categories": {"games": false, "news": true}, "frequency": "less"});
    let put = scenario.service(Request::new("PUT", CONFIG).json(&config));
    assert_eq!(put.status, 200, "{}", put.text());
    let mut expected = config.clone();
    expected["updated_at"] = put.json()["updated_at"].clone();
    assert!(expected["updated_at"].is_string());
    assert_eq!(put.json(), expected);
    assert_eq!(scenario.service_get(CONFIG).json(), expected);

    let put = scenario.service(Request::new("PUT", CONFIG).json(&json!({"frequency": "off"})));
    assert_eq!(put.json()["categories"], json!({}), "nothing of before");
    for bad in [
        json!({"frequency": "often"}),
        json!({"categories": {"games": 1}}),
        json!({"categories": ["games"]}),
        json!({"surprise": 1}),
    ] {
        let refused = scenario.service(Request::new("PUT", CONFIG).json(&bad));
        assert_eq!(refused.status, 422, "{bad}");
    }
    assert_eq!(scenario.send(&Request::get(CONFIG)).status, 401);

    let erase = Request::new("DELETE", PATH);
    assert_eq!(scenario.service(erase).status, 204);
    assert_eq!(
        scenario.service_get(CONFIG).json(),
        json!({"categories": {}, "frequency": "normal"})
    );
}

/// A device id as apps have them.
const PHONE: &str = "3f0b6a52-6d0e-4c39-9a57-2f4e1d8c7b60";

fn of_phone(what: &str) -> String {
    format!("/v1/devices/{PHONE}/{what}")
}

fn put(scenario: &Scenario, person: &Person, what: &str, body: &Value) -> Response {
    let put = Request::new("PUT", &of_phone(what)).json(body);
    let answer = person.send(scenario, put);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

fn service_put(scenario: &Scenario, what: &str, body: &Value) -> Response {
    let answer = scenario.service(Request::new("PUT", &of_phone(what)).json(body));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

fn export_of(scenario: &Scenario, person: &Person) -> Value {
    let requested = person.post(scenario, "/v1/me/exports", &json!({}));
    assert_eq!(requested.status, 202, "{}", requested.text());
    let id = requested.json()["export_id"].as_str().unwrap().to_owned();
    let document = person.get(scenario, &format!("/v1/me/exports/{id}"));
    assert_eq!(document.status, 200, "{}", document.text());
    let document = document.json();
    let [device] = document["devices"].as_array().unwrap().as_slice() else {
        panic!("{document}");
    };
    device.clone()
}

/// A stack with a campaign for each rule, all of which a device may be given at once.
fn with_campaigns(rules: &[(&str, Value)]) -> Scenario {
    let scenario = Scenario::start();
    for (id, rule) in rules {
        let targeting = json!({"targeting": {"all": [rule]}, "creatives": [
            {"id": "only", "type": "banner", "weight": 1, "assets": {}}
        ]});
        scenario.create("campaigns", id, &campaign_with("top", targeting));
    }
    publish(&scenario);
    scenario
}

fn publish(scenario: &Scenario) {
    scenario.create("campaigns", "marker", &campaign_with("marker", json!({})));
    scenario.publish_live("campaigns", |scenario| {
        scenario.allocate("marker", &device())["items"] != json!([])
    });
}

/// The campaigns that the phone is given.
fn given(scenario: &Scenario) -> Vec<String> {
    let answer = scenario.post(
        "/v1/allocations",
        &json!({
            "placements": [{"id": "top", "count": 20}],
            "device": {"id": PHONE, "platform": "ios"},
        }),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    let items = answer["items"].as_array().unwrap().iter();
    let mut given: Vec<_> = items
        .map(|item| item["campaign_id"].as_str().unwrap().to_owned())
        .collect();
    given.sort();
    given
}

#[test]
fn a_guest_who_names_anothers_device_finds_nothing_and_changes_nothing_of_theirs() {
    let scenario = Scenario::start();
    let owner = guest(&scenario, PHONE);
    let profile = json!({"country": "KR", "birth_year": 1990, "interests": ["golf"]});
    let config = json!({"categories": {"games": false}, "frequency": "less"});
    let profile = put(&scenario, &owner, "profile", &profile).json();
    let config = put(&scenario, &owner, "content-config", &config).json();
    service_put(
        &scenario,
        "segments",
        &json!({"segments": ["vip"], "server_attributes": {"tier": 1}}),
    );

    let stranger = guest(&scenario, PHONE);
    let defaults = json!({"categories": {}, "frequency": "normal"});
    let finds_nothing = || {
        assert_eq!(stranger.get(&scenario, &of_phone("profile")).status, 404);
        let config = stranger.get(&scenario, &of_phone("content-config"));
        assert_eq!(config.json(), defaults);
        let exported = export_of(&scenario, &stranger);
        assert_eq!(exported.get("profile"), None, "{exported}");
        assert_eq!(exported["content_config"], defaults);
        assert_eq!(exported.get("server"), None, "{exported}");
        assert_eq!(exported["cap_counters"], json!([]));
    };
    let is_whole = |config: &Value| {
        assert_eq!(owner.get(&scenario, &of_phone("profile")).json(), profile);
        assert_eq!(
            owner.get(&scenario, &of_phone("content-config")).json(),
            *config
        );
    };
    finds_nothing();
    let erased = stranger.delete(&scenario, &of_phone("profile"));
    assert_eq!(erased.status, 204);
    is_whole(&config);
    let exported = export_of(&scenario, &owner);
    assert_eq!(exported["profile"], profile);
    assert_eq!(exported["server"]["segments"], json!(["vip"]));
    assert_eq!(exported["server"]["server_attributes"], json!({"tier": 1}));

    let inserted = stranger.post(&scenario, "/v1/profiles", &json!({"device_id": PHONE}));
    assert_eq!(inserted.status, 201, "{}", inserted.text());
    let again = stranger.post(&scenario, "/v1/profiles", &json!({"device_id": PHONE}));
    assert_eq!(told(&again), refused(409, "profile_exists"));
    put(
        &scenario,
        &stranger,
        "profile",
        &json!({"interests": ["chess"]}),
    );
    put(
        &scenario,
        &stranger,
        "content-config",
        &json!({"frequency": "off"}),
    );
    is_whole(&config);
    assert_eq!(stranger.delete(&scenario, &of_phone("profile")).status, 204);
    finds_nothing();
    is_whole(&config);
    let taken = owner.post(&scenario, "/v1/profiles", &json!({"device_id": PHONE}));
    assert_eq!(told(&taken), refused(409, "profile_exists"));
}

#[test]
fn allocations_and_live_content_go_by_the_present_owner() {
    let in_interests = |interest: &str| json!({"field": "interests", "any_of": [interest]});
    let scenario = with_campaigns(&[
        ("golf", in_interests("golf")),
        ("chess", in_interests("chess")),
    ]);
    let [first, second] = [guest(&scenario, PHONE), guest(&scenario, PHONE)];
    put(
        &scenario,
        &first,
        "profile",
        &json!({"interests": ["golf"]}),
    );
    assert_eq!(given(&scenario), ["golf"]);
    put(
        &scenario,
        &second,
        "profile",
        &json!({"interests": ["chess"]}),
    );
    assert_eq!(given(&scenario), ["chess"]);
    put(
        &scenario,
        &second,
        "content-config",
        &json!({"frequency": "off"}),
    );
    assert_eq!(given(&scenario), [""; 0]);
    assert_eq!(second.delete(&scenario, &of_phone("profile")).status, 204);
    assert_eq!(given(&scenario), [""; 0], "until somebody puts theirs");
    put(
        &scenario,
        &first,
        "profile",
        &json!({"interests": ["golf"]}),
    );
    assert_eq!(given(&scenario), ["golf"]);
}

#[test]
fn segments_are_what_the_apps_own_systems_say_and_its_attributes_win() {
    let segment = |name: &str| json!({"field": "segments", "any_of": [name]});
    let plan = |name: &str| json!({"field": "attributes.plan", "in": [name]});
    let scenario = with_campaigns(&[
        ("vip", segment("vip")),
        ("whale", segment("whale")),
        ("free", plan("free")),
        ("gold", plan("gold")),
        ("young", json!({"field": "attributes.level", "lt": 5})),
    ]);
    let owner = guest(&scenario, PHONE);
    let claimed = json!({"segments": ["whale"], "attributes": {"plan": "free", "level": 2}});
    let echoed = put(&scenario, &owner, "profile", &claimed).json();
    assert_eq!(
        echoed["segments"],
        json!(["whale"]),
        "old apps read what they put"
    );
    assert_eq!(given(&scenario), ["free", "young"]);
    assert_eq!(scenario.service_get(&of_phone("segments")).status, 404);

    let server = json!({"segments": ["vip"], "server_attributes": {"plan": "gold"}});
    let mut stored = service_put(&scenario, "segments", &server).json();
    assert!(stored["updated_at"].is_string());
    assert_eq!(scenario.service_get(&of_phone("segments")).json(), stored);
    stored.as_object_mut().unwrap().remove("updated_at");
    assert_eq!(stored, server);
    assert_eq!(given(&scenario), ["gold", "vip", "young"]);
    let seen = scenario.service_get(&of_phone("profile")).json();
    assert_eq!(seen["segments"], json!(["vip"]));

    // Neither a member's put nor their erasing takes anything from it, with another guest's neither.
    put(&scenario, &owner, "profile", &claimed);
    put(
        &scenario,
        &guest(&scenario, PHONE),
        "profile",
        &json!({"segments": ["whale"]}),
    );
    assert_eq!(given(&scenario), ["gold", "vip"]);
    assert_eq!(owner.delete(&scenario, &of_phone("profile")).status, 204);
    assert_eq!(given(&scenario), ["gold", "vip"]);

    for _ in 0..2 {
        let gone = scenario.service(Request::new("DELETE", &of_phone("segments")));
        assert_eq!(gone.status, 204);
    }
    assert_eq!(scenario.service_get(&of_phone("segments")).status, 404);
    assert_eq!(given(&scenario), [""; 0]);

    // With a profile that a service key puts, too.
    service_put(
        &scenario,
        "profile",
        &json!({"segments": ["vip"], "attributes": {"plan": "free"}}),
    );
    assert_eq!(given(&scenario), ["free", "vip"]);
    put(&scenario, &owner, "profile", &json!({}));
    assert_eq!(given(&scenario), ["vip"]);
    let seen = scenario.service_get(&of_phone("profile")).json();
    assert_eq!(
        (&seen["segments"], &seen["attributes"]),
        (&json!(["vip"]), &json!({"plan": "free"})),
        "what a service key put is there still"
    );
}

#[test]
fn a_member_neither_reads_nor_writes_segments() {
    let scenario = Scenario::start();
    let owner = guest(&scenario, PHONE);
    let server = json!({"segments": ["vip"]});
    let stored = service_put(&scenario, "segments", &server).json();
    for method in ["PUT", "GET", "DELETE"] {
        let ask = || {
            let request = Request::new(method, &of_phone("segments"));
            match method {
                "PUT" => request.json(&json!({"segments": ["whale"]})),
                _ => request,
            }
        };
        let answer = owner.send(&scenario, ask());
        assert_eq!(told(&answer), refused(403, "forbidden"), "{method}");
        assert_eq!(told(&scenario.send(&ask())), refused(401, "token_missing"));
        let bad = scenario.send(&ask().bearer("a.b.c"));
        assert_eq!(told(&bad), refused(401, "token_invalid"));
    }
    assert_eq!(scenario.service_get(&of_phone("segments")).json(), stored);
}

#[test]
fn segments_and_profiles_are_bounded_in_sum() {
    let scenario = Scenario::start();
    let text = "x".repeat(250);
    let attributes = |count: usize| {
        let named = (0..count).map(|number| (format!("a{number}"), json!(text)));
        Value::Object(named.collect())
    };
    let long: Vec<String> = (0..200).map(|number| format!("{number:0100}")).collect();
    for (what, body, pointer) in [
        ("segments", json!({"segments": long}), ""),
        (
            "segments",
            json!({"segments": long[..100], "server_attributes": attributes(30)}),
            "",
        ),
        (
            "segments",
            json!({"segments": ["a"], "surprise": 1}),
            "/surprise",
        ),
        ("segments", json!({"segments": "a"}), "/segments"),
        (
            "profile",
            json!({"interests": long[..100], "segments": long, "attributes": attributes(20)}),
            "",
        ),
    ] {
        let refused = scenario.service(Request::new("PUT", &of_phone(what)).json(&body));
        assert_eq!(refused.status, 422, "{what}: {}", refused.text());
        assert_eq!(
            refused.json()["errors"][0]["pointer"],
            pointer,
            "{}",
            refused.text()
        );
    }
    service_put(
        &scenario,
        "segments",
        &json!({"segments": long[..50], "server_attributes": attributes(30)}),
    );
    service_put(&scenario, "segments", &json!({}));
    let stored = scenario.service_get(&of_phone("segments")).json();
    assert_eq!(
        (&stored["segments"], &stored["server_attributes"]),
        (&json!([]), &json!({}))
    );
}

#[test]
fn what_one_caller_uses_up_another_still_has() {
    let scenario = Scenario::start();
    let [owner, stranger] = [guest(&scenario, PHONE), guest(&scenario, PHONE)];
    let write = |person: &Person| {
        let put = Request::new("PUT", &of_phone("content-config")).json(&json!({}));
        person.send(&scenario, put).status
    };
    let limited = (0..260).any(|_| write(&stranger) == 429);
    assert!(limited);
    assert_eq!(write(&owner), 200);
    service_put(&scenario, "content-config", &json!({}));
}

#[test]
fn an_export_holds_the_counters_of_caps_of_the_members_own_device() {
    let caps = json!([{"scope": "campaign", "per": "day", "max": 5}, {"scope": "creative", "per": "lifetime", "max": 9}]);
    let scenario = Scenario::start();
    scenario.create(
        "campaigns",
        "shoes",
        &campaign_with("top", json!({"caps": caps})),
    );
    publish(&scenario);
    let owner = Guest::new(&scenario, PHONE);
    let answer = scenario.allocate("top", &json!({"platform": "ios", "id": PHONE}));
    let url = answer["items"][0]["impression_url"].as_str().unwrap();
    let path = &url[url.find("/v1/").unwrap()..];
    assert_eq!(scenario.get(path).status, 204);
    let exported = export_of(&scenario, &owner.person);
    let counters = exported["cap_counters"].as_array().unwrap();
    let of = |scope: &str| {
        let mut found = counters.iter().filter(|counter| counter["scope"] == scope);
        found.next().unwrap_or_else(|| panic!("{exported}")).clone()
    };
    let (campaign, creative) = (of("campaign"), of("creative"));
    assert_eq!(campaign["impressions"], 1);
    assert_eq!(campaign["time_zone"], "UTC");
    assert!(campaign["day"].is_string() && campaign["key"].is_string());
    assert_eq!(campaign["hours"][0]["impressions"], 1);
    assert!(campaign["hours"][0]["begins_at"].is_string());
    assert_eq!(
        (&creative["impressions"], creative.get("day")),
        (&json!(1), None)
    );
    // A tracking event says nothing of the device.
    let key = DeviceKey::of(&PHONE.parse().unwrap()).to_string();
    let events = items(&scenario, "MarksTable", "mark#", "");
    assert!(!events.is_empty() && !json!(events).to_string().contains(&key));
}
