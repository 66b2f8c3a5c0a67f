//! While the database refuses, hangs, throttles or breaks, what is known is answered from memory; who
//! knows nothing says so.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tests::{fault::Fault, http1::Request};

use super::{ROUTES, banner, good, ids, notice, on, parameter, publish, segment, stack};
use crate::people::{guest, refused, told};

const OUTAGES: [Fault; 4] = [
    Fault::Refuse,
    Fault::Hang,
    Fault::Throttle,
    Fault::ServerError,
];

/// Generous for what takes a few hundred milliseconds on a machine that does nothing else: an answer
/// that waited for the database would take seconds.
const PROMPT: Duration = Duration::from_millis(1_500);

#[test]
fn what_is_known_is_answered_from_memory_whatever_the_database_does() {
    let scenario = stack();
    publish(
        &scenario,
        "banners",
        &[
            ("all", banner(json!({}))),
            ("gold", banner(json!({"targeting": segment("gold")}))),
        ],
    );
    publish(&scenario, "notices", &[("n", notice(json!({})))]);
    publish(
        &scenario,
        "config",
        &[("p", parameter("flag", "bool", json!(true), json!({})))],
    );
    let person = guest(&scenario, "phone-1-example-0001");
    super::profile(
        &scenario,
        "phone-1-example-0001",
        &json!({"segments": ["gold"]}),
    );
    let marked = person.send(&scenario, Request::new("POST", "/v1/notices/n/read"));
    assert_eq!(marked.status, 204);
    let member = |target: &str| {
        let began = Instant::now();
        let answer = scenario.send(&on("phone-1-example-0001", target).bearer(&person.access));
        (answer, began.elapsed())
    };
    for route in ROUTES {
        assert_eq!(member(route).0.status, 200, "{route}");
    }
    let whole = good(member("/v1/launch").0);
    assert_eq!(
        (&whole["unread"], &whole["missing"]),
        (&json!(0), &json!([]))
    );
    assert_eq!(ids(&whole["banners"]), ["all", "gold"]);

    for fault in OUTAGES {
        scenario.courtyard.database.inject(fault).unwrap();
        for pause in [0, 1_500, 0] {
            thread::sleep(Duration::from_millis(pause));
            for route in ROUTES {
                let (answer, took) = member(route);
                assert_eq!(answer.status, 200, "{fault:?} {route}: {}", answer.text());
                assert!(took < PROMPT, "{fault:?} {route}: {took:?}");
                let shared = scenario.get(route);
                assert_eq!(shared.status, 200, "{fault:?} {route}: {}", shared.text());
                let kept = shared.header("cache-control").unwrap();
                assert!(kept.starts_with("public"), "{fault:?} {route}: {kept}");
            }
            let list = good(member("/v1/notices").0);
            assert_eq!(list["notices"][0]["read"], json!(null), "{fault:?}");
            let count = member("/v1/notices/unread-count").0;
            assert_eq!(told(&count), refused(503, "unavailable"), "{fault:?}");
            // Who is for some only is for nobody while it is not known for whom.
            let (banners, _) = member("/v1/banners");
            assert_eq!(
                banners.header("cache-control"),
                Some("no-store"),
                "{fault:?}"
            );
            assert_eq!(ids(&good(banners)["banners"]), ["all"], "{fault:?}");
            let launch = good(member("/v1/launch").0);
            assert_eq!(launch["status"]["code"], 200, "{fault:?}");
            assert_eq!(
                launch["config"]["values"],
                json!({"flag": true}),
                "{fault:?}"
            );
            assert_eq!(launch["unread"], json!(null), "{fault:?}");
            let missing = &launch["missing"];
            assert_eq!(missing.as_array().unwrap().len(), 1, "{fault:?}: {missing}");
            assert_eq!(missing[0]["part"], "unread", "{fault:?}");
            let code = missing[0]["code"].as_str().unwrap();
            assert!(
                matches!(code, "unavailable" | "timeout"),
                "{fault:?}: {code}"
            );
        }
        scenario.courtyard.database.heal().unwrap();
    }
    crate::scenario::eventually("all of it is back", || {
        let launch = good(member("/v1/launch").0);
        (launch["missing"] == json!([]) && launch["unread"] == 0).then_some(())
    });
}

#[test]
fn who_starts_without_a_database_says_so_and_answers_once_it_is_there() {
    let scenario = stack();
    for fault in OUTAGES {
        scenario.courtyard.database.inject(fault).unwrap();
        for route in ROUTES {
            let began = Instant::now();
            let answer = scenario.get(route);
            assert_eq!(
                told(&answer),
                refused(503, "unavailable"),
                "{fault:?} {route}"
            );
            assert!(answer.header("retry-after").is_some(), "{fault:?} {route}");
            assert_eq!(
                answer.header("cache-control"),
                Some("no-store"),
                "{fault:?} {route}"
            );
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "{fault:?} {route}"
            );
        }
        scenario.courtyard.database.heal().unwrap();
    }
    for route in ROUTES {
        crate::scenario::eventually("it answers", || {
            (scenario.get(route).status == 200).then_some(())
        });
    }
}
