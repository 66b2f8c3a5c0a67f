//! What all dimensions of an index say of one request.

use std::ops::Range;

use super::{
    super::{
        bits::{Bits, Posting},
        shelf::Shelf,
        viewer::{Types, Viewer},
    },
    terms::Sign,
};

/// How many words are intersected at once: few enough to stay in the nearest cache.
pub(in super::super) const BLOCK: usize = 64;

/// The conjunction of what all dimensions say, resolved for a request.
pub(in super::super) struct Query<'s> {
    /// Whoever is eligible is in all of these; the smallest first.
    all: Vec<&'s Bits>,
    /// And in none of these.
    none: Vec<&'s Bits>,
    /// And in none of these.
    not_listed: Vec<&'s [u32]>,
    /// And in one of each of these unions, which are stretches of `parts`.
    unions: Vec<Range<usize>>,
    parts: Vec<Part<'s>>,
    /// Whether nobody is.
    empty: bool,
}

/// A part of a union.
#[derive(Clone, Copy)]
enum Part<'s> {
    Dense(&'s Bits),
    Sparse(&'s [u32]),
}

impl<'s> Query<'s> {
    pub(in super::super) fn new(
        shelf: &'s Shelf,
        live: &'s Bits,
        viewer: &Viewer<'_, 's>,
        types: &Types,
    ) -> Self {
        let index = &shelf.index;
        let dimensions = index.terms.len() + index.numbers.len() + index.versions.len();
        let mut query = Self {
            all: Vec::with_capacity(dimensions + 2),
            none: Vec::with_capacity(dimensions + 2),
            not_listed: Vec::with_capacity(dimensions),
            unions: Vec::with_capacity(dimensions),
            parts: Vec::with_capacity(4 * dimensions),
            empty: false,
        };
        let facts = &viewer.facts;
        for (field, sign, terms) in &index.terms {
            let first = query.parts.len();
            let known = field.values(facts, |term| match (sign, terms.posting(&term)) {
                (_, None) => {}
                (Sign::In, Some(posting)) => query.parts.push(Part::from(posting)),
                (Sign::NotIn, Some(Posting::Dense(bits))) => query.none.push(bits),
                (Sign::NotIn, Some(Posting::Sparse(list))) => query.not_listed.push(list),
            });
            if !known {
                query.all.push(&terms.free);
            } else if *sign == Sign::In {
                let parts = query.parts.get(first..).unwrap_or_default();
                // Dense postings have the free ones in them.
                if !parts.iter().any(|part| matches!(part, Part::Dense(_))) {
                    query.parts.push(Part::Dense(&terms.free));
                }
                query.unite(first);
            }
        }
        for (field, ranges) in &index.numbers {
            let accept = field.number(facts).and_then(|number| ranges.at(&number));
            query.all.push(accept.unwrap_or(&ranges.free));
        }
        for (field, ranges) in &index.versions {
            let accept = field.version(facts).and_then(|version| ranges.at(version));
            query.all.push(accept.unwrap_or(&ranges.free));
        }
        if let Some(types) = types {
            let first = query.parts.len();
            let postings = types.iter().filter_map(|label| index.types.get(label));
            query.parts.extend(postings.map(Part::from));
            query.unite(first);
        }
        if !viewer.consented() {
            query.none.extend(&index.needs_consent);
        }
        if !viewer.is_known() {
            query.none.extend(&index.needs_device);
        }
        query.all.push(live);
        query.all.sort_unstable_by_key(|bits| bits.count());
        query
    }

    /// Makes a union of the parts from `first` on.
    fn unite(&mut self, first: usize) {
        match self.parts.get(first..) {
            None | Some([]) => self.empty = true,
            Some([Part::Dense(only)]) => {
                self.all.push(only);
                self.parts.truncate(first);
            }
            Some(_) => self.unions.push(first..self.parts.len()),
        }
    }

    fn parts(&self, union: &Range<usize>) -> &[Part<'s>] {
        self.parts.get(union.clone()).unwrap_or_default()
    }

    /// Whether the campaign at a position is eligible.
    pub(in super::super) fn holds(&self, position: u32) -> bool {
        let united = |union| self.parts(union).iter().any(|part| part.has(position));
        !self.empty
            && self.all.iter().all(|bits| bits.has(position))
            && !self.none.iter().any(|bits| bits.has(position))
            && self.unions.iter().all(united)
            && !self.not_listed.iter().any(|list| is_in(list, position))
    }

    /// Writes into `block` which positions of the words from `first` on are eligible.
    pub(in super::super) fn block(&self, first: usize, block: &mut [u64; BLOCK]) {
        block.fill(if self.empty { 0 } else { u64::MAX });
        for bits in &self.all {
            intersect(block, bits.from(first), |word| word);
        }
        for bits in &self.none {
            intersect(block, bits.from(first), |word| !word);
        }
        for union in &self.unions {
            let mut united = [0; BLOCK];
            for part in self.parts(union) {
                match part {
                    Part::Dense(bits) => {
                        for (to, from) in united.iter_mut().zip(bits.from(first)) {
                            *to |= from;
                        }
                    }
                    Part::Sparse(list) => each_in_block(list, first, |at, bit| {
                        if let Some(word) = united.get_mut(at) {
                            *word |= bit;
                        }
                    }),
                }
            }
            intersect(block, &united, |word| word);
        }
        for list in &self.not_listed {
            each_in_block(list, first, |at, bit| {
                if let Some(word) = block.get_mut(at) {
                    *word &= !bit;
                }
            });
        }
    }
}

impl<'s> From<&'s Posting> for Part<'s> {
    fn from(posting: &'s Posting) -> Self {
        match posting {
            Posting::Dense(bits) => Self::Dense(bits),
            Posting::Sparse(list) => Self::Sparse(list),
        }
    }
}

impl Part<'_> {
    fn has(&self, position: u32) -> bool {
        match self {
            Self::Dense(bits) => bits.has(position),
            Self::Sparse(list) => is_in(list, position),
        }
    }
}

fn is_in(list: &[u32], position: u32) -> bool {
    list.binary_search(&position).is_ok()
}

fn intersect(block: &mut [u64; BLOCK], words: &[u64], term: impl Fn(u64) -> u64) {
    for (to, from) in block.iter_mut().zip(words) {
        *to &= term(*from);
    }
}

/// Calls for each position of a list within the block of words from `first` on, with its word in the
/// block and its bit.
fn each_in_block(list: &[u32], first: usize, mut call: impl FnMut(usize, u64)) {
    let start = first * 64;
    let from = list.partition_point(|position| (*position as usize) < start);
    for position in list.get(from..).unwrap_or_default() {
        let offset = *position as usize - start;
        if offset >= BLOCK * 64 {
            return;
        }
        call(offset / 64, 1 << (offset % 64));
    }
}
