//! `POST /v1/notices/{id}/read` and `GET /v1/notices/unread-count`.

use std::sync::Arc;

use domain::{
    Instant, ReadState,
    identity::MemberId,
    liveops::{Explained, Notices},
    read_state::{Compaction, Dated},
};
use kit::{
    Call, Code, Nothing, Principal, Problem, Reply,
    problem::Chain,
    reply::{Empty, Written},
};
use liveops::{Asking, AudienceQuery, ExplainQuery, Visitor, explained, unread};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{NoticePath, State, keeping, one::not_shown};

/// Marks a notice as read. Marking it again changes nothing. A notice that `GET /v1/notices/{id}` does
/// not show to this audience is not found.
pub(crate) async fn post(
    state: Arc<State>,
    call: Call<NoticePath, AudienceQuery, Nothing>,
) -> Result<Reply<Empty>, Problem> {
    let now = call.now();
    let (member, _) = call.principal.member()?;
    let visitor = Visitor::of(&call);
    let asking = Asking::new(&visitor, &state.profiles, now).by_principal(&call.principal);
    let id = &call.path.id;
    let mut known = asking.known(&state.notices).await?;
    if !known.snapshot.content.contains(id)
        && let Some(newest) = state.notices.after_miss(now).await
    {
        known = asking.known_of(newest).await;
    }
    let notices = &known.snapshot.content;
    let notice = notices.get(id, &known.audience(), now);
    let notice = notice.ok_or_else(|| not_shown(&known, id, now))?;
    let read = state.members.mark_read(member, &notice.id, now).await?;
    let gone = || Problem::new(Code::TokenInvalid).detail("the member is no more");
    let read = read.ok_or_else(gone)?;
    state.compact(member, &read, notices, now).await;
    Ok(Reply::no_content())
}

impl State {
    /// Makes what is kept of a member smaller where it has grown. Nothing is lost where that fails:
    /// the next mark tries again. What is dropped is dropped by what is published now: by older
    /// content a notice that was just published, and read, is none.
    async fn compact(&self, member: MemberId, read: &ReadState, notices: &Notices, now: Instant) {
        if compaction(read, notices, now).is_some()
            && let Some(newest) = self.notices.confirmed(now).await
            && let Some(compaction) = compaction(read, &newest.content, now)
            && let Err(error) = self.members.compact_read(member, read, &compaction).await
        {
            tracing::debug!(error = %Chain(&error), "what was read stays as it is");
        }
    }
}

fn compaction(read: &ReadState, notices: &Notices, now: Instant) -> Option<Compaction> {
    let dated = notices.all().map(|notice| Dated {
        id: &notice.id,
        starts_at: notice.starts_at,
        ends_at: notice.ends_at,
    });
    read.compaction(dated, now)
}

/// How much there is that was not read.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UnreadCount")]
pub(crate) struct UnreadAnswer<'s> {
    /// How many notices the member has not read; `null` without a member.
    unread: Option<usize>,
    /// What became of every published notice; for operators who asked with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Vec<Explained<'s>>>,
}

pub(crate) async fn count(
    state: Arc<State>,
    call: Call<Nothing, ExplainQuery, Nothing>,
) -> Result<Reply<Written<UnreadAnswer<'static>>>, Problem> {
    let now = call.now();
    let explained = explained(&call, call.query.explain)?;
    let visitor = Visitor::of(&call);
    let asking = Asking::new(&visitor, &state.profiles, now).by_principal(&call.principal);
    let seen = state.seen(&asking, &call.principal).await?;
    let is_member = matches!(call.principal, Principal::Member { .. });
    // A count that is not known is no count: an app keeps the one that it has.
    if is_member && seen.read.is_none() {
        return Err(Problem::unavailable("what was read cannot be told now"));
    }
    let unread = seen
        .read
        .as_ref()
        .map(|read| unread(&seen.known, read, now));
    let notices = &seen.known.snapshot.content;
    let answer = UnreadAnswer {
        unread,
        explain: explained.then(|| notices.explain(&seen.known.audience(), now)),
    };
    let keeping = keeping(&call, &visitor, &seen);
    let boundary = notices.next_boundary(now);
    state
        .caching
        .answer(&answer, &visitor, keeping, (now, boundary))
}
