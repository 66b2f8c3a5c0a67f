//! Which campaigns of a shelf are eligible for a viewer.

use super::{
    bits::{self, Bits},
    shelf::Shelf,
    snapshot::Snapshot,
    viewer::{Types, Viewer},
};

/// The eligible positions of a shelf.
pub(super) struct Query<'s> {
    eligible: Bits,
    snapshot: &'s Snapshot,
}

impl<'s> Query<'s> {
    pub(super) fn new(shelf: &Shelf, live: &Bits, viewer: &Viewer<'_, 's>, _: &Types) -> Self {
        let snapshot = viewer.snapshot();
        let mut eligible = live.clone();
        for (position, place) in (0..).zip(&shelf.places) {
            let holds = snapshot.row(*place).is_some_and(|row| {
                let campaign = snapshot.campaign(*place);
                viewer.may_see(row).is_ok()
                    && campaign
                        .and_then(|campaign| campaign.matcher())
                        .is_some_and(|matcher| matcher.matches(&viewer.facts))
            });
            if !holds {
                eligible.remove(position);
            }
        }
        Self { eligible, snapshot }
    }

    /// Whether the campaign at a position is eligible.
    pub(super) fn holds(&self, position: u32) -> bool {
        bits::has(self.eligible.words(), position)
    }

    /// Whether what [`block`](Self::block) leaves open holds.
    pub(super) fn rest_holds(&self, position: u32) -> bool {
        let _ = (position, self.snapshot);
        true
    }

    /// Writes the eligible of the words from `first` on into `block`.
    pub(super) fn block(&self, first: usize, block: &mut [u64]) {
        let words = self.eligible.words().get(first..).unwrap_or_default();
        for (to, from) in block.iter_mut().zip(words) {
            *to = *from;
        }
    }
}
