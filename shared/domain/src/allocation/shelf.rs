//! The campaigns of one placement, laid out for drawing.

use std::ops::Range;

use super::{index::Index, snapshot::Snapshot};

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
    pub(super) number: u8,
    pub(super) positions: Range<u32>,
    /// Runs of campaigns of one weight.
    runs: Box<[Run]>,
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
        let mut tiers: Vec<(u8, Vec<Run>, Range<u32>, u64)> = Vec::new();
        for (position, row) in (0..).zip(places.iter().filter_map(row)) {
            if tiers.last().is_none_or(|(number, ..)| *number != row.tier) {
                tiers.push((row.tier, Vec::new(), position..position, 0));
            }
            let Some((_, runs, positions, total)) = tiers.last_mut() else {
                continue;
            };
            if runs.last().is_none_or(|run| run.weight != row.weight) {
                runs.push(Run {
                    before: *total,
                    first: position,
                    weight: row.weight,
                });
            }
            positions.end = position + 1;
            *total += u64::from(row.weight);
        }
        let tiers = tiers
            .into_iter()
            .map(|(number, runs, positions, total)| Tier {
                number,
                positions,
                runs: runs.into(),
                total,
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
    /// The weight of all its campaigns.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// The position that a ticket below [`total`](Self::total) draws: each campaign has as many
    /// tickets as its weight.
    pub(super) fn drawn_by(&self, ticket: u64) -> Option<u32> {
        let after = self.runs.partition_point(|run| run.before <= ticket);
        let run = self.runs.get(after.checked_sub(1)?)?;
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
