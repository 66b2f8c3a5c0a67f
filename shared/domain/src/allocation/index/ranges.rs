//! A dimension that compares with bounds.

use std::cmp::Ordering;

use super::super::bits::Bits;

/// At most this many bounds are told apart; what lies between is verified.
const MOST_BOUNDS: usize = 160;

/// A number that stands in order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Real(f64);

impl Real {
    pub(super) fn new(number: f64) -> Self {
        // Both zeros are the same.
        Self(number + 0.0)
    }
}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Real {}

/// Who accepts the values of each stretch between two bounds.
#[derive(Debug)]
pub(super) struct Ranges<T> {
    /// Who has no rule here.
    pub(super) free: Bits,
    bounds: Vec<T>,
    /// One more than bounds: below the first, from each one to the next, from the last on. The free
    /// ones are in all.
    stretches: Vec<Bits>,
}

impl<T: Ord> Ranges<T> {
    /// Who accepts a value.
    pub(super) fn at(&self, value: &T) -> Option<&Bits> {
        self.stretches
            .get(self.bounds.partition_point(|bound| bound <= value))
    }
}

/// Collects the bounds of campaigns.
pub(super) struct Builder<T>(Vec<(u32, Option<T>, Option<T>)>);

impl<T> Default for Builder<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord + Clone> Builder<T> {
    /// A campaign that accepts values from `gte` on and below `lt`.
    pub(super) fn add(&mut self, position: u32, gte: Option<T>, lt: Option<T>) {
        self.0.push((position, gte, lt));
    }

    /// The dimension, and the positions that it says too much of: they accept a part of a stretch.
    pub(super) fn build(self, length: usize) -> (Ranges<T>, Vec<u32>) {
        let mut free = Bits::all(length);
        for (position, ..) in &self.0 {
            free.remove(*position);
        }
        let bounds = self.bounds();
        let mut begin = vec![Vec::new(); bounds.len() + 1];
        let mut end = vec![Vec::new(); bounds.len() + 1];
        let mut rough = Vec::new();
        for (position, gte, lt) in self.0 {
            let first = gte
                .as_ref()
                .map_or(0, |gte| bounds.partition_point(|bound| bound <= gte));
            let last = lt.as_ref().map_or(bounds.len(), |lt| {
                bounds.partition_point(|bound| bound < lt)
            });
            let mut known = [&gte, &lt].into_iter().flatten();
            if !known.all(|bound| bounds.binary_search(bound).is_ok()) {
                rough.push(position);
            }
            if first > last {
                continue;
            }
            if let Some(here) = begin.get_mut(first) {
                here.push(position);
            }
            if let Some(next) = end.get_mut(last + 1) {
                next.push(position);
            }
        }
        let mut now = free.clone();
        let stretches = begin.into_iter().zip(end).map(|(begin, end)| {
            end.into_iter().for_each(|position| now.remove(position));
            begin.into_iter().for_each(|position| now.insert(position));
            now.clone()
        });
        let stretches = stretches.collect();
        let ranges = Ranges {
            free,
            bounds,
            stretches,
        };
        (ranges, rough)
    }

    /// All bounds in order, or some of them, evenly spread, where they are too many.
    fn bounds(&self) -> Vec<T> {
        let bounds = self.0.iter().flat_map(|(_, gte, lt)| [gte, lt]);
        let mut bounds: Vec<&T> = bounds.flatten().collect();
        bounds.sort_unstable();
        bounds.dedup();
        let step = bounds.len().div_ceil(MOST_BOUNDS).max(1);
        bounds.into_iter().step_by(step).cloned().collect()
    }
}
