//! Whether all who choose among campaigns agree with a scan of the rules.

use std::collections::{BTreeSet, HashSet};

use anyhow::{Context as _, Result, ensure};
use bench_selection::{
    scan::{Viewer, best_tier},
    workload::Workload,
};
use domain::{Id, Instant, key_of, tracking::verify};
use serde::Deserialize;
use serde_json::Value;

/// What an item of an answer consists of.
const ITEM: [&str; 9] = [
    "assets",
    "campaign_id",
    "click_url",
    "creative_id",
    "expires_at",
    "impression_url",
    "placement",
    "slot",
    "type",
];

/// What a scan finds for each request of a workload.
pub(crate) struct Expected<'w> {
    workload: &'w Workload,
    at: Instant,
    found: Vec<Found<'w>>,
}

struct Found<'w> {
    /// The ids of all that are eligible, in their order.
    eligible: BTreeSet<&'w Id>,
    /// Those of the best tier.
    best: HashSet<&'w Id>,
    slots: usize,
}

/// Whose tracking tokens an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    /// They are signed with the workload's key, and are to be verified.
    ByWorkload,
    /// They are signed with a key that is not known here.
    Elsewhere,
}

impl<'w> Expected<'w> {
    /// Scans for every request, as if it came at `at`.
    pub(crate) fn new(workload: &'w Workload, at: Instant) -> Result<Self> {
        let found = workload.requests.iter().map(|request| {
            let placement = request.placements.first().context("no placement")?;
            let viewer = Viewer::new(request, Some(&workload.profile), at);
            let eligible = workload.scan.eligible(placement, &viewer);
            Ok(Found {
                best: best_tier(&eligible).iter().map(|one| &one.id).collect(),
                slots: usize::from(placement.count).min(eligible.len()),
                eligible: eligible.iter().map(|one| &one.id).collect(),
            })
        });
        let found = found.collect::<Result<_>>()?;
        Ok(Self {
            workload,
            at,
            found,
        })
    }

    /// How many requests there are.
    pub(crate) fn requests(&self) -> usize {
        self.found.len()
    }

    /// When the requests come.
    pub(crate) const fn at(&self) -> Instant {
        self.at
    }

    /// Holds a list of eligible ids, as JSON text, against what was found.
    pub(crate) fn check_eligible(&self, request: usize, ids: &[u8]) -> Result<()> {
        let found = self.found.get(request).context("no such request")?;
        let ids: BTreeSet<Id> = serde_json::from_slice(ids).context("a list of eligible ids")?;
        let ids: BTreeSet<_> = ids.iter().collect();
        let first = found.eligible.symmetric_difference(&ids).next();
        ensure!(
            first.is_none(),
            "request {request}: {} eligible campaigns instead of {}, first of all {} differs",
            ids.len(),
            found.eligible.len(),
            first.map_or("", |id| id.as_str())
        );
        Ok(())
    }

    /// Holds an answer of `POST /v1/allocations` against what was found.
    pub(crate) fn check_answer(&self, request: usize, answer: &[u8], signed: Signed) -> Result<()> {
        self.answer(request, answer, signed)
            .with_context(|| format!("request {request}: {}", String::from_utf8_lossy(answer)))
    }

    fn answer(&self, request: usize, answer: &[u8], signed: Signed) -> Result<()> {
        #[derive(Deserialize)]
        struct Answer {
            items: Vec<Value>,
        }
        #[derive(Deserialize)]
        struct Item {
            campaign_id: Id,
            impression_url: String,
        }
        let found = self.found.get(request).context("no such request")?;
        let Answer { items } = serde_json::from_slice(answer)?;
        ensure!(
            items.len() == found.slots,
            "{} items instead of {}",
            items.len(),
            found.slots
        );
        for item in items {
            let members = item.as_object().context("an item that is no object")?;
            let mut names: Vec<_> = members.keys().map(String::as_str).collect();
            names.sort_unstable();
            ensure!(names == ITEM, "an item of {names:?}");
            let Item {
                campaign_id,
                impression_url,
            } = serde_json::from_value(item)?;
            let eligible = if found.slots <= found.best.len() {
                found.best.contains(&campaign_id)
            } else {
                found.eligible.contains(&campaign_id)
            };
            ensure!(eligible, "{campaign_id} is not what a scan would give");
            if signed == Signed::ByWorkload {
                let token = impression_url.rsplit('/').next().unwrap_or_default();
                let token = verify(&self.workload.keys, token, self.at)?.token;
                ensure!(
                    token.campaign == key_of(&campaign_id),
                    "the token is another campaign's"
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at() -> Instant {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn other_campaigns_than_a_scan_finds_are_told() {
        let workload = Workload::new(50).unwrap();
        let expected = Expected::new(&workload, at()).unwrap();
        let ids: Vec<_> = expected.found[0].eligible.iter().collect();
        let check = |ids: Value| expected.check_eligible(0, ids.to_string().as_bytes());
        assert!(ids.len() > 1);
        check(json!(ids)).unwrap();
        assert!(check(json!(ids[1..])).is_err());
        assert!(check(json!("oops")).is_err());
    }

    #[test]
    fn an_answer_must_be_whole_and_of_an_eligible_campaign() {
        let workload = Workload::new(50).unwrap();
        let expected = Expected::new(&workload, at()).unwrap();
        let eligible = &expected.found[0].eligible;
        let other = workload
            .scan
            .ids()
            .find(|id| !eligible.contains(id))
            .unwrap();
        let answer = |id: &Id| {
            let mut item: serde_json::Map<_, _> = ITEM
                .iter()
                .map(|name| ((*name).to_owned(), json!("")))
                .collect();
            item.insert("campaign_id".to_owned(), json!(id));
            json!({ "items": [item] })
        };
        let check = |answer: &Value, signed| {
            expected.check_answer(0, answer.to_string().as_bytes(), signed)
        };
        let good = answer(eligible.first().unwrap());
        check(&good, Signed::Elsewhere).unwrap();
        assert!(check(&good, Signed::ByWorkload).is_err(), "without a token");
        assert!(check(&answer(other), Signed::Elsewhere).is_err());
        assert!(check(&json!({ "items": [] }), Signed::Elsewhere).is_err());
        assert!(check(&json!({ "items": [{}] }), Signed::Elsewhere).is_err());
    }
}
