//! Marks in all that happens to them: caps, batches, machines, lost answers, keys that are replaced.

use std::{collections::BTreeMap, thread, time::Duration};

use domain::{
    DeviceKey, Instant,
    tracking::{Keys, Token, sign, verify},
};
use serde_json::{Value, json};
use tests::{
    courtyard::Courtyard,
    fault::{Fault, Rule},
    http1::{self, Request, Response},
};

use crate::scenario::{Scenario, campaign_with, device, eventually};

const BATCH: &str = "/v1/t/batch";

/// A stack in which one campaign for `top` is published.
fn showing(changes: Value) -> Scenario {
    showing_with(changes, &[])
}

fn showing_with(changes: Value, environment: &[(&str, &str)]) -> Scenario {
    let courtyard = Courtyard::start_with(|options| {
        let pairs = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        options.environment.extend(pairs);
    });
    let scenario = Scenario {
        courtyard: courtyard.expect("the stack starts"),
    };
    scenario.create("campaigns", "shoes", &campaign_with("top", changes));
    scenario.publish_live("campaigns", |s| {
        s.allocate("top", &device())["items"] != json!([])
    });
    scenario
}

fn capped(max: u32) -> Value {
    json!({"caps": [{"scope": "campaign", "per": "day", "max": max}]})
}

/// The token of one more allocation for a phone.
fn token(scenario: &Scenario, phone: &str) -> String {
    let answer = scenario.allocate("top", &json!({"platform": "ios", "id": phone}));
    let url = answer["items"][0]["impression_url"]
        .as_str()
        .expect("a URL");
    url.rsplit('/').next().unwrap().to_owned()
}

fn seen(scenario: &Scenario, token: &str) -> Response {
    scenario.get(&format!("/v1/t/imp/{token}"))
}

fn batch(scenario: &Scenario, kind: &str, tokens: &[String]) -> Vec<String> {
    let answer = scenario.post(BATCH, &json!({"tokens": tokens, "kind": kind}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let results = answer.json();
    let results = results["results"].as_array().unwrap().iter();
    results
        .map(|result| result["status"].as_str().unwrap().to_owned())
        .collect()
}

/// A call of a service of the stack, past the recorders.
pub fn aws(endpoint: &str, target: &str, body: &Value) -> Value {
    let authorization = "AWS4-HMAC-SHA256 Credential=test/20260101/ap-northeast-2/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=0";
    let request = Request::new("POST", "/")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", target)
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", authorization)
        .body(body.to_string());
    let answer = http1::send(endpoint, &request).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

pub fn table<'s>(scenario: &'s Scenario, logical_id: &str) -> &'s str {
    &scenario.courtyard.description().tables[logical_id]
}

/// What lies in a table under keys that begin so.
pub fn items(scenario: &Scenario, logical_id: &str, pk: &str, sk: &str) -> Vec<Value> {
    let endpoint = &scenario.courtyard.description().dynamodb_endpoint;
    let table = table(scenario, logical_id);
    let scan = json!({"TableName": table, "ConsistentRead": true});
    let found = aws(endpoint, "DynamoDB_20120810.Scan", &scan);
    let items = found["Items"].as_array().unwrap().iter();
    let begins =
        |item: &Value, key: &str, with: &str| item[key]["S"].as_str().unwrap().starts_with(with);
    items
        .filter(|item| begins(item, "pk", pk) && begins(item, "sk", sk))
        .cloned()
        .collect()
}

pub fn marks(scenario: &Scenario) -> Vec<Value> {
    items(scenario, "MarksTable", "mark#", "")
}

/// How many marks have a flag.
fn with(scenario: &Scenario, flag: &str) -> usize {
    let marks = marks(scenario);
    let flagged = marks.iter().filter(|mark| mark[flag]["BOOL"] == true);
    flagged.count()
}

/// The totals of a phone's counters, by their keys.
fn counters(scenario: &Scenario, phone: &str) -> BTreeMap<String, String> {
    let device = DeviceKey::of(&phone.parse().unwrap());
    let found = items(
        scenario,
        "DevicesTable",
        &format!("device#{device}"),
        "cap#",
    );
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    found
        .iter()
        .map(|item| (text(&item["sk"]["S"]), text(&item["n"]["N"])))
        .collect()
}

fn secret(scenario: &Scenario) -> Value {
    let endpoint = &scenario.courtyard.description().secrets_endpoint;
    let get = json!({"SecretId": "madang/dev/tracking-keys"});
    let found = aws(endpoint, "secretsmanager.GetSecretValue", &get);
    serde_json::from_str(found["SecretString"].as_str().unwrap()).unwrap()
}

fn keys(ring: &Value) -> Keys {
    Keys::parse(&ring.to_string()).unwrap()
}

/// What a token of the stack's own says.
fn said(scenario: &Scenario, text: &str) -> Token {
    let now = Instant::default();
    verify(&keys(&secret(scenario)), text, now).unwrap().token
}

#[test]
fn as_many_impressions_count_as_the_cap_allows_and_the_rest_are_kept() {
    let scenario = showing(capped(3));
    let tokens: Vec<String> = (0..200)
        .map(|_| token(&scenario, "phone-1-example-0001"))
        .collect();
    thread::scope(|threads| {
        for some in tokens.chunks(5) {
            let scenario = &scenario;
            threads.spawn(move || {
                for token in some {
                    assert_eq!(seen(scenario, token).status, 204);
                }
            });
        }
    });
    assert_eq!(marks(&scenario).len(), 200);
    assert_eq!(with(&scenario, "over_cap"), 197);
    let counters = counters(&scenario, "phone-1-example-0001");
    assert_eq!(counters.into_values().collect::<Vec<_>>(), ["3"]);
    assert_eq!(
        seen(&scenario, &token(&scenario, "phone-2-example-0002")).status,
        204
    );
    assert_eq!(with(&scenario, "over_cap"), 197, "another device's own");
    scenario.courtyard.invoke("roll-up", b"{}").unwrap();
    let report = scenario.service_get("/admin/v1/reports/campaigns").json();
    assert_eq!(report["rows"][0]["impressions"], 4, "{report}");
}

#[test]
fn an_advertisers_campaigns_count_for_each_other() {
    let scenario = showing(json!({}));
    let once = json!([{"scope": "advertiser", "per": "lifetime", "max": 1}]);
    let second = campaign_with("second", json!({"caps": once, "time_zone": "Asia/Seoul"}));
    let others = campaign_with("third", json!({"caps": once, "advertiser": "other"}));
    scenario.create("campaigns", "boots", &second);
    scenario.create("campaigns", "hats", &others);
    let of = |placement: &str| {
        let phone = json!({"platform": "ios", "id": "phone-1-example-0001"});
        let answer = scenario.allocate(placement, &phone);
        let url = answer["items"][0]["impression_url"].as_str()?;
        Some(url.rsplit('/').next()?.to_owned())
    };
    scenario.publish_live("campaigns", |_| of("second").is_some());
    // `track` looks after newer campaigns by itself; one that it does not know makes it look.
    let order = [("third", 0), ("top", 0), ("second", 1), ("top", 1)];
    let given: Vec<_> = order.iter().map(|(place, _)| of(place).unwrap()).collect();
    for ((placement, over_cap), token) in order.into_iter().zip(given) {
        assert_eq!(seen(&scenario, &token).status, 204);
        assert_eq!(with(&scenario, "over_cap"), over_cap, "{placement}");
    }
    let mut counted: Vec<_> = counters(&scenario, "phone-1-example-0001")
        .into_values()
        .collect();
    counted.sort();
    assert_eq!(counted, ["1", "2"], "of the two advertisers");
}

#[test]
fn a_campaign_is_not_given_to_a_device_that_has_seen_it_often_enough() {
    let scenario = showing(capped(3));
    let tokens: Vec<String> = (0..4)
        .map(|_| token(&scenario, "phone-1-example-0001"))
        .collect();
    for token in &tokens {
        assert_eq!(seen(&scenario, token).status, 204);
    }
    for _ in 0..20 {
        let full = scenario.allocate(
            "top",
            &json!({"platform": "ios", "id": "phone-1-example-0001"}),
        );
        assert_eq!(full["items"], json!([]));
    }
    let other = scenario.allocate(
        "top",
        &json!({"platform": "ios", "id": "phone-2-example-0002"}),
    );
    assert_eq!(other["items"][0]["campaign_id"], "shoes");
}

#[test]
fn erasing_a_device_erases_what_it_was_shown() {
    let scenario = showing(capped(1));
    let tokens = [0, 1].map(|_| token(&scenario, "phone-1-example-0001"));
    for (expected, token) in tokens.iter().enumerate() {
        assert_eq!(seen(&scenario, token).status, 204);
        assert_eq!(with(&scenario, "over_cap"), expected);
    }
    let erase = Request::new("DELETE", "/v1/devices/phone-1-example-0001/profile");
    assert_eq!(scenario.service(erase).status, 204);
    assert!(counters(&scenario, "phone-1-example-0001").is_empty());
    assert_eq!(
        seen(&scenario, &token(&scenario, "phone-1-example-0001")).status,
        204
    );
    assert_eq!(with(&scenario, "over_cap"), 1, "it begins anew");
}

#[test]
fn an_impression_whose_answers_are_lost_counts_once_and_is_not_over_its_cap() {
    let scenario = showing(capped(1));
    for (nth, losses) in [(1, 1), (2, 3)] {
        let phone = format!("phone-{nth}-example-0001");
        let token = token(&scenario, &phone);
        let lost = Rule::from(Fault::DropAnswer)
            .of("track")
            .on("dynamodb:UpdateItem")
            .times(losses);
        scenario.courtyard.database.inject(lost).unwrap();
        assert_eq!(seen(&scenario, &token).status, 204, "{losses} answers lost");
        scenario.courtyard.database.heal().unwrap();
        assert_eq!(seen(&scenario, &token).status, 204);
        let counters = counters(&scenario, &phone);
        assert_eq!(counters.into_values().collect::<Vec<_>>(), ["1"]);
        assert_eq!(
            (marks(&scenario).len(), with(&scenario, "over_cap")),
            (nth, 0)
        );
    }
}

#[test]
fn an_impression_waits_while_the_database_asks_for_patience() {
    let scenario = showing(capped(1));
    let token = token(&scenario, "phone-1-example-0001");
    let busy = Rule::from(Fault::Throttle)
        .of("track")
        .on("dynamodb:UpdateItem")
        .times(4);
    scenario.courtyard.database.inject(busy).unwrap();
    assert_eq!(seen(&scenario, &token).status, 204);
    assert_eq!(counters(&scenario, "phone-1-example-0001").len(), 1);
}

#[test]
fn a_batch_tells_of_each_token_and_none_spoils_the_others() {
    let scenario = showing(capped(3));
    let mut tokens: Vec<String> = (0..6)
        .map(|_| token(&scenario, "phone-1-example-0001"))
        .collect();
    assert_eq!(batch(&scenario, "imp", &tokens[..1]), ["accepted"]);
    tokens.insert(2, tokens[1].clone());
    tokens.insert(3, "nonsense".to_owned());
    tokens.insert(4, String::new());
    tokens.insert(5, "nonsense".to_owned());
    let mut altered = tokens[6].clone().into_bytes();
    altered[30] = if altered[30] == b'A' { b'B' } else { b'A' };
    tokens.push(String::from_utf8(altered).unwrap());
    // Tokens are counted beside each other: of the four that are new, any two are the last to fit.
    let mut statuses = batch(&scenario, "impression", &tokens);
    let mut new = statuses.split_off(6);
    assert_eq!(new.pop().unwrap(), "invalid");
    assert_eq!(
        [&statuses[0], &statuses[3], &statuses[4], &statuses[5]],
        ["repeated", "invalid", "invalid", "invalid"]
    );
    new.push(statuses[1].clone());
    assert_eq!(statuses[2], "repeated");
    new.sort();
    assert_eq!(
        new,
        ["accepted", "accepted", "over_cap", "over_cap", "over_cap"]
    );

    let clicks = batch(&scenario, "click", &tokens[..4]);
    assert_eq!(clicks, ["accepted", "accepted", "repeated", "invalid"]);
    for kind in ["clk", "cv", "conversion"] {
        assert_eq!(batch(&scenario, kind, &tokens[3..4]), ["invalid"]);
    }
    let many = vec!["x".to_owned(); 100];
    assert_eq!(batch(&scenario, "imp", &many), vec!["invalid"; 100]);
    for refused in [
        json!({"tokens": [], "kind": "imp"}),
        json!({"tokens": vec!["x"; 101], "kind": "imp"}),
        json!({"tokens": ["x"], "kind": "view"}),
        json!({"tokens": [1], "kind": "imp"}),
        json!({"tokens": ["x"]}),
    ] {
        assert_eq!(scenario.post(BATCH, &refused).status, 422, "{refused}");
    }
}

#[test]
fn a_batch_that_cannot_be_stored_may_be_sent_again() {
    let scenario = showing(json!({}));
    let tokens: Vec<String> = (0..3)
        .map(|_| token(&scenario, "phone-1-example-0001"))
        .collect();
    assert_eq!(batch(&scenario, "imp", &tokens[..1]), ["accepted"]);
    let broken = Rule::from(Fault::ServerError)
        .of("track")
        .on("dynamodb:PutItem");
    scenario.courtyard.database.inject(broken).unwrap();
    let none = scenario.post(BATCH, &json!({"tokens": tokens, "kind": "imp"}));
    assert_eq!(
        (none.status, &none.json()["code"]),
        (503, &"unavailable".into())
    );
    let mut some = tokens.clone();
    some.push("nonsense".to_owned());
    let failed = ["failed", "failed", "failed", "invalid"];
    assert_eq!(batch(&scenario, "imp", &some), failed);
    scenario.courtyard.database.heal().unwrap();
    let again = batch(&scenario, "imp", &tokens);
    assert_eq!(again, ["repeated", "accepted", "accepted"]);
}

#[test]
fn a_conversion_counts_in_its_window_although_its_token_has_expired() {
    let scenario = showing_with(
        json!({}),
        &[
            ("TRACKING_TOKEN_LIFETIME_S", "1"),
            ("CONVERSION_WINDOW_S", "300"),
        ],
    );
    let token = token(&scenario, "phone-1-example-0001");
    thread::sleep(Duration::from_millis(2_100));
    assert_eq!(seen(&scenario, &token).status, 404);
    let some = std::slice::from_ref(&token);
    for kind in ["imp", "clk"] {
        assert_eq!(batch(&scenario, kind, some), ["expired"]);
    }
    assert_eq!(batch(&scenario, "cv", some), ["accepted"]);
    assert_eq!(scenario.get(&format!("/v1/t/cv/{token}")).status, 204);
    assert_eq!(scenario.get(&format!("/v1/t/clk/{token}")).status, 302);
    assert_eq!(marks(&scenario).len(), 1);
}

/// The report's only row after a roll-up.
fn reported(scenario: &Scenario) -> Value {
    scenario.courtyard.invoke("roll-up", b"{}").unwrap();
    let report = scenario.service_get("/admin/v1/reports/campaigns").json();
    report["rows"][0].clone()
}

#[test]
fn a_conversion_counts_only_after_a_click_of_the_same_token() {
    let scenario = showing(json!({}));
    let tokens: Vec<String> = (1..=3)
        .map(|nth| token(&scenario, &format!("phone-{nth}-example-0001")))
        .collect();
    for token in &tokens {
        assert_eq!(seen(&scenario, token).status, 204);
    }
    assert_eq!(
        batch(&scenario, "cv", &tokens),
        ["accepted", "accepted", "accepted"]
    );
    let row = reported(&scenario);
    assert_eq!(
        (&row["conversions"], &row["flagged"]),
        (&json!(0), &json!(3))
    );

    // The click arrives after its conversion; a robot's click is none.
    assert_eq!(batch(&scenario, "clk", &tokens[..1]), ["accepted"]);
    let robot = Request::get(&format!("/v1/t/clk/{}", tokens[1]))
        .header("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1)");
    assert_eq!(scenario.send(&robot).status, 302);
    let row = reported(&scenario);
    assert_eq!(
        (&row["clicks"], &row["conversions"], &row["flagged"]),
        (&json!(1), &json!(1), &json!(3))
    );
}

#[test]
fn a_campaign_may_let_conversions_count_after_an_impression() {
    let scenario = showing(json!({"conversions_after": "impression"}));
    let tokens: Vec<String> = (1..=3)
        .map(|nth| token(&scenario, &format!("phone-{nth}-example-0001")))
        .collect();
    batch(&scenario, "imp", &tokens[..1]);
    batch(&scenario, "clk", &tokens[1..2]);
    batch(&scenario, "cv", &tokens);
    let row = reported(&scenario);
    assert_eq!(
        (&row["conversions"], &row["flagged"]),
        (&json!(2), &json!(1))
    );
}

#[test]
fn after_a_pause_allocations_and_tracking_know_what_was_published_meanwhile() {
    // A minute a second, so that an instance is idle for half a minute in no time.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let since = i64::try_from(since.unwrap().as_millis()).unwrap();
    let courtyard = Courtyard::start_with(|options| {
        let since = Instant::from_millis(since);
        options.course = Some(kit::clock::Course { speed: 60, since });
    });
    let scenario = Scenario {
        courtyard: courtyard.expect("the stack starts"),
    };
    scenario.create("campaigns", "shoes", &campaign_with("top", json!({})));
    scenario.publish_live("campaigns", |s| {
        s.allocate("top", &device())["items"] != json!([])
    });
    assert_eq!(
        seen(&scenario, &token(&scenario, "phone-1-example-0001")).status,
        204
    );

    let target = "/admin/v1/content/campaigns/items/shoes";
    let draft = scenario.service_get(target);
    let once = json!({"caps": [{"scope": "campaign", "per": "lifetime", "max": 1}]});
    let changed = Request::new("PUT", target)
        .header("if-match", draft.header("etag").unwrap())
        .json(&campaign_with("top", once));
    assert_eq!(scenario.service(changed).status, 200);
    scenario.create("campaigns", "boots", &campaign_with("second", json!({})));
    assert_eq!(scenario.publish("campaigns")["state"], "live");
    thread::sleep(Duration::from_secs(1));

    let phone = json!({"platform": "ios", "id": "phone-2-example-0002"});
    assert_ne!(scenario.allocate("second", &phone)["items"], json!([]));
    let tokens = [0, 1].map(|_| token(&scenario, "phone-2-example-0002"));
    for token in &tokens {
        assert_eq!(seen(&scenario, token).status, 204);
    }
    assert_eq!(with(&scenario, "over_cap"), 1);
}

#[test]
fn a_click_url_names_the_click_and_the_device() {
    let url = "https://shop.example/{click_id}?d={device_hash}";
    let scenario = showing(json!({"click_url": url}));
    let clicked = |token: &str| {
        let answer = scenario.get(&format!("/v1/t/clk/{token}"));
        assert_eq!(answer.status, 302, "{}", answer.text());
        answer.header("location").unwrap().to_owned()
    };
    let token = token(&scenario, "phone-1-example-0001");
    let (first, again) = (clicked(&token), clicked(&token));
    assert_eq!(first, again);
    let phone = DeviceKey::of(&"phone-1-example-0001".parse().unwrap()).to_string();
    let click = said(&scenario, &token).click_id();
    let (before, hash) = first.rsplit_once('=').unwrap();
    assert_eq!(before, format!("https://shop.example/{click}?d"));
    assert!(hash.len() == 32 && *hash != *phone, "{hash}");
    let nobodys = scenario.allocate("top", &device());
    let nobodys = nobodys["items"][0]["click_url"].as_str().unwrap();
    let nobodys = clicked(nobodys.rsplit('/').next().unwrap());
    assert!(nobodys.ends_with("?d="), "{nobodys}");
    assert_ne!(nobodys.split('?').next(), first.split('?').next());

    for refused in ["https://shop.example/{gaid}", "https://{click_id}.example/"] {
        let item = campaign_with("top", json!({"click_url": refused}));
        let put = Request::new("PUT", "/admin/v1/content/campaigns/items/other")
            .header("if-none-match", "*")
            .json(&item);
        let answer = scenario.service(put);
        assert_eq!(answer.status, 422, "{refused}");
        assert_eq!(answer.json()["errors"][0]["pointer"], "/click_url");
    }
}

#[test]
fn machines_are_answered_like_people_and_count_nowhere() {
    let scenario = showing(capped(1));
    let token = token(&scenario, "phone-1-example-0001");
    let robot = |path: &str| {
        let request =
            Request::get(path).header("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1)");
        scenario.send(&request).status
    };
    for _ in 0..2 {
        assert_eq!(robot(&format!("/v1/t/imp/{token}")), 204);
        assert_eq!(robot(&format!("/v1/t/clk/{token}")), 302);
    }
    let early = Request::get(&format!("/v1/t/cv/{token}")).header("sec-purpose", "prefetch");
    assert_eq!(scenario.send(&early).status, 204);
    assert_eq!((marks(&scenario).len(), with(&scenario, "flagged")), (3, 3));
    assert!(counters(&scenario, "phone-1-example-0001").is_empty());
    let sent = Request::new("POST", BATCH)
        .header("user-agent", "WhatsApp/2.23")
        .json(&json!({"tokens": [token], "kind": "imp"}));
    assert_eq!(
        scenario.send(&sent).json()["results"][0]["status"],
        "repeated"
    );

    // Whoever really saw it is counted all the same.
    assert_eq!(seen(&scenario, &token).status, 204);
    assert_eq!((marks(&scenario).len(), with(&scenario, "flagged")), (4, 3));
    assert_eq!(counters(&scenario, "phone-1-example-0001").len(), 1);
}

#[test]
fn an_apps_name_makes_no_robot_and_an_http_library_is_one() {
    let scenario = showing(json!({}));
    let agents = [
        ("SpiderSolitaire/5.2 CFNetwork/1410.1 Darwin/22.6.0", false),
        ("CrawlBot/3 okhttp/4.12.0", false),
        ("PetBot/1.0 (Android 14; Pixel 8)", false),
        ("python-requests/2.32.3", true),
        ("Go-http-client/2.0", true),
        (
            "Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
            true,
        ),
    ];
    let mut flagged = 0;
    for (nth, (agent, is_robot)) in agents.into_iter().enumerate() {
        let token = token(&scenario, &format!("phone-{nth}-example-0001"));
        let request = Request::get(&format!("/v1/t/imp/{token}")).header("user-agent", agent);
        assert_eq!(scenario.send(&request).status, 204, "{agent}");
        flagged += usize::from(is_robot);
        assert_eq!(with(&scenario, "flagged"), flagged, "{agent}");
        assert_eq!(marks(&scenario).len(), nth + 1, "{agent}");
    }
    for (nth, (name, value)) in [("x-purpose", "preview"), ("x-moz", "prefetch")]
        .into_iter()
        .enumerate()
    {
        let token = token(&scenario, &format!("early-{nth}"));
        let click = Request::get(&format!("/v1/t/clk/{token}")).header(name, value);
        assert_eq!(scenario.send(&click).status, 302, "{name}");
        flagged += 1;
        assert_eq!(with(&scenario, "flagged"), flagged, "{name}");
    }
}

#[test]
fn a_batch_comes_as_a_beacon_and_compressed() {
    let scenario = showing(json!({}));
    let body =
        json!({"tokens": [token(&scenario, "phone-1-example-0001")], "kind": "imp"}).to_string();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, body.as_bytes()).unwrap();
    let packed = Request::new("POST", BATCH)
        .header("content-type", "text/plain")
        .header("content-encoding", "gzip")
        .body(encoder.finish().unwrap());
    let beacon = Request::new("POST", BATCH)
        .header("content-type", "text/plain;charset=UTF-8")
        .body(body);
    for request in [packed, beacon] {
        let answer = scenario.send(&request);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(marks(&scenario).len(), 1);
}

#[test]
fn what_is_sent_again_is_noted() {
    let scenario = showing(json!({}));
    let token = token(&scenario, "phone-1-example-0001");
    for _ in 0..4 {
        assert_eq!(seen(&scenario, &token).status, 204);
    }
    eventually("the repeats are noted", || {
        let marks = marks(&scenario);
        (marks[0]["repeats"]["N"] == "3").then_some(())
    });
}

#[test]
fn no_more_impressions_count_under_a_lease_than_it_has() {
    let scenario = showing(json!({}));
    let ring = keys(&secret(&scenario));
    let leased = |lease| {
        let token = said(&scenario, &token(&scenario, "phone-1-example-0001"));
        let lease = Some(lease);
        sign(&ring, &Token { lease, ..token })
    };
    let campaign = said(&scenario, &token(&scenario, "phone-1-example-0001")).campaign;
    let lease = json!({
        "pk": {"S": format!("budget#{campaign:016x}")}, "sk": {"S": format!("lease#{:016x}", 7)},
        "chunk": {"N": "2"}, "used": {"N": "0"},
    });
    let put = json!({"TableName": table(&scenario, "BudgetsTable"), "Item": lease});
    let endpoint = &scenario.courtyard.description().dynamodb_endpoint;
    aws(endpoint, "DynamoDB_20120810.PutItem", &put);
    for (lease, over_cap) in [(7, 0), (7, 0), (7, 1), (8, 2)] {
        assert_eq!(seen(&scenario, &leased(lease)).status, 204);
        assert_eq!(with(&scenario, "over_cap"), over_cap);
    }
    let used = items(&scenario, "BudgetsTable", "budget#", "lease#");
    assert_eq!((used.len(), &used[0]["used"]["N"]), (1, &json!("2")));
}

#[test]
fn keys_are_replaced_while_tokens_are_under_way() {
    let scenario = showing(json!({}));
    let old = secret(&scenario);
    let under_way = token(&scenario, "phone-1-example-0001");
    assert_eq!(
        seen(&scenario, &token(&scenario, "phone-1-example-0001")).status,
        204
    );
    let mut new = old.clone();
    new["current"] = json!({"id": 77, "key": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="});
    new["previous"] = json!([old["current"]]);
    let put = json!({"SecretId": "madang/dev/tracking-keys", "SecretString": new.to_string()});
    let endpoint = &scenario.courtyard.description().secrets_endpoint;
    aws(endpoint, "secretsmanager.PutSecretValue", &put);

    // Its keys were read a moment ago; the first token of the new one makes it look again.
    thread::sleep(Duration::from_millis(1_100));
    let fresh = Token {
        request: [9; 16],
        ..said(&scenario, &under_way)
    };
    assert_eq!(seen(&scenario, &sign(&keys(&new), &fresh)).status, 204);
    assert_eq!(seen(&scenario, &under_way).status, 204);

    let reads = || {
        let calls = scenario.courtyard.secrets.calls();
        calls.iter().filter(|call| call.function == "track").count()
    };
    let (before, began) = (reads(), std::time::Instant::now());
    let forged: Vec<String> = (100..200_u8)
        .map(|id| {
            let mut ring = new.clone();
            ring["current"]["id"] = json!(id);
            sign(&keys(&ring), &fresh)
        })
        .collect();
    assert_eq!(batch(&scenario, "imp", &forged), vec!["invalid"; 100]);
    for token in &forged {
        assert_eq!(seen(&scenario, token).status, 404);
    }
    let most = 1 + usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!(reads() - before <= most, "{} reads", reads() - before);
    assert_eq!(seen(&scenario, &under_way).status, 204);
}
