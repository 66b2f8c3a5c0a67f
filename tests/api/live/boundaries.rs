//! What begins and ends does so to the second, on every instance.

use std::{thread, time::Duration};

use domain::Instant;
use serde_json::{Value, json};
use tests::{courtyard::Courtyard, http1::Response};

use super::{banner, in_seconds, notice, now, publish, stack};
use crate::{people::with_environment, scenario::Scenario};

/// How long a test looks between two requests, and some more for a busy machine.
const SLACK: Duration = Duration::from_millis(1_000);

/// Another instance of every function, on the same tables and blobs.
fn twin(of: &Courtyard) -> Scenario {
    let services = of.services();
    with_environment(&[
        ("SNAPSHOT_REFRESH_S", "1"),
        ("SNAPSHOT_STALE_S", "1"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &services.dynamodb),
        ("AWS_ENDPOINT_URL_S3", &services.blobs),
    ])
}

/// When something was first and last seen, and until when a cache may show it, as an app knows: by
/// the time at which it had the answer.
#[derive(Debug, Default)]
struct Sightings {
    first: Option<Instant>,
    last: Option<Instant>,
    /// The latest moment at which a cache may still show the last answer without it from before.
    unseen_until: Option<Instant>,
    seen_until: Option<Instant>,
}

impl Sightings {
    fn look(&mut self, answer: &Response, asked_at: Instant, there: bool) {
        let kept = answer.header("cache-control").unwrap();
        let (_, seconds) = kept.split_once("max-age=").expect(kept);
        let until = asked_at + Duration::from_secs(seconds.parse().unwrap());
        if there {
            self.first.get_or_insert(now());
            self.last = Some(asked_at);
            self.seen_until = self.seen_until.max(Some(until));
        } else if self.first.is_none() {
            self.unseen_until = self.unseen_until.max(Some(until));
        }
    }
}

#[test]
fn what_begins_and_ends_does_so_on_every_instance_and_in_every_cache() {
    let one = stack();
    let two = twin(&one.courtyard);
    let (starts_at, ends_at) = (in_seconds(8), in_seconds(12));
    let window = json!({"starts_at": starts_at, "ends_at": ends_at});
    publish(&one, "notices", &[("short", notice(window.clone()))]);
    publish(&one, "banners", &[("short", banner(window))]);
    let (starts_at, ends_at): (Instant, Instant) =
        (starts_at.parse().unwrap(), ends_at.parse().unwrap());

    let has = |list: &Value| {
        let mut items = list.as_array().unwrap().iter();
        items.any(|item| item["id"] == "short")
    };
    let watch = |scenario: &Scenario, route: &str, list: &str| {
        let mut sightings = Sightings::default();
        while now() < ends_at + SLACK {
            let asked_at = now();
            let answer = scenario.get(route);
            assert_eq!(answer.status, 200, "{}", answer.text());
            sightings.look(&answer, asked_at, has(&answer.json()[list]));
            thread::sleep(Duration::from_millis(50));
        }
        sightings
    };
    let cases = [
        ("/v1/notices", "notices"),
        ("/v1/banners", "banners"),
        ("/v1/launch", "banners"),
    ];
    thread::scope(|scope| {
        let watches: Vec<_> = [&one, &two]
            .into_iter()
            .flat_map(|scenario| cases.map(|case| (scenario, case)))
            .map(|(scenario, (route, list))| {
                (route, scope.spawn(move || watch(scenario, route, list)))
            })
            .collect();
        for (route, watch) in watches {
            let seen = watch.join().unwrap();
            let first = seen.first.expect(route);
            assert!(first >= starts_at, "{route}: {seen:?}");
            assert!(first <= starts_at + SLACK, "{route}: {seen:?}");
            assert!(seen.last.unwrap() <= ends_at, "{route}: {seen:?}");
            assert!(seen.unseen_until.unwrap() <= starts_at, "{route}: {seen:?}");
            assert!(seen.seen_until.unwrap() <= ends_at, "{route}: {seen:?}");
        }
    });
}

#[test]
fn what_is_published_while_it_is_on_is_there_within_the_publish_delay() {
    let one = stack();
    let two = twin(&one.courtyard);
    for scenario in [&one, &two] {
        assert_eq!(scenario.get("/v1/notices").status, 200);
    }
    publish(
        &one,
        "notices",
        &[("now", notice(json!({"starts_at": in_seconds(-1)})))],
    );
    let published_at = now();
    for scenario in [&one, &two] {
        crate::scenario::eventually("it is there", || {
            (super::notices(scenario, "") == ["now"]).then_some(())
        });
    }
    assert!(now().since(published_at) < Duration::from_secs(10));
}
