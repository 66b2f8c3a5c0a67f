//! What allocation is measured with: campaigns with full targeting and the requests that meet them.
//! The same numbers every time, from a seed.
//!
//! [`full`] adds to the same campaigns and requests whatever else allocation knows: caps and what was
//! shown, budgets and what holds them back, categories and exclusions, consent.
#![forbid(unsafe_code)]

pub mod full;
pub mod scan;
pub mod workload;

use std::ops::RangeInclusive;

use domain::{
    Id,
    allocation::{DeviceSegments, Profile},
};
use rand::{Rng, RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};

/// The placement of every campaign and every request.
pub const PLACEMENT: &str = "lock-screen";

/// How many different requests there are.
pub const REQUESTS: usize = 64;

const SEED: u64 = 0x6d61_6461_6e67;
const COUNTRIES: [&str; 8] = ["KR", "JP", "US", "DE", "FR", "VN", "TH", "ID"];
const GENDERS: [&str; 2] = ["female", "male"];
const PLATFORMS: [&str; 2] = ["ios", "android"];
const INTERESTS: u32 = 60;
const SEGMENTS: u32 = 40;

/// The first `count` campaigns, all of one tier: half of them for one country, half for one gender,
/// half for an age band, one in four for one platform, most for some interests, some against
/// segments.
///
/// # Errors
/// Never: the ids are well formed.
pub fn campaigns(count: usize) -> Result<Vec<(Id, Value)>, domain::BadText> {
    every().take(count).collect()
}

/// All campaigns, one after the other, without end.
fn every() -> impl Iterator<Item = Result<(Id, Value), domain::BadText>> {
    let mut rng = StdRng::seed_from_u64(SEED);
    (0_u32..).map(move |number| {
        let id = format!("c{number:06}");
        let campaign = campaign(&id, &mut rng);
        Ok((id.parse()?, campaign))
    })
}

/// The bodies of the requests, each with the device's id, so that its profile is looked up.
pub fn requests() -> Vec<Value> {
    let mut rng = StdRng::seed_from_u64(SEED + 1);
    (0..REQUESTS)
        .map(|number| {
            json!({
                "placements": [{ "id": PLACEMENT, "count": 1 }],
                "device": {
                    "id": device(number),
                    "platform": one_of(&PLATFORMS, &mut rng),
                    "app_version": format!("3.{}.0", rng.random_range(0..10)),
                    "country": one_of(&COUNTRIES, &mut rng),
                },
                "user": {
                    "birth_year": rng.random_range(1950..2010),
                    "gender": one_of(&GENDERS, &mut rng),
                },
                "interests": labels("i", INTERESTS, 2..=6, &mut rng),
            })
        })
        .collect()
}

/// The device of a request.
pub fn device(request: usize) -> String {
    format!("bench-device-{request:08}")
}

/// What is stored of every device.
pub fn profile() -> Value {
    json!({
        "interests": ["i1", "i2"],
        "segments": ["s1", "s2", "s3"],
        "attributes": { "tier": "gold" },
    })
}

/// Returns the segments of such a profile as a service key's put stores them.
pub fn segments(profile: &Profile) -> DeviceSegments {
    DeviceSegments {
        segments: profile.segments.clone(),
        ..DeviceSegments::default()
    }
}

fn campaign(id: &str, rng: &mut StdRng) -> Value {
    let mut rules = Vec::new();
    if rng.random_bool(0.5) {
        rules.push(json!({ "field": "country", "in": [one_of(&COUNTRIES, rng)] }));
    }
    if rng.random_bool(0.5) {
        rules.push(json!({ "field": "gender", "in": [one_of(&GENDERS, rng)] }));
    }
    if rng.random_bool(0.5) {
        let from = rng.random_range(14..50);
        rules.push(json!({ "field": "age", "gte": from, "lt": from + 20 }));
    }
    if rng.random_bool(0.25) {
        rules.push(json!({ "field": "platform", "in": [one_of(&PLATFORMS, rng)] }));
    }
    if rng.random_bool(0.7) {
        rules.push(json!({ "field": "interests", "any_of": labels("i", INTERESTS, 1..=5, rng) }));
    }
    if rng.random_bool(0.3) {
        rules.push(json!({ "field": "segments", "none_of": labels("s", SEGMENTS, 1..=2, rng) }));
    }
    json!({
        "advertiser": format!("a{}", rng.random_range(0..500)),
        "name": id,
        "starts_at": "2020-01-01T00:00:00.000Z",
        "tier": 50,
        "weight": rng.random_range(1..=1_000),
        "placements": [PLACEMENT],
        "types": ["image"],
        "targeting": { "all": rules },
        "consent": "not_required",
        "no_device": "serve",
        "pacing": "asap",
        "sampling": "weighted",
        "click_url": "https://shop.example/",
        "creatives": [{ "id": id, "type": "image", "weight": 1, "assets": { "image": "https://cdn.example/1.webp" } }],
    })
}

fn one_of<'a>(texts: &[&'a str], rng: &mut impl Rng) -> &'a str {
    texts.choose(rng).copied().unwrap_or_default()
}

/// Some different labels of `of`.
fn labels(
    prefix: &str,
    of: u32,
    how_many: RangeInclusive<usize>,
    rng: &mut impl Rng,
) -> Vec<String> {
    let count = rng.random_range(how_many);
    let mut labels = Vec::with_capacity(count);
    while labels.len() < count {
        let label = format!("{prefix}{}", rng.random_range(0..of));
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use domain::content::{Kind, validate_set};

    use super::*;

    #[test]
    fn campaigns_and_requests_are_what_the_product_accepts() {
        let simple = validate_set(Kind::Campaigns, &campaigns(200).unwrap());
        assert_eq!(simple.unwrap(), []);
        let full: Result<Vec<_>, _> = full::campaigns().take(200).collect();
        assert_eq!(validate_set(Kind::Campaigns, &full.unwrap()).unwrap(), []);
        for request in requests().into_iter().chain(full::requests()) {
            let text = request.to_string();
            let read = domain::validation::parse::<domain::allocation::Request>(text.as_bytes());
            assert!(read.is_ok(), "{read:?}");
        }
        let profile = profile().to_string();
        assert!(
            domain::validation::parse::<domain::allocation::Profile>(profile.as_bytes()).is_ok()
        );
    }

    #[test]
    fn more_campaigns_begin_with_the_same_ones() {
        assert_eq!(campaigns(20).unwrap()[..10], campaigns(10).unwrap());
    }
}
