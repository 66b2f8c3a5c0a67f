//! The rules between the fields of a campaign, and between the campaigns of a set.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use super::{Budget, Campaign, Pricing, artefact};
use crate::{
    Fault, FaultCode, Id,
    content::{
        artefact::Entry,
        schedule,
        set::{Item, WriteError},
    },
    key_of,
    validation::rule,
};

pub(super) fn coherent(campaign: &Campaign, _: &()) -> garde::Result {
    let mut faults = Vec::from_iter(schedule::fault(campaign.starts_at, campaign.ends_at));
    if campaign.house && campaign.budget.is_some() {
        faults.push(Fault::new(
            "/budget",
            FaultCode::NotAllowed,
            "a house campaign has none",
        ));
    }
    if campaign.house && !campaign.caps.is_empty() {
        faults.push(Fault::new(
            "/caps",
            FaultCode::NotAllowed,
            "a house campaign has none",
        ));
    }
    repeated(
        campaign.placements.iter(),
        |at| format!("/placements/{at}"),
        &mut faults,
    );
    repeated(
        campaign.types.iter(),
        |at| format!("/types/{at}"),
        &mut faults,
    );
    let caps = campaign.caps.iter().map(|cap| (cap.scope, cap.per));
    repeated(caps, |at| format!("/caps/{at}"), &mut faults);
    let ids = campaign.creatives.iter().map(|creative| &creative.id);
    repeated(ids, |at| format!("/creatives/{at}/id"), &mut faults);
    for (at, creative) in campaign.creatives.iter().enumerate() {
        if !campaign.types.contains(&creative.r#type) {
            let at = format!("/creatives/{at}/type");
            faults.push(Fault::new(
                at,
                FaultCode::NotAllowed,
                "must be one of the campaign's types",
            ));
        }
    }
    rule(faults)
}

fn repeated<T: Eq + Hash>(
    values: impl Iterator<Item = T>,
    pointer: impl Fn(usize) -> String,
    faults: &mut Vec<Fault>,
) {
    let mut seen = HashSet::new();
    for (at, value) in values.enumerate() {
        if !seen.insert(value) {
            faults.push(Fault::new(
                pointer(at),
                FaultCode::Duplicate,
                "is there more than once",
            ));
        }
    }
}

pub(super) fn priced(budget: &Budget, _: &()) -> garde::Result {
    let mut faults = Vec::new();
    let needs_price = matches!(budget.pricing, Pricing::Cpm | Pricing::Cpc | Pricing::Cpa);
    if needs_price && budget.price_micros.is_none() {
        let message = format!("is required for {}", budget.pricing);
        faults.push(Fault::new("/price_micros", FaultCode::Required, message));
    }
    if let (Some(daily), Some(total)) = (budget.daily, budget.total)
        && daily > total
    {
        faults.push(Fault::new(
            "/daily",
            FaultCode::OutOfRange,
            "must not be above total",
        ));
    }
    rule(faults)
}

impl Item for Campaign {
    const TIMES: &'static [&'static str] = &["starts_at", "ends_at"];

    fn links(&self) -> Vec<(String, &str)> {
        vec![("/click_url".to_owned(), self.click_url.as_str())]
    }

    /// Tracking tokens know ids by their 64-bit keys, so no two may share one.
    fn faults_between<'s>(items: &'s [Entry<Self>]) -> Vec<(&'s Id, Fault)> {
        let mut faults = Vec::new();
        let mut campaigns = HashMap::new();
        let mut placements = HashMap::new();
        let mut collide =
            |known: &mut HashMap<u64, &'s Id>, id: &'s Id, item: &'s Id, at: String| {
                let other = *known.entry(key_of(id)).or_insert(id);
                if other != id {
                    let message = format!("has the same 64-bit key as {other}; choose another");
                    faults.push((item, Fault::new(at, FaultCode::Duplicate, message)));
                }
            };
        for Entry { id, item } in items {
            collide(&mut campaigns, id, id, String::new());
            for (at, placement) in item.placements.iter().enumerate() {
                collide(&mut placements, placement, id, format!("/placements/{at}"));
            }
            let mut creatives = HashMap::new();
            for (at, creative) in item.creatives.iter().enumerate() {
                collide(
                    &mut creatives,
                    &creative.id,
                    id,
                    format!("/creatives/{at}/id"),
                );
            }
        }
        faults
    }

    fn write(mut items: Vec<Entry<Self>>) -> Result<Vec<u8>, WriteError> {
        artefact::write(&mut items).map_err(Into::into)
    }
}
