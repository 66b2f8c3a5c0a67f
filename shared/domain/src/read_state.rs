//! Which notices a member has read: those that began until some moment, and some more by their ids.
//!
//! Ids are added one by one. When they have become many, those that one moment can stand for are
//! dropped ([`ReadState::compaction`]). The price: a notice that is published late, with a beginning
//! before that moment, counts as read. The moment is therefore never higher than it has to be, and
//! never of the last day.
//!
//! What is kept is small for whoever reads what there is. One notice without an end that a member
//! never reads holds the moment back for as long as it is published: at worst there is an id for
//! every published notice, 64 KB for a thousand of them, and [`READ_IDS`] more.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{Id, Instant};

/// So many ids are kept before any of them are dropped; so are as many that are not known to be
/// published, which a reader of published content that is a little behind may not know yet.
pub const READ_IDS: usize = 32;

/// What began less than this ago is remembered by its id: it may be published late, and not every
/// reader of published content knows the newest version yet.
const SETTLED: Duration = Duration::from_secs(24 * 3600);

/// Which notices a member has read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadState {
    /// Everything that began until then is read.
    pub watermark: Option<Instant>,
    /// So are these.
    pub ids: BTreeSet<Id>,
}

/// A published notice, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct Dated<'a> {
    /// Its id.
    pub id: &'a Id,
    /// When it begins.
    pub starts_at: Instant,
    /// When it ends, if it does.
    pub ends_at: Option<Instant>,
}

/// How a [`ReadState`] gets smaller and says the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compaction {
    /// The new watermark.
    pub watermark: Option<Instant>,
    /// Ids that the watermark stands for from now on, or that are published no more by all
    /// appearances.
    pub dropped: BTreeSet<Id>,
}

impl ReadState {
    /// Whether a notice is read.
    pub fn is_read(&self, id: &Id, starts_at: Instant) -> bool {
        self.watermark.is_some_and(|until| starts_at <= until) || self.ids.contains(id)
    }

    /// What to drop, where there are more than [`READ_IDS`] ids and some of them can be: the watermark
    /// rises to the last read notice before the first unread one that is in flight. Ids that are not
    /// among `published` are dropped where they are more than [`READ_IDS`], too.
    pub fn compaction<'n>(
        &self,
        published: impl Iterator<Item = Dated<'n>> + Clone,
        now: Instant,
    ) -> Option<Compaction> {
        if self.ids.len() <= READ_IDS {
            return None;
        }
        let first_unread = published
            .clone()
            .filter(|notice| notice.starts_at <= now)
            .filter(|notice| notice.ends_at.is_none_or(|ends_at| now < ends_at))
            .filter(|notice| !self.is_read(notice.id, notice.starts_at))
            .map(|notice| notice.starts_at)
            .min();
        let watermark = published
            .clone()
            .filter(|notice| self.ids.contains(notice.id))
            .map(|notice| notice.starts_at)
            .filter(|starts_at| *starts_at + SETTLED <= now)
            .filter(|starts_at| first_unread.is_none_or(|first| *starts_at < first))
            .max()
            .max(self.watermark);
        let began: BTreeMap<&Id, Instant> = published
            .map(|notice| (notice.id, notice.starts_at))
            .collect();
        let unknown = self.ids.iter().filter(|id| !began.contains_key(id)).count();
        let is_needed = |id: &Id| match began.get(id) {
            Some(starts_at) => watermark.is_none_or(|until| until < *starts_at),
            None => unknown <= READ_IDS,
        };
        let dropped: BTreeSet<Id> = self
            .ids
            .iter()
            .filter(|id| !is_needed(id))
            .cloned()
            .collect();
        (!dropped.is_empty()).then_some(Compaction { watermark, dropped })
    }

    /// What is left after a compaction.
    #[must_use]
    pub fn compacted(mut self, by: &Compaction) -> Self {
        self.watermark = by.watermark;
        self.ids.retain(|id| !by.dropped.contains(id));
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const NOW: Instant = Instant::from_millis(1_800_000_000_000);

    /// Notices by number, the `n`th of which begins `n` hours after a month ago.
    fn starts_at(n: u32) -> Instant {
        Instant::from_millis(NOW.as_millis() - 30 * 24 * 3_600_000) + n * HOUR
    }

    fn id(n: u32) -> Id {
        format!("n{n}").parse().unwrap()
    }

    fn state(read: impl IntoIterator<Item = u32>) -> ReadState {
        ReadState {
            watermark: None,
            ids: read.into_iter().map(id).collect(),
        }
    }

    fn compaction(state: &ReadState, published: &[(u32, bool)]) -> Option<Compaction> {
        let published: Vec<_> = published
            .iter()
            .map(|(n, ended)| (id(*n), starts_at(*n), ended.then_some(NOW)))
            .collect();
        let dated = published.iter().map(|(id, starts_at, ends_at)| Dated {
            id,
            starts_at: *starts_at,
            ends_at: *ends_at,
        });
        state.compaction(dated, NOW)
    }

    #[test]
    fn a_few_ids_are_kept_as_they_are() {
        let all: Vec<_> = (0..40).map(|n| (n, false)).collect();
        assert_eq!(compaction(&state(0..32), &all), None);
        assert!(compaction(&state(0..33), &all).is_some());
    }

    #[test]
    fn the_watermark_rises_to_the_last_one_read_before_the_first_unread() {
        let all: Vec<_> = (0..100).map(|n| (n, false)).collect();
        let read = state((0..20).chain(30..60));
        let compaction = compaction(&read, &all).unwrap();
        assert_eq!(compaction.watermark, Some(starts_at(19)));
        let after = read.compacted(&compaction);
        assert_eq!(after.ids, state(30..60).ids);
    }

    #[test]
    fn what_is_over_holds_nothing_back() {
        let published: Vec<_> = (10..50).map(|n| (n, n == 12)).collect();
        let read = state((10..50).filter(|n| *n != 12));
        let compaction = compaction(&read, &published).unwrap();
        assert_eq!(compaction.watermark, Some(starts_at(49)));
        assert!(read.compacted(&compaction).ids.is_empty());
    }

    #[test]
    fn a_few_ids_that_are_not_known_are_kept_and_many_are_published_no_more() {
        let published: Vec<_> = (50..90).map(|n| (n, false)).collect();
        for (unknown, left) in [(1, 1), (32, 32), (33, 0)] {
            let read = state((0..unknown).chain(50..90));
            let compaction = compaction(&read, &published).unwrap();
            assert_eq!(compaction.watermark, Some(starts_at(89)));
            let after = read.compacted(&compaction);
            assert_eq!(after.ids, state(0..left).ids, "{unknown}");
        }
        assert_eq!(
            compaction(&state((0..32).chain([60])), &[(60, false), (55, false)]),
            None
        );
    }

    #[test]
    fn nothing_of_the_last_day_is_left_to_the_watermark() {
        let lately: Vec<_> = (0..40).map(|n| (30 * 24 - 23 + n / 2, false)).collect();
        let read = state(lately.iter().map(|(n, _)| *n).chain(0..40));
        let compaction = compaction(&read, &lately).unwrap();
        assert_eq!(compaction.watermark, None);
        assert_eq!(compaction.dropped, state(0..40).ids);
    }

    #[test]
    fn where_nothing_can_be_dropped_nothing_is_written() {
        let all: Vec<_> = (0..100).map(|n| (n, false)).collect();
        assert_eq!(compaction(&state(1..60), &all), None);
    }

    proptest! {
        #[test]
        fn a_compaction_changes_nobodys_view_of_what_is_in_flight(
            read in prop::collection::btree_set(0u32..120, 33..100),
            published in prop::collection::btree_map(0u32..900, any::<bool>(), 0..200),
            watermark in prop::option::of(0u32..60),
        ) {
            let published: Vec<_> = published.into_iter().collect();
            let before = ReadState {
                watermark: watermark.map(starts_at),
                ..state(read)
            };
            if let Some(compaction) = compaction(&before, &published) {
                prop_assert!(compaction.watermark >= before.watermark);
                let after = before.clone().compacted(&compaction);
                prop_assert!(after.ids.len() < before.ids.len());
                for (n, ended) in published {
                    let was = before.is_read(&id(n), starts_at(n));
                    let is = after.is_read(&id(n), starts_at(n));
                    let in_flight = !ended && starts_at(n) <= NOW;
                    prop_assert!(is == was || (is && !in_flight), "{}", n);
                }
            }
        }
    }
}
