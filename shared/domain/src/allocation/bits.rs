//! Sets of positions, as bits.

/// A set of positions below some length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bits(Box<[u64]>);

impl Bits {
    /// The empty set of positions below `length`.
    pub(super) fn none(length: usize) -> Self {
        Self(vec![0; length.div_ceil(64)].into())
    }

    pub(super) fn insert(&mut self, position: u32) {
        if let Some(word) = self.0.get_mut(word_of(position)) {
            *word |= bit_of(position);
        }
    }

    pub(super) fn remove(&mut self, position: u32) {
        if let Some(word) = self.0.get_mut(word_of(position)) {
            *word &= !bit_of(position);
        }
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.0
    }
}

/// Whether a position is in the set that the words are.
pub(super) fn has(words: &[u64], position: u32) -> bool {
    words
        .get(word_of(position))
        .is_some_and(|word| word & bit_of(position) != 0)
}

const fn word_of(position: u32) -> usize {
    (position / 64) as usize
}

const fn bit_of(position: u32) -> u64 {
    1 << (position % 64)
}
