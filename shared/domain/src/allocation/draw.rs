//! The selection itself: tiers, the weighted draw, and house items.
//!
//! Each placement draws by itself, in the order of the request. A campaign is given at most once in
//! one request, whatever its placements and slots: the same ad twice on one screen helps nobody.
//! Within a tier the draw is weighted sampling without replacement: the order in which campaigns are
//! drawn is that of Efraimidis and Spirakis's keys `u^(1/w)` (2006), the largest first. Who is drawn
//! is then held against caps, pacing and leases; who cannot be given is put aside, and the draw goes
//! on. That is the same as leaving them out before, since what is refused once is refused for the
//! rest of the request; and only those who are drawn have to be looked at.
//!
//! The order of the keys can be had in two ways, and the draw takes them one after the other:
//!
//! 1. **Tickets.** Each campaign has as many tickets as its weight; a ticket is drawn out of those of
//!    the whole tier, and drawn again while it is of a campaign that is not eligible or was drawn
//!    before. Whoever is found then is distributed by weight among the eligible that are left, which
//!    is how the keys' order goes on from any point (exponential variables have no memory). A try
//!    costs a few reads, whatever the number of campaigns, and `1 / (share of the eligible)` of them
//!    are needed.
//! 2. **The reservoir.** Where the eligible are few the tries run out, after a number that grows with
//!    the size of the tier. Then the bitmaps are intersected over the whole tier, and the best keys
//!    of those who are left are found by exponential jumps (A-ExpJ of the same paper). Having tried
//!    before changes nothing: tickets that found nobody say nothing about who is next.

use std::ops::Range;

use rand::{Rng, RngExt};

use super::{
    Campaign, Creative, Given, Lineup,
    bits::Bits,
    index::{BLOCK, Query},
    shelf::{Shelf, Tier},
    snapshot::Row,
    viewer::{Chance, Refusal, Types, Viewer},
};

/// The most campaigns that are noted for a cap: they give a rough idea only.
const MOST_CAPPED: usize = 16;

/// The most campaigns that are noted for the lack of a lease. Many of a tier may have to wait for one,
/// and those of the next tier are noted after them.
const MOST_WANTED: usize = 256;

/// How many campaigns beyond those that are needed the reservoir holds, for those that are refused.
const RESERVE: usize = 8;
/// The most that a reservoir holds.
const LARGEST_RESERVOIR: usize = 1024;

/// What goes where.
#[derive(Debug)]
pub struct Allocation<'s> {
    /// What was placed: by placement in the order of the request, then by slot.
    pub placed: Vec<Placed<'s>>,
    /// Whether only house items, or nothing, could be given.
    pub fallback: bool,
    /// Campaigns that were drawn but for the lack of a lease, each once; some of them where there
    /// are many.
    pub wanted: Vec<Campaign<'s>>,
    /// Campaigns that were drawn but for a cap, each once; some of them where there are many.
    pub capped: Vec<Campaign<'s>>,
    /// What it took to draw.
    pub effort: Effort,
    pub(super) chance: Chance,
}

/// How much work an allocation was, for measurements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// How many tickets were drawn.
    pub tickets: u32,
    /// How often a tier's bitmaps were intersected.
    pub intersections: u32,
}

/// A creative in a slot.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'s> {
    /// The place of the placement in the request.
    pub placement: usize,
    /// The slot within the placement, counted from 0.
    pub slot: u8,
    /// The campaign.
    pub campaign: Campaign<'s>,
    /// The creative.
    pub creative: Creative<'s>,
    /// Whether it is served under a lease, of which it takes one unit.
    pub leased: bool,
}

/// Says what goes into the slots that were asked for. A slot for which nothing is left stays empty.
pub fn allocate<'s>(lineup: &'s Lineup, given: &Given<'_>, rng: &mut impl Rng) -> Allocation<'s> {
    allocate_with(lineup, given, tries, rng)
}

/// How many slots are asked for; no more than most requests ask for.
fn slots(given: &Given<'_>) -> usize {
    let slots = given.request.placements.iter();
    let slots: usize = slots.map(|wanted| usize::from(wanted.count)).sum();
    slots.min(32)
}

/// How many tickets in a row may find nobody before a range of so many words is read: as many as
/// cost about what that costs.
fn tries(words: usize) -> usize {
    words.min(24) + words / 4
}

pub(super) fn allocate_with<'s>(
    lineup: &'s Lineup,
    given: &Given<'_>,
    tries: fn(usize) -> usize,
    rng: &mut impl Rng,
) -> Allocation<'s> {
    let chance = Chance::draw(given, rng);
    let mut selection = Selection {
        lineup,
        viewer: Viewer::new(lineup, given, chance),
        tries,
        allocation: Allocation {
            placed: Vec::with_capacity(slots(given)),
            fallback: false,
            wanted: Vec::new(),
            capped: Vec::new(),
            effort: Effort::default(),
            chance,
        },
    };
    lineup.snapshot().with_scratch(|scratch| {
        for placement in 0..given.request.placements.len() {
            selection.fill(given, placement, scratch, rng);
        }
    });
    let mut allocation = selection.allocation;
    allocation.fallback = allocation.placed.iter().all(|placed| placed.campaign.house);
    allocation
}

/// Memory that requests use one after the other, so that none has to ask for as much as there are
/// campaigns.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The positions of the shelf at hand that were drawn.
    aside: Bits,
    /// The same, to put them back.
    drawn: Vec<u32>,
    /// The best keys, smallest first, with their positions.
    reservoir: Vec<(f64, u32)>,
}

impl Scratch {
    /// For shelves of at most this length.
    pub(super) fn new(longest: usize) -> Self {
        Self {
            aside: Bits::none(longest),
            drawn: Vec::with_capacity(64),
            reservoir: Vec::with_capacity(64),
        }
    }

    fn put_aside(&mut self, position: u32) {
        self.aside.insert(position);
        self.drawn.push(position);
    }

    fn put_back(&mut self) {
        for position in self.drawn.drain(..) {
            self.aside.remove(position);
        }
    }
}

/// The selection for one request.
struct Selection<'r, 's> {
    lineup: &'s Lineup,
    viewer: Viewer<'r, 's>,
    tries: fn(usize) -> usize,
    allocation: Allocation<'s>,
}

/// A shelf that slots are filled from.
struct Source<'a, 's> {
    placement: usize,
    shelf: &'s Shelf,
    query: Query<'s>,
    types: &'a Types,
    /// How many slots are empty.
    left: usize,
    slot: u8,
}

impl<'s> Selection<'_, 's> {
    /// Gives as many campaigns to a placement as it has slots, or as there are.
    fn fill(
        &mut self,
        given: &Given<'_>,
        placement: usize,
        scratch: &mut Scratch,
        rng: &mut impl Rng,
    ) {
        let snapshot = self.lineup.snapshot();
        let Some(wanted) = given.request.placements.get(placement) else {
            return;
        };
        let Some((at, shelves)) = snapshot.placement(&wanted.id) else {
            return;
        };
        let Some(live) = self.lineup.live(at) else {
            return;
        };
        let types = self.viewer.types(wanted);
        let mut left = usize::from(wanted.count);
        let mut slot = 0;
        for (shelf, live, seen) in [
            (
                &shelves.campaigns,
                &live.campaigns,
                self.viewer.sees_campaigns,
            ),
            (&shelves.house, &live.house, true),
        ] {
            if left == 0 || !seen || shelf.places.is_empty() {
                continue;
            }
            let mut source = Source {
                placement,
                shelf,
                query: Query::new(shelf, live, &self.viewer, &types),
                types: &types,
                left,
                slot,
            };
            for tier in &shelf.tiers {
                if source.left > 0 {
                    self.draw(tier, &mut source, scratch, rng);
                }
            }
            (left, slot) = (source.left, source.slot);
            scratch.put_back();
        }
    }

    /// Draws from a tier until the slots are full or nobody is left.
    fn draw(
        &mut self,
        tier: &Tier,
        source: &mut Source<'_, 's>,
        scratch: &mut Scratch,
        rng: &mut impl Rng,
    ) {
        let words = words(&tier.positions);
        let limit = (self.tries)(words.len());
        let mut tries = limit;
        while tries > 0 {
            tries -= 1;
            self.allocation.effort.tickets += 1;
            let Some(position) = tier.drawn_by(rng.random_range(0..tier.total())) else {
                return;
            };
            if !source.query.holds(position) || scratch.aside.has(position) {
                continue;
            }
            scratch.put_aside(position);
            if self.offer(position, source, rng) {
                tries = limit;
                if source.left == 0 {
                    return;
                }
            }
        }
        let mut size = source.left + RESERVE;
        loop {
            self.allocation.effort.intersections += 1;
            best_keys(tier, &source.query, size, scratch, rng);
            let found = scratch.reservoir.len();
            for at in 0..found {
                let Some((_, position)) = scratch.reservoir.get(at).copied() else {
                    return;
                };
                scratch.put_aside(position);
                if self.offer(position, source, rng) && source.left == 0 {
                    return;
                }
            }
            if found < size {
                return;
            }
            size = (size * 4).min(LARGEST_RESERVOIR);
        }
    }

    /// Gives the drawn campaign to the next slot, if it can be given.
    fn offer(&mut self, position: u32, source: &mut Source<'_, 's>, rng: &mut impl Rng) -> bool {
        let snapshot = self.lineup.snapshot();
        let Some(place) = source.shelf.place(position) else {
            return false;
        };
        let Some(row) = snapshot.row(place) else {
            return false;
        };
        if self.is_given(row)
            || self.viewer.may_see(row).is_err()
            || self.viewer.excludes(row, place)
            || !source.shelf.index.verifies(position, &self.viewer.facts)
        {
            return false;
        }
        let leased = match self
            .viewer
            .admit(place, row, source.types, &self.allocation.placed)
        {
            Ok(leased) => leased,
            Err(refusal) => {
                self.note(refusal, place);
                return false;
            }
        };
        let Some(campaign) = snapshot.campaign(place) else {
            return false;
        };
        let Some(creative) = self.viewer.choose(row, source.types, rng) else {
            return false;
        };
        self.allocation.placed.push(Placed {
            placement: source.placement,
            slot: source.slot,
            campaign,
            creative,
            leased,
        });
        source.slot += 1;
        source.left -= 1;
        true
    }

    fn is_given(&self, row: &Row) -> bool {
        let mut placed = self.allocation.placed.iter();
        placed.any(|placed| placed.campaign.key == row.key)
    }

    fn note(&mut self, refusal: Refusal, place: u32) {
        let (noted, most) = match refusal {
            Refusal::Cap => (&mut self.allocation.capped, MOST_CAPPED),
            Refusal::NoLease => (&mut self.allocation.wanted, MOST_WANTED),
            _ => return,
        };
        let Some(campaign) = self.lineup.snapshot().campaign(place) else {
            return;
        };
        if noted.len() < most && noted.iter().all(|one| one.key != campaign.key) {
            noted.push(campaign);
        }
    }
}

/// The words that positions lie in.
fn words(positions: &Range<u32>) -> Range<usize> {
    positions.start as usize / 64..(positions.end as usize).div_ceil(64)
}

/// Fills the reservoir with the `size` smallest keys `-ln(u)/w` among the eligible of a tier that
/// were not drawn yet, or all of them, smallest first.
fn best_keys(
    tier: &Tier,
    query: &Query<'_>,
    size: usize,
    scratch: &mut Scratch,
    rng: &mut impl Rng,
) {
    let reservoir = &mut scratch.reservoir;
    reservoir.clear();
    let mut weights = tier.weights();
    // How much weight is passed over before another key is small enough.
    let mut jump = 0.0;
    each_eligible(tier, query, &scratch.aside, |position| {
        let weight = weights.at(position);
        let key = if reservoir.len() < size {
            exponential(rng) / weight
        } else {
            jump -= weight;
            if jump > 0.0 {
                return;
            }
            let largest = reservoir.pop().map_or(0.0, |(key, _)| key);
            // An exponential variable of which is known that it is below `largest`.
            let below: f64 = 1.0 - rng.random::<f64>() * -(-largest * weight).exp_m1();
            -below.ln() / weight
        };
        let rank = reservoir.partition_point(|(smaller, _)| *smaller <= key);
        reservoir.insert(rank, (key, position));
        if reservoir.len() == size {
            jump = reservoir
                .last()
                .map_or(0.0, |(key, _)| exponential(rng) / key);
        }
    });
}

/// Calls for each position of a tier that is eligible and was not drawn yet, in order.
fn each_eligible(tier: &Tier, query: &Query<'_>, aside: &Bits, mut call: impl FnMut(u32)) {
    let words = words(&tier.positions);
    let mut block = [0; BLOCK];
    for first in words.clone().step_by(BLOCK) {
        query.block(first, &mut block);
        let block = (first..words.end).zip(&block).zip(aside.from(first));
        for ((word, eligible), aside) in block {
            let mut left = eligible & !aside;
            let from = u32::try_from(word * 64).unwrap_or(u32::MAX);
            while left != 0 {
                let position = from + left.trailing_zeros();
                left &= left - 1;
                if tier.positions.contains(&position) {
                    call(position);
                }
            }
        }
    }
}

/// An exponential variate, `-ln(u)` of a uniform `u` in (0, 1].
fn exponential(rng: &mut impl Rng) -> f64 {
    -(1.0 - rng.random::<f64>()).ln()
}
