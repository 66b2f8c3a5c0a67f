//! `GET /v1/notices/{id}`.

use std::sync::Arc;

use domain::{
    Id, Instant, Link,
    liveops::{Explained, Notices},
};
use kit::{Call, Code, Nothing, Problem, Reply, reply::Written};
use liveops::{Asking, ExplainQuery, Known, Visitor, explained};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{NoticePath, State, answer::Summary, keeping};

/// A notice with all that it says.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Notice")]
pub(crate) struct NoticeAnswer<'s> {
    #[serde(flatten)]
    summary: Summary<'s>,
    /// What it says, in Markdown, in the reader's language. It is data: whoever shows it takes care
    /// of what is in it.
    body: &'s str,
    /// Where there is more to read.
    link: Option<&'s Link>,
    /// Whether it is there for this audience now, or why not; for operators who asked with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explained<'s>>,
}

/// One that is not there for this audience now is not there, but for operators who ask why.
pub(crate) async fn get(
    state: Arc<State>,
    call: Call<NoticePath, ExplainQuery, Nothing>,
) -> Result<Reply<Written<NoticeAnswer<'static>>>, Problem> {
    let now = call.now();
    let explained = explained(&call, call.query.explain)?;
    let visitor = Visitor::of(&call);
    let asking = Asking::new(&visitor, &state.profiles, now).by_principal(&call.principal);
    let id = &call.path.id;
    let mut seen = state.seen(&asking, &call.principal).await?;
    if !seen.known.snapshot.content.contains(id)
        && let Some(newest) = state.notices.after_miss(now).await
    {
        seen.known = asking.known_of(newest).await;
    }
    let (notices, audience) = (&seen.known.snapshot.content, seen.known.audience());
    let found = match explained {
        true => notices
            .explain_one(id, &audience, now)
            .map(|(notice, explained)| (notice, Some(explained))),
        false => notices.get(id, &audience, now).map(|notice| (notice, None)),
    };
    let (notice, explain) = found.ok_or_else(|| not_shown(&seen.known, id, now))?;
    let answer = NoticeAnswer {
        summary: Summary::new(notice, visitor.languages(), seen.read.as_ref()),
        body: notice.body.choose(visitor.languages()),
        link: notice.link.as_ref(),
        explain,
    };
    let keeping = keeping(&call, &visitor, &seen);
    let boundary = notices.next_boundary(now);
    state
        .caching
        .answer(&answer, &visitor, keeping, (now, boundary))
}

/// Returns the refusal of a notice that is not shown to its reader: 404; 503 where the notice is in flight
/// and what is stored of the device or the member, by which it may be theirs, cannot be read now.
pub(crate) fn not_shown(known: &Known<'_, Notices>, id: &Id, now: Instant) -> Problem {
    if !known.complete && known.snapshot.content.is_in_flight(id, now) {
        return Problem::unavailable("whom the notice is for cannot be read now");
    }
    Problem::new(Code::NotFound)
}
