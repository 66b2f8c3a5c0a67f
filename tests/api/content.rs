//! Authoring: drafts under preconditions, import, validation, publications, versions, restore.

use serde_json::{Value, json};
use tests::{
    fault::Fault,
    http1::{Request, Response},
};

use crate::scenario::{Scenario, campaign, campaign_with, device, eventually};

const ITEM: &str = "/admin/v1/content/campaigns/items/spring";

fn put(item: &Value) -> Request {
    Request::new("PUT", ITEM).json(item)
}

#[test]
fn a_draft_is_written_under_its_precondition_only() {
    let scenario = Scenario::start();
    let item = campaign("top");
    let neither = scenario.service(put(&item));
    assert_eq!(
        (neither.status, &neither.json()["code"]),
        (428, &"precondition_required".into())
    );
    let before = scenario.service(put(&item).header("if-match", "\"0123456789abcdef\""));
    assert_eq!(
        (before.status, &before.json()["code"]),
        (412, &"version_conflict".into())
    );

    let created = scenario.service(put(&item).header("if-none-match", "*"));
    assert_eq!(created.status, 201, "{}", created.text());
    let first = created.header("etag").unwrap().to_owned();
    assert_eq!(created.json()["etag"], json!(first));
    assert_eq!(created.json()["state"], "draft");
    let again = scenario.service(put(&item).header("if-none-match", "*"));
    assert_eq!(again.status, 412);

    let changed = scenario
        .service(put(&campaign_with("top", json!({"weight": 7}))).header("if-match", &first));
    assert_eq!(changed.status, 200, "{}", changed.text());
    let second = changed.header("etag").unwrap().to_owned();
    assert_ne!(first, second);
    let lost = scenario.service(put(&item).header("if-match", &first));
    assert_eq!(lost.status, 412);
    let got = scenario.service_get(ITEM);
    assert_eq!(got.json()["draft"]["weight"], 7);
    assert_eq!(got.header("etag"), Some(second.as_str()));
    let held = scenario.service(Request::get(ITEM).header("if-none-match", &second));
    assert_eq!(held.status, 304);

    let delete = || Request::new("DELETE", ITEM);
    assert_eq!(scenario.service(delete()).status, 428);
    assert_eq!(
        scenario.service(delete().header("if-match", &first)).status,
        412
    );
    assert_eq!(
        scenario
            .service(delete().header("if-match", &second))
            .status,
        204
    );
    assert_eq!(scenario.service_get(ITEM).status, 404);
    assert_eq!(
        scenario
            .service(delete().header("if-match", &second))
            .status,
        404
    );
}

#[test]
fn twenty_at_once_create_one_draft() {
    let scenario = Scenario::start();
    let item = campaign("top");
    let statuses: Vec<u16> = std::thread::scope(|threads| {
        let hands: Vec<_> = (0..20)
            .map(|_| {
                threads.spawn(|| {
                    scenario
                        .service(put(&item).header("if-none-match", "*"))
                        .status
                })
            })
            .collect();
        hands.into_iter().map(|hand| hand.join().unwrap()).collect()
    });
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        1,
        "{statuses:?}"
    );
    assert!(statuses.iter().all(|status| matches!(status, 201 | 412)));
}

#[test]
fn a_write_whose_answer_was_lost_is_recognised() {
    let scenario = Scenario::start();
    let lost = tests::fault::Rule::from(Fault::DropAnswer)
        .of("admin-content")
        .on("dynamodb:PutItem")
        .times(1);
    scenario.courtyard.database.inject(lost).unwrap();
    let created = scenario.service(put(&campaign("top")).header("if-none-match", "*"));
    assert_eq!(created.status, 201, "{}", created.text());
}

#[test]
fn faults_of_an_item_are_told_with_their_pointers() {
    let scenario = Scenario::start();
    let bad = campaign_with(
        "top",
        json!({
            "tier": 0, "ends_at": "2019-01-01T00:00:00Z", "surprise": 1, "click_url": "javascript:alert(1)",
            "targeting": {"all": [{"field": "shoe_size", "in": [42]}]},
        }),
    );
    let refused = scenario.service(put(&bad).header("if-none-match", "*"));
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (422, &"validation_failed".into())
    );
    let pointers: Vec<String> = refused.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["pointer"].as_str().unwrap().to_owned())
        .collect();
    for pointer in ["/tier", "/surprise", "/click_url"] {
        assert!(
            pointers.iter().any(|found| found == pointer),
            "{pointer} not in {pointers:?}"
        );
    }
    let target = campaign_with(
        "top",
        json!({"targeting": {"all": [{"field": "shoe_size", "in": [42]}]}}),
    );
    let refused = scenario.service(put(&target).header("if-none-match", "*"));
    assert_eq!(
        refused.json()["errors"][0]["pointer"],
        "/targeting/all/0/field"
    );
    assert_eq!(scenario.service_get(ITEM).status, 404);
}

#[test]
fn kinds_are_a_closed_set() {
    let scenario = Scenario::start();
    for request in [
        Request::get("/admin/v1/content/nonsense/items"),
        Request::get("/admin/v1/content/Campaigns/items/a"),
        Request::new("POST", "/admin/v1/content/nonsense/publish").json(&json!({"note": ""})),
        Request::new("PUT", "/admin/v1/content/nonsense/items/a").json(&json!({})),
    ] {
        let answer = scenario.service(request);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (404, &"content_kind_unknown".into())
        );
    }
}

#[test]
fn an_import_has_one_result_a_line() {
    let scenario = Scenario::start();
    let mut good = campaign("top");
    good["id"] = "one".into();
    let mut bad = campaign_with("top", json!({"weight": -1}));
    bad["id"] = "two".into();
    let nameless = campaign("top");
    let body = format!("{good}\n{bad}\n\nnot json\n{nameless}\n");
    let import = |body: String| {
        let request = Request::new("POST", "/admin/v1/content/campaigns/import")
            .header("content-type", "application/x-ndjson")
            .body(body);
        scenario.service(request)
    };
    let answer = import(body.clone());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let results = answer.json()["results"].as_array().unwrap().clone();
    let told: Vec<_> = results
        .iter()
        .map(|result| {
            (
                result["line"].as_u64().unwrap(),
                result["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, "created"),
            (2, "refused"),
            (4, "refused"),
            (5, "refused")
        ]
    );
    assert_eq!(results[1]["errors"][0]["pointer"], "/weight");
    assert_eq!(results[2]["code"], "malformed_json");
    assert_eq!(results[3]["errors"][0]["pointer"], "/id");
    assert_eq!(
        import(good.to_string()).json()["results"][0]["outcome"],
        "updated"
    );
    assert_eq!(import("x".repeat(300_000)).status, 413);
}

#[test]
fn drafts_and_what_is_live_are_listed_side_by_side() {
    let scenario = Scenario::start();
    for id in ["a", "b", "c"] {
        scenario.create("campaigns", id, &campaign("top"));
    }
    assert_eq!(scenario.publish("campaigns")["state"], "live");
    scenario.create("campaigns", "d", &campaign("top"));
    let item = |id: &str| format!("/admin/v1/content/campaigns/items/{id}");
    let etag = |id: &str| {
        scenario
            .service_get(&item(id))
            .header("etag")
            .unwrap()
            .to_owned()
    };
    let change = Request::new("PUT", &item("b")).json(&campaign_with("top", json!({"weight": 9})));
    assert_eq!(
        scenario
            .service(change.header("if-match", &etag("b")))
            .status,
        200
    );
    let remove = Request::new("DELETE", &item("a")).header("if-match", &etag("a"));
    assert_eq!(scenario.service(remove).status, 204);

    let list = |query: &str| {
        let answer = scenario.service_get(&format!("/admin/v1/content/campaigns/items{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let states = |list: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let items = list["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| (text(&item["id"]), text(&item["state"])))
            .collect()
    };
    let all = [
        ("a", "removed"),
        ("b", "changed"),
        ("c", "live"),
        ("d", "draft"),
    ]
    .map(|(id, state)| (id.to_owned(), state.to_owned()));
    assert_eq!(states(&list("")), all);
    assert_eq!(list("")["items"][1]["live"]["weight"], 1);
    assert_eq!(states(&list("?state=changed")), all[1..2]);

    let mut paged = Vec::new();
    let mut query = "?limit=1".to_owned();
    loop {
        let page = list(&query);
        paged.extend(states(&page));
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=1&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(paged, all);
    let forged = scenario.service_get("/admin/v1/content/campaigns/items?cursor=forged");
    assert_eq!(
        (forged.status, &forged.json()["code"]),
        (400, &"invalid_cursor".into())
    );
}

#[test]
fn a_large_set_is_validated_in_the_background_and_read_item_by_item() {
    const COUNT: usize = 450;
    let scenario = Scenario::start();
    let campaign = |title: &str| {
        json!({
            "advertiser": "acme", "name": "Large", "starts_at": "2026-01-01T00:00:00Z",
            "tier": 1, "weight": 1, "placements": ["home"], "types": ["banner"],
            "consent": "not_required", "no_device": "serve", "pacing": "asap",
            "sampling": "weighted", "click_url": "https://shop.example/",
            "creatives": [{"id": "c", "type": "banner", "weight": 1,
                "assets": {"title": title, "text": "x".repeat(10_000)}}],
        })
    };
    let validate =
        || scenario.service(Request::new("POST", "/admin/v1/content/campaigns/validate"));
    let ids: Vec<String> = (0..COUNT).map(|n| format!("large-{n:03}")).collect();
    for batch in ids.chunks(24) {
        let lines = batch.iter().map(|id| {
            let mut line = campaign(id);
            line["id"] = id.as_str().into();
            line.to_string()
        });
        let body = lines.collect::<Vec<_>>().join("\n");
        let request = Request::new("POST", "/admin/v1/content/campaigns/import")
            .header("content-type", "application/x-ndjson")
            .body(body);
        let imported = scenario.service(request);
        assert_eq!(imported.status, 200, "{}", imported.text());
    }

    let accepted = validate();
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    let id = accepted.json()["validation_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let target = format!("/admin/v1/content/campaigns/validations/{id}");
    let result = eventually("the validation ends", || {
        let result = scenario.service_get(&target).json();
        (result["state"] != "running").then_some(result)
    });
    assert_eq!(
        (&result["state"], &result["faults"]),
        (&"valid".into(), &json!([]))
    );
    let publication = format!("/admin/v1/content/campaigns/publications/{id}");
    assert_eq!(scenario.service_get(&publication).status, 404);

    assert_eq!(scenario.publish("campaigns")["state"], "live");
    let list = |query: &str| {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let target = format!("/admin/v1/content/campaigns/items?limit=200{query}{cursor}");
            let page = scenario.service_get(&target).json();
            items.extend(page["items"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    };
    let all = list("");
    let listed: Vec<&str> = all.iter().filter_map(|item| item["id"].as_str()).collect();
    assert_eq!(listed, ids);
    assert!(all.iter().all(|item| item["state"] == "live"));

    let changed = format!("/admin/v1/content/campaigns/items/{}", ids[317]);
    let draft = scenario.service_get(&changed).json();
    let put = Request::new("PUT", &changed)
        .header("if-match", draft["etag"].as_str().unwrap())
        .json(&campaign("changed"));
    assert_eq!(scenario.service(put).status, 200);
    let found = list("&state=changed");
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0]["live"]["creatives"][0]["assets"]["title"],
        *ids[317]
    );
    assert_eq!(
        found[0]["draft"]["creatives"][0]["assets"]["title"],
        "changed"
    );
}

#[test]
fn a_set_that_contradicts_itself_is_not_published() {
    let scenario = Scenario::start();
    let version = json!({
        "platform": "ios", "store": "app_store", "latest": "2", "min": "1",
        "store_url": "https://apps.example/ours", "message": {"default": "x"},
    });
    scenario.create("app_versions", "one", &version);
    scenario.create("app_versions", "two", &version);
    let validated = scenario.service(Request::new(
        "POST",
        "/admin/v1/content/app_versions/validate",
    ));
    assert_eq!(validated.status, 200, "{}", validated.text());
    let faults = validated.json()["faults"].clone();
    assert_eq!(faults[0]["code"], "duplicate", "{faults}");
    assert_eq!(faults[0]["pointer"], "/store");
    let failed = scenario.publish("app_versions");
    assert_eq!(
        (&failed["state"], &failed["version"]),
        (&"failed".into(), &Value::Null)
    );
    assert_eq!(failed["faults"][0]["pointer"], "/store");
    let versions = scenario
        .service_get("/admin/v1/content/app_versions/versions")
        .json();
    assert_eq!(versions["versions"], json!([]));
}

#[test]
fn versions_are_kept_and_an_older_one_can_be_restored() {
    let scenario = Scenario::start();
    scenario.create("campaigns", "first", &campaign("top"));
    scenario.publish_live("campaigns", |s| {
        s.allocate("top", &device())["items"][0]["campaign_id"] == "first"
    });
    let remove = "/admin/v1/content/campaigns/items/first";
    let etag = scenario
        .service_get(remove)
        .header("etag")
        .unwrap()
        .to_owned();
    scenario.service(Request::new("DELETE", remove).header("if-match", &etag));
    scenario.create("campaigns", "second", &campaign("top"));
    scenario.publish_live("campaigns", |s| {
        s.allocate("top", &device())["items"][0]["campaign_id"] == "second"
    });

    let asked = scenario.service(Request::new(
        "POST",
        "/admin/v1/content/campaigns/versions/1/restore",
    ));
    assert_eq!(asked.status, 202, "{}", asked.text());
    let restored = scenario.publication("campaigns", &asked);
    assert_eq!(
        (&restored["state"], &restored["version"]),
        (&"live".into(), &json!(3))
    );
    crate::scenario::eventually("the old campaign is back", || {
        let answer = scenario.allocate("top", &device());
        (answer["items"][0]["campaign_id"] == "first").then_some(())
    });
    let versions = scenario
        .service_get("/admin/v1/content/campaigns/versions")
        .json();
    let numbers: Vec<_> = versions["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| {
            (
                version["version"].as_u64().unwrap(),
                version["restored_from"].as_u64(),
            )
        })
        .collect();
    assert_eq!(numbers, [(3, Some(1)), (2, None), (1, None)]);
    assert_eq!(
        versions["versions"][1]["changes"],
        json!({"added": 1, "changed": 0, "removed": 1})
    );
    assert_eq!(versions["versions"][1]["author"], "service:dev");
    let missing = Request::new("POST", "/admin/v1/content/campaigns/versions/99/restore");
    assert_eq!(scenario.service(missing).status, 404);
}

#[test]
fn a_publish_that_the_call_missed_is_found_by_the_schedule() {
    let scenario = Scenario::start();
    scenario.create("campaigns", "late", &campaign("top"));
    scenario.courtyard.lambda.inject(Fault::Refuse).unwrap();
    let asked = scenario.service_post("/admin/v1/content/campaigns/publish", &json!({"note": "x"}));
    assert_eq!(asked.status, 202, "{}", asked.text());
    scenario.courtyard.lambda.heal().unwrap();
    let schedule = json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});
    scenario
        .courtyard
        .invoke("publish", schedule.to_string().as_bytes())
        .unwrap();
    assert_eq!(scenario.publication("campaigns", &asked)["state"], "live");
}

#[test]
fn an_idempotency_key_is_answered_as_the_first_time() {
    let scenario = Scenario::start();
    scenario.create("campaigns", "once", &campaign("top"));
    let publish = |key: &str, note: &str| {
        let request = Request::new("POST", "/admin/v1/content/campaigns/publish")
            .header("idempotency-key", key)
            .json(&json!({"note": note}));
        scenario.service(request)
    };
    let first = publish("k1", "a");
    let second = publish("k1", "a");
    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(first.json(), second.json());
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    let reused = publish("k1", "b");
    assert_eq!(
        (reused.status, &reused.json()["code"]),
        (422, &"idempotency_key_reused".into())
    );
    let other = publish("k2", "a");
    assert_ne!(
        other.json()["publication_id"],
        first.json()["publication_id"]
    );
    let illegal = publish(&"k".repeat(256), "a");
    assert_eq!(
        (illegal.status, &illegal.json()["code"]),
        (400, &"invalid_header".into())
    );
    assert_eq!(scenario.publication("campaigns", &other)["state"], "live");
}

#[test]
fn banners_notices_and_config_are_drafted_and_published_like_the_rest() {
    let scenario = Scenario::start();
    let banner = json!({
        "placement": "home", "priority": 1, "time_zone": "America/New_York",
        "starts_at": "2026-03-08T00:00", "ends_at": "2026-03-09T00:00", "alt": {"default": "Sale"},
        "images": {"default": {"url": "https://cdn.example.com/a.png", "width": 2, "height": 1}},
        "click": {"type": "payload", "value": {"screen": "shop"}}, "frequency": "once",
    });
    let text = "<script>alert(1)</script>\u{202e}𠮷🏯";
    let notice = json!({
        "pinned": true, "priority": 0, "starts_at": "2026-11-20T10:00[Asia/Seoul]",
        "title": {"default": text}, "body": {"default": text, "ko": "# 안녕"},
    });
    let parameter = json!({
        "key": "home.columns", "type": "int", "default": 2, "schema": {"maximum": 6},
        "conditions": [
            {"name": "half", "targeting": {"all": [{"percent": 50, "seed": "s"}]}, "value": 3},
        ],
    });
    for (kind, item) in [
        ("banners", &banner),
        ("notices", &notice),
        ("config", &parameter),
    ] {
        scenario.create(kind, "one", item);
        let published = scenario.publish(kind);
        assert_eq!(
            (&published["state"], &published["version"]),
            (&"live".into(), &json!(1)),
            "{published}"
        );
    }
    let live = |kind: &str| {
        let item = format!("/admin/v1/content/{kind}/items/one");
        scenario.service_get(&item).json()["live"].clone()
    };
    // The day on which clocks are put forward has 23 hours.
    assert_eq!(live("banners")["starts_at"], "2026-03-08T05:00:00.000Z");
    assert_eq!(live("banners")["ends_at"], "2026-03-09T04:00:00.000Z");
    assert_eq!(live("notices")["starts_at"], "2026-11-20T01:00:00.000Z");
    assert_eq!(live("notices")["title"]["default"], text);
    assert_eq!(live("config"), parameter);

    let refused = |kind: &str, mut item: Value, field: &str, value: Value, at: &str| {
        item[field] = value;
        let path = format!("/admin/v1/content/{kind}/items/two");
        let put = Request::new("PUT", &path).header("if-none-match", "*");
        let answer = scenario.service(put.json(&item));
        assert_eq!(answer.status, 422, "{}", answer.text());
        let errors = &answer.json()["errors"];
        assert_eq!(errors[0]["pointer"], at, "{errors}");
        errors[0]["message"].as_str().unwrap_or_default().to_owned()
    };
    let skipped = json!("2026-03-08T02:30");
    let told = refused("banners", banner, "starts_at", skipped, "/starts_at");
    assert!(told.contains("2026-03-08T03:30:00-04:00"), "{told}");
    let long = json!({"default": "t", "ko": "x".repeat(10_000)});
    refused("notices", notice, "title", long, "/title/ko");
    let value = json!({"maximum": 1});
    refused("config", parameter, "schema", value, "/conditions/0/value");
}

fn write(scenario: &Scenario, kind: &str, id: &str, item: &Value) -> Response {
    let target = format!("/admin/v1/content/{kind}/items/{id}");
    scenario.service(
        Request::new("PUT", &target)
            .header("if-none-match", "*")
            .json(item),
    )
}

#[test]
fn an_id_that_a_fixed_route_has_is_refused() {
    let scenario = Scenario::start();
    let notice = json!({
        "pinned": false, "priority": 0, "starts_at": "2020-01-01T00:00:00Z",
        "title": {"default": "A"}, "body": {"default": "B"},
    });
    let refused = write(&scenario, "notices", "unread-count", &notice);
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!(refused.json()["errors"][0]["code"], "not_allowed");
    assert_eq!(
        write(&scenario, "notices", "unread-counts", &notice).status,
        201
    );
    let mut line = notice;
    line["id"] = json!("unread-count");
    let import = Request::new("POST", "/admin/v1/content/notices/import")
        .header("content-type", "application/x-ndjson")
        .body(line.to_string());
    let imported = scenario.service(import).json();
    assert_eq!(
        imported["results"][0]["code"], "validation_failed",
        "{imported}"
    );
}

#[test]
fn links_are_stored_as_uris_and_refused_with_what_to_write() {
    let scenario = crate::people::with_environment(&[("LINK_SCHEMES", "myapp, itms-apps")]);
    let campaign = |link: &str| campaign_with("a", json!({"click_url": link}));
    let good = [
        (
            "https://shop.example/여행",
            "https://shop.example/%EC%97%AC%ED%96%89",
        ),
        ("https://예시.한국/", "https://xn--vv4b11d.xn--3e0b707e/"),
        (
            "myapp://open?item=1&c={click_id}",
            "myapp://open?item=1&c={click_id}",
        ),
        ("http://shop.example", "http://shop.example"),
    ];
    for (nth, (link, stored)) in good.into_iter().enumerate() {
        let created = write(&scenario, "campaigns", &format!("c{nth}"), &campaign(link));
        assert_eq!(created.status, 201, "{link}: {}", created.text());
        assert_eq!(
            created.json()["draft"]["click_url"],
            stored,
            "{}",
            created.text()
        );
    }
    for (link, told) in [
        ("market://details?id=1", "myapp, itms-apps"),
        ("javascript:alert(1)", "https"),
        ("data:text/html,x", "https"),
        ("vbscript:x", "https"),
        ("file:///etc/passwd", "https"),
        ("blob:https://a.example/1", "https"),
        ("https://a@b.example/", "before the @"),
        ("https://a:b@c.example/", "before the @"),
        ("/relative", "https://example.com/page"),
        ("https://a.example/a b", "%20"),
    ] {
        let refused = write(&scenario, "campaigns", "bad", &campaign(link));
        assert_eq!(refused.status, 422, "{link}");
        let error = refused.json()["errors"][0].clone();
        assert_eq!(error["pointer"], "/click_url", "{link}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(told), "{link}: {message}");
        assert!(!message.contains('^'), "{link}: {message}");
    }
    let window = |url: &str| {
        json!({
            "gate": "window", "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2020-01-02T00:00:00Z",
            "message": {"default": "x"}, "url": url,
        })
    };
    let notice = |link: &str| {
        json!({
            "pinned": false, "priority": 0, "starts_at": "2020-01-01T00:00:00Z",
            "title": {"default": "A"}, "body": {"default": "B"}, "link": link,
        })
    };
    let banner = |link: &str, image: &str| {
        json!({
            "placement": "home", "priority": 0, "frequency": "always",
            "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2040-01-01T00:00:00Z",
            "images": {"default": {"url": image, "width": 2, "height": 1}},
            "alt": {"default": "A"}, "click": {"type": "open_url", "value": link},
        })
    };
    let picture = "https://cdn.example/사진.png";
    for (kind, item, pointer) in [
        ("maintenance", window("itms-apps://x/y"), None),
        ("maintenance", window("market://x"), Some("/url")),
        ("notices", notice("MyApp://notice"), None),
        ("notices", notice("https://me@a.example"), Some("/link")),
        ("banners", banner("myapp://x", picture), None),
        (
            "banners",
            banner("market://x", picture),
            Some("/click/value"),
        ),
        (
            "banners",
            banner("myapp://x", "myapp://x"),
            Some("/images/default/url"),
        ),
    ] {
        let id = format!("{kind}-{}", pointer.is_some());
        let answer = write(&scenario, kind, &id, &item);
        match pointer {
            None => assert_eq!(answer.status, 201, "{item}: {}", answer.text()),
            Some(pointer) => {
                assert_eq!(answer.status, 422, "{item}");
                assert_eq!(
                    answer.json()["errors"][0]["pointer"],
                    pointer,
                    "{}",
                    answer.text()
                );
            }
        }
    }
}
