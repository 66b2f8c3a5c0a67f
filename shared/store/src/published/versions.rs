//! Versions: what was ever published, and which of it is live.
//!
//! Actions on the Content table: GetItem, Query; on the bucket: s3:GetObject.

use domain::{
    Instant, RandomId,
    content::{Changes, Kind},
};
use kit::problem::Chain;
use serde::{Deserialize, Serialize};

use crate::{
    Blobs, Page, StoreError, Table,
    blobs::{BlobKey, sha256},
    keys, page,
    published::{
        FrozenItems, SourceChunk, SourceItem,
        source::{self},
    },
    query::{Range, Read},
};

pub use domain::content::ARTEFACT_LIMIT;

/// The most bytes that a source may have: compressed, about a fifth of what is compiled from it.
pub(crate) const SOURCE_LIMIT: usize = ARTEFACT_LIMIT;

/// A compiled version in one format, as the head and the history name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artefact {
    /// Whose it is.
    pub version: u64,
    /// Which format it has.
    pub format: u16,
    /// The checksum of its bytes, hexadecimal.
    pub sha256: String,
    /// How many bytes it has.
    pub size_bytes: usize,
}

impl Artefact {
    /// Whether readers could load it now, without loading it. [`StoreError::Corrupt`] where it is
    /// missing or is not as large as it was.
    pub async fn probe(&self, kind: Kind, blobs: &Blobs) -> Result<(), StoreError> {
        let key = BlobKey::artefact(kind, self.version, self.format, &self.sha256);
        match blobs.size(&key).await? {
            Some(found) if usize::try_from(found) == Ok(self.size_bytes) => Ok(()),
            Some(_) => Err(StoreError::corrupt(&key.to_string(), "another size")),
            None => Err(StoreError::corrupt(&key.to_string(), "missing")),
        }
    }
}

/// Which version of a kind is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number: 1 was the first.
    pub version: u64,
    /// When it went live.
    pub published_at: Instant,
    /// What readers load.
    pub artefact: Artefact,
    /// What they load where that cannot be read, and nothing is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Artefact>,
}

/// A version of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its number.
    pub version: u64,
    /// Who published it.
    pub author: String,
    /// Why.
    pub note: String,
    /// When it went live.
    pub published_at: Instant,
    /// The publication that made it.
    pub publication: RandomId,
    /// The version that it restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_from: Option<u64>,
    /// How it differs from the one before it.
    pub changes: Changes,
    /// How many items it has.
    pub items: usize,
    /// The checksum of its source, hexadecimal.
    pub source_sha256: String,
    /// Where each part of its source is; `None` for a version of an earlier release, whose source is
    /// not compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_chunks: Option<Vec<SourceChunk>>,
    /// What was compiled from it.
    pub artefact: Artefact,
}

/// The history of every kind.
#[derive(Debug, Clone)]
pub struct Versions {
    content: Table,
}

impl Versions {
    /// Versions live in the Content table.
    pub fn new(content: Table) -> Self {
        Self { content }
    }

    /// What is live; `None` where nothing was ever published.
    pub async fn head(&self, kind: Kind) -> Result<Option<Head>, StoreError> {
        self.content.get(&keys::head(kind), Read::Consistent).await
    }

    /// One version.
    pub async fn get(&self, kind: Kind, number: u64) -> Result<Option<Version>, StoreError> {
        let key = keys::version(kind, number);
        self.content.get(&key, Read::Consistent).await
    }

    /// One page of the history, the newest first. [`StoreError::BadCursor`] for a cursor of
    /// another list.
    pub async fn list(
        &self,
        kind: Kind,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Version>, StoreError> {
        let list = keys::versions(kind);
        let after = cursor
            .map(|cursor| page::key_of(&list, cursor))
            .transpose()?;
        let range = Range {
            after,
            newest_first: true,
            ..Range::all(list.clone(), Read::Consistent)
        };
        let (items, more) = self.content.query(&range, limit).await?;
        let items: Vec<Version> = items
            .into_iter()
            .map(|item| self.content.decode(item))
            .collect::<Result<_, _>>()?;
        let last = items.last().filter(|_| more);
        Ok(Page {
            next_cursor: last
                .map(|last| page::cursor(&list, &keys::version(kind, last.version).sk)),
            items,
        })
    }

    /// Returns a version's items; `None` where there is no such version.
    /// [`StoreError::Corrupt`] when its source is not what was frozen.
    pub async fn source(
        &self,
        blobs: &Blobs,
        kind: Kind,
        number: u64,
    ) -> Result<Option<FrozenItems>, StoreError> {
        match self.get(kind, number).await? {
            Some(version) => version.frozen(blobs, kind).await.map(Some),
            None => Ok(None),
        }
    }
}

impl Version {
    /// Returns its items. [`StoreError::Corrupt`] when its source is not what was frozen.
    pub async fn frozen(&self, blobs: &Blobs, kind: Kind) -> Result<FrozenItems, StoreError> {
        let key = self.source_key(kind);
        let bytes = blobs
            .get(&key, SOURCE_LIMIT)
            .await?
            .ok_or_else(|| StoreError::corrupt(&key.to_string(), "missing"))?;
        if sha256(&bytes) != self.source_sha256 {
            return Err(StoreError::corrupt(&key.to_string(), "another checksum"));
        }
        match &self.source_chunks {
            Some(index) => FrozenItems::from_bytes(&bytes, index)
                .ok_or_else(|| StoreError::corrupt(&key.to_string(), "shorter than its index")),
            None => FrozenItems::from_lines(&bytes),
        }
    }

    /// Returns the items of one chunk of its source, without reading the others.
    pub async fn chunk_items(
        &self,
        blobs: &Blobs,
        kind: Kind,
        chunk: &SourceChunk,
    ) -> Result<Vec<SourceItem>, StoreError> {
        let key = self.source_key(kind);
        let corrupt = |what: &str| StoreError::corrupt(&key.to_string(), what);
        let bytes = blobs
            .get_range(&key, chunk.offset, chunk.size_bytes)
            .await?
            .ok_or_else(|| corrupt("missing"))?;
        if sha256(&bytes) != chunk.sha256 {
            return Err(corrupt("another checksum"));
        }
        source::lines(&bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| corrupt(&Chain(&error).to_string()))
    }

    fn source_key(&self, kind: Kind) -> BlobKey {
        BlobKey::source(kind, self.version, &self.source_sha256)
    }
}
