//! Which campaigns of a shelf a request is for, without asking one campaign after the other.
//!
//! **Layout.** For each dimension of targeting there is an inverted index over the shelf's positions.
//! A dimension that compares with values ([`Terms`]) has a posting per value, one that compares with
//! bounds ([`Ranges`]) a bitmap per stretch between two bounds. A campaign without a rule in a
//! dimension is *free* there. What a dimension says of a request is one of:
//!
//! - one bitmap of those who are eligible (a value that rules accept; a stretch; if the request has
//!   no value, the free ones alone: a rule that cannot be evaluated excludes),
//! - a union of postings (lists: `any_of` holds if any of the request's values is accepted),
//! - postings of those who are not (`not_in` and `none_of`).
//!
//! A posting is a bitmap where many campaigns are in it and a sorted list where few are.
//!
//! **The resolved query.** [`Query`] is the conjunction of what all dimensions say, with the bitmap of
//! who may go out now ([`Lineup`](super::Lineup)), those who need consent or a known device, and the
//! types that the placement shows. It answers for one position with one read per dimension, at most
//! as many as the request has values, and for whole stretches of positions by intersecting words.
//!
//! **What is not indexed** (shares of devices, alternatives over several rules, exact versions, the
//! second of two rules on one list, `all_of` beyond its first value, and whatever would make an index
//! large out of proportion) is left to [`Index::verifies`], which evaluates those rules for whoever
//! was drawn. The query is then true of more campaigns than the rules are, never of fewer.
//!
//! **Cost.** Resolving takes one look-up per value of the request. Memory grows with the number of
//! values × campaigns / 8 bytes at most, and with four bytes per campaign and value where that is
//! less.

mod plan;
mod query;
mod ranges;
mod terms;

use std::collections::HashMap;

use super::{
    bits::{Bits, Posting},
    snapshot::Snapshot,
};
use crate::{
    Version,
    content::campaigns::{Consent, NoDevice},
    targeting::{Facts, Matcher},
};
use plan::{Demand, Field, RangeField};
pub(super) use query::{BLOCK, Query};
use ranges::{Ranges, Real};
use terms::{Sign, Terms};

/// At most this many attributes of profiles are indexed per shelf.
const MOST_ATTRIBUTES: usize = 64;

/// The index of one shelf.
#[derive(Debug, Default)]
pub(super) struct Index {
    terms: Vec<(Field, Sign, Terms)>,
    numbers: Vec<(RangeField, Ranges<Real>)>,
    versions: Vec<(RangeField, Ranges<Version>)>,
    /// Creatives' types, by the places of their labels.
    types: HashMap<u32, Posting>,
    needs_consent: Option<Bits>,
    needs_device: Option<Bits>,
    /// What is not told by all this, by position.
    rest: HashMap<u32, Matcher>,
}

impl Index {
    /// Indexes the campaigns at these places, in the order of their positions.
    pub(super) fn new(snapshot: &Snapshot, places: &[u32]) -> Self {
        let mut builder = Builder::new(places.len());
        for (position, place) in (0..).zip(places) {
            builder.add(snapshot, *place, position);
        }
        builder.build(snapshot, places)
    }

    /// Whether those rules match of the campaign at a position that the index does not tell.
    pub(super) fn verifies(&self, position: u32, facts: &Facts<'_>) -> bool {
        self.rest
            .get(&position)
            .is_none_or(|matcher| matcher.matches(facts))
    }
}

struct Builder {
    length: usize,
    terms: HashMap<(Field, Sign), terms::Builder>,
    numbers: HashMap<RangeField, ranges::Builder<Real>>,
    versions: HashMap<RangeField, ranges::Builder<Version>>,
    types: HashMap<u32, Vec<u32>>,
    needs_consent: Bits,
    needs_device: Bits,
    rest: HashMap<u32, Matcher>,
    attributes: Vec<Box<str>>,
}

impl Builder {
    fn new(length: usize) -> Self {
        Self {
            length,
            terms: HashMap::new(),
            numbers: HashMap::new(),
            versions: HashMap::new(),
            types: HashMap::new(),
            needs_consent: Bits::none(length),
            needs_device: Bits::none(length),
            rest: HashMap::new(),
            attributes: Vec::new(),
        }
    }

    fn add(&mut self, snapshot: &Snapshot, place: u32, position: u32) {
        let Some(row) = snapshot.row(place) else {
            return;
        };
        for creative in snapshot.creatives(row) {
            let postings = self.types.entry(creative.r#type).or_default();
            if postings.last() != Some(&position) {
                postings.push(position);
            }
        }
        if row.flags.consent() == Consent::Required {
            self.needs_consent.insert(position);
        }
        if row.flags.no_device() == NoDevice::Skip && !row.flags.house() {
            self.needs_device.insert(position);
        }
        let matcher = snapshot.matcher(row);
        let (demands, mut rest) = plan::demands(&matcher);
        for (demand, test) in demands {
            if self.is_one_attribute_too_many(&demand) {
                rest.push(test.clone());
                continue;
            }
            match demand {
                Demand::Terms(field, sign, terms) => {
                    let length = self.length;
                    let builder = self.terms.entry((field, sign));
                    let builder = builder.or_insert_with(|| terms::Builder::new(length));
                    builder.add(position, &terms);
                }
                Demand::Numbers(field, gte, lt) => {
                    let builder = self.numbers.entry(field).or_default();
                    builder.add(position, gte, lt);
                }
                Demand::Versions(field, gte, lt) => {
                    let builder = self.versions.entry(field).or_default();
                    builder.add(position, gte, lt);
                }
            }
        }
        if !rest.is_empty() {
            self.rest.insert(position, Matcher(rest.into()));
        }
    }

    fn is_one_attribute_too_many(&mut self, demand: &Demand<'_>) -> bool {
        let Some(name) = demand.attribute() else {
            return false;
        };
        if self.attributes.iter().any(|known| **known == *name) {
            return false;
        }
        if self.attributes.len() == MOST_ATTRIBUTES {
            return true;
        }
        self.attributes.push(name.into());
        false
    }

    fn build(self, snapshot: &Snapshot, places: &[u32]) -> Index {
        let length = self.length;
        let mut rest = self.rest;
        // Whoever is in a stretch for a part of it only is looked at again as a whole.
        let mut verify = |positions: Vec<u32>| {
            for position in positions {
                let place = places.get(position as usize);
                if let Some(row) = place.and_then(|place| snapshot.row(*place)) {
                    rest.insert(position, snapshot.matcher(row));
                }
            }
        };
        let mut numbers = Vec::new();
        for (field, builder) in self.numbers {
            let (ranges, rough) = builder.build(length);
            verify(rough);
            numbers.push((field, ranges));
        }
        let mut versions = Vec::new();
        for (field, builder) in self.versions {
            let (ranges, rough) = builder.build(length);
            verify(rough);
            versions.push((field, ranges));
        }
        let terms = self.terms.into_iter().map(|((field, sign), builder)| {
            let terms = builder.build(sign, length);
            (field, sign, terms)
        });
        let types = self.types.into_iter();
        let some = |bits: Bits| (!bits.is_empty()).then_some(bits);
        rest.shrink_to_fit();
        Index {
            terms: terms.collect(),
            numbers,
            versions,
            types: types
                .map(|(label, positions)| (label, Posting::new(positions, length)))
                .collect(),
            needs_consent: some(self.needs_consent),
            needs_device: some(self.needs_device),
            rest,
        }
    }
}
