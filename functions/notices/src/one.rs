//! `GET /v1/notices/{id}`.

use std::sync::Arc;

use domain::HttpUrl;
use kit::{Call, Code, Nothing, Problem, Reply, reply::Written};
use liveops::{Asking, AudienceQuery, Visitor, tag};
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
    link: Option<&'s HttpUrl>,
}

/// One that is not there for this audience now is not there.
pub(crate) async fn get(
    state: Arc<State>,
    call: Call<NoticePath, AudienceQuery, Nothing>,
) -> Result<Reply<Written<NoticeAnswer<'static>>>, Problem> {
    let now = call.now();
    let visitor = Visitor::of(&call)?;
    let asking = Asking::new(&visitor, &state.profiles, now);
    let seen = state.seen(&asking, &call.principal).await?;
    let notices = &seen.known.snapshot.content;
    let notice = notices
        .get(&call.path.id, &seen.known.audience(), now)
        .ok_or_else(|| Problem::new(Code::NotFound))?;
    let answer = NoticeAnswer {
        summary: Summary::new(notice, visitor.locale(), seen.read.as_ref()),
        body: notice.body.choose(visitor.locale()),
        link: notice.link.as_ref(),
    };
    let (etag, document) = (tag(&answer)?, Written::new(&answer)?);
    let keeping = keeping(&call, &visitor, &seen);
    let boundary = notices.next_boundary(now);
    Ok(state
        .caching
        .reply(document, &etag, &visitor, keeping, (now, boundary)))
}
