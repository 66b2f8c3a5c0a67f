//! What all dimensions of an index say of one request.

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
    /// And in one of each of these unions.
    unions: Vec<Union<'s>>,
    /// Whether nobody is.
    empty: bool,
}

/// Those in any of some postings.
#[derive(Default)]
struct Union<'s> {
    dense: Vec<&'s Bits>,
    sparse: Vec<&'s [u32]>,
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
            not_listed: Vec::new(),
            unions: Vec::new(),
            empty: false,
        };
        let facts = &viewer.facts;
        for (field, sign, terms) in &index.terms {
            let mut union = Union::default();
            let known = field.values(facts, |term| match (sign, terms.posting(&term)) {
                (_, None) => {}
                (Sign::In, Some(posting)) => union.add(posting),
                (Sign::NotIn, Some(Posting::Dense(bits))) => query.none.push(bits),
                (Sign::NotIn, Some(Posting::Sparse(list))) => query.not_listed.push(list),
            });
            if !known {
                query.all.push(&terms.free);
            } else if *sign == Sign::In {
                // Dense postings have the free ones in them.
                if union.dense.is_empty() {
                    union.dense.push(&terms.free);
                }
                query.add(union);
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
            let mut union = Union::default();
            let postings = types.iter().filter_map(|label| index.types.get(label));
            postings.for_each(|posting| union.add(posting));
            query.add(union);
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

    fn add(&mut self, union: Union<'s>) {
        match (&*union.dense, &*union.sparse) {
            ([], []) => self.empty = true,
            ([only], []) => self.all.push(only),
            _ => self.unions.push(union),
        }
    }

    /// Whether the campaign at a position is eligible.
    pub(in super::super) fn holds(&self, position: u32) -> bool {
        !self.empty
            && self.all.iter().all(|bits| bits.has(position))
            && !self.none.iter().any(|bits| bits.has(position))
            && self.unions.iter().all(|union| union.has(position))
            && !self.is_listed(position)
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
            for bits in &union.dense {
                for (to, from) in united.iter_mut().zip(bits.from(first)) {
                    *to |= from;
                }
            }
            for list in &union.sparse {
                each_in_block(list, first, |at, bit| {
                    if let Some(word) = united.get_mut(at) {
                        *word |= bit;
                    }
                });
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

    fn is_listed(&self, position: u32) -> bool {
        let mut lists = self.not_listed.iter();
        lists.any(|list| list.binary_search(&position).is_ok())
    }
}

impl<'s> Union<'s> {
    fn add(&mut self, posting: &'s Posting) {
        match posting {
            Posting::Dense(bits) => self.dense.push(bits),
            Posting::Sparse(list) => self.sparse.push(list),
        }
    }

    fn has(&self, position: u32) -> bool {
        self.dense.iter().any(|bits| bits.has(position))
            || self
                .sparse
                .iter()
                .any(|list| list.binary_search(&position).is_ok())
    }
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
