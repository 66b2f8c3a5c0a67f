//! The history of a kind, and the way back in it.

use std::sync::Arc;

use domain::{Instant, RandomId, content::Changes};
use garde::Validate;
use kit::{Call, Caller, Code, Endpoint, Method, Nothing, Problem, Reply, extract, reply::Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::published::{Goal, Origin, Request};

use crate::{
    Content, PUBLISH, READ,
    items::KindPath,
    kind,
    publications::{Note, Requested},
};

pub(crate) const LIST: Endpoint = Endpoint::new(
    Method::Get,
    "/admin/v1/content/{kind}/versions",
    "listContentVersions",
    "The history, newest first",
)
.caller(Caller::Operator(READ))
.problems(&[Code::ContentKindUnknown, Code::InvalidCursor]);

pub(crate) const RESTORE: Endpoint = Endpoint::new(
    Method::Post,
    "/admin/v1/content/{kind}/versions/{n}/restore",
    "restoreContentVersion",
    "Asks for a new version made from an old one; drafts stay as they are",
)
.caller(Caller::Operator(PUBLISH))
.idempotent()
.answers(&[202])
.problems(&[Code::ContentKindUnknown, Code::NotFound]);

/// Which part of the history.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
    /// Where the last page ended.
    #[garde(length(max = 512))]
    cursor: Option<String>,
    /// How many versions, 50 unless told.
    #[garde(range(min = 1, max = 200))]
    limit: Option<u16>,
}

/// A version that was live once, or is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ContentVersion {
    version: u64,
    author: String,
    note: String,
    published_at: Instant,
    /// The publication that made it.
    publication_id: RandomId,
    /// The older version that it was made from, where it was restored.
    restored_from: Option<u64>,
    /// What it changed against the version before it.
    changes: Changes,
    /// How many items it has.
    items: usize,
}

/// A page of the history.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ContentVersions {
    versions: Vec<ContentVersion>,
    /// What to ask for the next page with; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

pub(crate) async fn list(
    content: Arc<Content>,
    call: Call<KindPath, HistoryQuery, Nothing>,
) -> Result<Reply<Json<ContentVersions>>, Problem> {
    let kind = kind(&call.path.kind)?;
    let HistoryQuery { cursor, limit } = call.query;
    let limit = usize::from(limit.unwrap_or(50));
    let page = content
        .versions
        .list(kind, cursor.as_deref(), limit)
        .await?;
    let versions = page.items.into_iter().map(|version| ContentVersion {
        version: version.version,
        author: version.author,
        note: version.note,
        published_at: version.published_at,
        publication_id: version.publication,
        restored_from: version.restored_from,
        changes: version.changes,
        items: version.items,
    });
    Ok(Reply::ok(ContentVersions {
        versions: versions.collect(),
        next_cursor: page.next_cursor,
    }))
}

/// Which version of which kind.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionPath {
    /// The kind's name.
    #[garde(length(max = 64))]
    kind: String,
    /// The version's number.
    #[garde(range(min = 1))]
    n: u64,
}

pub(crate) async fn restore(
    content: Arc<Content>,
    call: Call<VersionPath, Nothing, extract::Optional<Note>>,
) -> Result<Reply<Json<Requested>>, Problem> {
    let kind = kind(&call.path.kind)?;
    let version = call.path.n;
    let (at, author) = (call.now(), call.principal.name());
    let id = RandomId::new(at, &mut call.rng());
    let note = call
        .body
        .0
        .map(|body| body.note)
        .filter(|note| !note.is_empty());
    let note = note.unwrap_or_else(|| format!("restore of version {version}"));
    let request = Request {
        id,
        kind,
        goal: Goal::Publish,
        origin: Origin::Version(version),
        note,
        author,
        at,
    };
    content
        .request(request, call.facts.trace.traceparent())
        .await?;
    Ok(Reply::accepted(Requested { publication_id: id }))
}
