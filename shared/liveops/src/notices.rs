//! What a member has not read yet.

use domain::{Instant, ReadState, identity::MemberId, liveops::Notices};
use kit::problem::Chain;
use store::Members;

use crate::Known;

/// What a member has read; `None` where it cannot be read now.
pub async fn read_state(members: &Members, member: MemberId, now: Instant) -> Option<ReadState> {
    match members.read_state(member, now).await {
        Ok(state) => Some(state),
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "answered without what the member has read");
            None
        }
    }
}

/// How many of the notices that a member may read now they have not.
pub fn unread(known: &Known<'_, Notices>, read: &ReadState, now: Instant) -> usize {
    let visible = known.snapshot.content.visible(&known.audience(), now);
    visible
        .filter(|notice| !read.is_read(&notice.id, notice.starts_at))
        .count()
}
