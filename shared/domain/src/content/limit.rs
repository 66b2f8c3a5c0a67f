//! How much of something a set may have.

use serde::Serialize;

use super::artefact::Entry;
use crate::{Fault, FaultCode, Id};

/// A limit, and how much of it is taken.
pub(super) struct Limit {
    at: &'static str,
    most: usize,
    told: &'static str,
    so_far: usize,
}

impl Limit {
    /// Who goes beyond `most` is `told` so, at a place of its item.
    pub(super) fn new(at: &'static str, most: usize, told: &'static str) -> Self {
        Self {
            at,
            most,
            told,
            so_far: 0,
        }
    }

    /// Counts more of it. The first that goes beyond the limit is the one to be told of.
    pub(super) fn add(&mut self, more: usize) -> Option<Fault> {
        let was_within = self.so_far <= self.most;
        self.so_far += more;
        let is_first = was_within && self.so_far > self.most;
        is_first.then(|| Fault::new(self.at, FaultCode::TooMany, self.told))
    }
}

/// How many bytes an item takes in an artefact of format 1.
pub(super) fn size_bytes<T: Serialize>(id: &Id, item: &T) -> usize {
    let id = id.clone();
    // With the comma after it.
    serde_json::to_vec(&Entry { id, item }).map_or(0, |json| json.len() + 1)
}
