//! Why campaigns were given, or were not: for operators.
//!
//! Unlike the engine this asks one campaign after the other, rule by rule, so that it can say which
//! rule it was. What is no rule (caps, pacing, leases) it asks in the engine's own way and with the
//! same lots, so it agrees with the allocation that it explains.

use std::{collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::{
    Allocation, Given, Lineup,
    snapshot::Row,
    viewer::{Refusal, Types, Viewer},
};
use crate::{Id, key_of};

/// At most this many candidates are told of, those nearest to being given first.
const MOST_CANDIDATES: usize = 100;

/// Why campaigns were given, or were not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Explanation {
    /// How often a campaign came to which end at one of the placements: each campaign is counted
    /// once for each placement that was asked for.
    pub counts: BTreeMap<Outcome, usize>,
    /// Campaigns at placements: at most 100 of them, those nearest to being given first, or one
    /// campaign at all placements if it was asked for.
    pub candidates: Vec<Candidate>,
}

/// A campaign at a placement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Candidate {
    /// The campaign.
    #[schemars(with = "Id")]
    pub campaign_id: String,
    /// The placement.
    pub placement: Id,
    /// The campaign's tier.
    pub tier: u8,
    /// What became of it there.
    pub outcome: Outcome,
}

/// What became of a campaign at a placement: the first reason, in the order of selection, for which
/// it was not given. The nearest to being given is the first here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It was given.
    Selected,
    /// It could have been given, and others were.
    LostDraw,
    /// It sat this request out, to spend its budget over time.
    Paced,
    /// Its budget is spent, or near its end and no lease is at hand.
    Budget,
    /// The device has seen it, its creatives or its advertiser often enough.
    FreqCap,
    /// It is not for this request: a field of its targeting's first rule that does not match (or
    /// `percent`, `any`), or `placement`, `type`, `locale` (of its creatives), `device` (the device
    /// does not say which it is).
    Targeting(String),
    /// The request or the user's settings exclude it.
    Excluded,
    /// The user must have consented.
    Consent,
    /// It is not in flight.
    Schedule,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Selected => "selected",
            Self::LostDraw => "lost_draw",
            Self::Paced => "paced",
            Self::Budget => "budget",
            Self::FreqCap => "freq_cap",
            Self::Targeting(dimension) => return write!(f, "targeting.{dimension}"),
            Self::Excluded => "excluded",
            Self::Consent => "consent",
            Self::Schedule => "schedule",
        })
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Outcome {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AllocationOutcome".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`selected`, `lost_draw`, `paced`, `budget`, `freq_cap`, `excluded`, \
                `consent`, `schedule`, or `targeting.` and what it did not match.",
            "type": "string",
            "examples": ["lost_draw", "targeting.country"],
        })
    }
}

/// Explains an allocation that was made of the same lineup and the same facts. With `only`, tells
/// of this campaign alone.
pub fn explain(
    lineup: &Lineup,
    given: &Given<'_>,
    allocation: &Allocation<'_>,
    only: Option<&Id>,
) -> Explanation {
    let viewer = Viewer::new(lineup, given, allocation.chance);
    let snapshot = lineup.snapshot();
    let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
    let mut candidates: BTreeMap<Outcome, Vec<Candidate>> = BTreeMap::new();
    let elsewhere = || Outcome::Targeting("placement".to_owned());
    for (at, wanted) in given.request.placements.iter().enumerate() {
        let types = viewer.types(wanted);
        let selected = || {
            allocation
                .placed
                .iter()
                .filter(|placed| placed.placement == at)
        };
        let shelves = snapshot.placement(&wanted.id);
        let shelves = shelves.map(|(_, here)| [&here.campaigns, &here.house]);
        let mut here = 0;
        let places = shelves
            .into_iter()
            .flatten()
            .flat_map(|shelf| &shelf.places);
        for place in places {
            let Some(campaign) = snapshot.campaign(*place) else {
                continue;
            };
            here += 1;
            let outcome = if selected().any(|placed| placed.campaign.key == campaign.key) {
                Outcome::Selected
            } else {
                outcome(&viewer, *place, campaign.row, &types)
            };
            *counts.entry(outcome.clone()).or_default() += 1;
            let kept = candidates.entry(outcome.clone()).or_default();
            if only.map_or(kept.len() < MOST_CANDIDATES, |only| {
                only.as_str() == campaign.id
            }) {
                kept.push(Candidate {
                    campaign_id: campaign.id.to_owned(),
                    placement: wanted.id.clone(),
                    tier: campaign.tier,
                    outcome,
                });
            }
        }
        if here < snapshot.len() {
            *counts.entry(elsewhere()).or_default() += snapshot.len() - here;
        }
        let asked = only.and_then(|only| snapshot.campaign(snapshot.place_by_key(key_of(only))?));
        let told = || candidates.values().flatten();
        if let Some(campaign) = asked
            && !told().any(|candidate| candidate.placement == wanted.id)
        {
            candidates.entry(elsewhere()).or_default().push(Candidate {
                campaign_id: campaign.id.to_owned(),
                placement: wanted.id.clone(),
                tier: campaign.tier,
                outcome: elsewhere(),
            });
        }
    }
    let candidates = candidates.into_values().flatten();
    Explanation {
        counts,
        candidates: candidates.take(MOST_CANDIDATES).collect(),
    }
}

/// What became of a campaign that was not given.
fn outcome(viewer: &Viewer<'_, '_>, place: u32, row: &Row, types: &Types) -> Outcome {
    let refusal = match viewer.may_see(row) {
        Err(refusal) => refusal,
        Ok(()) if viewer.excludes(row, place) || viewer.wants_no(row) => return Outcome::Excluded,
        Ok(()) => {
            let matcher = viewer.snapshot().matcher(row);
            if let Some(dimension) = matcher.failing_dimension(&viewer.facts) {
                return Outcome::Targeting(dimension.to_owned());
            }
            // How it stood before anything was given in this request.
            match viewer.admit(place, row, types, &[]) {
                Ok(_) => return Outcome::LostDraw,
                Err(refusal) => refusal,
            }
        }
    };
    match refusal {
        Refusal::Schedule => Outcome::Schedule,
        Refusal::Consent => Outcome::Consent,
        Refusal::Device => Outcome::Targeting("device".to_owned()),
        Refusal::Type => Outcome::Targeting("type".to_owned()),
        Refusal::Locale => Outcome::Targeting("locale".to_owned()),
        Refusal::Cap => Outcome::FreqCap,
        Refusal::Spent | Refusal::NoLease => Outcome::Budget,
        Refusal::Paced => Outcome::Paced,
    }
}
