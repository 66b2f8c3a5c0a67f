//! Sets of positions: as bits where many are in a set, as a list where few are.

/// A set of positions below some length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bits {
    words: Box<[u64]>,
    count: u32,
}

impl Bits {
    /// The empty set of positions below `length`.
    pub(super) fn none(length: usize) -> Self {
        Self {
            words: vec![0; length.div_ceil(64)].into(),
            count: 0,
        }
    }

    /// The set of all positions below `length`.
    pub(super) fn all(length: usize) -> Self {
        let mut all = Self::none(length);
        all.words.fill(u64::MAX);
        if let Some(last) = all.words.last_mut()
            && !length.is_multiple_of(64)
        {
            *last = (1 << (length % 64)) - 1;
        }
        all.count = u32::try_from(length).unwrap_or(u32::MAX);
        all
    }

    pub(super) fn insert(&mut self, position: u32) {
        if let Some(word) = self.words.get_mut(word_of(position)) {
            self.count += u32::from(*word & bit_of(position) == 0);
            *word |= bit_of(position);
        }
    }

    pub(super) fn remove(&mut self, position: u32) {
        if let Some(word) = self.words.get_mut(word_of(position)) {
            self.count -= u32::from(*word & bit_of(position) != 0);
            *word &= !bit_of(position);
        }
    }

    /// Adds what is in another set of the same length.
    pub(super) fn unite(&mut self, other: &Self) {
        self.count = 0;
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
            self.count += word.count_ones();
        }
    }

    pub(super) fn has(&self, position: u32) -> bool {
        self.words
            .get(word_of(position))
            .is_some_and(|word| word & bit_of(position) != 0)
    }

    /// How many are in it.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The words from one on.
    pub(super) fn from(&self, first: usize) -> &[u64] {
        self.words.get(first..).unwrap_or_default()
    }
}

const fn word_of(position: u32) -> usize {
    (position / 64) as usize
}

const fn bit_of(position: u32) -> u64 {
    1 << (position % 64)
}

/// The positions of one value.
#[derive(Debug)]
pub(super) enum Posting {
    /// Bits.
    Dense(Bits),
    /// A list in order.
    Sparse(Box<[u32]>),
}

/// A list takes four bytes for each of its positions and some steps to look in, bits an eighth of a
/// byte for all positions and one step: below one in this many a list is worth it.
const SPARSE_BELOW: usize = 128;

impl Posting {
    /// The set of these positions below `length`, given in order.
    pub(super) fn new(positions: Vec<u32>, length: usize) -> Self {
        if positions.len() < length / SPARSE_BELOW {
            return Self::Sparse(positions.into());
        }
        let mut bits = Bits::none(length);
        positions.iter().for_each(|position| bits.insert(*position));
        Self::Dense(bits)
    }
}
