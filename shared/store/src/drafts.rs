//! Drafts: what operators are writing and nobody is served yet. One item each, one conditional
//! write per change.
//!
//! Actions on the Content table: GetItem, Query, PutItem, DeleteItem.

use domain::{Id, Instant, content::Kind};
use serde::{Deserialize, Serialize};

use crate::{
    Page, Stamp, StoreError, Table, keys, page,
    published::Freezer,
    query::{Range, Read},
    table::{ABSENT, Put, string},
};

/// The most bytes that a draft's body may have.
pub const BODY_LIMIT: usize = 256 * 1024;

/// The drafts that are in memory at once while all are frozen: at most 50 MB.
const PAGE: usize = 200;

/// A draft as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Its id, which its author chose.
    pub id: Id,
    /// The item as JSON text.
    pub body: String,
    /// Who wrote it last.
    pub author: String,
    /// When it was written last.
    pub updated_at: Instant,
    /// Its entity tag: another one with every write.
    #[serde(rename = "stamp")]
    pub etag: Stamp,
}

/// A change of a draft.
#[derive(Debug, Clone, Copy)]
pub struct Edit<'a> {
    /// The whole item as JSON text, at most [`BODY_LIMIT`] bytes.
    pub body: &'a str,
    /// Who writes it.
    pub author: &'a str,
    /// A fresh stamp: the entity tag that the draft is to have.
    pub etag: Stamp,
    /// When it is written.
    pub at: Instant,
}

/// The drafts of every kind.
#[derive(Debug, Clone)]
pub struct Drafts {
    table: Table,
}

impl Drafts {
    /// Drafts live in the Content table.
    pub fn new(content: Table) -> Self {
        Self { table: content }
    }

    /// One draft.
    pub async fn get(&self, kind: Kind, id: &Id) -> Result<Option<Draft>, StoreError> {
        self.table
            .get(&keys::draft(kind, id), Read::Consistent)
            .await
    }

    /// Writes a draft that must not be there yet; otherwise [`StoreError::Conflict`].
    pub async fn create(&self, kind: Kind, id: &Id, edit: Edit<'_>) -> Result<(), StoreError> {
        self.write(kind, id, edit, ABSENT, None).await
    }

    /// Replaces the draft whose entity tag is `if_match`; [`StoreError::Conflict`] when it has
    /// another one by now, or is gone.
    pub async fn update(
        &self,
        kind: Kind,
        id: &Id,
        if_match: Stamp,
        edit: Edit<'_>,
    ) -> Result<(), StoreError> {
        self.write(kind, id, edit, "stamp = :match", Some(if_match))
            .await
    }

    /// Writes a draft whatever was there before; says whether something was.
    pub async fn overwrite(&self, kind: Kind, id: &Id, edit: Edit<'_>) -> Result<bool, StoreError> {
        let item = self
            .table
            .encode(&keys::draft(kind, id), &draft(id, edit)?)?;
        Ok(self.table.put(item).await?.is_some())
    }

    /// Removes the draft whose entity tag is `if_match`; [`StoreError::Conflict`] when it has
    /// another one. `false`: there is none, perhaps because this very call was answered twice.
    pub async fn delete(&self, kind: Kind, id: &Id, if_match: Stamp) -> Result<bool, StoreError> {
        let condition = format!("{ABSENT} OR stamp = :match");
        let key = keys::draft(kind, id);
        let values = [(":match", string(if_match))];
        Ok(self
            .table
            .delete_if(&key, &condition, values)
            .await?
            .is_some())
    }

    /// One page of a kind's drafts, by id. [`StoreError::BadCursor`] for a cursor of another list.
    pub async fn list(
        &self,
        kind: Kind,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Draft>, StoreError> {
        let list = keys::drafts(kind);
        let after = cursor
            .map(|cursor| page::key_of(&list, cursor))
            .transpose()?;
        let range = Range {
            after,
            ..Range::all(list.clone(), Read::Consistent)
        };
        let (items, more) = self.table.query(&range, limit).await?;
        let items: Vec<Draft> = items
            .into_iter()
            .map(|item| self.table.decode(item))
            .collect::<Result<_, _>>()?;
        let last = items.last().filter(|_| more);
        Ok(Page {
            next_cursor: last.map(|draft| page::cursor(&list, draft.id.as_str())),
            items,
        })
    }

    /// The cursor that goes on after `id` in the list of a kind's drafts, whether there is a draft of
    /// that id or not.
    pub fn cursor(&self, kind: Kind, id: &Id) -> String {
        page::cursor(&keys::drafts(kind), id.as_str())
    }

    /// The id that a cursor of the list goes on after. [`StoreError::BadCursor`] for one of another
    /// list.
    pub fn after(&self, kind: Kind, cursor: &str) -> Result<Id, StoreError> {
        let id = page::key_of(&keys::drafts(kind), cursor)?;
        id.parse().map_err(|_| StoreError::BadCursor)
    }

    /// Freezes the drafts of a kind as they are now, page by page, in the order of their ids. Returns
    /// `false` without the rest once there are more than `limit_bytes` of JSON.
    pub async fn freeze(
        &self,
        kind: Kind,
        freezer: &mut Freezer,
        limit_bytes: usize,
    ) -> Result<bool, StoreError> {
        let mut cursor = None;
        loop {
            let page = self.list(kind, cursor.as_deref(), PAGE).await?;
            for draft in page.items {
                freezer.add(&draft.id, &draft.body)?;
            }
            if freezer.json_bytes() > limit_bytes {
                return Ok(false);
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(true);
            }
        }
    }

    async fn write(
        &self,
        kind: Kind,
        id: &Id,
        edit: Edit<'_>,
        condition: &str,
        if_match: Option<Stamp>,
    ) -> Result<(), StoreError> {
        let item = self
            .table
            .encode(&keys::draft(kind, id), &draft(id, edit)?)?;
        let values = if_match.map(|stamp| (":match", string(stamp)));
        match self
            .table
            .put_once(item, edit.etag, condition, values)
            .await?
        {
            Put::Done => Ok(()),
            Put::Exists(_) => Err(self.table.conflict("PutItem")),
        }
    }
}

fn draft(id: &Id, edit: Edit<'_>) -> Result<Draft, StoreError> {
    if edit.body.len() > BODY_LIMIT {
        return Err(StoreError::TooLarge {
            what: "a draft",
            size_bytes: edit.body.len(),
            limit_bytes: BODY_LIMIT,
        });
    }
    Ok(Draft {
        id: id.clone(),
        body: edit.body.to_owned(),
        author: edit.author.to_owned(),
        updated_at: edit.at,
        etag: edit.etag,
    })
}
