//! A dimension that compares with values.

use std::{borrow::Cow, collections::HashMap};

use super::super::bits::{Bits, Posting};

/// Whether rules name the values that they accept, or those that they do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Sign {
    /// `in`, `any_of`.
    In,
    /// `not_in`, `none_of`.
    NotIn,
}

/// A value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Term<'m> {
    Text(Cow<'m, str>),
    /// A number's bits, or a truth value as a number that is none.
    Bits(u64),
}

impl Term<'_> {
    pub(super) fn number(number: f64) -> Self {
        // Both zeros are the same.
        Self::Bits((number + 0.0).to_bits())
    }

    pub(super) fn whole(number: impl Into<f64>) -> Self {
        Self::number(number.into())
    }

    pub(super) fn truth(value: bool) -> Self {
        Self::Bits(f64::NAN.to_bits() | u64::from(value))
    }
}

/// The postings of a dimension's values: of [`Sign::In`] of who accepts them, where bitmaps have the
/// free ones too; of [`Sign::NotIn`] of who does not.
#[derive(Debug)]
pub(super) struct Terms {
    /// Who has no rule here.
    pub(super) free: Bits,
    texts: HashMap<Box<str>, Posting>,
    bits: HashMap<u64, Posting>,
}

impl Terms {
    pub(super) fn posting(&self, term: &Term<'_>) -> Option<&Posting> {
        match term {
            Term::Text(text) => self.texts.get(&**text),
            Term::Bits(bits) => self.bits.get(bits),
        }
    }
}

/// Collects what campaigns say of a dimension, in the order of their positions.
pub(super) struct Builder {
    free: Bits,
    texts: HashMap<Box<str>, Vec<u32>>,
    bits: HashMap<u64, Vec<u32>>,
}

impl Builder {
    pub(super) fn new(length: usize) -> Self {
        Self {
            free: Bits::all(length),
            texts: HashMap::new(),
            bits: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, position: u32, terms: &[Term<'_>]) {
        self.free.remove(position);
        for term in terms {
            let positions = match term {
                Term::Text(text) => match self.texts.get_mut(&**text) {
                    Some(positions) => positions,
                    None => self.texts.entry((&**text).into()).or_default(),
                },
                Term::Bits(bits) => self.bits.entry(*bits).or_default(),
            };
            if positions.last() != Some(&position) {
                positions.push(position);
            }
        }
    }

    pub(super) fn build(self, sign: Sign, length: usize) -> Terms {
        let free = &self.free;
        let posting = |positions: Vec<u32>| {
            let mut posting = Posting::new(positions, length);
            if let (Sign::In, Posting::Dense(bits)) = (sign, &mut posting) {
                bits.unite(free);
            }
            posting
        };
        Terms {
            texts: self
                .texts
                .into_iter()
                .map(|(text, positions)| (text, posting(positions)))
                .collect(),
            bits: self
                .bits
                .into_iter()
                .map(|(bits, positions)| (bits, posting(positions)))
                .collect(),
            free: self.free,
        }
    }
}
