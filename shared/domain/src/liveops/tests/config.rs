//! Which values an app is set by.

use super::*;
use crate::Platform;

fn values(config: &RemoteConfig, audience: &Audience<'_>) -> Value {
    serde_json::to_value(config.evaluate(audience, at(NOON))).unwrap()
}

fn condition(name: &str, rules: Value, value: Value) -> Value {
    json!({"name": name, "targeting": {"all": rules}, "value": value})
}

#[test]
fn the_first_condition_that_matches_decides_and_else_the_default() {
    let ios = json!([{"field": "platform", "in": ["ios"]}]);
    let new = json!([{"field": "app_version", "gte": "2.0"}]);
    let config = config(&[
        json!({"key": "z.plain", "type": "string", "default": "d"}),
        json!({
            "key": "columns", "type": "int", "default": 2,
            "conditions": [condition("ios", ios, json!(3)), condition("new", new, json!(4))],
        }),
        json!({"key": "_layout", "type": "json", "default": {"b": null, "a": [1.5]}}),
    ]);
    let (ios, android) = (Some(Platform::Ios), Some(Platform::Android));
    for (platform, version, columns, condition, outcomes) in [
        (ios, Some("2.1"), 3, json!("ios"), ["selected", "shadowed"]),
        (
            ios,
            Some("1.0"),
            3,
            json!("ios"),
            ["selected", "targeting.app_version"],
        ),
        (
            android,
            Some("2.0"),
            4,
            json!("new"),
            ["targeting.platform", "selected"],
        ),
        (
            android,
            None,
            2,
            json!(null),
            ["targeting.platform", "targeting.app_version"],
        ),
    ] {
        let audience = Audience {
            platform,
            version,
            ..Audience::default()
        };
        let expected =
            json!({"_layout": {"a": [1.5], "b": null}, "columns": columns, "z.plain": "d"});
        assert_eq!(values(&config, &audience), expected);
        let explained = serde_json::to_value(config.explain(&audience, at(NOON))).unwrap();
        let expected = json!({
            "_layout": {"condition": null, "conditions": []},
            "columns": {"condition": condition, "conditions": [
                {"name": "ios", "outcome": outcomes[0]}, {"name": "new", "outcome": outcomes[1]},
            ]},
            "z.plain": {"condition": null, "conditions": []},
        });
        assert_eq!(explained, expected);
    }
}

#[test]
fn a_raised_roll_out_keeps_who_was_in_and_flags_with_seeds_of_their_own_differ() {
    let flag = |key: &str, percent: u32, seed: &str| {
        let rules = json!([{"percent": percent, "seed": seed}]);
        json!({
            "key": key, "type": "bool", "default": false,
            "conditions": [condition("some", rules, json!(true))],
        })
    };
    let config = config(&[
        flag("ten", 10, "home"),
        flag("twenty", 20, "home"),
        flag("other", 10, "checkout"),
    ]);
    let mut counts = [0; 4];
    for n in 0..2000 {
        let phone = device(&format!("device-{n}"));
        let audience = Audience {
            device_id: Some(&phone),
            ..Audience::default()
        };
        let values = values(&config, &audience);
        let of = |key: &str| values[key] == true;
        assert!(!of("ten") || of("twenty"), "{phone}");
        let both = of("ten") && of("other");
        for (count, is) in counts
            .iter_mut()
            .zip([of("ten"), of("twenty"), of("other"), both])
        {
            *count += usize::from(is);
        }
    }
    let [ten, twenty, other, both] = counts;
    assert!(
        (140..260).contains(&ten) && (140..260).contains(&other),
        "{counts:?}"
    );
    assert!((310..490).contains(&twenty) && both < 45, "{counts:?}");
    // Whoever does not say which device it is gets the default.
    let nobody = json!({"ten": false, "twenty": false, "other": false});
    assert_eq!(values(&config, &Audience::default()), nobody);
}

#[test]
fn equal_audiences_get_equal_bytes() {
    let items: Vec<Value> = (0..50)
        .map(|n| json!({"key": format!("k{}", (n * 7) % 50), "type": "int", "default": n}))
        .collect();
    let text = |config: &RemoteConfig| {
        serde_json::to_string(&config.evaluate(&Audience::default(), at(NOON))).unwrap()
    };
    let reversed: Vec<Value> = items.iter().rev().cloned().collect();
    assert_eq!(text(&config(&items)), text(&config(&reversed)));
}
