//! The campaigns of one placement, laid out for drawing.

use std::ops::Range;

use super::{
    index::Index,
    snapshot::{Row, Snapshot},
};

/// Campaigns in the order of their tiers, the heaviest of a tier first, then by id. From here on a
/// campaign is known by its position.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// The places in the snapshot, by position.
    pub(super) places: Box<[u32]>,
    pub(super) tiers: Box<[Tier]>,
    pub(super) index: Index,
}

/// The positions of one tier.
#[derive(Debug)]
pub(super) struct Tier {
    pub(super) positions: Range<u32>,
    /// Runs of campaigns of one weight.
    runs: Box<[Run]>,
    /// The run of every `1 << stride`th ticket, from the first on: where to look for those between.
    guide: Box<[u32]>,
    stride: u32,
    /// The weight of all.
    total: u64,
}

#[derive(Debug)]
struct Run {
    /// The weight of all runs before.
    before: u64,
    first: u32,
    weight: u16,
}

impl Shelf {
    /// Lays out the campaigns at these places.
    pub(super) fn new(snapshot: &Snapshot, mut places: Vec<u32>) -> Self {
        let rows = snapshot.rows();
        let row = |place: &u32| rows.get(*place as usize);
        places.sort_unstable_by_key(|place| {
            let row = row(place);
            let tier = row.map_or(u8::MAX, |row| row.tier);
            let weight = row.map_or(0, |row| row.weight);
            (tier, u16::MAX - weight, *place)
        });
        let rows: Vec<&Row> = places.iter().filter_map(row).collect();
        let mut first = 0;
        let tiers = rows.chunk_by(|a, b| a.tier == b.tier).map(|rows| {
            let tier = Tier::new(first, rows);
            first = tier.positions.end;
            tier
        });
        Self {
            tiers: tiers.collect(),
            index: Index::new(snapshot, &places),
            places: places.into(),
        }
    }

    pub(super) fn place(&self, position: u32) -> Option<u32> {
        self.places.get(position as usize).copied()
    }
}

impl Tier {
    /// The tier of these campaigns, which stand in the order of their weights.
    fn new(first: u32, rows: &[&Row]) -> Self {
        let mut tier = Self {
            positions: first..first,
            runs: Box::default(),
            guide: Box::default(),
            stride: 0,
            total: 0,
        };
        let runs = rows.chunk_by(|a, b| a.weight == b.weight).map(|rows| {
            let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            let run = Run {
                before: tier.total,
                first: tier.positions.end,
                weight: rows.first().map_or(1, |row| row.weight),
            };
            tier.positions.end += count;
            tier.total += u64::from(run.weight) * u64::from(count);
            run
        });
        tier.runs = runs.collect();
        tier.guide();
        tier
    }

    /// Makes the guide, of about as many entries as there are runs: so that on average about one run
    /// is passed over (Chen and Asau's cutpoint method, 1974).
    fn guide(&mut self) {
        let per_run = self.total / (self.runs.len() as u64).max(1);
        self.stride = per_run.max(1).ilog2();
        let mut run = 0;
        let guide = (0..=self.total >> self.stride).map(|entry| {
            let ticket = entry << self.stride;
            while self.is_before(run + 1, ticket) {
                run += 1;
            }
            u32::try_from(run).unwrap_or(u32::MAX)
        });
        self.guide = guide.collect();
    }

    /// Whether there is such a run, and it begins at or before a ticket.
    fn is_before(&self, run: usize, ticket: u64) -> bool {
        let run = self.runs.get(run);
        run.is_some_and(|run| run.before <= ticket)
    }

    /// The weight of all its campaigns.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// The position that a ticket below [`total`](Self::total) draws: each campaign has as many
    /// tickets as its weight.
    pub(super) fn drawn_by(&self, ticket: u64) -> Option<u32> {
        let entry = usize::try_from(ticket >> self.stride).ok()?;
        let mut run = *self.guide.get(entry)? as usize;
        while self.is_before(run + 1, ticket) {
            run += 1;
        }
        let run = self.runs.get(run)?;
        let within = (ticket - run.before) / u64::from(run.weight);
        Some(run.first + u32::try_from(within).ok()?)
    }
}

/// The weights of a tier's positions, asked for in order.
pub(super) struct Weights<'t> {
    left: &'t [Run],
    weight: f64,
}

impl Tier {
    pub(super) fn weights(&self) -> Weights<'_> {
        Weights {
            left: &self.runs,
            weight: 0.0,
        }
    }
}

impl Weights<'_> {
    /// The weight at a position not before the one asked for last.
    pub(super) fn at(&mut self, position: u32) -> f64 {
        while let [next, rest @ ..] = self.left
            && next.first <= position
        {
            self.weight = next.weight.into();
            self.left = rest;
        }
        self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_campaign_has_as_many_tickets_as_its_weight() {
        for weights in [
            &[1][..],
            &[7, 7, 7],
            &[10_000, 9, 9, 8, 3, 2, 1, 1, 1],
            &[5, 4, 3, 2, 1],
        ] {
            let rows: Vec<Row> = weights
                .iter()
                .map(|weight| Row::weighing(*weight))
                .collect();
            let tier = Tier::new(3, &rows.iter().collect::<Vec<_>>());
            let drawn = (0..tier.total()).map(|ticket| tier.drawn_by(ticket).unwrap());
            let expected = (3..).zip(weights);
            let expected = expected.flat_map(|(at, weight)| vec![at; usize::from(*weight)]);
            assert!(drawn.eq(expected), "{weights:?}");
        }
    }
}
