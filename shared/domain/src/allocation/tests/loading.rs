//! Artefacts: the same from the same, whole from either format, and refused when damaged.

use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::{AGE_LIMIT, campaign, given, now, request, snapshot};
use crate::{
    Id,
    allocation::{Lineup, Snapshot, allocate, explain},
    content::{Kind, compile},
    key_of,
};

fn rich() -> Vec<(&'static str, Value)> {
    let creative = |id: &str, locale: Value| {
        let assets = json!({"title": "안녕 \"you\"", "url": "https://cdn.example/1.webp"});
        json!({"id": id, "type": "banner", "weight": 7, "assets": assets, "locale": locale})
    };
    let rules = json!([
        {"field": "country", "in": ["KR", "JP"]}, {"field": "age", "gte": 18, "lt": 40},
        {"field": "interests", "any_of": ["a", "b"]}, {"field": "segments", "none_of": ["s"]},
        {"field": "app_version", "gte": "1.2"}, {"field": "attributes.x", "in": [1, true, "t"]},
        {"percent": 50, "seed": "s"}, {"any": [{"field": "hour", "in": [9]}, {"field": "model", "in": ["m"]}]},
    ]);
    let caps = json!([
        {"scope": "advertiser", "per": "day", "max": 2},
        {"scope": "campaign", "per": "lifetime", "max": 9},
    ]);
    vec![
        ("plain", json!({})),
        ("house", json!({"house": true, "tier": 9})),
        (
            "rich",
            json!({
                "targeting": {"all": rules}, "caps": caps, "time_zone": "Asia/Seoul", "weight": 10_000,
                "ends_at": "2027-01-01T00:00:00Z", "categories": ["x", "y"], "sampling": "thompson",
                "placements": ["top", "end"], "pacing": "asap", "no_device": "skip",
                "budget": {"pricing": "cpc", "price_micros": 5, "daily": 10, "total": 100},
                "creatives": [creative("k", json!("ko")), creative("e", Value::Null)],
            }),
        ),
    ]
}

fn artefact() -> Vec<u8> {
    let items: Vec<(Id, Value)> = rich()
        .into_iter()
        .map(|(id, changes)| (id.parse().unwrap(), campaign(changes)))
        .collect();
    compile(Kind::Campaigns, &items).unwrap()
}

#[test]
fn a_campaign_comes_back_as_it_was_published() {
    let snapshot = snapshot(&rich());
    let ids: Vec<&str> = snapshot.campaigns().map(|campaign| campaign.id).collect();
    assert_eq!(ids, ["house", "plain", "rich"]);
    let rich = snapshot.campaign_by_key(key_of("rich")).unwrap();
    assert_eq!(rich.advertiser.as_str(), "acme");
    assert_eq!(rich.advertiser_key, key_of("acme"));
    assert_eq!(rich.time_zone.as_str(), "Asia/Seoul");
    assert_eq!(
        rich.ends_at.unwrap().to_string(),
        "2027-01-01T00:00:00.000Z"
    );
    assert_eq!(rich.click_url, "https://example.com/");
    assert_eq!((rich.tier, rich.weight, rich.caps.len()), (1, 10_000, 2));
    assert_eq!(rich.price().micros, 5);
    assert_eq!(rich.budget.unwrap().total, Some(100));
    let categories: Vec<&str> = rich.categories().map(|label| label.as_str()).collect();
    assert_eq!(categories, ["x", "y"]);
    let creatives: Vec<_> = rich.creatives().collect();
    assert_eq!(creatives[0].locale.unwrap().as_str(), "ko");
    assert_eq!(creatives[1].locale, None);
    assert_eq!(
        creatives[0].assets().get(),
        r#"{"title":"안녕 \"you\"","url":"https://cdn.example/1.webp"}"#
    );
    let advertiser = snapshot.advertiser_caps(key_of("acme"));
    let zones: Vec<&str> = advertiser.zones.iter().map(|zone| zone.as_str()).collect();
    assert_eq!((zones, advertiser.lifetime), (vec!["Asia/Seoul"], false));
    assert_eq!(snapshot.advertiser_caps(1), &Default::default());
}

#[test]
fn the_same_campaigns_give_the_same_bytes_in_any_order() {
    let mut items: Vec<(Id, Value)> = rich()
        .into_iter()
        .map(|(id, changes)| (id.parse().unwrap(), campaign(changes)))
        .collect();
    items.reverse();
    assert_eq!(compile(Kind::Campaigns, &items).unwrap(), artefact());
}

#[test]
fn the_format_before_gives_the_same_campaigns() {
    let items: Vec<Value> = rich()
        .into_iter()
        .map(|(id, changes)| json!({"id": id, "item": campaign(changes)}))
        .collect();
    let json = json!({"items": items}).to_string();
    let old = Snapshot::load(1, json.as_bytes()).unwrap();
    let new = Snapshot::load(2, &artefact()).unwrap();
    let told = |snapshot: &Snapshot| {
        let campaigns = snapshot.campaigns();
        let told = campaigns.map(|c| {
            format!(
                "{} {:?} {:?} {:?}",
                c.id,
                c.budget,
                c.caps,
                snapshot.matcher(c.row)
            )
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(told(&old), told(&new));
}

/// Uses everything that was loaded.
fn use_up(snapshot: Snapshot) {
    for campaign in snapshot.campaigns() {
        campaign.creatives().for_each(|creative| {
            creative.assets();
        });
        campaign.categories().count();
    }
    let lineup = Lineup::new(snapshot.into(), Default::default(), AGE_LIMIT, now());
    let asked = request(json!({
        "placements": [{"id": "top", "count": 20, "types": ["banner"]}, {"id": "end", "count": 2}],
        "device": {"platform": "ios", "id": "phone-1-example-0001", "country": "KR", "app_version": "2", "tz": "Asia/Seoul"},
        "interests": ["a"],
    }));
    let given = given(&asked, None);
    let allocation = allocate(&lineup, &given, &mut StdRng::seed_from_u64(1));
    explain(&lineup, &given, &allocation, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_are_refused_or_harmless(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = artefact();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(snapshot) = Snapshot::load(2, &bytes) {
            use_up(snapshot);
        }
    }

    #[test]
    fn bytes_of_any_kind_are_refused_or_harmless(mut bytes: Vec<u8>) {
        bytes.splice(0..0, *b"MDC2");
        if let Ok(snapshot) = Snapshot::load(2, &bytes) {
            use_up(snapshot);
        }
    }
}
