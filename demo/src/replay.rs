//! The visits of the log, played back: ask what to show, say that it was seen, sometimes click.

use std::{future, time::Instant};

use anyhow::{Context, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use std::time::Duration;

use crate::{
    campaigns::{Campaigns, PLACEMENTS},
    client::{AllocatedItem, Allocation, Client, Counts},
    dataset::{Dataset, Profile, Visit},
    progress,
};

/// Clicks are this much likelier than in the log, where there are too few to count.
const CLICK_FACTOR: f64 = 10.0;

/// What to play back, and against what.
pub(crate) struct Replay<'a> {
    pub(crate) client: &'a Client,
    pub(crate) log: &'a Dataset,
    pub(crate) campaigns: &'a Campaigns,
    /// Campaigns that requests leave out.
    pub(crate) excluded: &'a [String],
    /// What the creatives of this publication carry.
    pub(crate) run: &'a str,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// How many visits there were.
    pub(crate) visits: usize,
    /// Whether those were all of the log.
    pub(crate) whole_log: bool,
    /// How long they took together.
    pub(crate) elapsed: Duration,
    /// How long each allocation took.
    pub(crate) allocations: Vec<Duration>,
    /// How long each impression and click took.
    pub(crate) tracking: Vec<Duration>,
    /// What was sent for each item.
    pub(crate) sent: Vec<Counts>,
    /// Visits for which nothing was allocated.
    pub(crate) unfilled: usize,
    /// Answers with a campaign, or a version of one, that is not of this run.
    pub(crate) foreign: Vec<String>,
    /// Answers with a campaign for a user whom it does not target.
    pub(crate) breaches: Vec<String>,
}

/// What came of one visit.
struct Shown {
    allocation: Duration,
    tracking: Vec<Duration>,
    what: What,
}

enum What {
    Nothing,
    Foreign(String),
    Item {
        number: usize,
        clicked: bool,
        breach: Option<String>,
    },
}

impl Replay<'_> {
    /// Stores the profile of every user.
    pub(crate) async fn put_profiles(&self, concurrency: usize) -> Result<()> {
        let bar = progress::bar("profiles", self.log.profiles.len())?;
        stream::iter(self.log.profiles.iter().enumerate())
            .map(|(number, profile)| async move {
                self.client
                    .put_profile(&device(number), &document(profile))
                    .await
            })
            .buffer_unordered(concurrency)
            .try_for_each(|()| {
                bar.inc(1);
                future::ready(Ok(()))
            })
            .await
            .context("storing the profiles")
    }

    /// Asks once, for nobody in particular.
    pub(crate) async fn probe(&self) -> Result<Allocation> {
        self.client
            .allocate(&self.request("position-1", None))
            .await
    }

    /// Plays the first `visits` visits, `concurrency` of them at once. Which of them click depends
    /// on the seed and on what they are shown, not on their order.
    pub(crate) async fn run(
        &self,
        seed: u64,
        visits: usize,
        concurrency: usize,
    ) -> Result<Outcome> {
        let visits = self.log.visits.iter().take(visits);
        let bar = progress::bar("visits", visits.len())?;
        let mut outcome = Outcome::new(visits.len(), self.campaigns.ids.len());
        outcome.whole_log = visits.len() == self.log.visits.len();
        let mut draws = StdRng::seed_from_u64(seed);
        let began = Instant::now();
        stream::iter(visits)
            .map(|visit| (visit, draws.random::<f64>()))
            .map(|(visit, draw)| self.visit(*visit, draw))
            .buffer_unordered(concurrency)
            .try_for_each(|shown| {
                bar.inc(1);
                outcome.add(shown);
                future::ready(Ok(()))
            })
            .await?;
        outcome.elapsed = began.elapsed();
        Ok(outcome)
    }

    async fn visit(&self, visit: Visit, draw: f64) -> Result<Shown> {
        let placement = usize::from(visit.position)
            .checked_sub(1)
            .and_then(|at| PLACEMENTS.get(at));
        let placement = placement.context("the log has a position that nothing is placed at")?;
        let request = self.request(placement, Some(visit.profile));
        let (answer, allocation) = timed(self.client.allocate(&request)).await?;
        let mut tracking = Vec::with_capacity(2);
        let what = match answer.items.into_iter().next() {
            None => What::Nothing,
            Some(item) => match self.own(&item) {
                None => What::Foreign(item.campaign_id),
                Some(number) => {
                    tracking.push(timed(self.client.track(&item.impression_url)).await?.1);
                    let clicked = draw < self.click_probability(number);
                    if clicked {
                        let url = format!("{}?noredirect=1", item.click_url);
                        tracking.push(timed(self.client.track(&url)).await?.1);
                    }
                    What::Item {
                        number,
                        clicked,
                        breach: self.breach(number, visit.profile),
                    }
                }
            },
        };
        Ok(Shown {
            allocation,
            tracking,
            what,
        })
    }

    fn request(&self, placement: &str, profile: Option<usize>) -> Value {
        let mut request = json!({
            "placements": [{ "id": placement, "count": 1 }],
            "device": { "id": profile.map_or_else(|| "open-bandit-probe".to_owned(), device), "platform": "web" },
        });
        if let (false, Some(fields)) = (self.excluded.is_empty(), request.as_object_mut()) {
            fields.insert("exclude".to_owned(), json!({ "campaigns": self.excluded }));
        }
        request
    }

    /// The item, if it is one of ours as it was published for this run.
    fn own(&self, item: &AllocatedItem) -> Option<usize> {
        let of_this_run = item.assets.run.as_deref() == Some(self.run);
        self.campaigns
            .item_of(&item.campaign_id)
            .filter(|_| of_this_run)
    }

    fn click_probability(&self, item: usize) -> f64 {
        let item = self.log.items.get(item);
        item.map_or(0.0, |item| (item.click_rate * CLICK_FACTOR).min(1.0))
    }

    /// Says so when the item is not for this user.
    fn breach(&self, item: usize, profile: usize) -> Option<String> {
        let audience = self.campaigns.audiences.get(item)?.as_ref()?;
        let user = self.log.profiles.get(profile)?;
        (!audience.includes(user)).then(|| format!("item {item} for {}", device(profile)))
    }
}

impl Outcome {
    fn new(visits: usize, items: usize) -> Self {
        Self {
            visits,
            whole_log: false,
            elapsed: Duration::ZERO,
            allocations: Vec::with_capacity(visits),
            tracking: Vec::with_capacity(visits),
            sent: vec![Counts::default(); items],
            unfilled: 0,
            foreign: Vec::new(),
            breaches: Vec::new(),
        }
    }

    fn add(&mut self, shown: Shown) {
        self.allocations.push(shown.allocation);
        self.tracking.extend(shown.tracking);
        match shown.what {
            What::Nothing => self.unfilled += 1,
            What::Foreign(campaign) => self.foreign.push(campaign),
            What::Item {
                number,
                clicked,
                breach,
            } => {
                if let Some(sent) = self.sent.get_mut(number) {
                    sent.impressions += 1;
                    sent.clicks += u64::from(clicked);
                }
                self.breaches.extend(breach);
            }
        }
    }
}

/// The device of a profile.
fn device(profile: usize) -> String {
    format!("open-bandit-user-{profile:03}")
}

/// A profile as the stack stores it.
fn document(profile: &Profile) -> Value {
    let attributes: serde_json::Map<String, Value> = profile
        .features
        .iter()
        .enumerate()
        .map(|(number, value)| (format!("user_feature_{number}"), json!(value)))
        .collect();
    json!({ "interests": [], "segments": profile.segments(), "attributes": attributes })
}

async fn timed<T>(call: impl Future<Output = Result<T>>) -> Result<(T, Duration)> {
    let began = Instant::now();
    let answer = call.await?;
    Ok((answer, began.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_carries_its_features_as_attributes_and_as_segments() {
        let profile = Profile {
            features: ["a", "b", "c", "d"].map(str::to_owned),
        };
        let expected = json!({
            "interests": [],
            "segments": ["0:a", "1:b", "2:c", "3:d"],
            "attributes": {
                "user_feature_0": "a", "user_feature_1": "b",
                "user_feature_2": "c", "user_feature_3": "d",
            },
        });
        assert_eq!(document(&profile), expected);
    }
}
