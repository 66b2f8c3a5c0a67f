//! Drafts, one item each, beside what is live.

use std::{cmp::Ordering, collections::VecDeque, sync::Arc};

use domain::{
    Id, Instant,
    content::{AnyItem, Kind, check_draft},
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
use serde_json::value::RawValue;
use store::{
    Stamp, StoreError,
    drafts::{Draft, Drafts, Edit},
    published::SourceItem,
};

use crate::{Content, READ, WRITE, kind, live::LiveItems};

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

/// What is read for one page at most: a filter that few pass ends the page early. Items differ in size
/// by a factor of a thousand, so their bytes are limited too.
const READ_LIMIT: ReadSoFar = ReadSoFar {
    items: 5_000,
    bytes: 16 * 1024 * 1024,
};

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
    draft: Option<Box<RawValue>>,
    /// The live item; `null` where it never was published.
    #[schemars(with = "Option<AnyItem>")]
    live: Option<Box<RawValue>>,
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
    let after = match cursor.as_deref() {
        Some(cursor) => Some(content.drafts.after(kind, cursor)?),
        None => None,
    };
    let live = content.live.items(kind).await?;
    let mut pairs = SideBySide::new(&content.drafts, &live, kind, after);
    let mut items: Vec<ContentItem> = Vec::new();
    let mut size_bytes = 0;
    let mut read = ReadSoFar::default();
    while let Some((id, draft, live)) = pairs.next().await? {
        let item = ContentItem::new(id, draft, live)?;
        read.note(item.size_bytes());
        if state.is_none_or(|state| state == item.state) {
            size_bytes += item.size_bytes();
            if items.len() == limit || (size_bytes > PAGE_BYTES && !items.is_empty()) {
                let last = items.last().map(|item| &item.id);
                let next_cursor = last.map(|id| content.drafts.cursor(kind, id));
                return Ok(Reply::ok(ContentItems { items, next_cursor }));
            }
            items.push(item);
        } else if read.is_enough() {
            let next_cursor = Some(content.drafts.cursor(kind, &item.id));
            return Ok(Reply::ok(ContentItems { items, next_cursor }));
        }
    }
    Ok(Reply::ok(ContentItems {
        items,
        next_cursor: None,
    }))
}

/// The items that were read for a page.
#[derive(Debug, Clone, Copy, Default)]
struct ReadSoFar {
    items: usize,
    bytes: usize,
}

impl ReadSoFar {
    fn note(&mut self, size_bytes: usize) {
        self.items += 1;
        self.bytes += size_bytes;
    }

    const fn is_enough(&self) -> bool {
        self.items >= READ_LIMIT.items || self.bytes >= READ_LIMIT.bytes
    }
}

/// Drafts and live items, merged in the order of their ids; a page of each is in memory.
struct SideBySide<'a> {
    drafts: &'a Drafts,
    live: &'a LiveItems<'a>,
    kind: Kind,
    draft_page: VecDeque<Draft>,
    live_page: VecDeque<SourceItem>,
    /// The id after which the next page of drafts begins; `None` within when they are at their end.
    drafts_after: Option<Option<Id>>,
    live_after: Option<Option<Id>>,
}

/// An id, its draft and its live item, at least one of the two.
type Pair = (Id, Option<Draft>, Option<SourceItem>);

impl<'a> SideBySide<'a> {
    fn new(drafts: &'a Drafts, live: &'a LiveItems<'a>, kind: Kind, after: Option<Id>) -> Self {
        Self {
            drafts,
            live,
            kind,
            draft_page: VecDeque::new(),
            live_page: VecDeque::new(),
            drafts_after: Some(after.clone()),
            live_after: Some(after),
        }
    }

    async fn next(&mut self) -> Result<Option<Pair>, StoreError> {
        self.refill().await?;
        let order = match (self.draft_page.front(), self.live_page.front()) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(draft), Some(live)) => draft.id.cmp(&live.id),
        };
        let mut pair = (None, None);
        if order.is_le() {
            pair.0 = self.draft_page.pop_front();
        }
        if order.is_ge() {
            pair.1 = self.live_page.pop_front();
        }
        let (draft, live) = pair;
        let of_draft = draft.as_ref().map(|draft| &draft.id);
        let id = of_draft.or(live.as_ref().map(|live| &live.id)).cloned();
        Ok(id.map(|id| (id, draft, live)))
    }

    /// Reads on where a page is used up.
    async fn refill(&mut self) -> Result<(), StoreError> {
        if self.draft_page.is_empty()
            && let Some(after) = self.drafts_after.take()
        {
            let cursor = after.map(|id| self.drafts.cursor(self.kind, &id));
            let page = self
                .drafts
                .list(self.kind, cursor.as_deref(), READ_AHEAD)
                .await?;
            let last = page.items.last().map(|draft| draft.id.clone());
            self.drafts_after = page.next_cursor.and(last).map(Some);
            self.draft_page = page.items.into();
        }
        if self.live_page.is_empty()
            && let Some(after) = self.live_after.take()
        {
            let page = self.live.after(after.as_ref()).await?;
            self.live_after = page.last().map(|item| Some(item.id.clone()));
            self.live_page = page.into();
        }
        Ok(())
    }
}

impl ContentItem {
    fn size_bytes(&self) -> usize {
        let sizes = [&self.draft, &self.live].map(|item| {
            let text = item.as_ref().map(|item| item.get());
            text.map_or(0, str::len)
        });
        sizes.iter().sum()
    }

    fn new(id: Id, draft: Option<Draft>, live: Option<SourceItem>) -> Result<Self, Problem> {
        let (body, written) = match draft {
            Some(draft) => {
                let body =
                    RawValue::from_string(draft.body).map_err(|error| Problem::internal(&error))?;
                let written = (draft.etag, draft.updated_at, draft.author);
                (Some(body), Some(written))
            }
            None => (None, None),
        };
        let live = live.map(|live| live.json);
        let state = match (&body, &live) {
            (None, _) => State::Removed,
            (Some(_), None) => State::Draft,
            (Some(body), Some(live)) if body.get() == live.get() => State::Live,
            (Some(_), Some(_)) => State::Changed,
        };
        Ok(Self {
            id,
            state,
            draft: body,
            live,
            etag: written.as_ref().map(|(etag, ..)| format!("\"{etag}\"")),
            updated_at: written.as_ref().map(|(_, updated_at, _)| *updated_at),
            updated_by: written.map(|(.., author)| author),
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
    let live = content.live.items(kind).await?.get(&id).await?;
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
    let live = live.get(&call.path.id).await?;
    let body = check_draft(kind, &call.path.id, &call.body.0, &content.link_schemes)?.to_string();
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
    let item = ContentItem::new(id.clone(), Some(draft), live)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_after_many_small_items_or_some_large_ones() {
        let read_until_enough = |size_bytes: usize| {
            let mut read = ReadSoFar::default();
            while !read.is_enough() {
                read.note(size_bytes);
            }
            read.items
        };
        assert_eq!(read_until_enough(1_300), 5_000);
        assert_eq!(read_until_enough(256 * 1024), 64);
    }
}
