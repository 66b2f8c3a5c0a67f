//! How a run divides its time.

use std::time::Duration;

use domain::Instant;

/// A run begins nothing more this long before it would be ended.
const RESERVE: Duration = Duration::from_secs(15);

/// The outbox gets one part in this many of each run.
const OUTBOX_PART: u32 = 4;

/// The times after which a run begins no further member and no further call.
///
/// However many members are due, the outbox has its part of each run: an entry that no run called in three
/// days would be given up although its provider answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// The purge of a member.
    pub(crate) members_until: Instant,
    /// A call to a provider.
    pub(crate) outbox_until: Instant,
}

impl Schedule {
    /// The schedule of a run that begins at `now` and would be ended at `deadline`.
    pub(crate) fn of(now: Instant, deadline: Instant) -> Self {
        let outbox_until = deadline - RESERVE;
        let members_until = outbox_until - outbox_until.since(now) / OUTBOX_PART;
        Self {
            members_until,
            outbox_until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_a_run_is_left_to_the_outbox() {
        let began = Instant::from_seconds(1_800_000_000);
        for (seconds, members, outbox) in [(120, 78_750, 105_000), (900, 663_750, 885_000)] {
            let schedule = Schedule::of(began, began + Duration::from_secs(seconds));
            let after = |instant: Instant| instant.since(began).as_millis();
            let found = (after(schedule.members_until), after(schedule.outbox_until));
            assert_eq!(found, (members, outbox), "{seconds} s");
        }
    }

    #[test]
    fn a_run_that_is_about_to_end_begins_nothing() {
        let began = Instant::from_seconds(1_800_000_000);
        let schedule = Schedule::of(began, began + Duration::from_secs(9));
        assert!(schedule.members_until < began && schedule.outbox_until < began);
    }
}
