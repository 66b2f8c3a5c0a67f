//! Drafts, one item each, beside what is live.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    Id, Instant,
    content::{AnyItem, Kind, check_item},
};
use garde::Validate;
use http::StatusCode;
use kit::{
    Call, Caller, Code, Endpoint, Method, Nothing, Precondition, Problem, Reply,
    extract::RawJson,
    reply::{Empty, Json},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{
    Stamp, StoreError,
    drafts::{Draft, Edit},
};

use crate::{Content, READ, WRITE, kind};

const COLLECTION: &str = "/admin/v1/content/{kind}/items";
const ITEM: &str = "/admin/v1/content/{kind}/items/{id}";
const REFUSALS: &[Code] = &[Code::ContentKindUnknown, Code::NotFound, Code::Unavailable];

pub(crate) const LIST: Endpoint = Endpoint::new(
    Method::Get,
    COLLECTION,
    "listContentItems",
    "Drafts and what is live, side by side",
)
.caller(Caller::Operator(READ))
.problems(&[
    Code::ContentKindUnknown,
    Code::InvalidCursor,
    Code::Unavailable,
]);

pub(crate) const GET: Endpoint = Endpoint::new(
    Method::Get,
    ITEM,
    "getContentItem",
    "One draft, and what is live of it",
)
.caller(Caller::Operator(READ))
.answers(&[200, 304])
.headers(&["If-None-Match"])
.problems(REFUSALS);

pub(crate) const PUT: Endpoint = Endpoint::new(
    Method::Put,
    ITEM,
    "putContentItem",
    "Writes one draft whole",
)
.caller(Caller::Operator(WRITE))
.answers(&[200, 201])
.headers(&["If-Match", "If-None-Match"])
.problems(&[
    Code::ContentKindUnknown,
    Code::VersionConflict,
    Code::PreconditionRequired,
    Code::Unavailable,
]);

pub(crate) const DELETE: Endpoint = Endpoint::new(
    Method::Delete,
    ITEM,
    "deleteContentItem",
    "Takes one draft away; what is live stays until the next publish",
)
.caller(Caller::Operator(WRITE))
.answers(&[204])
.headers(&["If-Match"])
.problems(&[
    Code::ContentKindUnknown,
    Code::NotFound,
    Code::VersionConflict,
    Code::PreconditionRequired,
    Code::Unavailable,
]);

/// The most entries of a page.
const PAGE_LIMIT: usize = 200;

/// Drafts read at once, so that a filter that few pass does not cost a query each.
const READ_AHEAD: usize = 100;

/// The most bytes of items in a page: an answer of Lambda has at most 6 MB.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Which kind.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct KindPath {
    /// Its name.
    #[garde(length(max = 64))]
    pub(crate) kind: String,
}

/// Which item of which kind.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemPath {
    /// The kind's name.
    #[garde(length(max = 64))]
    kind: String,
    /// The item's id.
    #[garde(skip)]
    id: Id,
}

/// Which part of a list.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Where the last page ended.
    #[garde(length(max = 512))]
    cursor: Option<String>,
    /// How many entries, 50 unless told.
    #[garde(range(min = 1, max = 200))]
    limit: Option<u16>,
    /// Only items in this state.
    #[garde(skip)]
    state: Option<State>,
}

/// How a draft stands to what is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Never published.
    Draft,
    /// Published, and written since.
    Changed,
    /// Published as it is.
    Live,
    /// Still live, but taken away from the drafts.
    Removed,
}

/// An item, as it is written and as it is live.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ContentItem {
    /// Its id.
    id: Id,
    /// How the two stand to each other.
    state: State,
    /// The draft; `null` where it was deleted.
    #[schemars(with = "Option<AnyItem>")]
    draft: Option<Value>,
    /// The live item; `null` where it never was published.
    #[schemars(with = "Option<AnyItem>")]
    live: Option<Value>,
    /// The draft's entity tag, as `If-Match` takes it (with its quotes).
    etag: Option<String>,
    /// When the draft was written.
    updated_at: Option<Instant>,
    /// Who wrote it.
    updated_by: Option<String>,
}

/// A page of items, by id.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ContentItems {
    items: Vec<ContentItem>,
    /// What to ask for the next page with; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

pub(crate) async fn list(
    content: Arc<Content>,
    call: Call<KindPath, ListQuery, Nothing>,
) -> Result<Reply<Json<ContentItems>>, Problem> {
    let kind = kind(&call.path.kind)?;
    let ListQuery {
        cursor,
        limit,
        state,
    } = call.query;
    let limit = usize::from(limit.unwrap_or(50)).min(PAGE_LIMIT);
    let live = content.live.items(kind).await?;
    let mut after = match cursor.as_deref() {
        Some(cursor) => Some(content.drafts.after(kind, cursor)?),
        None => None,
    };
    let mut items = Vec::new();
    let mut size_bytes = 0;
    loop {
        let cursor = after.as_ref().map(|id| content.drafts.cursor(kind, id));
        let page = content
            .drafts
            .list(kind, cursor.as_deref(), READ_AHEAD.max(limit))
            .await?;
        let last = page.items.last().map(|draft| draft.id.clone());
        let end = page.next_cursor.as_ref().and(last);
        let merged = side_by_side(page.items, &live, after.as_ref(), end.as_ref());
        for item in merged {
            let item = item?;
            if state.is_some_and(|state| state != item.state) {
                continue;
            }
            size_bytes += item.size_bytes();
            if items.len() == limit || (size_bytes > PAGE_BYTES && !items.is_empty()) {
                let next_cursor = items
                    .last()
                    .map(|item: &ContentItem| content.drafts.cursor(kind, &item.id));
                return Ok(Reply::ok(ContentItems { items, next_cursor }));
            }
            items.push(item);
        }
        match end {
            Some(end) => after = Some(end),
            None => {
                return Ok(Reply::ok(ContentItems {
                    items,
                    next_cursor: None,
                }));
            }
        }
    }
}

/// The drafts of a page and the live items between `after` and `end`, by id.
fn side_by_side<'a>(
    drafts: Vec<Draft>,
    live: &'a BTreeMap<Id, Value>,
    after: Option<&Id>,
    end: Option<&Id>,
) -> impl Iterator<Item = Result<ContentItem, Problem>> + use<'a> {
    let mut both: BTreeMap<Id, (Option<Draft>, Option<&'a Value>)> = live
        .iter()
        .filter(|(id, _)| after.is_none_or(|after| *id > after))
        .filter(|(id, _)| end.is_none_or(|end| *id <= end))
        .map(|(id, value)| (id.clone(), (None, Some(value))))
        .collect();
    for draft in drafts {
        let both = both.entry(draft.id.clone()).or_default();
        both.0 = Some(draft);
    }
    both.into_iter()
        .map(|(id, (draft, live))| ContentItem::new(id, draft, live))
}

impl ContentItem {
    fn size_bytes(&self) -> usize {
        let sizes = [&self.draft, &self.live].map(|item| {
            let text = item.as_ref().map(Value::to_string);
            text.map_or(0, |text| text.len())
        });
        sizes.iter().sum()
    }

    fn new(id: Id, draft: Option<Draft>, live: Option<&Value>) -> Result<Self, Problem> {
        let body: Option<Value> = draft
            .as_ref()
            .map(|draft| serde_json::from_str(&draft.body))
            .transpose()
            .map_err(|error| Problem::internal(&error))?;
        let state = match (&body, live) {
            (None, _) => State::Removed,
            (Some(_), None) => State::Draft,
            (Some(body), Some(live)) if body == live => State::Live,
            (Some(_), Some(_)) => State::Changed,
        };
        Ok(Self {
            id,
            state,
            draft: body,
            live: live.cloned(),
            etag: draft.as_ref().map(|draft| format!("\"{}\"", draft.etag)),
            updated_at: draft.as_ref().map(|draft| draft.updated_at),
            updated_by: draft.map(|draft| draft.author),
        })
    }
}

pub(crate) async fn get(
    content: Arc<Content>,
    call: Call<ItemPath, Nothing, Nothing>,
) -> Result<Reply<Json<ContentItem>>, Problem> {
    let kind = kind(&call.path.kind)?;
    let id = call.path.id;
    let draft = content.drafts.get(kind, &id).await?;
    let live = content.live.items(kind).await?;
    let live = live.get(&id);
    if draft.is_none() && live.is_none() {
        return Err(Problem::new(Code::NotFound));
    }
    let etag = draft.as_ref().map(|draft| draft.etag.to_string());
    let reply = Reply::ok(ContentItem::new(id, draft, live)?);
    Ok(match etag {
        Some(etag) => reply.etag(&etag),
        None => reply,
    })
}

pub(crate) async fn put(
    content: Arc<Content>,
    call: Call<ItemPath, Nothing, RawJson<AnyItem>>,
) -> Result<Reply<Json<ContentItem>>, Problem> {
    let kind = kind(&call.path.kind)?;
    let precondition = Precondition::of(&call.headers)?;
    // Read first: once the draft is written there is nothing left that may fail.
    let live = content.live.items(kind).await?;
    let body = check_item(kind, &call.body.0)?.to_string();
    let etag = Stamp::random(&mut call.rng());
    let author = call.principal.name();
    let edit = Edit {
        body: &body,
        author: &author,
        etag,
        at: call.now(),
    };
    let id = &call.path.id;
    let status = match precondition {
        Precondition::Absent => {
            content
                .drafts
                .create(kind, id, edit)
                .await
                .map_err(lost_race)?;
            StatusCode::CREATED
        }
        other => {
            let held = content.held(kind, id, other).await?;
            content
                .drafts
                .update(kind, id, held, edit)
                .await
                .map_err(lost_race)?;
            StatusCode::OK
        }
    };
    let draft = Draft {
        id: id.clone(),
        body,
        author,
        updated_at: call.now(),
        etag,
    };
    let item = ContentItem::new(id.clone(), Some(draft), live.get(id))?;
    Ok(Reply::new(status, Json(item)).etag(&etag.to_string()))
}

pub(crate) async fn delete(
    content: Arc<Content>,
    call: Call<ItemPath, Nothing, Nothing>,
) -> Result<Reply<Empty>, Problem> {
    let kind = kind(&call.path.kind)?;
    let precondition = Precondition::of(&call.headers)?;
    let id = &call.path.id;
    if content.drafts.get(kind, id).await?.is_none() {
        return Err(Problem::new(Code::NotFound));
    }
    let held = content.held(kind, id, precondition).await?;
    content
        .drafts
        .delete(kind, id, held)
        .await
        .map_err(lost_race)?;
    Ok(Reply::no_content())
}

impl Content {
    /// The entity tag that a write's precondition names: the write itself is conditional on it.
    async fn held(&self, kind: Kind, id: &Id, wanted: Precondition) -> Result<Stamp, Problem> {
        let conflict = || Problem::new(Code::VersionConflict);
        match wanted {
            Precondition::Absent => Err(conflict()),
            Precondition::OneOf(tags) if tags.len() == 1 => tags
                .first()
                .and_then(|tag| tag.parse().ok())
                .ok_or_else(conflict),
            several => {
                let draft = self.drafts.get(kind, id).await?.ok_or_else(conflict)?;
                let named = match several {
                    Precondition::OneOf(tags) => tags.contains(&draft.etag.to_string()),
                    _ => true,
                };
                named.then_some(draft.etag).ok_or_else(conflict)
            }
        }
    }
}

/// A condition that did not hold is the caller's lost race.
fn lost_race(error: StoreError) -> Problem {
    match error {
        StoreError::Conflict { .. } => Problem::new(Code::VersionConflict),
        error => error.into(),
    }
}
