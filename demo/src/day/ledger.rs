//! What the day's client saw, interval by interval.

use std::collections::{BTreeMap, HashMap};

use domain::Instant;

use crate::{
    client::{MarkStatus, ReportRow},
    day::{
        shape::{INTERVAL_MIN, INTERVALS},
        store::{CREATIVES, Line},
    },
};

/// How many errors are kept by their text.
const KEPT_ERRORS: usize = 5;

/// A number for each interval.
pub(crate) type Series = Vec<u64>;

/// Everything that was given out, reported and read.
#[derive(Debug)]
pub(crate) struct Ledger {
    starts_at: Instant,
    /// Slots that were asked for.
    pub(crate) asked: Series,
    /// Slots by what they were given to.
    pub(crate) served: BTreeMap<Line, Series>,
    /// Impressions that were counted, by their arrival.
    pub(crate) counted: BTreeMap<Line, Series>,
    /// The learner's slots by creative.
    pub(crate) creatives: [Series; CREATIVES.len()],
    /// Slots that were given nothing.
    pub(crate) empty: u64,
    /// The most showings of the capped campaign that were counted for any device by an interval's end.
    pub(crate) most_showings: Series,
    showings: HashMap<u32, u64>,
    most: u64,
    /// What tracking answered to impressions, by campaign.
    pub(crate) marks: BTreeMap<Line, BTreeMap<MarkStatus, u64>>,
    /// Clicks that were sent.
    pub(crate) clicks: u64,
    /// The report, as it was read over the day.
    pub(crate) samples: Vec<Sample>,
    /// Calls that failed, the first of them by their text.
    pub(crate) errors: Vec<String>,
    /// How many failed.
    pub(crate) failed: u64,
}

/// The report at a moment of the day.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// The interval that had ended.
    pub(crate) interval: usize,
    /// What is counted by campaign.
    pub(crate) rows: BTreeMap<Line, ReportRow>,
}

impl Ledger {
    /// Nothing has happened yet on the day that starts at `starts_at`.
    pub(crate) fn new(starts_at: Instant) -> Self {
        let none = || vec![0; INTERVALS];
        Self {
            starts_at,
            asked: none(),
            served: Line::ALL.map(|line| (line, none())).into(),
            counted: Line::ALL.map(|line| (line, none())).into(),
            creatives: std::array::from_fn(|_| none()),
            empty: 0,
            most_showings: none(),
            showings: HashMap::new(),
            most: 0,
            marks: BTreeMap::new(),
            clicks: 0,
            samples: Vec::new(),
            errors: Vec::new(),
            failed: 0,
        }
    }

    /// Slots were asked for, and so many of them given nothing.
    pub(crate) fn asked(&mut self, at: Instant, slots: u64, empty: u64) {
        let interval = self.interval(at);
        add(&mut self.asked, interval, slots);
        self.empty += empty;
    }

    /// A slot was given to a campaign's creative.
    pub(crate) fn served(&mut self, at: Instant, line: Line, creative: &str) {
        let interval = self.interval(at);
        if let Some(series) = self.served.get_mut(&line) {
            add(series, interval, 1);
        }
        let number = CREATIVES.iter().position(|(id, _)| *id == creative);
        if let Some(series) = number.and_then(|number| self.creatives.get_mut(number)) {
            add(series, interval, 1);
        }
    }

    /// Tracking answered to an impression on a device.
    pub(crate) fn marked(&mut self, at: Instant, device: u32, line: Line, status: MarkStatus) {
        *self
            .marks
            .entry(line)
            .or_default()
            .entry(status)
            .or_default() += 1;
        let interval = self.interval(at);
        if status == MarkStatus::Accepted
            && let Some(series) = self.counted.get_mut(&line)
        {
            add(series, interval, 1);
        }
        if line == Line::Capped && status == MarkStatus::Accepted {
            let showings = self.showings.entry(device).or_default();
            *showings += 1;
            self.most = self.most.max(*showings);
        }
        if let Some(most) = self.most_showings.get_mut(interval) {
            *most = self.most;
        }
    }

    /// A call failed.
    pub(crate) fn failed(&mut self, error: &anyhow::Error) {
        self.failed += 1;
        if self.errors.len() < KEPT_ERRORS {
            self.errors.push(format!("{error:#}"));
        }
    }

    /// How often tracking answered so to impressions of a campaign.
    pub(crate) fn answered(&self, line: Line, status: MarkStatus) -> u64 {
        let of_line = self.marks.get(&line);
        of_line
            .and_then(|marks| marks.get(&status))
            .copied()
            .unwrap_or_default()
    }

    /// Slots that were given to a campaign, by interval.
    pub(crate) fn served_of(&self, line: Line) -> &[u64] {
        self.served
            .get(&line)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Impressions of a campaign that were counted, by interval.
    pub(crate) fn counted_of(&self, line: Line) -> &[u64] {
        self.counted
            .get(&line)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The most showings of the capped campaign that were counted for any device.
    pub(crate) const fn most(&self) -> u64 {
        self.most
    }

    /// How many devices were counted a showing of the capped campaign.
    pub(crate) fn reached_devices(&self) -> usize {
        self.showings.len()
    }

    /// What comes after midnight belongs to the day's last interval.
    fn interval(&self, at: Instant) -> usize {
        let minutes = at.since(self.starts_at).as_secs() / 60;
        let interval = usize::try_from(minutes / u64::from(INTERVAL_MIN));
        interval.unwrap_or(INTERVALS).min(INTERVALS - 1)
    }
}

fn add(series: &mut Series, interval: usize, count: u64) {
    if let Some(sum) = series.get_mut(interval) {
        *sum += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> (Ledger, impl Fn(u64) -> Instant) {
        let start: Instant = "2026-03-01T00:00:00Z".parse().unwrap();
        let at = move |minute| start + std::time::Duration::from_secs(60 * minute);
        (Ledger::new(start), at)
    }

    #[test]
    fn what_is_given_out_lies_in_its_quarter_of_an_hour() {
        let (mut ledger, at) = ledger();
        for minute in [0, 14, 15, 1_439, 1_500] {
            ledger.served(at(minute), Line::Learner, "best");
        }
        let expected = |series: &Series| (series[0], series[1], series[95]);
        assert_eq!(expected(&ledger.served[&Line::Learner]), (2, 1, 2));
        assert_eq!(expected(&ledger.creatives[2]), (2, 1, 2));
        assert_eq!(ledger.creatives[0].iter().sum::<u64>(), 0);
    }

    #[test]
    fn only_counted_showings_of_the_capped_campaign_add_up_on_a_device() {
        let (mut ledger, at) = ledger();
        for (device, line, status) in [
            (7, Line::Capped, MarkStatus::Accepted),
            (7, Line::Capped, MarkStatus::OverCap),
            (7, Line::Capped, MarkStatus::Repeated),
            (7, Line::House, MarkStatus::Accepted),
            (8, Line::Capped, MarkStatus::Accepted),
        ] {
            ledger.marked(at(20), device, line, status);
        }
        assert_eq!((ledger.most(), ledger.reached_devices()), (1, 2));
        ledger.marked(at(40), 7, Line::Capped, MarkStatus::Accepted);
        assert_eq!(ledger.most_showings[..4], [0, 1, 2, 0]);
        assert_eq!(ledger.answered(Line::Capped, MarkStatus::Accepted), 3);
        assert_eq!(ledger.answered(Line::Cpm, MarkStatus::Accepted), 0);
        assert_eq!(ledger.counted_of(Line::Capped)[..4], [0, 2, 1, 0]);
    }
}
