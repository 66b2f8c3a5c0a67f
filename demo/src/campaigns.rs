//! The items of the log as campaigns: `item-00` to `item-79`, equal in every respect but, on
//! request, their audience.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{
    audience::{Audience, Rule, segment},
    dataset::{Dataset, Item},
};

/// Where campaigns are shown; the log's position is the number.
pub(crate) const PLACEMENTS: [&str; 3] = ["position-1", "position-2", "position-3"];

/// Of this many campaigns, one is targeted where targeting is asked for.
const TARGETED_EVERY: usize = 4;

/// What the demo publishes.
#[derive(Debug)]
pub(crate) struct Campaigns {
    /// The campaigns' ids, in the order of the items.
    pub(crate) ids: Vec<String>,
    /// Whom each campaign is for; `None` is everybody.
    pub(crate) audiences: Vec<Option<Audience>>,
    /// Their documents, in the same order.
    pub(crate) documents: Vec<Value>,
    numbers: HashMap<String, usize>,
}

impl Campaigns {
    /// Makes one campaign per item. `run` is written into the creatives, so that an answer tells
    /// whether it came from this publication.
    pub(crate) fn new(log: &Dataset, targeted: bool, run: &str) -> Self {
        let ids: Vec<String> = (0..log.items.len())
            .map(|number| format!("item-{number:02}"))
            .collect();
        let audiences = match targeted {
            true => audiences(log),
            false => vec![None; log.items.len()],
        };
        let documents = ids
            .iter()
            .zip(log.items.iter().zip(&audiences))
            .map(|(id, (item, audience))| document(id, item, audience.as_ref(), run))
            .collect();
        let numbers = ids
            .iter()
            .cloned()
            .enumerate()
            .map(|(number, id)| (id, number))
            .collect();
        Self {
            ids,
            audiences,
            documents,
            numbers,
        }
    }

    /// The item that the campaign shows; `None` for a campaign that is not the demo's.
    pub(crate) fn item_of(&self, campaign: &str) -> Option<usize> {
        self.numbers.get(campaign).copied()
    }
}

fn document(id: &str, item: &Item, audience: Option<&Audience>, run: &str) -> Value {
    let mut campaign = json!({
        "id": id,
        "advertiser": "open-bandit",
        "name": format!("Open Bandit {id}"),
        "categories": item.categories,
        "starts_at": "2019-11-01T00:00:00.000Z",
        "tier": 50,
        "weight": 100,
        "placements": PLACEMENTS,
        "types": ["image"],
        "consent": "not_required",
        "no_device": "serve",
        "caps": [],
        "pacing": "asap",
        "sampling": "weighted",
        "click_url": format!("https://shop.example/items/{id}"),
        "creatives": [{
            "id": format!("{id}-image"),
            "type": "image",
            "weight": 1,
            "assets": { "image_url": format!("https://shop.example/images/{id}.webp"), "run": run },
        }],
        "house": false,
    });
    if let (Some(audience), Some(fields)) = (audience, campaign.as_object_mut()) {
        fields.insert("targeting".to_owned(), audience.to_json());
    }
    campaign
}

/// Every fourth item gets an audience, of six kinds in turn, made from the commonest values of the
/// features so that each audience is large enough to come by.
fn audiences(log: &Dataset) -> Vec<Option<Audience>> {
    let common: [Vec<String>; 4] = std::array::from_fn(|feature| commonest(log, feature));
    let value = |feature: usize, rank: usize| {
        let values = common.get(feature).map(Vec::as_slice).unwrap_or_default();
        values
            .get(rank % values.len().max(1))
            .cloned()
            .unwrap_or_default()
    };
    let in_segment = |feature, rank| segment(feature, &value(feature, rank));
    let audience = |nth: usize| {
        let rank = nth / 6;
        Audience(match nth % 6 {
            0 => vec![Rule::In(1, vec![value(1, rank), value(1, rank + 1)])],
            1 => vec![Rule::NotIn(2, vec![value(2, rank), value(2, rank + 1)])],
            2 => vec![Rule::AnyOf(vec![in_segment(0, 1), in_segment(3, rank)])],
            3 => vec![Rule::AllOf(vec![in_segment(0, 0), in_segment(2, rank)])],
            4 => vec![Rule::NoneOf(vec![
                in_segment(3, 0),
                in_segment(3, rank + 1),
            ])],
            _ => vec![
                Rule::In(1, vec![value(1, 0)]),
                Rule::Any(vec![
                    Rule::In(2, vec![value(2, rank)]),
                    Rule::AnyOf(vec![in_segment(3, rank)]),
                ]),
            ],
        })
    };
    (0..log.items.len())
        .map(|item| {
            item.is_multiple_of(TARGETED_EVERY)
                .then(|| audience(item / TARGETED_EVERY))
        })
        .collect()
}

/// Up to four values of a feature, the commonest first, each in at least one visit of twenty.
fn commonest(log: &Dataset, feature: usize) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for visit in &log.visits {
        let profile = log.profiles.get(visit.profile);
        if let Some(value) = profile.and_then(|profile| profile.features.get(feature)) {
            *counts.entry(value).or_default() += 1;
        }
    }
    let mut values: Vec<_> = counts
        .into_iter()
        .filter(|(_, count)| count * 20 >= log.visits.len())
        .collect();
    values.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    values
        .into_iter()
        .take(4)
        .map(|(value, _)| value.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_campaign_per_item_and_nobody_is_left_out() {
        let log = Dataset::read().unwrap();
        let campaigns = Campaigns::new(&log, false, "run");
        assert_eq!(campaigns.ids.len(), 80);
        assert_eq!(campaigns.item_of("item-07"), Some(7));
        assert_eq!(campaigns.item_of("item-80"), None);
        assert!(
            campaigns
                .documents
                .iter()
                .all(|document| document.get("targeting").is_none())
        );
    }

    #[test]
    fn the_documents_are_what_the_product_accepts() {
        let log = Dataset::read().unwrap();
        for targeted in [false, true] {
            for mut document in Campaigns::new(&log, targeted, "run").documents {
                document.as_object_mut().unwrap().remove("id");
                let checked = domain::content::check_item(
                    domain::content::Kind::Campaigns,
                    document.to_string().as_bytes(),
                );
                assert!(checked.is_ok(), "{checked:?}");
            }
        }
    }

    #[test]
    fn every_audience_is_a_true_part_of_the_traffic() {
        let log = Dataset::read().unwrap();
        let audiences = audiences(&log);
        assert_eq!(audiences.iter().flatten().count(), 20);
        for audience in audiences.iter().flatten() {
            let included =
                |visit: &&crate::dataset::Visit| audience.includes(&log.profiles[visit.profile]);
            let visits = log.visits.iter().filter(included).count();
            assert!(
                (1_000..10_000).contains(&visits),
                "{visits} of 10,000 visits: {audience:?}"
            );
        }
    }
}
