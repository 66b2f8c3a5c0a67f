//! Allocations while the database refuses, hangs, throttles or breaks.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tests::{courtyard::Courtyard, fault::Fault, http1::Response};

use crate::scenario::{Scenario, campaign_with, eventually};

const OUTAGES: [Fault; 4] = [
    Fault::Refuse,
    Fault::Hang,
    Fault::Throttle,
    Fault::ServerError,
];

/// Generous for what takes a fifth of a second on a machine that does nothing else: an answer that
/// waited for the database would take seconds.
const PROMPT: Duration = Duration::from_secs(1);

fn ask(scenario: &Scenario, placement: &str) -> Response {
    let body = json!({
        "placements": [{"id": placement, "count": 5}],
        "device": {"platform": "ios", "id": "phone-1-example-0001"},
    });
    scenario.post("/v1/allocations", &body)
}

fn shown(answer: &Response) -> (Vec<String>, bool) {
    let document = answer.json();
    let items = document["items"].as_array().into_iter().flatten();
    let ids = items.filter_map(|item| item["campaign_id"].as_str());
    let mut ids: Vec<_> = ids.map(ToOwned::to_owned).collect();
    ids.sort();
    (ids, document["fallback"] == true)
}

fn publish(scenario: &Scenario, campaigns: &[(&str, &str, Value)]) {
    for (id, placement, changes) in campaigns {
        scenario.create("campaigns", id, &campaign_with(placement, changes.clone()));
    }
    scenario.publish_live("campaigns", |s| {
        ask(s, "mixed").status == 200 && !shown(&ask(s, "mixed")).0.is_empty()
    });
}

#[test]
fn whatever_the_database_does_an_answer_is_prompt_and_says_what_needs_no_device() {
    // A snapshot is worth a wait after a second, so that the outage outlasts it.
    let courtyard = Courtyard::start_with(|options| {
        for name in ["SNAPSHOT_REFRESH_S", "SNAPSHOT_STALE_S"] {
            options.environment.insert(name.to_owned(), "1".to_owned());
        }
    });
    let scenario = Scenario {
        courtyard: courtyard.unwrap(),
    };
    let for_devices = json!({"no_device": "skip"});
    let house = json!({"house": true});
    publish(
        &scenario,
        &[
            ("devices", "mixed", for_devices.clone()),
            ("anyone", "mixed", json!({})),
            ("only-devices", "lonely", for_devices),
            ("house", "lonely", house),
        ],
    );
    let whole = |s: &Scenario| {
        let (mixed, lonely) = (shown(&ask(s, "mixed")).0, shown(&ask(s, "lonely")).0);
        mixed == ["anyone", "devices"] && lonely == ["house", "only-devices"]
    };
    assert!(whole(&scenario));
    for fault in OUTAGES {
        scenario.courtyard.database.inject(fault).unwrap();
        scenario.courtyard.secrets.inject(fault).unwrap();
        for pause in [0, 0, 1_500, 0] {
            thread::sleep(Duration::from_millis(pause));
            let began = Instant::now();
            let mixed = ask(&scenario, "mixed");
            assert!(began.elapsed() < PROMPT, "{fault:?}: {:?}", began.elapsed());
            assert_eq!(mixed.status, 200, "{fault:?}: {}", mixed.text());
            assert_eq!(
                shown(&mixed),
                (vec!["anyone".to_owned()], false),
                "{fault:?}"
            );
            assert_eq!(
                shown(&ask(&scenario, "lonely")),
                (vec!["house".to_owned()], true),
                "{fault:?}: house items where nothing else may be shown"
            );
        }
        scenario.courtyard.database.heal().unwrap();
        scenario.courtyard.secrets.heal().unwrap();
        eventually("devices are read again", || whole(&scenario).then_some(()));
    }
}

#[test]
fn without_a_snapshot_every_outage_is_told_with_a_time_to_come_back() {
    for fault in OUTAGES {
        let scenario = Scenario::start();
        scenario.courtyard.database.inject(fault).unwrap();
        let cold = ask(&scenario, "mixed");
        assert_eq!(
            (cold.status, &cold.json()["code"]),
            (503, &"unavailable".into()),
            "{fault:?}"
        );
        let seconds = cold.header("retry-after").map(str::parse::<u32>);
        assert!(matches!(seconds, Some(Ok(1..))), "{fault:?}: {seconds:?}");
        scenario.courtyard.database.heal().unwrap();
        eventually("it answers once the database does", || {
            (ask(&scenario, "mixed").status == 200).then_some(())
        });
    }
}
