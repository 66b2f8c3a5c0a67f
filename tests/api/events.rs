//! What apps tell: counted once, whatever happens to calls and answers, and told by the report.

use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use domain::{Day, Instant};
use serde_json::{Value, json};
use tests::{
    fault::{Fault, Rule},
    http1::{Request, Response},
};

use crate::{scenario::Scenario, tracking::items};

const EVENTS: &str = "/v1/events";

const DAY: Duration = Duration::from_secs(24 * 3600);

fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Instant::from_millis(since.as_millis().try_into().unwrap())
}

/// A stack in which a banner and a notice are published.
fn published() -> Scenario {
    let scenario = Scenario::start();
    publish_banner(&scenario, "spring");
    let notice = json!({
        "pinned": false, "priority": 0, "starts_at": "2020-01-01T00:00:00Z",
        "title": {"default": "Rules"}, "body": {"default": "Be kind."},
    });
    scenario.create("notices", "rules", &notice);
    let publication = scenario.publish("notices");
    assert_eq!(publication["state"], "live", "{publication}");
    scenario
}

fn publish_banner(scenario: &Scenario, id: &str) {
    let banner = json!({
        "placement": "home", "priority": 0, "frequency": "always",
        "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2040-01-01T00:00:00Z",
        "images": {"default": {"url": "https://cdn.example/a.png", "width": 2, "height": 1}},
        "alt": {"default": "A banner"}, "click": {"type": "none"},
    });
    scenario.create("banners", id, &banner);
    let publication = scenario.publish("banners");
    assert_eq!(publication["state"], "live", "{publication}");
}

fn event(id: &str, event_type: &str, target: &str, at: Instant) -> Value {
    json!({"id": id, "type": event_type, "target": target, "at": at})
}

/// So many impressions of the banner, with ids of their own.
fn impressions(ids: std::ops::Range<usize>) -> Vec<Value> {
    let at = now();
    ids.map(|id| event(&id.to_string(), "impression", "banners/spring", at))
        .collect()
}

fn request(events: &[Value]) -> Request {
    let request = Request::new("POST", EVENTS).json(&json!({ "events": events }));
    request.header("x-device-id", "phone-1-example-0001")
}

fn send(scenario: &Scenario, events: &[Value]) -> Response {
    scenario.send(&request(events))
}

/// Accepted, repeated, and what was refused.
fn told(answer: &Response) -> (u64, u64, Value) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    let number = |name: &str| answer[name].as_u64().unwrap();
    (
        number("accepted"),
        number("repeated"),
        answer["refused"].clone(),
    )
}

fn report(scenario: &Scenario, group: &str) -> Value {
    let answer = scenario.service_get(&format!("/admin/v1/reports/events?group={group}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["rows"].clone()
}

/// The impressions of the banner, in the report.
fn seen(scenario: &Scenario) -> u64 {
    let rows = report(scenario, "item");
    rows[0]["impressions"].as_u64().unwrap_or(0)
}

fn refused(answer: &Response) -> (u16, Value, Value) {
    let document = answer.json();
    let pointer = document["errors"][0]["pointer"].clone();
    (answer.status, document["code"].clone(), pointer)
}

#[test]
fn what_is_told_of_items_is_in_the_report_by_item_day_and_type() {
    let scenario = published();
    let today = now();
    let before = today - DAY * 2;
    let events = [
        event("1", "impression", "banners/spring", today),
        event("2", "impression", "banners/spring", today),
        event("3", "click", "banners/spring", today),
        event("4", "impression", "banners/spring", before),
        event("5", "dismissal", "notices/rules", before),
        event("6", "impression", "notices/rules", today + DAY / 2),
        event("7", "impression", "banners/unheard-of", today),
        event("8", "level_up", "banners/spring", today),
        json!({"id": "9", "type": "level_up", "at": before, "attributes": {"level": 7}}),
    ];
    assert_eq!(told(&send(&scenario, &events)), (9, 0, json!([])));

    let row = |kind: &str, id: &str, [impressions, clicks, dismissals]: [u64; 3], ctr: Value| {
        json!({
            "kind": kind, "id": id, "impressions": impressions, "clicks": clicks,
            "dismissals": dismissals, "ctr": ctr,
        })
    };
    let on = |day: Instant, mut row: Value| {
        row["day"] = Day::of(day).to_string().into();
        row
    };
    assert_eq!(
        report(&scenario, "item"),
        json!([
            row("banners", "spring", [3, 1, 0], json!(1.0 / 3.0)),
            row("notices", "rules", [1, 0, 1], json!(0.0)),
        ])
    );
    assert_eq!(
        report(&scenario, "day"),
        json!([
            on(before, row("banners", "spring", [1, 0, 0], json!(0.0))),
            on(before, row("notices", "rules", [0, 0, 1], Value::Null)),
            on(today, row("banners", "spring", [2, 1, 0], json!(0.5))),
            on(today, row("notices", "rules", [1, 0, 0], json!(0.0))),
        ])
    );
    assert_eq!(
        report(&scenario, "type"),
        json!([
            {"type": "click", "count": 1},
            {"type": "dismissal", "count": 1},
            {"type": "impression", "count": 5},
            {"type": "level_up", "count": 2},
        ])
    );

    let day = Day::of(before);
    let target = format!("/admin/v1/reports/events?group=day&from={day}&to={day}");
    let csv = scenario.service(Request::get(&target).header("accept", "text/csv"));
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(csv.header("vary"), Some("accept"));
    assert_eq!(
        csv.text(),
        format!(
            "day,kind,id,impressions,clicks,dismissals,ctr\r\n\
             {day},banners,spring,1,0,0,0\r\n{day},notices,rules,0,0,1,\r\n"
        )
    );
    let as_of = scenario.service_get("/admin/v1/reports/events").json()["as_of"].clone();
    assert!(as_of.as_str().unwrap().parse::<Instant>().unwrap() >= today);
}

#[test]
fn an_event_counts_once_for_its_device() {
    let scenario = published();
    let some = impressions(0..5);
    assert_eq!(told(&send(&scenario, &some)), (5, 0, json!([])));
    assert_eq!(told(&send(&scenario, &some)), (0, 5, json!([])));
    let twice = [impressions(5..7), impressions(4..6)].concat();
    assert_eq!(told(&send(&scenario, &twice)), (2, 2, json!([])));
    assert_eq!(seen(&scenario), 7);

    let on = |device: Option<&str>| {
        let request = Request::new("POST", EVENTS).json(&json!({ "events": impressions(0..1) }));
        let request = match device {
            Some(device) => request.header("x-device-id", device),
            None => request,
        };
        scenario.send(&request)
    };
    for device in [Some("phone-2-example-0002"), None] {
        assert_eq!(told(&on(device)), (1, 0, json!([])), "{device:?}");
        assert_eq!(told(&on(device)), (0, 1, json!([])), "{device:?}");
    }
    assert_eq!(seen(&scenario), 9);
    let unreadable = on(Some("no device id at all"));
    assert_eq!(told(&unreadable), (0, 1, json!([])), "as of no device");
}

#[test]
fn of_many_calls_at_once_with_the_same_events_each_event_counts_once() {
    let scenario = published();
    let events = impressions(0..30);
    let accepted: u64 = thread::scope(|threads| {
        let calls: Vec<_> = (0..8)
            .map(|nth| {
                let (scenario, events) = (&scenario, &events);
                threads.spawn(move || told(&send(scenario, &events[nth..nth + 20])).0)
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).sum()
    });
    assert_eq!((accepted, seen(&scenario)), (27, 27));
}

#[test]
fn a_value_that_is_not_legal_refuses_its_event_and_no_other() {
    let scenario = published();
    let at = now();
    let target = "banners/spring";
    let deep = json!({"a": {"b": {"c": {"d": {}}}}});
    let events = [
        event("1", "impression", target, at),
        event("not an id", "impression", target, at),
        event("2", "Impression", target, at),
        event("3", "impression", "", at),
        json!({"id": "4", "type": "click", "at": at, "attributes": deep}),
        event("5", "impression", target, at - DAY * 31),
        event("6", "impression", target, at + DAY * 2),
        event("1", "impression", target, at),
        event("7", "impression", target, at),
    ];
    let codes = [
        "invalid_id",
        "invalid_type",
        "invalid_target",
        "invalid_attributes",
        "too_old",
        "in_the_future",
    ];
    let codes = codes.iter().zip(1..);
    let codes: Vec<_> = codes
        .map(|(code, index)| json!({"index": index, "code": code}))
        .collect();
    assert_eq!(told(&send(&scenario, &events)), (2, 1, json!(codes)));
    assert_eq!(seen(&scenario), 2);
    let only = told(&send(&scenario, &events[1..2]));
    assert_eq!(only, (0, 0, json!([{"index": 0, "code": "invalid_id"}])));
}

#[test]
fn a_body_that_is_none_refuses_all_of_it() {
    let scenario = published();
    let good = &impressions(0..1)[0];
    let with = |name: &str, value: Value| {
        let mut event = good.clone();
        event[name] = value;
        json!({ "events": [good, event] })
    };
    for (body, pointer) in [
        (json!({ "events": impressions(0..101) }), "/events"),
        (json!({ "events": [] }), "/events"),
        (json!({ "events": good }), "/events"),
        (json!({}), "/events"),
        (json!({ "events": [good], "more": 1 }), "/more"),
        (json!({ "events": [good, 7] }), "/events/1"),
        (with("at", json!(1)), "/events/1/at"),
        (with("type", Value::Null), "/events/1/type"),
        (with("colour", json!("red")), "/events/1/colour"),
        (with("attributes", json!("red")), "/events/1/attributes"),
    ] {
        let answer = scenario.post(EVENTS, &body);
        let expected = (422, "validation_failed".into(), pointer.into());
        assert_eq!(refused(&answer), expected, "{body}");
    }
    assert_eq!(report(&scenario, "type"), json!([]));
    let hundred = told(&send(&scenario, &impressions(0..100)));
    assert_eq!(hundred, (100, 0, json!([])));
}

#[test]
fn nothing_of_an_event_is_kept_but_that_it_was() {
    let scenario = published();
    let at = now();
    let events = [
        json!({
            "id": "private-1", "type": "search", "target": "private-2", "at": at,
            "attributes": {"private-3": "private-4", "<script>": "\u{202e}"},
        }),
        event("private-5", "impression", "banners/private-6", at),
    ];
    assert_eq!(told(&send(&scenario, &events)), (2, 0, json!([])));
    let kept = json!(items(&scenario, "MarksTable", "event", "")).to_string();
    assert!(kept.contains("type#search") && kept.contains("type#impression"));
    for part in ["private", "phone-1-example-0001", "script"] {
        assert!(!kept.contains(part), "{part}");
    }
}

#[test]
fn an_item_counts_from_the_moment_it_is_published() {
    let scenario = published();
    let of_autumn = |id: &str| [event(id, "impression", "banners/autumn", now())];
    send(&scenario, &of_autumn("1"));
    assert_eq!(report(&scenario, "item"), json!([]));
    publish_banner(&scenario, "autumn");
    // Items that are not known are looked for once a second.
    thread::sleep(Duration::from_secs(1));
    send(&scenario, &of_autumn("2"));
    let rows = report(&scenario, "item");
    assert_eq!(
        (&rows[0]["id"], &rows[0]["impressions"]),
        (&"autumn".into(), &json!(1))
    );
    assert_eq!(
        report(&scenario, "type"),
        json!([{"type": "impression", "count": 2}])
    );
}

fn of_types(types: &[&str]) -> Vec<Value> {
    let types = types.iter();
    types
        .map(|name| {
            event(
                &format!("{name}:{}", now().as_millis()),
                name,
                "somewhere",
                now(),
            )
        })
        .collect()
}

fn counted(counts: &[(&str, u64)]) -> Value {
    let row = |(name, count): &(&str, u64)| json!({"type": name, "count": count});
    counts.iter().map(row).collect()
}

#[test]
fn types_count_by_name_if_they_are_built_in_or_declared_and_as_other_if_not() {
    let scenario = published();
    let made_up: Vec<String> = (0..100).map(|number| format!("made-up-{number}")).collect();
    let made_up: Vec<&str> = made_up.iter().map(String::as_str).collect();
    assert_eq!(told(&send(&scenario, &of_types(&made_up))).0, 100);
    let events = of_types(&["purchase_done", "screen_view", "quiz_done", "stage.clear"]);
    assert_eq!(told(&send(&scenario, &events)).0, 4);
    assert_eq!(
        report(&scenario, "type"),
        counted(&[("other", 102), ("purchase_done", 1), ("screen_view", 1)])
    );

    scenario.create("event_types", "quiz_done", &json!({}));
    let clear = json!({"type": "stage.clear", "description": "A stage is done"});
    scenario.create("event_types", "clear", &clear);
    assert_eq!(scenario.publish("event_types")["state"], "live");
    // Types that are not known are looked for once a second.
    thread::sleep(Duration::from_secs(1));
    let events = of_types(&["quiz_done", "stage.clear", "clear"]);
    assert_eq!(told(&send(&scenario, &events)).0, 3);
    assert_eq!(
        report(&scenario, "type"),
        counted(&[
            ("other", 103),
            ("purchase_done", 1),
            ("quiz_done", 1),
            ("screen_view", 1),
            ("stage.clear", 1),
        ])
    );
}

#[test]
fn two_items_do_not_declare_one_type() {
    let scenario = Scenario::start();
    scenario.create("event_types", "quiz_done", &json!({}));
    scenario.create("event_types", "quiz", &json!({"type": "quiz_done"}));
    let publication = scenario.publish("event_types");
    assert_eq!(publication["state"], "failed", "{publication}");
    assert_eq!(
        publication["faults"][0]["pointer"], "/type",
        "{publication}"
    );
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn events_come_as_beacons_and_compressed() {
    let scenario = published();
    let body = |ids: std::ops::Range<usize>| json!({"events": impressions(ids)}).to_string();
    let post = |media_type: &str| Request::new("POST", EVENTS).header("content-type", media_type);
    let beacon = post("text/plain;charset=UTF-8").body(body(0..3));
    assert_eq!(told(&scenario.send(&beacon)).0, 3);
    for (encoding, ids) in [("gzip", 3..5), ("GZIP", 5..7), ("x-gzip", 7..9)] {
        for media_type in ["application/json", "text/plain"] {
            let request = post(media_type)
                .header("content-encoding", encoding)
                .body(gzip(body(ids.clone()).as_bytes()));
            let (accepted, repeated, _) = told(&scenario.send(&request));
            assert_eq!(accepted + repeated, 2, "{encoding} {media_type}");
        }
    }
    assert_eq!(seen(&scenario), 9);

    let compressed = |bytes: Vec<u8>| {
        let request = post("application/json").header("content-encoding", "gzip");
        let answer = scenario.send(&request.body(bytes));
        let code = answer.json()["code"].as_str().map(str::to_owned);
        (answer.status, code.unwrap())
    };
    let large = format!("{}{}", " ".repeat(256 * 1024), body(20..21));
    assert_eq!(
        compressed(gzip(large.as_bytes())),
        (413, "body_too_large".to_owned())
    );
    let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
    assert_eq!(compressed(bomb), (413, "body_too_large".to_owned()));
    let cut = gzip(body(20..21).as_bytes());
    let cut = cut[..cut.len() / 2].to_vec();
    assert_eq!(compressed(cut), (400, "malformed_json".to_owned()));
    assert_eq!(
        compressed(b"{}".to_vec()),
        (400, "malformed_json".to_owned())
    );
    let brotli = post("application/json")
        .header("content-encoding", "br")
        .body("x");
    let answer = scenario.send(&brotli);
    assert_eq!(
        (answer.status, answer.header("accept-encoding")),
        (415, Some("gzip"))
    );
    // Routes that nobody sends beacons to take neither.
    let elsewhere = Request::new("POST", "/v1/allocations")
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(gzip(b"{}"));
    let answer = scenario.send(&elsewhere);
    assert_eq!(
        (answer.status, answer.header("accept-encoding")),
        (415, Some("identity"))
    );
}

#[test]
fn a_time_is_read_as_programs_write_it_and_a_wrong_one_refuses_its_event() {
    let scenario = published();
    let today = Day::of(now());
    let mut events = impressions(0..99);
    let times = [
        format!("{today}T00:00:00+0000"),
        format!("{today} 00:00:00.123456789Z"),
        format!("{today}T00:00Z"),
        format!("{today}T00:00:00+00"),
    ];
    for (event, time) in events.iter_mut().zip(&times) {
        event["at"] = json!(time);
    }
    let mut wrong = event("wrong", "impression", "banners/spring", now());
    wrong["at"] = json!("yesterday");
    events.push(wrong);
    let refused = json!([{"index": 99, "code": "invalid_at"}]);
    assert_eq!(told(&send(&scenario, &events)), (99, 0, refused));
    assert_eq!(seen(&scenario), 99);
}

#[test]
fn while_the_database_is_out_nothing_is_taken_and_what_is_sent_again_counts_once() {
    let scenario = published();
    assert_eq!(told(&send(&scenario, &impressions(0..1))).0, 1);
    let database = &scenario.courtyard.database;
    for (nth, fault) in [
        Fault::Refuse,
        Fault::Throttle,
        Fault::ServerError,
        Fault::Hang,
        // Everything is done, and no answer comes.
        Fault::DropAnswer,
    ]
    .into_iter()
    .enumerate()
    {
        let events = impressions(100 * (nth + 1)..100 * (nth + 2));
        let rule = Rule::from(fault).of("events").on("dynamodb:PutItem");
        database.inject(rule).unwrap();
        let answer = send(&scenario, &events);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (503, &"unavailable".into()),
            "{fault:?}: {}",
            answer.text()
        );
        assert!(answer.header("retry-after").is_some(), "{fault:?}");
        database.heal().unwrap();
        let (accepted, repeated, refused) = told(&send(&scenario, &events));
        assert_eq!(
            (accepted + repeated, refused),
            (100, json!([])),
            "{fault:?}"
        );
        let counted = 100 * u64::try_from(nth + 1).unwrap() + 1;
        assert_eq!(seen(&scenario), counted, "{fault:?}");
    }
}

#[test]
fn an_answer_that_was_lost_on_its_way_here_is_asked_for_again() {
    let scenario = published();
    let database = &scenario.courtyard.database;
    // As many as the client tries by itself.
    for (nth, times) in [1, 3].into_iter().enumerate() {
        let lost = Rule::from(Fault::DropAnswer).of("events");
        let lost = lost.on("dynamodb:PutItem").times(times);
        database.inject(lost).unwrap();
        let events = impressions(10 * nth..10 * nth + 10);
        assert_eq!(told(&send(&scenario, &events)), (10, 0, json!([])));
        assert_eq!(database.left(), Some(0));
        database.heal().unwrap();
    }
    assert_eq!(seen(&scenario), 20);
}

#[test]
fn without_a_snapshot_the_answer_is_503() {
    let scenario = Scenario::start();
    let rule = Rule::from(Fault::Refuse).of("events");
    scenario.courtyard.database.inject(rule).unwrap();
    let answer = send(&scenario, &impressions(0..1));
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (503, &"unavailable".into())
    );
    assert!(answer.header("retry-after").is_some());
    scenario.courtyard.database.heal().unwrap();
    assert_eq!(told(&send(&scenario, &impressions(0..1))).0, 1);
}

#[test]
fn the_report_is_for_operators() {
    let scenario = Scenario::start();
    let target = "/admin/v1/reports/events";
    assert_eq!(scenario.get(target).status, 401);
    for (query, pointer) in [
        ("group=banner", "/group"),
        ("from=2026-02-02&to=2026-02-01", "/from"),
        ("from=2024-01-01&to=2026-02-01", "/from"),
        ("group=day&from=2026-01-01&to=2026-04-04", "/from"),
        ("to=whenever", "/to"),
    ] {
        let answer = scenario.service_get(&format!("{target}?{query}"));
        let expected = (400, "invalid_query".into(), pointer.into());
        assert_eq!(refused(&answer), expected, "{query}");
    }
    for query in [
        "group=day&from=2026-01-01&to=2026-04-03",
        "group=item&from=2026-01-01&to=2026-04-04",
        "group=type&from=2026-01-01&to=2027-01-01",
    ] {
        let answer = scenario.service_get(&format!("{target}?{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    }
    assert_eq!(report(&scenario, "item"), json!([]));
}
