//! What the index replaced: every rule of every campaign, for every request.

use domain::{
    Instant, Label,
    allocation::{Campaign, Given, Snapshot},
    caps::creative_key,
    content::campaigns::{CapScope, Consent},
    delivery::{Delivery, Zone},
    targeting::{Facts, Matcher},
};
use rand::{Rng, RngExt as _};

/// Campaigns with their targeting, in one list.
pub(crate) struct Naive<'s> {
    campaigns: Vec<(Campaign<'s>, Matcher)>,
    snapshot: &'s Snapshot,
    delivery: &'s Delivery,
}

impl<'s> Naive<'s> {
    pub(crate) fn new(
        snapshot: &'s Snapshot,
        matchers: impl Iterator<Item = Matcher>,
        delivery: &'s Delivery,
    ) -> Self {
        Self {
            campaigns: snapshot.campaigns().zip(matchers).collect(),
            snapshot,
            delivery,
        }
    }

    /// The campaign for one slot: of all that can be given, the one with the best key.
    pub(crate) fn select(&self, given: &Given<'_>, rng: &mut impl Rng) -> Option<Campaign<'s>> {
        let facts = given.facts(self.snapshot);
        let mut best: Option<(f64, Campaign<'s>)> = None;
        for (campaign, matcher) in &self.campaigns {
            if !self.can_be_given(campaign, matcher, given, &facts, rng) {
                continue;
            }
            let key = -(1.0 - rng.random::<f64>()).ln() / f64::from(campaign.weight);
            if best.is_none_or(|(smallest, _)| key < smallest) {
                best = Some((key, *campaign));
            }
        }
        best.map(|(_, campaign)| campaign)
    }

    fn can_be_given(
        &self,
        campaign: &Campaign<'_>,
        matcher: &Matcher,
        given: &Given<'_>,
        facts: &Facts<'_>,
        rng: &mut impl Rng,
    ) -> bool {
        let now: Instant = given.now;
        campaign.in_flight(now)
            && (campaign.consent == Consent::NotRequired || given.consented())
            && !excluded(campaign, given)
            && matcher.matches(facts)
            && !capped(campaign, given)
            && match self.delivery.throttles.get(&campaign.key) {
                None => campaign.budget.is_none(),
                Some(throttle) => match throttle.zone {
                    Zone::Spent => false,
                    Zone::Open => rng.random::<f32>() < throttle.pass,
                    Zone::Exact => {
                        rng.random::<f32>() < throttle.pass && given.leases.contains(&campaign.key)
                    }
                },
            }
    }
}

fn excluded(campaign: &Campaign<'_>, given: &Given<'_>) -> bool {
    let Some(exclude) = &given.request.exclude else {
        return false;
    };
    let among = |labels: &Option<Vec<Label>>, label: &Label| {
        labels.as_ref().is_some_and(|labels| labels.contains(label))
    };
    among(&exclude.advertisers, campaign.advertiser)
        || campaign
            .categories()
            .any(|category| among(&exclude.categories, category))
}

fn capped(campaign: &Campaign<'_>, given: &Given<'_>) -> bool {
    let reached = |scope, key| {
        let (caps, zone) = (campaign.caps, campaign.time_zone);
        let left = given.showings.left(caps, scope, key, zone, given.now);
        left == Some(0)
    };
    !campaign.caps.is_empty()
        && (reached(CapScope::Campaign, campaign.key)
            || reached(CapScope::Advertiser, campaign.advertiser_key)
            || campaign.creatives().all(|creative| {
                reached(CapScope::Creative, creative_key(campaign.key, creative.key))
            }))
}
