//! `GET /v1/notices`.

use std::sync::Arc;

use domain::liveops::{Explained, NoticeCursor};
use kit::{Call, Code, Nothing, Problem, Reply, reply::Written};
use liveops::{Asking, PageQuery, Visitor, explained};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{State, answer::Summary, keeping};

/// How many notices a page has where the caller does not say.
const PAGE: u8 = 20;

/// A page of what there is to read.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Notices")]
pub(crate) struct NoticesAnswer<'s> {
    /// Pinned ones first, then by their priority, then the newest.
    notices: Vec<Summary<'s>>,
    /// What to ask for the next page with; absent at the end. What is published meanwhile neither
    /// repeats nor hides what is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// What became of every published notice; for operators who asked with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Vec<Explained<'s>>>,
}

pub(crate) async fn get(
    state: Arc<State>,
    call: Call<Nothing, PageQuery, Nothing>,
) -> Result<Reply<Written<NoticesAnswer<'static>>>, Problem> {
    let now = call.now();
    let explained = explained(&call, call.query.explain)?;
    let after: Option<NoticeCursor> = match &call.query.cursor {
        Some(cursor) => Some(
            cursor
                .parse()
                .map_err(|_| Problem::new(Code::InvalidCursor))?,
        ),
        None => None,
    };
    let visitor = Visitor::of(&call);
    let asking = Asking::new(&visitor, &state.profiles, now).by_principal(&call.principal);
    let seen = state.seen(&asking, &call.principal).await?;
    let (notices, audience) = (&seen.known.snapshot.content, seen.known.audience());
    let limit = call.query.limit.unwrap_or(PAGE).into();
    let (page, next) = notices.page(&audience, now, after.as_ref(), limit);
    let summary = |notice| Summary::new(notice, visitor.languages(), seen.read.as_ref());
    let answer = NoticesAnswer {
        notices: page.into_iter().map(summary).collect(),
        next_cursor: next.map(|cursor| cursor.to_string()),
        explain: explained.then(|| notices.explain(&audience, now)),
    };
    let keeping = keeping(&call, &visitor, &seen);
    let boundary = notices.next_boundary(now);
    state
        .caching
        .answer(&answer, &visitor, keeping, (now, boundary))
}
