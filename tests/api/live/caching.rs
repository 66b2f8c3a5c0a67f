//! For how long and by whom answers may be kept: not past the next boundary, and nothing of a member.

use std::{thread, time::Duration};

use domain::Instant;
use serde_json::json;
use tests::http1::{Request, Response};

use super::{ROUTES, banner, good, in_seconds, notice, now, on, publish, stack};
use crate::{people::guest, scenario::eventually};

/// The routes that a window closes.
const GATED: [&str; 3] = ["/v1/banners", "/v1/notices", "/v1/config"];

fn max_age(answer: &Response) -> u64 {
    let value = answer.header("cache-control").unwrap();
    let (_, seconds) = value.split_once("max-age=").expect(value);
    seconds.parse().unwrap()
}

#[test]
fn an_answer_is_shared_by_its_audience_or_kept_by_its_device() {
    let scenario = stack();
    let person = guest(&scenario, "phone-1-example-0001");
    for route in ROUTES {
        let shared = scenario.get(route);
        assert_eq!(shared.status, 200, "{route}: {}", shared.text());
        assert_eq!(
            shared.header("cache-control"),
            Some("public, max-age=10"),
            "{route}"
        );
        assert_eq!(
            shared.header("content-type"),
            Some("application/json"),
            "{route}"
        );
        let private = scenario.send(&on("phone-1-example-0001", route));
        assert_eq!(
            private.header("cache-control"),
            Some("private, max-age=10"),
            "{route}"
        );
        let members = person.get(&scenario, route);
        assert_eq!(members.status, 200, "{route}");
        // Where a token is not looked at, the answer is everybody's.
        let is_members = matches!(route, "/v1/notices" | "/v1/launch");
        let kept = members.header("cache-control").unwrap();
        assert_eq!(kept == "no-store", is_members, "{route}: {kept}");
    }
    let count = person.get(&scenario, "/v1/notices/unread-count");
    assert_eq!(count.header("cache-control"), Some("no-store"));
}

#[test]
fn the_same_audience_has_the_same_bytes_under_the_same_tag() {
    let scenario = stack();
    publish(&scenario, "banners", &[("b", banner(json!({})))]);
    publish(
        &scenario,
        "notices",
        &[("n", notice(json!({"title": {"default": "A", "ko": "가"}})))],
    );
    for route in ROUTES
        .into_iter()
        .chain(["/v1/notices/n", "/v1/notices/unread-count"])
    {
        let first = scenario.get(route);
        let tag = first.header("etag").expect("a tag").to_owned();
        assert!(tag.starts_with('"') && tag.len() == 34, "{route}: {tag}");
        thread::sleep(Duration::from_millis(5));
        let second = scenario.send(&Request::get(route).header("user-agent", "another"));
        assert_eq!(second.header("etag"), Some(&*tag), "{route}");
        let told_the_time = matches!(route, "/v1/app/status" | "/v1/launch");
        assert_eq!(first.body == second.body, !told_the_time, "{route}");
        for held in [
            tag.clone(),
            format!("\"other\", {tag}"),
            format!("W/{tag}"),
            "*".into(),
        ] {
            let again = scenario.send(&Request::get(route).header("if-none-match", &held));
            assert_eq!((again.status, again.body.len()), (304, 0), "{route} {held}");
            assert_eq!(again.header("etag"), Some(&*tag), "{route}");
            for name in ["cache-control", "vary"] {
                assert_eq!(again.header(name), first.header(name), "{route}: {name}");
            }
        }
        let other = scenario.send(&Request::get(route).header("if-none-match", "\"other\""));
        assert_eq!(other.status, 200, "{route}");
    }
    let (any, korean) = ("/v1/notices", "/v1/notices?locale=ko");
    assert_ne!(
        scenario.get(any).header("etag"),
        scenario.get(korean).header("etag")
    );
    let tag = scenario.get(any).header("etag").unwrap().to_owned();
    publish(&scenario, "notices", &[("m", notice(json!({})))]);
    eventually("another tag", || {
        let answer = scenario.send(&Request::get(any).header("if-none-match", &tag));
        (answer.status == 200).then_some(())
    });
}

#[test]
fn vary_names_the_headers_that_the_query_left_to_say() {
    let scenario = stack();
    let all =
        "x-app-platform, x-app-store, x-app-version, x-app-build, accept-language, x-device-id";
    for (query, vary) in [
        ("", all),
        ("country=KR&os_version=1", all),
        (
            "platform=ios",
            "x-app-store, x-app-version, x-app-build, accept-language, x-device-id",
        ),
        (
            "locale=ko",
            "x-app-platform, x-app-store, x-app-version, x-app-build, x-device-id",
        ),
        (
            "platform=ios&store=app_store&version=1&build=7&locale=ko",
            "x-device-id",
        ),
    ] {
        for route in ROUTES {
            let answer = scenario.get(&format!("{route}?{query}"));
            let by_token = matches!(route, "/v1/notices" | "/v1/launch");
            let token = if by_token { ", authorization" } else { "" };
            let expected = format!("{vary}{token}");
            assert_eq!(answer.header("vary"), Some(&*expected), "{route}?{query}");
        }
    }
}

#[test]
fn no_answer_may_be_kept_past_the_next_boundary() {
    let scenario = stack();
    let soon = json!({"starts_at": in_seconds(9), "ends_at": in_seconds(3_600)});
    publish(&scenario, "banners", &[("soon", banner(soon))]);
    let ending = json!({"starts_at": in_seconds(-60), "ends_at": in_seconds(9)});
    publish(&scenario, "notices", &[("ending", notice(ending))]);
    for route in [
        "/v1/banners",
        "/v1/notices",
        "/v1/notices/ending",
        "/v1/launch",
    ] {
        let answer = scenario.get(route);
        assert_eq!(answer.status, 200, "{route}");
        assert!(max_age(&answer) <= 8, "{route}: {}", max_age(&answer));
        let again = scenario.send(&on("phone-1-example-0001", route));
        assert!(max_age(&again) <= 8, "{route}");
    }
    assert_eq!(max_age(&scenario.get("/v1/config")), 10);
    let window = json!({"gate": "window", "starts_at": in_seconds(13), "ends_at": in_seconds(3_600),
        "message": {"default": "Back soon"}});
    publish(&scenario, "maintenance", &[("window", window)]);
    eventually("the status knows of the window", || {
        let status = scenario.get("/v1/app/status");
        good(status.clone());
        (max_age(&status) < 10).then_some(())
    });
}

#[test]
fn no_answer_may_be_kept_into_a_maintenance_window() {
    let scenario = stack();
    let starts_at = in_seconds(12);
    let window = json!({"gate": "window", "starts_at": starts_at, "ends_at": in_seconds(3_600),
        "message": {"default": "Back soon"}});
    let starts_at: Instant = starts_at.parse().unwrap();
    publish(&scenario, "maintenance", &[("window", window)]);
    let mut answers = 0;
    while now() < starts_at {
        for route in GATED {
            for request in [Request::get(route), on("phone-1-example-0001", route)] {
                let asked_at = now();
                let answer = scenario.send(&request);
                if answer.status == 503 {
                    continue;
                }
                assert_eq!(answer.status, 200, "{route}: {}", answer.text());
                let until = asked_at + Duration::from_secs(max_age(&answer));
                assert!(until <= starts_at, "{route}: until {until}");
                answers += 1;
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
    assert!(answers > 0, "the window began before anybody asked");
}

#[test]
fn what_testers_see_of_a_closed_app_is_shared_with_nobody() {
    let scenario = stack();
    publish(
        &scenario,
        "testers",
        &[("office", json!({"cidrs": ["127.0.0.0/8"]}))],
    );
    let window = json!({"gate": "window", "starts_at": in_seconds(-60),
        "ends_at": in_seconds(3_600), "platforms": ["android"],
        "message": {"default": "Back soon"}});
    publish(&scenario, "maintenance", &[("window", window)]);
    for route in GATED {
        let to = |platform: &str| {
            let answer = scenario.get(&format!("{route}?platform={platform}"));
            assert_eq!(answer.status, 200, "{route}: {}", answer.text());
            answer.header("cache-control").unwrap().to_owned()
        };
        assert_eq!(to("android"), "private, max-age=10", "{route}");
        assert_eq!(to("ios"), "public, max-age=10", "{route}");
    }
}
