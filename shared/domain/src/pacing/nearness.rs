//! How near a budget's end is: whether a probability can still hold it.

use std::time::Duration;

use crate::delivery::Zone;

/// A campaign has a peak of its own once it was seen in this many of the last minutes; until then any
/// of the stack's traffic might become its.
pub(super) const ESTABLISHED_MIN: usize = 5;

/// What a budget leaves, and how fast it may go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nearness {
    /// Units, by the last count.
    pub(super) left: u64,
    /// The most units that any minute of the near future brings; `None` where that is not known.
    pub(super) peak_per_minute: Option<f64>,
    /// How long units may go out that are not in the count: its age, the time for which an instance
    /// goes on with the last delivery it has read, and the life of the tokens it gives out then.
    pub(super) unseen: Duration,
}

impl Nearness {
    /// The zone, after the one before. The end is near where twice the peak could use it up unseen;
    /// it is far again only where four times could not, since every way back from leases to the
    /// probability must be paid for with a pause on the next way there.
    pub(super) fn zone(&self, before: Option<Zone>) -> Zone {
        if self.left == 0 {
            return Zone::Spent;
        }
        let Some(peak) = self.peak_per_minute else {
            return Zone::Exact;
        };
        let near = 2.0 * peak * self.unseen.as_secs_f64() / 60.0;
        let far_from = if before == Some(Zone::Open) {
            near
        } else {
            2.0 * near
        };
        #[expect(clippy::cast_precision_loss, reason = "compared with an estimate")]
        let left = self.left as f64;
        if left < far_from {
            Zone::Exact
        } else {
            Zone::Open
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_near_where_twice_the_peak_could_reach_it_unseen() {
        use Zone::{Exact, Open, Spent};
        for (left, peak, before, zone) in [
            (0, None, Some(Open), Spent),
            (1_000_000, None, Some(Open), Exact),
            (2_000, Some(100.0), Some(Open), Open),
            (1_999, Some(100.0), Some(Open), Exact),
            (2_000, Some(100.0), Some(Exact), Exact),
            (3_999, Some(100.0), None, Exact),
            (4_000, Some(100.0), Some(Spent), Open),
        ] {
            let nearness = Nearness {
                left,
                peak_per_minute: peak,
                unseen: Duration::from_secs(600),
            };
            assert_eq!(nearness.zone(before), zone, "{left} {peak:?} {before:?}");
        }
    }
}
