//! What an app is told, and in which order reasons count.

use serde_json::{Value, json};

use super::*;
use crate::{
    Id,
    content::{Kind, compile, format},
};

fn items(items: Value) -> Vec<(Id, Value)> {
    let items = items.as_array().unwrap().iter().enumerate();
    items
        .map(|(n, item)| (format!("i{n}").parse().unwrap(), item.clone()))
        .collect()
}

struct World {
    versions: AppVersions,
    maintenance: Maintenance,
    testers: Testers,
}

impl World {
    fn new(versions: Value, maintenance: Value, testers: Value) -> Self {
        let artefact = |kind, list| compile(kind, &items(list)).unwrap();
        Self {
            versions: AppVersions::load(
                format(Kind::AppVersions),
                &artefact(Kind::AppVersions, versions),
            )
            .unwrap(),
            maintenance: Maintenance::load(
                format(Kind::Maintenance),
                &artefact(Kind::Maintenance, maintenance),
            )
            .unwrap(),
            testers: Testers::load(format(Kind::Testers), &artefact(Kind::Testers, testers))
                .unwrap(),
        }
    }

    fn ask(&self, caller: Caller<'_>, settings: Settings) -> Evaluation {
        let published = Published {
            versions: &self.versions,
            maintenance: &self.maintenance,
            testers: &self.testers,
        };
        evaluate(
            published,
            caller,
            settings,
            "2026-06-01T00:00:00Z".parse().unwrap(),
        )
    }

    fn code(&self, caller: Caller<'_>) -> u16 {
        self.ask(caller, Settings::default()).answer.status.code
    }
}

fn versions() -> Value {
    json!([
        {"platform": "ios", "store": "app_store", "latest": "2.10", "min": "2.0",
         "min_os_version": "15", "store_url": "https://apps.apple.com/a",
         "message": {"default": "update", "ko": "업데이트"}},
        {"platform": "android", "store": "google_play", "latest": "3", "min": "1",
         "store_url": "https://play.google.com/a", "message": {"default": "update"}},
        {"platform": "android", "store": "onestore", "latest": "2", "min": "2",
         "store_url": "https://onestore.co.kr/a", "message": {"default": "update"}},
    ])
}

fn window(extra: Value) -> Value {
    let mut window = json!({"gate": "window", "starts_at": "2026-05-31T23:00:00Z",
        "ends_at": "2026-06-01T00:00:30Z", "message": {"default": "closed"}});
    window
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    window
}

fn ios(version: &str) -> Caller<'_> {
    Caller {
        platform: Some(Platform::Ios),
        store: Some(Store::AppStore),
        version: Some(version),
        ..Caller::default()
    }
}

#[test]
fn updates_follow_the_versions_of_the_store() {
    let world = World::new(versions(), json!([]), json!([]));
    for (caller, code) in [
        (ios("1.9"), 300),
        (ios("2.0"), 201),
        (ios("2.9"), 201),
        (ios("2.10.0"), 200),
        (ios("2.10.0-beta"), 201),
        (ios("3"), 200),
        (ios("v1"), 300),
        (ios("1.9.9.9 (12)"), 300),
        (ios("nightly"), 200),
        (
            Caller {
                os_version: Some("14.8"),
                ..ios("1.9")
            },
            201,
        ),
        (
            Caller {
                os_version: Some("15.0"),
                ..ios("1.9")
            },
            300,
        ),
        (
            Caller {
                os_version: Some("?"),
                ..ios("1.9")
            },
            201,
        ),
        (
            Caller {
                store: None,
                ..ios("1.9")
            },
            300,
        ),
        (
            Caller {
                store: Some(Store::Onestore),
                ..ios("1.9")
            },
            200,
        ),
        (
            Caller {
                platform: Some(Platform::Android),
                store: None,
                ..ios("0.1")
            },
            200,
        ),
        (
            Caller {
                platform: Some(Platform::Android),
                store: Some(Store::Onestore),
                ..ios("1")
            },
            300,
        ),
        (
            Caller {
                platform: None,
                ..ios("0.1")
            },
            300,
        ),
        (
            Caller {
                platform: None,
                store: Some(Store::Onestore),
                ..ios("1")
            },
            300,
        ),
        (
            Caller {
                platform: None,
                store: None,
                ..ios("0.1")
            },
            200,
        ),
        (
            Caller {
                version: None,
                ..ios("")
            },
            200,
        ),
    ] {
        assert_eq!(world.code(caller), code, "{caller:?}");
    }
    let locale = "ko-KR".parse().unwrap();
    let told = world.ask(
        Caller {
            languages: std::slice::from_ref(&locale),
            ..ios("1")
        },
        Settings::default(),
    );
    let update = serde_json::to_value(told.answer.update).unwrap();
    assert_eq!(
        update,
        json!({"level": "required", "min_version": "2.0", "latest_version": "2.10",
            "store_url": "https://apps.apple.com/a", "message": "업데이트"})
    );
}

#[test]
fn the_first_reason_in_order_decides() {
    let ended = json!({"gate": "service_end", "at": "2026-06-01T00:00:00Z",
        "message": {"default": "bye"}});
    let blocked = json!({"gate": "blocked_device", "device_id": "bad"});
    let partial = window(json!({"platforms": ["ios"]}));
    let full = window(json!({}));
    let device = "bad".parse().unwrap();
    let caller = Caller {
        device_id: Some(&device),
        ..ios("1")
    };
    for (gates, code) in [
        (json!([full, partial, blocked, ended]), 302),
        (json!([full, partial, blocked]), 301),
        (json!([partial, full]), 303),
        (json!([full, partial]), 303),
        (json!([partial]), 304),
        (json!([]), 300),
    ] {
        assert_eq!(World::new(versions(), gates, json!([])).code(caller), code);
    }
    let world = World::new(versions(), json!([full]), json!([]));
    let first = Settings {
        update_before_maintenance: true,
    };
    assert_eq!(world.ask(ios("1"), first).answer.status.code, 300);
    assert_eq!(world.ask(ios("2"), first).answer.status.code, 303);
}

#[test]
fn windows_are_half_open_and_know_whom_they_concern() {
    let at = "2026-06-01T00:00:00Z";
    for (extra, code) in [
        (json!({"starts_at": at}), 303),
        (json!({"ends_at": at}), 200),
        (json!({"starts_at": "2026-06-01T00:00:00.001Z"}), 200),
        (json!({"platforms": ["android"]}), 200),
        (json!({"platforms": ["android", "ios"]}), 304),
        (json!({"stores": ["app_store"]}), 304),
        (json!({"platforms": ["ios"], "stores": ["onestore"]}), 200),
    ] {
        let world = World::new(json!([]), json!([window(extra.clone())]), json!([]));
        assert_eq!(world.code(ios("1")), code, "{extra}");
    }
    let world = World::new(
        json!([]),
        json!([window(json!({"platforms": ["ios"]}))]),
        json!([]),
    );
    assert_eq!(world.code(Caller::default()), 200);
    for (store, code) in [(Store::AppStore, 304), (Store::GooglePlay, 200)] {
        let only_store = Caller {
            store: Some(store),
            ..Caller::default()
        };
        assert_eq!(world.code(only_store), code, "{store}");
    }
}

#[test]
fn testers_come_in_by_device_or_by_address() {
    let testers = json!([{"device_ids": ["t1"]}, {"cidrs": ["198.51.100.0/24"]}]);
    let world = World::new(versions(), json!([window(json!({}))]), testers);
    let (t1, t2) = ("t1".parse().unwrap(), "t2".parse().unwrap());
    let address = |text: &str| Some(text.parse().unwrap());
    for (device_id, address, code, personal) in [
        (Some(&t1), None, 202, true),
        (Some(&t2), None, 303, true),
        (None, address("198.51.100.9"), 202, true),
        (None, address("203.0.113.9"), 303, true),
        (None, None, 303, false),
    ] {
        let found = world.ask(
            Caller {
                device_id,
                address,
                ..ios("1")
            },
            Settings::default(),
        );
        assert_eq!((found.answer.status.code, found.personal), (code, personal));
        assert_eq!(found.answer.maintenance.unwrap().message.unwrap(), "closed");
    }
}

#[test]
fn nobody_is_told_to_wait_past_a_boundary() {
    let world = World::new(json!([]), json!([window(json!({}))]), json!([]));
    let found = world.ask(Caller::default(), Settings::default());
    assert_eq!(
        found.next_boundary,
        Some("2026-06-01T00:00:30Z".parse().unwrap())
    );
    assert_eq!(found.answer.poll_after_s, 30);
    let quiet =
        World::new(json!([]), json!([]), json!([])).ask(Caller::default(), Settings::default());
    assert_eq!(
        (
            quiet.next_boundary,
            quiet.answer.poll_after_s,
            quiet.personal
        ),
        (None, 60, false)
    );
    let at = |ms| Some(Instant::from_millis(ms));
    assert_eq!(poll_after_s(Instant::default(), at(1)), 5);
    assert_eq!(poll_after_s(Instant::default(), at(30_001)), 31);
    assert_eq!(poll_after_s(Instant::default(), at(3_600_000)), 60);
}

#[test]
fn an_answer_has_the_published_shape() {
    let world = World::new(
        json!([]),
        json!([window(json!({"url": "https://example.com/"}))]),
        json!([]),
    );
    let answer = world.ask(ios("1"), Settings::default()).answer;
    assert_eq!(
        serde_json::to_value(answer).unwrap(),
        json!({
            "status": {"code": 303, "name": "maintenance"},
            "maintenance": {"starts_at": "2026-05-31T23:00:00.000Z",
                "ends_at": "2026-06-01T00:00:30.000Z", "message": "closed",
                "url": "https://example.com/"},
            "update": {"level": "none", "min_version": null, "latest_version": null,
                "store_url": null, "message": null},
            "server_time": "2026-06-01T00:00:00.000Z",
            "poll_after_s": 30,
        })
    );
}

#[test]
fn a_status_is_explained_by_what_decided_and_what_did_not() {
    let gates = json!([
        window(json!({})),
        window(json!({"platforms": ["ios"]})),
        window(json!({"stores": ["onestore"]})),
        window(json!({"platforms": ["android"]})),
        window(json!({"starts_at": "2026-06-01T00:00:01Z"})),
        {"gate": "blocked_device", "device_id": "bad"},
        {"gate": "service_end", "at": "2026-06-02T00:00:00Z", "message": {"default": "bye"}},
    ]);
    let testers = json!([{"device_ids": ["t1"]}]);
    let world = World::new(versions(), gates, testers);
    let explained = |caller| {
        let published = Published {
            versions: &world.versions,
            maintenance: &world.maintenance,
            testers: &world.testers,
        };
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        let explained = explain(published, caller, Settings::default(), now);
        serde_json::to_value(explained).unwrap()
    };
    let outcomes = |explained: &Value| -> Vec<String> {
        let gates = explained["gates"].as_array().unwrap().iter();
        gates
            .map(|gate| gate["outcome"].as_str().unwrap().to_owned())
            .collect()
    };
    let (bad, tester) = ("bad".parse().unwrap(), "t1".parse().unwrap());
    let ios = |device_id| Caller {
        device_id,
        ..ios("2")
    };
    let somebody = explained(ios(None));
    assert_eq!(
        (&somebody["app_version"], &somebody["tester"]),
        (&json!("i0"), &json!(false))
    );
    let others = [
        "targeting.store",
        "targeting.platform",
        "schedule",
        "targeting.device_id",
        "schedule",
    ];
    assert_eq!(outcomes(&somebody)[..2], ["selected", "shadowed"]);
    assert_eq!(outcomes(&somebody)[2..], others);
    let blocked = outcomes(&explained(ios(Some(&bad))));
    assert_eq!(blocked[..2], ["shadowed", "shadowed"]);
    assert_eq!(blocked[5], "selected");
    assert_eq!(explained(ios(Some(&tester)))["tester"], true);
    assert_eq!(explained(Caller::default())["app_version"], Value::Null);
}
