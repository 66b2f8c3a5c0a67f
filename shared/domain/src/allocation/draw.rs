//! The selection itself: eligibility, tiers, the weighted draw, and house items.
//!
//! Each placement draws by itself, in the order of the request. A campaign is given at most once in
//! one request, whatever its placements and slots: the same ad twice on one screen helps nobody, and
//! its caps need not be shared between slots. The draw is Efraimidis and Spirakis's weighted sampling
//! without replacement (2006): every candidate of a tier gets the key `u^(1/w)`, and the largest keys
//! win. Keys are compared as `-ln(u)/w`, smallest first, which is the same order and keeps its
//! precision for large weights.

use std::collections::HashSet;

use rand::{Rng, RngExt};

use super::{Campaign, Creative, Given, PlacementRequest, Snapshot, snapshot::Tier};
use crate::{
    Label, Locale,
    content::campaigns::{Consent, NoDevice},
    targeting::Facts,
};

/// What goes where.
#[derive(Debug)]
pub struct Allocation<'s> {
    /// What was placed: by placement in the order of the request, then by slot.
    pub placed: Vec<Placed<'s>>,
    /// Whether only house items, or nothing, could be given.
    pub fallback: bool,
}

/// A creative in a slot.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'s> {
    /// The place of the placement in the request.
    pub placement: usize,
    /// The slot within the placement, counted from 0.
    pub slot: u8,
    /// The campaign.
    pub campaign: &'s Campaign,
    /// The creative.
    pub creative: &'s Creative,
}

/// Says what goes into the slots that were asked for. A slot for which nothing is left stays empty.
pub fn allocate<'s>(
    snapshot: &'s Snapshot,
    given: &Given<'_>,
    rng: &mut impl Rng,
) -> Allocation<'s> {
    let mut selection = Selection {
        snapshot,
        viewer: Viewer::new(given, snapshot),
        given: Vec::new(),
        best: Vec::new(),
    };
    let mut placed = Vec::new();
    for (place, wanted) in given.request.placements.iter().enumerate() {
        let first = selection.given.len();
        selection.fill(wanted, rng);
        let chosen = selection.given.get(first..).unwrap_or_default();
        for (slot, campaign) in (0..).zip(chosen) {
            let Some(campaign) = snapshot.campaigns().get(*campaign) else {
                continue;
            };
            let types = wanted.types.as_deref();
            if let Some(creative) = draw_creative(campaign, types, &selection.viewer, rng) {
                placed.push(Placed {
                    placement: place,
                    slot,
                    campaign,
                    creative,
                });
            }
        }
    }
    let fallback = placed.iter().all(|placed| placed.campaign.house);
    Allocation { placed, fallback }
}

/// The selection for one request.
struct Selection<'s, 'r> {
    snapshot: &'s Snapshot,
    viewer: Viewer<'r>,
    /// Campaigns that have been given, as places in the snapshot.
    given: Vec<usize>,
    /// The best keys of the tier at hand, with their campaigns; kept for its capacity.
    best: Vec<(f64, usize)>,
}

impl Selection<'_, '_> {
    /// Gives as many campaigns to a placement as it has slots, or as there are.
    fn fill(&mut self, wanted: &PlacementRequest, rng: &mut impl Rng) {
        let Some(here) = self.snapshot.placement(&wanted.id) else {
            return;
        };
        let mut left = usize::from(wanted.count);
        for tier in here.campaigns.iter().chain(&here.house) {
            if left == 0 {
                return;
            }
            self.draw(tier, wanted, left, rng);
            left -= self.best.len();
            self.given
                .extend(self.best.iter().map(|(_, campaign)| *campaign));
        }
    }

    /// Draws at most `count` eligible campaigns of a tier into `best`.
    fn draw(&mut self, tier: &Tier, wanted: &PlacementRequest, count: usize, rng: &mut impl Rng) {
        self.best.clear();
        for &place in &tier.members {
            let Some(campaign) = self.snapshot.campaigns().get(place) else {
                continue;
            };
            if self.given.contains(&place)
                || !self.viewer.may_see(campaign)
                || !self.viewer.can_show(campaign, wanted.types.as_deref())
            {
                continue;
            }
            let key = exponential(rng) / f64::from(campaign.weight);
            if self.best.len() == count {
                if self.best.last().is_some_and(|(worst, _)| key >= *worst) {
                    continue;
                }
                self.best.pop();
            }
            let rank = self.best.partition_point(|(better, _)| *better <= key);
            self.best.insert(rank, (key, place));
        }
    }
}

/// Who looks, in the form that campaigns are held against.
struct Viewer<'r> {
    facts: Facts<'r>,
    now: crate::Instant,
    consented: bool,
    campaigns: HashSet<&'r str>,
    advertisers: HashSet<&'r str>,
    categories: HashSet<&'r str>,
}

impl<'r> Viewer<'r> {
    fn new(given: &Given<'r>, snapshot: &Snapshot) -> Self {
        let exclude = given.request.exclude.as_ref();
        let labels =
            |of: Option<&'r Vec<Label>>| of.into_iter().flatten().map(Label::as_str).collect();
        Self {
            facts: given.facts(snapshot),
            now: given.now,
            consented: given.consented(),
            campaigns: exclude
                .and_then(|exclude| exclude.campaigns.as_ref())
                .into_iter()
                .flatten()
                .map(crate::Id::as_str)
                .collect(),
            advertisers: labels(exclude.and_then(|exclude| exclude.advertisers.as_ref())),
            categories: labels(exclude.and_then(|exclude| exclude.categories.as_ref())),
        }
    }

    /// Whether the campaign is for this viewer, now. House campaigns are what is left for a device
    /// that is not known, whatever they say of it.
    fn may_see(&self, campaign: &Campaign) -> bool {
        let any_device = campaign.house || campaign.no_device == NoDevice::Serve;
        campaign.in_flight(self.now)
            && (campaign.consent == Consent::NotRequired || self.consented)
            && (any_device || self.facts.device_id.is_some())
            && !self.excludes(campaign)
            && campaign.matcher.matches(&self.facts)
    }

    fn excludes(&self, campaign: &Campaign) -> bool {
        self.campaigns.contains(&*campaign.id)
            || self.advertisers.contains(&*campaign.advertiser)
            || (!self.categories.is_empty()
                && campaign
                    .categories
                    .iter()
                    .any(|about| self.categories.contains(&**about)))
    }

    fn can_show(&self, campaign: &Campaign, types: Option<&[Label]>) -> bool {
        campaign
            .creatives
            .iter()
            .any(|creative| fits(creative, types, self.facts.locale))
    }
}

fn fits(creative: &Creative, types: Option<&[Label]>, reader: Option<&Locale>) -> bool {
    types.is_none_or(|types| types.contains(&creative.r#type))
        && creative
            .locale
            .as_ref()
            .is_none_or(|locale| reader.is_some_and(|reader| locale.covers(reader)))
}

/// Draws one of the creatives that fit, by weight.
fn draw_creative<'s>(
    campaign: &'s Campaign,
    types: Option<&[Label]>,
    viewer: &Viewer<'_>,
    rng: &mut impl Rng,
) -> Option<&'s Creative> {
    let fitting = || {
        let creatives = campaign.creatives.iter();
        creatives.filter(|creative| fits(creative, types, viewer.facts.locale))
    };
    let total: u64 = fitting().map(|creative| u64::from(creative.weight)).sum();
    if total == 0 {
        return None;
    }
    let mut ticket = rng.random_range(0..total);
    fitting().find(|creative| {
        let weight = u64::from(creative.weight);
        let drawn = ticket < weight;
        ticket = ticket.saturating_sub(weight);
        drawn
    })
}

/// An exponential variate, `-ln(u)` of a uniform `u` in (0, 1].
fn exponential(rng: &mut impl Rng) -> f64 {
    -(1.0 - rng.random::<f64>()).ln()
}
