//! That shares of devices are what `docs/roll-outs.md` says of them.

use serde_json::{Value, json};

use super::*;
use crate::DeviceId;

/// The rows of the table of test vectors: seed, its bytes, text, bucket.
fn vectors() -> Vec<[&'static str; 4]> {
    let document = include_str!("../../../../docs/roll-outs.md");
    let (_, table) = document.split_once("## Test vectors").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells = row.trim_matches('|').split('|');
        let cells = cells.map(|cell| cell.trim_matches(' ').trim_matches('`'));
        cells.collect::<Vec<_>>().try_into().unwrap()
    })
    .collect()
}

#[test]
fn the_documented_vectors_are_right() {
    let vectors = vectors();
    assert!(vectors.len() >= 12);
    for [seed, bytes, text, documented] in vectors {
        let written: String = seed.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, bytes, "{seed}");
        let documented: u16 = documented.parse().unwrap();
        assert_eq!(bucket(seed, text), documented, "{seed} {text}");
    }
}

const DEVICES: usize = 100_000;

/// Who of many devices a share of so many per cent takes.
fn taken(percent: Value, seed: &str) -> Vec<bool> {
    let targeting = json!({"all": [{"percent": percent, "seed": seed}]});
    let targeting: Targeting = serde_json::from_value(targeting).unwrap();
    let matcher = targeting.compile().unwrap();
    (0..DEVICES)
        .map(|n| {
            let device: DeviceId = format!("device-{n}").parse().unwrap();
            matcher.matches(&Facts {
                device_id: Some(&device),
                ..Facts::default()
            })
        })
        .collect()
}

fn share(taken: &[bool]) -> f64 {
    let count = taken.iter().filter(|taken| **taken).count();
    count as f64 / taken.len() as f64
}

/// Five standard deviations of a share of so many devices: a right one is beyond by a chance of one
/// in a million.
fn tolerance(share: f64) -> f64 {
    5.0 * (share * (1.0 - share) / DEVICES as f64).sqrt()
}

#[test]
fn a_raise_keeps_everybody_who_was_in() {
    let ten = taken(json!(10), "new-home");
    let twenty = taken(json!(20), "new-home");
    assert!(ten.iter().zip(&twenty).all(|(ten, twenty)| !ten || *twenty));
    for (taken, right) in [(&ten, 0.1), (&twenty, 0.2)] {
        let share = share(taken);
        assert!((share - right).abs() < tolerance(right), "{share}");
    }
    assert_eq!(share(&taken(json!(0), "new-home")), 0.0);
    assert_eq!(share(&taken(json!(100), "new-home")), 1.0);
    let least = share(&taken(json!(0.01), "new-home"));
    assert!(
        least > 0.0 && (least - 0.0001).abs() < tolerance(0.0001),
        "{least}"
    );
}

#[test]
fn devices_are_spread_evenly_over_the_buckets() {
    const CELLS: usize = 100;
    let mut cells = [0_usize; CELLS];
    for n in 0..DEVICES {
        let device: DeviceId = format!("device-{n}").parse().unwrap();
        cells[usize::from(bucket("new-home", &device)) / CELLS] += 1;
    }
    let expected = (DEVICES / CELLS) as f64;
    let chi_square: f64 = cells
        .iter()
        .map(|count| (*count as f64 - expected).powi(2) / expected)
        .sum();
    // 99 degrees of freedom: beyond 160 by a chance of one in ten thousand.
    assert!(chi_square < 160.0, "{chi_square}");
}

#[test]
fn shares_of_two_seeds_are_independent() {
    for (one, other) in [(10, 10), (20, 50)] {
        let left = taken(json!(one), "new-home");
        let right = taken(json!(other), "new-checkout");
        let both: Vec<bool> = left.iter().zip(&right).map(|(a, b)| *a && *b).collect();
        let product = f64::from(one * other) / 10_000.0;
        let joint = share(&both);
        assert!((joint - product).abs() < tolerance(product), "{joint}");
    }
}

#[test]
fn a_share_is_drawn_by_what_its_rule_names() {
    use crate::{RandomId, identity::MemberId};
    let matches = |by: &str, facts: &Facts<'_>| {
        let targeting = json!({"all": [{"percent": 50, "seed": "new-home", "by": by}]});
        let targeting: Targeting = serde_json::from_value(targeting).unwrap();
        targeting.compile().unwrap().matches(facts)
    };
    let in_half = |text: &str| bucket("new-home", text) < 5_000;
    for n in 0..200_u8 {
        let device: DeviceId = format!("device-{n}").parse().unwrap();
        let member: MemberId = RandomId::from_bytes([n; 16]);
        let attributes: Attributes = serde_json::from_value(json!({
            "house": format!("house-{n}"), "number": n, "list": ["a"], "fraction": 0.5 + f64::from(n),
        }))
        .unwrap();
        let facts = Facts {
            device_id: Some(&device),
            member: Some(member),
            attributes: Some(&attributes),
            ..Facts::default()
        };
        for (by, text) in [
            ("device", device.to_string()),
            ("member", member.to_string()),
            ("attributes.house", format!("house-{n}")),
            ("attributes.number", n.to_string()),
        ] {
            assert_eq!(matches(by, &facts), in_half(&text), "{by} {text}");
            assert!(!matches(by, &Facts::default()), "{by}");
        }
        for by in [
            "attributes.list",
            "attributes.fraction",
            "attributes.missing",
        ] {
            assert!(!matches(by, &facts), "{by}");
        }
    }
}

#[test]
fn without_a_device_nobody_is_in() {
    let targeting = json!({"all": [{"percent": 100, "seed": "s"}]});
    let targeting: Targeting = serde_json::from_value(targeting).unwrap();
    assert!(!targeting.compile().unwrap().matches(&Facts::default()));
}
