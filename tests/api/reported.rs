//! What phones report about themselves: whatever cannot be read counts as absent, on every public route,
//! and what can be read is read in every spelling.

use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::{
    people::{Guest, told, with_environment},
    scenario::{Scenario, campaign_with, eventually},
};

/// Values that shipped apps were seen to send, and that no app may fail by.
const UNREADABLE: [&str; 14] = [
    "platform=windows",
    "platform=iOS",
    "platform=",
    "store=amazon",
    "store=App_Store",
    "locale=zh_TW_%23Hant",
    "locale=ko_KR%40calendar%3Dgregorian",
    "locale=C.UTF-8",
    "locale=%ED%95%9C",
    "country=XK",
    "country=419",
    "country=",
    "version=dev&build=1.5&os_version=Tiramisu",
    "build=99999999999999999999999999",
];

const ROUTES: [&str; 6] = [
    "/v1/app/status",
    "/v1/launch",
    "/v1/banners",
    "/v1/notices",
    "/v1/notices/unread-count",
    "/v1/config",
];

fn stack() -> Scenario {
    with_environment(&[("SNAPSHOT_REFRESH_S", "1"), ("SNAPSHOT_STALE_S", "1")])
}

fn good(answer: Response) -> Value {
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    answer.json()
}

fn with(request: Request, headers: &[(&str, &str)]) -> Request {
    let add = |request: Request, (name, value): &(&str, &str)| request.header(name, value);
    headers.iter().fold(request, add)
}

#[test]
fn a_reported_value_that_cannot_be_read_costs_no_answer() {
    let scenario = Scenario::start();
    for route in ROUTES {
        for query in UNREADABLE {
            let answer = scenario.get(&format!("{route}?{query}"));
            assert_eq!(answer.status, 200, "{route}?{query}: {}", answer.text());
        }
        for (name, value) in [
            ("x-app-platform", ""),
            ("x-app-platform", "symbian"),
            ("x-app-store", "amazon"),
            ("x-app-version", ""),
            ("x-app-build", "twelve"),
            ("x-device-id", ""),
            ("x-device-id", "null"),
            ("accept-language", "zh_TW_#Hant;q=, *;q=x"),
        ] {
            let answer = scenario.send(&Request::get(route).header(name, value));
            assert_eq!(answer.status, 200, "{route} {name}: {value}");
        }
    }
    let devices = [
        json!({}),
        json!({"id": "", "platform": "", "locale": "", "country": "", "app_version": "", "tz": ""}),
        json!({"platform": "Windows", "locale": "C", "country": "EA", "app_version": "beta"}),
        json!({"platform": "ANDROID", "locale": "sr_RS@latin", "os_version": "Tiramisu"}),
        json!({"model": "two\nlines", "locale": null, "build": -7}),
        json!({"model": "m".repeat(5_000), "build": 1.5}),
        json!({"country": "kr", "tz": "Asia/Seoul", "carrier": "SKT"}),
        json!({"store": "onestore", "lmt": true, "build": 7}),
    ];
    for device in devices {
        scenario.allocate("top", &device);
        let guest = json!({ "device": device, "country": "001" });
        let answer = scenario.post("/v1/auth/guest", &guest);
        assert_eq!(answer.status, 201, "{device}: {}", answer.text());
    }
    let allocation = json!({"placements": [{"id": "top", "count": 1}],
        "device": {"carrier": "\u{202e}", "tz": "Mars/Olympus"}});
    good(scenario.post("/v1/allocations", &allocation));
    for (member, value) in [
        ("platform", json!(1)),
        ("locale", json!(["ko"])),
        ("country", json!(410)),
        ("build", json!("412")),
        ("app_version", json!(1.2)),
        ("model", json!({})),
        ("tz", json!(9)),
    ] {
        let body = json!({"placements": [{"id": "top", "count": 1}], "device": { member: value }});
        let answer = scenario.post("/v1/allocations", &body);
        assert_eq!(answer.status, 422, "{member}: {}", answer.text());
        let pointer = format!("/device/{member}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer);
    }
}

#[test]
fn a_profile_and_a_session_have_what_could_be_read() {
    let scenario = Scenario::start();
    let device = json!({
        "id": "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "platform": "iOS", "store": "amazon",
        "app_version": "v5.1.0 (2041)", "build": 2041, "os_version": "unknown", "model": "iPhone17,1",
        "locale": "zh_TW_#Hant",
    });
    let guest = good(scenario.post(
        "/v1/auth/guest",
        &json!({"device": device, "country": "xk"}),
    ));
    assert_eq!(guest["member"]["locale"], "zh-Hant-TW");
    assert_eq!(guest["member"]["country"], "XK");
    let token = guest["access_token"].as_str().unwrap();
    let mine = |request: Request| scenario.send(&request.bearer(token));
    let sessions = good(mine(Request::get("/v1/me/sessions")));
    let session = &sessions["sessions"][0]["device"];
    assert_eq!(session["platform"], "ios");
    assert_eq!(session["app_version"], "v5.1.0 (2041)");
    assert_eq!(session["build"], 2041);
    for absent in ["store", "os_version"] {
        assert_eq!(session.get(absent), None, "{session}");
    }
    let profile = "/v1/devices/3f2504e0-4f89-11d3-9a0c-0305e82c3301/profile";
    let put =
        |country: &str| mine(Request::new("PUT", profile).json(&json!({ "country": country })));
    assert_eq!(good(put("419")).get("country"), None);
    assert_eq!(good(put("kr"))["country"], "KR");
    // A member's own settings are read in every spelling, and refused where that fails: a person waits
    // for the answer.
    let patch = |body: Value| {
        let patch = Request::new("PATCH", "/v1/me").header("if-match", "*");
        mine(patch.json(&body))
    };
    let patched = good(patch(json!({"locale": "in_ID", "country": "id"})));
    assert_eq!(
        (&patched["locale"], &patched["country"]),
        (&json!("id-ID"), &json!("ID"))
    );
    for (member, value) in [("locale", "not a locale"), ("country", "419")] {
        let answer = patch(json!({ member: value }));
        assert_eq!(answer.status, 422, "{member}");
        assert_eq!(answer.json()["errors"][0]["pointer"], format!("/{member}"));
    }
}

#[test]
fn texts_are_chosen_by_cldr_parents_and_to_the_end_of_the_list() {
    let scenario = stack();
    let titles = json!({
        "default": "Hello", "zh-Hant": "繁", "zh-Hans": "简", "en-001": "Colour", "pt-PT": "Olá",
        "nb": "Hei", "fil": "Kumusta", "id": "Halo",
    });
    let notice = json!({
        "pinned": false, "priority": 0, "starts_at": "2020-01-01T00:00:00Z",
        "title": titles, "body": {"default": "…"},
    });
    scenario.create("notices", "hello", &notice);
    assert_eq!(scenario.publish("notices")["state"], "live");
    let title = |request: Request| good(scenario.send(&request))["notices"][0]["title"].clone();
    eventually("the notice is there", || {
        (title(Request::get("/v1/notices")) == "Hello").then_some(())
    });
    for (language, expected) in [
        ("zh-TW", "繁"),
        ("zh_HK_#Hant", "繁"),
        ("zh-MO", "繁"),
        ("zh-CN", "简"),
        ("zh-Hans-SG", "简"),
        ("en-AU", "Colour"),
        ("en-US", "Hello"),
        ("pt-AO", "Olá"),
        ("pt-BR", "Hello"),
        ("no", "Hei"),
        ("tl-PH", "Kumusta"),
        ("in_ID", "Halo"),
        ("fr-FR,de;q=0.9,en-GB;q=0.8", "Colour"),
        ("ko;q=0.1,pt-AO;q=0.2", "Olá"),
    ] {
        let header = Request::get("/v1/notices").header("accept-language", language);
        assert_eq!(title(header), expected, "{language}");
        let query = language
            .replace('#', "%23")
            .replace(';', "%3B")
            .replace(',', "%2C");
        let query = Request::get(&format!("/v1/notices?locale={}", query.replace('=', "%3D")));
        assert_eq!(title(query), expected, "{language} in the query");
    }
    // A language in the query that cannot be read leaves it to the header.
    let both = Request::get("/v1/notices?locale=C").header("accept-language", "zh-TW");
    assert_eq!(title(both), "繁");
}

#[test]
fn rules_on_locale_and_build_match_what_phones_report() {
    let scenario = stack();
    let condition = |name: &str, rule: Value| json!({"name": name, "targeting": {"all": [rule]}, "value": name});
    let parameter = json!({"key": "who", "type": "string", "default": "others", "conditions": [
        condition("traditional", json!({"field": "locale", "in": ["zh-Hant"]})),
        condition("simplified", json!({"field": "locale", "in": ["zh-CN"]})),
        condition("new", json!({"field": "build", "gte": 2_000})),
        condition("old", json!({"field": "build", "in": [1_999]})),
    ]});
    scenario.create("config", "who", &parameter);
    assert_eq!(scenario.publish("config")["state"], "live");
    let who = |request: Request| good(scenario.send(&request))["values"]["who"].clone();
    eventually("the parameter is there", || {
        (who(Request::get("/v1/config")) == "others").then_some(())
    });
    for (query, expected) in [
        ("locale=zh-TW", "traditional"),
        ("locale=zh-MO", "traditional"),
        ("locale=zh-Hans-CN", "simplified"),
        ("locale=zh", "others"),
        ("build=2000", "new"),
        ("build=1999", "old"),
        ("build=1998", "others"),
        ("build=many", "others"),
    ] {
        let target = format!("/v1/config?{query}");
        assert_eq!(who(Request::get(&target)), expected, "{query}");
    }
    let header = Request::get("/v1/config").header("x-app-build", "2041");
    assert_eq!(who(header), "new");
    // And the same of campaigns, by the body and by headers.
    for (id, changes) in [
        ("tw", json!({"field": "locale", "in": ["zh-Hant-TW"]})),
        ("new", json!({"field": "build", "gte": 2_000, "lt": 3_000})),
        ("exact", json!({"field": "build", "in": [7]})),
        ("one", json!({"field": "store", "in": ["onestore"]})),
        ("fold", json!({"field": "model", "in": ["SM-F956N"]})),
    ] {
        let campaign = campaign_with(id, json!({"targeting": {"all": [changes]}}));
        scenario.create("campaigns", id, &campaign);
    }
    scenario.publish_live("campaigns", |s| {
        s.allocate("new", &json!({"build": 2_500}))["items"] != json!([])
    });
    for (placement, device, given) in [
        ("tw", json!({"locale": "zh_TW_#Hant"}), true),
        ("tw", json!({"locale": "zh-TW"}), true),
        ("tw", json!({"locale": "zh-HK"}), false),
        ("new", json!({"build": 3_000}), false),
        ("new", json!({}), false),
        ("exact", json!({"build": 7}), true),
        ("exact", json!({"build": 8}), false),
        ("one", json!({"store": "OneStore"}), true),
        ("one", json!({"store": "google_play"}), false),
        ("one", json!({}), false),
        ("fold", json!({"model": " SM-\u{202e}F956N\n"}), true),
    ] {
        let items = scenario.allocate(placement, &device)["items"].clone();
        assert_eq!(items != json!([]), given, "{placement} {device}");
    }
    let body = json!({"placements": [{"id": "new", "count": 1}], "device": {}});
    let header = with(
        Request::new("POST", "/v1/allocations").json(&body),
        &[("x-app-build", "2041"), ("x-app-platform", "iOS")],
    );
    assert_ne!(good(scenario.send(&header))["items"], json!([]));
}

#[test]
fn updates_are_demanded_of_versions_as_they_are_really_written_and_by_build() {
    let scenario = stack();
    let item = |store: &str, platform: &str, changes: Value| {
        let mut item = json!({
            "platform": platform, "store": store, "latest": "v3.0.0.100", "min": "2.05.0",
            "store_url": "https://apps.example/ours", "message": {"default": "Please update"},
        });
        item.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        item
    };
    scenario.create("app_versions", "ios", &item("app_store", "ios", json!({})));
    let by_build = item("google_play", "android", json!({"min_build": 2_000}));
    scenario.create("app_versions", "android", &by_build);
    assert_eq!(scenario.publish("app_versions")["state"], "live");
    let code = |query: &str| {
        good(scenario.get(&format!("/v1/app/status?{query}")))["status"]["code"].clone()
    };
    eventually("the versions are there", || {
        (code("platform=ios&version=1") == 300).then_some(())
    });
    for (query, expected) in [
        ("platform=ios&version=2.4.9.1234", 300),
        ("platform=ios&version=v2.4", 300),
        ("platform=ios&version=02.04.00", 300),
        ("platform=ios&version=2.4%20(118)", 300),
        ("platform=ios&version=2.5.0-rc.1", 300),
        ("platform=ios&version=2.5", 201),
        ("platform=ios&version=3.0.0.99%2Bhotfix", 201),
        ("platform=ios&version=3.0.0.100", 200),
        ("platform=ios&version=20261201.7.1.2.3", 200),
        ("platform=ios&version=nightly", 200),
        ("platform=IOS&store=amazon&version=1", 300),
        ("platform=android&version=2.9&build=1999", 300),
        ("platform=android&version=nightly&build=1999", 300),
        ("platform=android&version=2.9&build=2000", 201),
        ("platform=android&version=2.9", 201),
        ("platform=android&build=1.5", 200),
    ] {
        assert_eq!(code(query), expected, "{query}");
    }
    let header = with(
        Request::get("/v1/app/status"),
        &[("x-app-store", "GOOGLE_PLAY"), ("x-app-build", "7")],
    );
    assert_eq!(good(scenario.send(&header))["status"]["code"], 300);
    // A version in the query that cannot be read leaves it to the header, where that one can.
    for (query, header, expected) in [
        ("version=dev", "2.4", 300),
        ("version=", "2.4", 300),
        ("version=2.6", "2.4", 201),
        ("version=dev", "beta", 200),
    ] {
        let target = format!("/v1/app/status?platform=ios&{query}");
        let answer = scenario.send(&Request::get(&target).header("x-app-version", header));
        let vary = answer.header("vary").unwrap_or_default().to_lowercase();
        let by_header = vary.contains("x-app-version");
        assert_eq!(by_header, query != "version=2.6", "{query}: {vary}");
        assert_eq!(good(answer)["status"]["code"], expected, "{query} {header}");
    }
}

#[test]
fn a_device_id_that_many_devices_share_is_as_if_none_was_given() {
    let scenario = stack();
    const ZEROS: &str = "00000000-0000-0000-0000-000000000000";
    const OWN: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
    let parameter = json!({"key": "half", "type": "bool", "default": false, "conditions": [
        {"name": "all", "targeting": {"all": [{"percent": 100, "seed": "s"}]}, "value": true},
    ]});
    scenario.create("config", "half", &parameter);
    assert_eq!(scenario.publish("config")["state"], "live");
    let half = |device: &str| {
        let request = Request::get("/v1/config").header("x-device-id", device);
        good(scenario.send(&request))["values"]["half"].clone()
    };
    eventually("the parameter is there", || {
        (half(OWN) == true).then_some(())
    });
    let capped = json!({"caps": [{"scope": "campaign", "per": "lifetime", "max": 1}]});
    scenario.create("campaigns", "capped", &campaign_with("top", capped));
    let skipping = campaign_with("known", json!({"no_device": "skip"}));
    scenario.create("campaigns", "skipping", &skipping);
    scenario.publish_live("campaigns", |s| {
        s.allocate("known", &json!({"id": OWN}))["items"] != json!([])
    });
    for shared in [
        ZEROS,
        "9774d56d682e549c",
        "unknown",
        "null",
        "02:00:00:00:00:00",
    ] {
        assert_eq!(half(shared), false, "{shared}: no share");
        let device = json!({"id": shared, "platform": "ios"});
        assert_eq!(
            scenario.allocate("known", &device)["items"],
            json!([]),
            "{shared}"
        );
        for _ in 0..3 {
            let items = scenario.allocate("top", &device)["items"].clone();
            let seen = items[0]["impression_url"].as_str().expect("no cap counts");
            let (_, path) = seen.split_once("/v1/t/").unwrap();
            assert_eq!(scenario.get(&format!("/v1/t/{path}")).status, 204);
        }
        let guest = good(scenario.post("/v1/auth/guest", &json!({ "device": device })));
        let token = guest["access_token"].as_str().unwrap();
        let mine = |request: Request| scenario.send(&request.bearer(token));
        let sessions = good(mine(Request::get("/v1/me/sessions")));
        assert_eq!(
            sessions["sessions"][0]["device"],
            json!({"platform": "ios"})
        );
        let profile = format!("/v1/devices/{shared}/profile");
        let put = json!({"country": "KR", "interests": ["golf"]});
        for _ in 0..2 {
            let answer = good(mine(Request::new("PUT", &profile).json(&put)));
            assert_eq!(answer["country"], "KR", "{shared}: accepted");
            let inserted = json!({"device_id": shared, "interests": ["golf"]});
            let answer = scenario.service_post("/v1/profiles", &inserted);
            assert_eq!(answer.status, 201, "{shared}: {}", answer.text());
        }
        let config = format!("/v1/devices/{shared}/content-config");
        let settings = json!({"frequency": "off"});
        good(mine(Request::new("PUT", &config).json(&settings)));
        let segments = format!("/v1/devices/{shared}/segments");
        let vip = json!({"segments": ["vip"]});
        good(scenario.service(Request::new("PUT", &segments).json(&vip)));
        // Nothing of it is stored, because it would be everybody's.
        let answer = mine(Request::get(&profile));
        assert_eq!(told(&answer), (404, "not_found".to_owned()), "{shared}");
        assert_eq!(scenario.service_get(&profile).status, 404, "{shared}");
        assert_eq!(scenario.service_get(&segments).status, 404, "{shared}");
        let answer = good(mine(Request::get(&config)));
        assert_eq!(answer, json!({"categories": {}, "frequency": "normal"}));
        let deleted = mine(Request::new("DELETE", &profile));
        assert_eq!(deleted.status, 204, "{shared}");
        // Its session is bound to no device, so it acts for none.
        let own = format!("/v1/devices/{OWN}/profile");
        assert_eq!(mine(Request::get(&own)).status, 403);
        let refreshed = json!({ "refresh_token": guest["refresh_token"] });
        good(scenario.post("/v1/auth/refresh", &refreshed));
        let event = json!({"events": [{"id": format!("e-{}", shared.len()), "type": "opened",
            "at": kit::Clock::system().now()}]});
        let request = Request::new("POST", "/v1/events").header("x-device-id", shared);
        assert_eq!(
            good(scenario.send(&request.json(&event)))["accepted"],
            1,
            "{shared}"
        );
    }
}

#[test]
fn a_share_by_member_is_one_answer_on_all_devices_of_a_member() {
    let scenario = stack();
    let rule = |seed: &str| json!({"percent": 50, "seed": seed, "by": "member"});
    let targeting = |seed: &str| json!({"all": [rule(seed)]});
    let parameter = json!({"key": "variant", "type": "bool", "default": false, "conditions": [
        {"name": "half", "targeting": targeting("variant"), "value": true},
    ]});
    scenario.create("config", "variant", &parameter);
    let banner = json!({
        "placement": "home", "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
        "priority": 0, "alt": {"default": "A banner"}, "click": {"type": "none"},
        "images": {"default": {"url": "https://cdn.example/b.png", "width": 640, "height": 100}},
        "frequency": "always", "targeting": targeting("variant"),
    });
    scenario.create("banners", "half", &banner);
    let notice = json!({
        "pinned": false, "priority": 0, "starts_at": "2020-01-01T00:00:00Z",
        "title": {"default": "A notice"}, "body": {"default": "…"}, "targeting": targeting("variant"),
    });
    scenario.create("notices", "half", &notice);
    let campaign = campaign_with("top", json!({"targeting": targeting("variant")}));
    scenario.create("campaigns", "half", &campaign);
    scenario.create("campaigns", "all", &campaign_with("all", json!({})));
    for kind in ["config", "banners", "notices"] {
        assert_eq!(scenario.publish(kind)["state"], "live");
    }
    scenario.publish_live("campaigns", |s| {
        s.allocate("all", &json!({}))["items"] != json!([])
    });
    let guests: Vec<Guest> = (0..12)
        .map(|n| Guest::new(&scenario, &format!("phone-{n}-example-0001")))
        .collect();
    eventually("the parameter is there", || {
        let answer = good(scenario.get("/v1/config"));
        (answer["version"] == 1).then_some(())
    });
    let allocation = |device: &str| {
        let device = json!({"id": device, "platform": "ios"});
        let body = json!({"placements": [{"id": "top", "count": 1}], "device": device});
        Request::new("POST", "/v1/allocations").json(&body)
    };
    let mut variants = Vec::new();
    for (n, guest) in guests.iter().enumerate() {
        let (phone, tablet) = (
            format!("phone-{n}-example-0001"),
            format!("tablet-{n}-example-0001"),
        );
        let again = guest.on(&scenario, &tablet);
        let member = good(guest.person.get(&scenario, "/v1/me"))["id"].clone();
        let member = member.as_str().unwrap();
        let expected = domain::targeting::bucket("variant", member) < 5_000;
        for (person, device) in [(&guest.person, &phone), (&again, &tablet)] {
            let get = |target: &str| {
                let request = Request::get(target).header("x-device-id", device);
                good(person.send(&scenario, request))
            };
            assert_eq!(get("/v1/config")["values"]["variant"], expected, "{member}");
            let launch = get("/v1/launch");
            assert_eq!(launch["config"]["values"]["variant"], expected, "{launch}");
            assert_eq!(launch["banners"] != json!([]), expected, "{launch}");
            assert_eq!(get("/v1/banners")["banners"] != json!([]), expected);
            assert_eq!(get("/v1/notices")["notices"] != json!([]), expected);
            let given = good(person.send(&scenario, allocation(device)));
            assert_eq!(given["items"] != json!([]), expected, "{given}");
        }
        variants.push(expected);
    }
    assert!(
        variants.contains(&true) && variants.contains(&false),
        "{variants:?}"
    );
    // Without a token nobody is in, and a bad one costs no answer where none is needed.
    for token in [None, Some("not.a.token")] {
        for target in ["/v1/config", "/v1/banners", "/v1/launch"] {
            let request = Request::get(target).header("x-device-id", "phone-0-example-0001");
            let request = token.map_or(request.clone(), |token| request.bearer(token));
            let answer = good(scenario.send(&request));
            let text = answer.to_string();
            assert!(
                !text.contains("cdn.example") && !text.contains("\"variant\":true"),
                "{text}"
            );
        }
        let request = allocation("phone-0-example-0001");
        let request = token.map_or(request.clone(), |token| request.bearer(token));
        assert_eq!(good(scenario.send(&request))["items"], json!([]));
    }
    let shared = scenario.get("/v1/config");
    assert!(shared.header("vary").unwrap().contains("authorization"));
    let private = guests[0].person.get(&scenario, "/v1/config");
    assert_eq!(private.header("cache-control"), Some("no-store"));
}
