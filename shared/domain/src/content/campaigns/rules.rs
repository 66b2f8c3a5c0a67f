//! The rules between the fields of a campaign, and between the campaigns of a set.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use super::{
    Budget, Campaign, Pacing, Pricing,
    artefact::{Defect, Shared, Writer},
};
use crate::{
    Fault, FaultCode, Id,
    content::{
        schedule,
        set::{
            ARTEFACT_LIMIT, CompileError, Item, ItemSet, MAX_SET_FAULTS, SetFault, UnreadableItems,
            read_item,
        },
    },
    key_of,
    validation::{parse_value, rule},
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

/// Returns whether a campaign's budget can only be spread over its flight.
fn is_spread_over_flight(campaign: &Campaign) -> bool {
    let budget = campaign.budget.as_ref();
    campaign.pacing == Pacing::Even
        && budget.is_some_and(|budget| {
            budget.pricing != Pricing::Flat && budget.daily.is_none() && budget.total.is_some()
        })
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

/// Returns the name of the limit that does not buy one unit: an impression, a click, a conversion.
fn unaffordable(budget: &Budget) -> Option<&'static str> {
    let price = budget.price_micros?;
    // The price of `cpm` is that of a thousand.
    let units = match budget.pricing {
        Pricing::Cpm => 1000,
        Pricing::Cpc | Pricing::Cpa => 1,
        Pricing::Flat | Pricing::Impressions => return None,
    };
    let buys_nothing =
        |limit: Option<u64>| limit.is_some_and(|limit| limit.saturating_mul(units) < price);
    match () {
        () if buys_nothing(budget.daily) => Some("daily"),
        () if buys_nothing(budget.total) => Some("total"),
        () => None,
    }
}

impl Item for Campaign {
    const TIMES: &'static [&'static str] = &["starts_at", "ends_at"];

    fn links(&self) -> Vec<(String, &str)> {
        vec![("/click_url".to_owned(), self.click_url.as_str())]
    }

    fn draft_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.ends_at.is_none() && is_spread_over_flight(self) {
            faults.push(Fault::new(
                "/ends_at",
                FaultCode::Required,
                "is required for even pacing of a total budget without a daily one",
            ));
        }
        if let Some(limit) = self.budget.as_ref().and_then(unaffordable) {
            let at = "/budget/price_micros";
            let message = format!("must not be above {limit}, which would then buy nothing");
            faults.push(Fault::new(at, FaultCode::OutOfRange, message));
        }
        faults
    }

    /// Reads the campaigns one by one, because there may be 100,000 of them.
    fn faults<S: ItemSet + ?Sized>(set: &S) -> Result<Vec<SetFault>, UnreadableItems> {
        Ok(scan(set)?.1)
    }

    /// Reads the campaigns twice: once for their faults and what they share, once to write them.
    fn compile<S: ItemSet + ?Sized>(set: &S) -> Result<Vec<u8>, CompileError> {
        compile_up_to(ARTEFACT_LIMIT, set)
    }
}

fn compile_up_to<S: ItemSet + ?Sized>(
    limit_bytes: usize,
    set: &S,
) -> Result<Vec<u8>, CompileError> {
    let (shared, faults) = scan(set)?;
    if !faults.is_empty() {
        return Err(CompileError::Faults(faults));
    }
    let mut writer = Writer::new(&shared, limit_bytes).map_err(unwritable)?;
    let mut added = Ok(());
    set.for_each(&mut |id, value| {
        if added.is_ok() {
            added = match parse_value::<Campaign>(value) {
                Ok(campaign) => writer.add(id, &campaign).map_err(unwritable),
                Err(rejection) => Err(CompileError::Write(rejection.into())),
            };
        }
    })?;
    added.map(|()| writer.finish())
}

fn unwritable(defect: Defect) -> CompileError {
    match defect {
        Defect::TooLarge(limit_bytes) => CompileError::TooLarge { limit_bytes },
        defect => CompileError::Write(defect.into()),
    }
}

/// Reads a set once: what its campaigns share, and every fault.
fn scan<S: ItemSet + ?Sized>(set: &S) -> Result<(Shared, Vec<SetFault>), UnreadableItems> {
    let mut shared = Shared::default();
    let mut keys = Keys::default();
    let mut faults = Vec::new();
    set.for_each(&mut |id, value| {
        if let Some(campaign) = read_item::<Campaign>(id, value, &mut faults) {
            let between = keys.collisions(id, &campaign);
            let room = MAX_SET_FAULTS.saturating_sub(faults.len());
            faults.extend(between.into_iter().take(room));
            shared.add(&campaign);
        }
    })?;
    Ok((shared, faults))
}

/// The 64-bit keys by which tracking tokens name ids, so no two ids may share one.
#[derive(Default)]
struct Keys {
    campaigns: HashMap<u64, Id>,
    placements: HashMap<u64, Id>,
}

impl Keys {
    /// Adds the keys of a campaign and returns a fault for each that another id has.
    fn collisions(&mut self, id: &Id, campaign: &Campaign) -> Vec<SetFault> {
        let mut faults = Vec::new();
        let mut collide = |known: &mut HashMap<u64, Id>, name: &Id, at: String| {
            let other = known.entry(key_of(name)).or_insert_with(|| name.clone());
            if other != name {
                let message = format!("has the same 64-bit key as {other}; choose another");
                let fault = Fault::new(at, FaultCode::Duplicate, message);
                faults.push(SetFault::new(id, fault));
            }
        };
        collide(&mut self.campaigns, id, String::new());
        for (at, placement) in campaign.placements.iter().enumerate() {
            collide(&mut self.placements, placement, format!("/placements/{at}"));
        }
        let mut creatives = HashMap::new();
        for (at, creative) in campaign.creatives.iter().enumerate() {
            let at = format!("/creatives/{at}/id");
            collide(&mut creatives, &creative.id, at);
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_artefact_is_not_written_further_than_it_may_grow() {
        let campaign = json!({
            "advertiser": "Acme", "name": "Shoes", "placements": ["top"], "types": ["image"],
            "starts_at": "2026-01-01T00:00:00Z", "time_zone": "UTC", "tier": 10, "weight": 1,
            "consent": "not_required", "no_device": "serve", "pacing": "asap", "sampling": "thompson",
            "click_url": format!("https://example.com/{}", "a".repeat(700)),
            "creatives": [{"id": "red", "type": "image", "weight": 1, "assets": {}}],
        });
        let set = |number| -> Vec<(Id, Value)> {
            let ids = (0..number).map(|nth| format!("shoes-{nth}").parse().unwrap());
            ids.map(|id| (id, campaign.clone())).collect()
        };
        let whole = compile_up_to(8_000, &set(10)).unwrap();
        assert!((7_000..8_000).contains(&whole.len()), "{}", whole.len());
        let error = compile_up_to(8_000, &set(20)).unwrap_err();
        let CompileError::TooLarge { limit_bytes } = error else {
            panic!("{error}");
        };
        assert_eq!(limit_bytes, 8_000);
    }
}
