//! The choice as plainly as it can be written: every campaign is looked at, rule by rule. What other
//! ways of choosing must agree with.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use domain::{
    Day, Id, Instant, Label,
    allocation::{PlacementRequest, Profile, Request},
    content::campaigns::{Campaign, Consent, NoDevice},
    targeting::{Facts, Matcher, Targeting},
};

/// All campaigns, with their rules in a form that can be evaluated.
#[derive(Debug)]
pub struct Scan(Vec<Candidate>);

/// A campaign.
#[derive(Debug)]
pub struct Candidate {
    /// Its id.
    pub id: Id,
    /// What its author wrote.
    pub campaign: Campaign,
    matcher: Matcher,
}

/// Who looks, and when.
#[derive(Debug)]
pub struct Viewer<'r> {
    request: &'r Request,
    facts: Facts<'r>,
    now: Instant,
}

impl Scan {
    /// Makes campaigns ready.
    ///
    /// # Errors
    /// When the targeting of one breaks the rules.
    pub fn new(campaigns: impl IntoIterator<Item = (Id, Campaign)>) -> Result<Self> {
        let ready = campaigns.into_iter().map(|(id, campaign)| {
            let targeting = campaign.targeting.as_ref();
            let matcher = targeting
                .map_or_else(|| Ok(Matcher::default()), Targeting::compile)
                .map_err(|faults| anyhow!("campaign {id}: {faults:?}"))?;
            Ok(Candidate {
                id,
                campaign,
                matcher,
            })
        });
        Ok(Self(ready.collect::<Result<_>>()?))
    }

    /// The ids of all campaigns, in the order they were given.
    pub fn ids(&self) -> impl Iterator<Item = &Id> {
        self.0.iter().map(|candidate| &candidate.id)
    }

    /// The campaigns that may be shown in a placement.
    pub fn eligible(&self, wanted: &PlacementRequest, viewer: &Viewer<'_>) -> Vec<&Candidate> {
        let candidates = self.0.iter();
        candidates
            .filter(|candidate| candidate.is_for(wanted, viewer))
            .collect()
    }
}

/// Of these, the campaigns that go first: the best tier, house campaigns after all others.
pub fn best_tier<'s>(eligible: &[&'s Candidate]) -> Vec<&'s Candidate> {
    let best = eligible.iter().map(|candidate| candidate.rank()).min();
    let eligible = eligible.iter().copied();
    eligible
        .filter(|candidate| Some(candidate.rank()) == best)
        .collect()
}

impl Candidate {
    /// What it is given before: the lower, the earlier.
    fn rank(&self) -> (bool, u8) {
        (self.campaign.house, self.campaign.tier)
    }

    fn is_for(&self, wanted: &PlacementRequest, viewer: &Viewer<'_>) -> bool {
        let Campaign {
            starts_at,
            ends_at,
            placements,
            consent,
            no_device,
            house,
            ..
        } = &self.campaign;
        *starts_at <= viewer.now
            && ends_at.is_none_or(|end| viewer.now < end)
            && placements.contains(&wanted.id)
            && self.can_show(wanted.types.as_deref(), viewer)
            && (*consent == Consent::NotRequired || viewer.consented())
            && (*house || *no_device == NoDevice::Serve || viewer.facts.device_id.is_some())
            && !viewer.excludes(self)
            && self.matcher.matches(&viewer.facts)
    }

    fn can_show(&self, types: Option<&[Label]>, viewer: &Viewer<'_>) -> bool {
        self.campaign.creatives.iter().any(|creative| {
            let locale = creative.locale.as_ref();
            types.is_none_or(|types| types.contains(&creative.r#type))
                && locale.is_none_or(|locale| {
                    viewer
                        .facts
                        .locale
                        .is_some_and(|reader| locale.covers(reader))
                })
        })
    }
}

impl<'r> Viewer<'r> {
    /// Who sends a request at `now`, with what is stored of their device. Targeting by store, hour and
    /// weekday is left out: no campaign here asks for it.
    pub fn new(request: &'r Request, profile: Option<&'r Profile>, now: Instant) -> Self {
        let Request { device, user, .. } = request;
        let birth_year = user.as_ref().and_then(|user| user.birth_year);
        let birth_year = birth_year.or_else(|| profile?.birth_year);
        let gender = user.as_ref().and_then(|user| user.gender);
        let facts = Facts {
            platform: device.platform,
            country: device.country.or_else(|| profile?.country),
            locale: device.locale.as_ref(),
            carrier: device.carrier.as_deref(),
            model: device.model.as_deref(),
            age: birth_year.and_then(|year| age(year, now)),
            gender: gender.or_else(|| profile?.gender),
            interests: united(
                request.interests.as_deref(),
                profile.map(|profile| &*profile.interests),
            ),
            segments: united(None, profile.map(|profile| &*profile.segments)),
            keywords: united(request.keywords.as_deref(), None),
            attributes: profile.map(|profile| &profile.attributes),
            device_id: device.id.as_ref(),
            ..Facts::default()
        };
        Self {
            request,
            facts,
            now,
        }
    }

    fn consented(&self) -> bool {
        self.request.consent == Some(true) && self.request.device.lmt != Some(true)
    }

    fn excludes(&self, candidate: &Candidate) -> bool {
        let Some(exclude) = &self.request.exclude else {
            return false;
        };
        let Campaign {
            advertiser,
            categories,
            ..
        } = &candidate.campaign;
        let about: BTreeSet<_> = categories.iter().flatten().collect();
        let mut refused = exclude.categories.iter().flatten();
        exclude
            .campaigns
            .iter()
            .flatten()
            .any(|id| *id == candidate.id)
            || exclude
                .advertisers
                .iter()
                .flatten()
                .any(|label| label == advertiser)
            || refused.any(|label| about.contains(label))
    }
}

/// The age that is certain: the one before this year's birthday.
fn age(birth_year: u16, now: Instant) -> Option<u16> {
    let year = u16::try_from(Day::of(now).year()).ok()?;
    Some(year.checked_sub(birth_year)?.saturating_sub(1))
}

fn united<'a>(ours: Option<&'a [Label]>, theirs: Option<&'a [Label]>) -> Option<Vec<&'a str>> {
    let lists: Vec<_> = ours.into_iter().chain(theirs).collect();
    (!lists.is_empty()).then(|| lists.into_iter().flatten().map(Label::as_str).collect())
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Arc, time::Duration};

    use domain::{
        allocation::{Given, Lineup, Snapshot, allocate},
        caps::Showings,
        content::{Kind, compile, format},
    };
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;
    use crate::workload::Workload;

    #[test]
    fn the_product_gives_only_what_a_scan_finds() {
        let items = crate::campaigns(300).unwrap();
        let artefact = compile(Kind::Campaigns, &items).unwrap();
        let snapshot = Snapshot::load(format(Kind::Campaigns), &artefact).unwrap();
        let workload = Workload::new(300).unwrap();
        let mut rng = StdRng::seed_from_u64(1);
        let now = "2026-01-01T12:00:00Z".parse().unwrap();
        let lineup = Lineup::new(Arc::new(snapshot), Arc::default(), Duration::ZERO, now);
        let (showings, leases) = (Showings::default(), HashSet::new());
        let segments = crate::segments(&workload.profile);
        for request in &workload.requests {
            let given = Given {
                request,
                profile: Some(&workload.profile),
                segments: Some(&segments),
                config: None,
                showings: &showings,
                leases: &leases,
                member: None,
                now,
            };
            let viewer = Viewer::new(request, Some(&workload.profile), now);
            let eligible = workload.scan.eligible(&request.placements[0], &viewer);
            let best = best_tier(&eligible);
            assert!(!best.is_empty() && eligible.len() < 300);
            for placed in allocate(&lineup, &given, &mut rng).placed {
                let is_it = |candidate: &&Candidate| candidate.id.as_str() == placed.campaign.id;
                assert!(best.iter().any(is_it));
            }
        }
    }
}
