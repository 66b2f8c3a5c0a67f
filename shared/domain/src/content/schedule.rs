//! The one rule between the two ends of a schedule.

use crate::{Fault, FaultCode, Instant};

/// What is wrong with a stretch of time, if it ends at all.
pub(super) fn fault(starts_at: Instant, ends_at: Option<Instant>) -> Option<Fault> {
    let backwards = ends_at.is_some_and(|end| end <= starts_at);
    backwards.then(|| Fault::new("/ends_at", FaultCode::OutOfRange, "must be after starts_at"))
}
