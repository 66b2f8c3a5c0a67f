//! The log that is replayed: who came, where, and how the items did. See `data/README.md`.

use std::{collections::HashMap, io::Read};

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use serde::{Deserialize, de::DeserializeOwned};

/// What was shown at random, compressed.
pub(crate) const IMPRESSIONS: &[u8] = include_bytes!("../data/random_all.csv.gz");
const ITEMS: &[u8] = include_bytes!("../data/items_all.csv.gz");

/// How many impressions at the average rate an item's own are blended with: with 38 clicks in the
/// whole log, most items have none.
const PRIOR_IMPRESSIONS: f64 = 100.0;

/// The log, with its users told apart.
#[derive(Debug)]
pub(crate) struct Dataset {
    /// What there is to show, in the order of the items' numbers, which have no gap.
    pub(crate) items: Vec<Item>,
    /// Every distinct user, in the order of their first visit.
    pub(crate) profiles: Vec<Profile>,
    /// Every impression of the log, in its order.
    pub(crate) visits: Vec<Visit>,
}

/// Something to show.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    /// What it is about: its number feature, rounded to tenths, and its three hashed categories.
    pub(crate) categories: Vec<String>,
    /// Clicks per impression in the log, smoothed.
    pub(crate) click_rate: f64,
}

/// What is known of a user: `user_feature_0` to `user_feature_3`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Profile {
    /// The hashed categories.
    pub(crate) features: [String; 4],
}

/// One moment when something was to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Visit {
    /// Whose: an index into [`Dataset::profiles`].
    pub(crate) profile: usize,
    /// Where: 1 to 3.
    pub(crate) position: u8,
}

#[derive(Deserialize)]
struct ImpressionRow {
    item_id: usize,
    position: u8,
    click: u8,
    user_feature_0: String,
    user_feature_1: String,
    user_feature_2: String,
    user_feature_3: String,
}

#[derive(Deserialize)]
struct ItemRow {
    item_id: usize,
    item_feature_0: f64,
    item_feature_1: String,
    item_feature_2: String,
    item_feature_3: String,
}

impl Dataset {
    /// Reads the files that come with the demo.
    ///
    /// # Errors
    /// They are damaged.
    pub(crate) fn read() -> Result<Self> {
        Self::from_csv(GzDecoder::new(IMPRESSIONS), GzDecoder::new(ITEMS))
    }

    fn from_csv(impressions: impl Read, items: impl Read) -> Result<Self> {
        let impressions: Vec<ImpressionRow> = rows(impressions).context("the impressions")?;
        let items: Vec<ItemRow> = rows(items).context("the items")?;
        let rates = click_rates(&impressions, items.len())?;
        let items = items
            .into_iter()
            .zip(rates)
            .enumerate()
            .map(|(number, (row, click_rate))| {
                ensure!(
                    row.item_id == number,
                    "item {number} is missing or out of order"
                );
                let categories = vec![
                    tenths(row.item_feature_0),
                    row.item_feature_1,
                    row.item_feature_2,
                    row.item_feature_3,
                ];
                Ok(Item {
                    categories,
                    click_rate,
                })
            })
            .collect::<Result<_>>()?;
        let (profiles, visits) = visits(impressions);
        Ok(Self {
            items,
            profiles,
            visits,
        })
    }
}

/// The records of a CSV file with a header.
pub(crate) fn rows<T: DeserializeOwned>(source: impl Read) -> Result<Vec<T>> {
    Ok(csv::Reader::from_reader(source)
        .deserialize()
        .collect::<Result<_, _>>()?)
}

/// A number as a category: `f0:-0.5`.
fn tenths(value: f64) -> String {
    // Adding zero turns -0.0 into 0.0.
    format!("f0:{:.1}", (value * 10.0).round() / 10.0 + 0.0)
}

fn click_rates(impressions: &[ImpressionRow], items: usize) -> Result<Vec<f64>> {
    let mut tally = vec![(0.0, 0.0); items];
    let (mut shown, mut clicked) = (0.0, 0.0);
    for row in impressions {
        let (item_shown, item_clicked) = tally
            .get_mut(row.item_id)
            .with_context(|| format!("item {} is unknown", row.item_id))?;
        *item_shown += 1.0;
        *item_clicked += f64::from(row.click);
        shown += 1.0;
        clicked += f64::from(row.click);
    }
    ensure!(shown > 0.0, "there is not one impression");
    let average = clicked / shown;
    let smoothed =
        |(shown, clicked)| (clicked + PRIOR_IMPRESSIONS * average) / (shown + PRIOR_IMPRESSIONS);
    Ok(tally.into_iter().map(smoothed).collect())
}

fn visits(impressions: Vec<ImpressionRow>) -> (Vec<Profile>, Vec<Visit>) {
    let mut known: HashMap<Profile, usize> = HashMap::new();
    let mut profiles = Vec::new();
    let visits = impressions
        .into_iter()
        .map(|row| {
            let features = [
                row.user_feature_0,
                row.user_feature_1,
                row.user_feature_2,
                row.user_feature_3,
            ];
            let profile = Profile { features };
            let index = *known.entry(profile.clone()).or_insert_with(|| {
                profiles.push(profile);
                profiles.len() - 1
            });
            Visit {
                profile: index,
                position: row.position,
            }
        })
        .collect();
    (profiles, visits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM_LINES: &str = "item_id,item_feature_0,item_feature_1,item_feature_2,item_feature_3\n\
        0,-0.4991,a,b,c\n\
        1,-0.0123,d,e,f\n";
    const HEAD: &str = "timestamp,item_id,position,click,propensity_score,user_feature_0,\
        user_feature_1,user_feature_2,user_feature_3\n";

    fn parse(impressions: &str) -> Result<Dataset> {
        let impressions = format!("{HEAD}{impressions}");
        Dataset::from_csv(impressions.as_bytes(), ITEM_LINES.as_bytes())
    }

    #[test]
    fn the_log_has_10_000_visits_of_240_users_and_80_items() {
        let log = Dataset::read().unwrap();
        assert_eq!(
            (log.visits.len(), log.profiles.len(), log.items.len()),
            (10_000, 240, 80)
        );
        assert!(
            log.visits
                .iter()
                .all(|visit| (1..=3).contains(&visit.position))
        );
        assert!(
            log.items
                .iter()
                .all(|item| item.click_rate > 0.0 && item.click_rate < 0.1)
        );
    }

    #[test]
    fn users_with_the_same_features_are_one_profile() {
        let log = parse("t,0,1,0,.5,p,q,r,s\nt,1,3,0,.5,p,q,r,x\nt,1,2,0,.5,p,q,r,s\n").unwrap();
        let seen: Vec<_> = log.visits.iter().map(|v| (v.profile, v.position)).collect();
        assert_eq!(seen, [(0, 1), (1, 3), (0, 2)]);
        assert_eq!(log.profiles[1].features, ["p", "q", "r", "x"]);
    }

    #[test]
    fn a_rate_is_drawn_towards_the_average() {
        // The average is 1 in 2; the item itself was clicked 1 time of 1.
        let log = parse("t,0,1,1,.5,p,q,r,s\nt,1,1,0,.5,p,q,r,s\n").unwrap();
        assert!((log.items[0].click_rate - 51.0 / 101.0).abs() < 1e-12);
        assert!((log.items[1].click_rate - 50.0 / 101.0).abs() < 1e-12);
    }

    #[test]
    fn the_number_feature_becomes_a_category_of_tenths() {
        let log = parse("t,0,1,0,.5,p,q,r,s\n").unwrap();
        assert_eq!(log.items[0].categories, ["f0:-0.5", "a", "b", "c"]);
        assert_eq!(log.items[1].categories[0], "f0:0.0");
    }

    #[test]
    fn an_impression_of_an_unknown_item_is_an_error() {
        let error = parse("t,2,1,0,.5,p,q,r,s\n").unwrap_err().to_string();
        assert_eq!(error, "item 2 is unknown");
    }
}
