//! The logs of the two policies, as evidence: what was shown, how likely that was, and whether it
//! was clicked. See `data/README.md`.

use std::io::Read;

use anyhow::{Context, Result, ensure};
use domain::Day;
use flate2::read::GzDecoder;
use serde::Deserialize;

use crate::dataset::{self, Dataset};

const BTS: &[u8] = include_bytes!("../../data/bts_all.csv.gz");

/// What two policies showed of the same items at the same time.
#[derive(Debug)]
pub(crate) struct Logs {
    /// How many items there are; their numbers have no gap.
    pub(crate) items: usize,
    /// What was shown uniformly at random.
    pub(crate) random: Vec<Logged>,
    /// What was shown by the store's own Bernoulli Thompson sampling.
    pub(crate) bts: Vec<Logged>,
}

/// An impression of a log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Logged {
    /// The day in UTC.
    pub(crate) day: Day,
    /// What was shown.
    pub(crate) item: usize,
    /// Where: 1 to 3.
    pub(crate) position: u8,
    /// Whether it was clicked.
    pub(crate) clicked: bool,
    /// How likely the policy was to show this item at this position.
    pub(crate) propensity: f64,
}

#[derive(Deserialize)]
struct Row {
    timestamp: String,
    item_id: usize,
    position: u8,
    click: u8,
    propensity_score: f64,
}

impl Logs {
    /// Reads the files that come with the demo.
    ///
    /// # Errors
    /// They are damaged.
    pub(crate) fn read() -> Result<Self> {
        let items = Dataset::read()?.items.len();
        Ok(Self {
            items,
            random: read(GzDecoder::new(dataset::IMPRESSIONS), items).context("the random log")?,
            bts: read(GzDecoder::new(BTS), items).context("the log of bts")?,
        })
    }
}

fn read(source: impl Read, items: usize) -> Result<Vec<Logged>> {
    let rows: Vec<Row> = dataset::rows(source)?;
    rows.into_iter().map(|row| row.logged(items)).collect()
}

impl Row {
    fn logged(self, items: usize) -> Result<Logged> {
        let date = self.timestamp.get(..10).unwrap_or_default();
        ensure!(self.item_id < items, "item {} is unknown", self.item_id);
        ensure!(
            self.propensity_score > 0.0 && self.propensity_score <= 1.0,
            "what was shown cannot have had a chance of {}",
            self.propensity_score
        );
        Ok(Logged {
            day: date.parse().with_context(|| format!("a day: {date:?}"))?,
            item: self.item_id,
            position: self.position,
            clicked: self.click > 0,
            propensity: self.propensity_score,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logs_have_10_000_impressions_each_and_few_clicks() {
        let logs = Logs::read().unwrap();
        let clicks = |log: &[Logged]| log.iter().filter(|row| row.clicked).count();
        assert_eq!((logs.random.len(), clicks(&logs.random)), (10_000, 38));
        assert_eq!((logs.bts.len(), clicks(&logs.bts)), (10_000, 42));
        assert!(logs.random.iter().all(|row| row.propensity == 1.0 / 80.0));
        assert!(logs.random.is_sorted_by_key(|row| row.day));
    }

    #[test]
    fn a_row_that_makes_no_sense_is_an_error() {
        let parse = |row: &str| {
            let csv = format!("timestamp,item_id,position,click,propensity_score\n{row}\n");
            read(csv.as_bytes(), 2).map_err(|error| error.to_string())
        };
        let expected = Logged {
            day: "2019-11-24".parse().unwrap(),
            item: 1,
            position: 3,
            clicked: true,
            propensity: 0.5,
        };
        assert_eq!(
            parse("2019-11-24 23:59:59.9+00:00,1,3,1,.5"),
            Ok(vec![expected])
        );
        for (row, error) in [
            ("2019-11-24 00:00:00+00:00,2,3,1,.5", "item 2 is unknown"),
            (
                "2019-11-24 00:00:00+00:00,1,3,1,0",
                "what was shown cannot have had a chance of 0",
            ),
            ("24.11.2019 00:00:00,1,3,1,.5", "a day: \"24.11.2019\""),
        ] {
            assert_eq!(parse(row), Err(error.to_owned()));
        }
    }
}
