//! A version's source: its items, frozen.
//!
//! The bytes are a sequence of gzip members, the chunks, each with some items as JSON lines
//! (`{"id":…,"item":…}`) in the order of their ids. 100,000 campaigns of 1.3 KB are 130 MB of JSON and
//! about a tenth of that here. The [`Version`](super::Version) has an index of the chunks, so that one
//! item is read without the others. Sources of earlier releases are JSON lines without compression and
//! without an index.

use std::io::{BufRead, BufReader, Read as _, Write as _};

use domain::{
    Id,
    content::{ItemSet, UnreadableItems},
};
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{StoreError, blobs::sha256, published::versions::SOURCE_LIMIT};

/// A chunk ends with the item that makes it larger than this, in bytes of JSON.
const CHUNK_BYTES: usize = 512 * 1024;

/// The most bytes that a chunk may have in JSON: what one more draft can add.
const CHUNK_LIMIT: u64 = (CHUNK_BYTES + 2 * crate::drafts::BODY_LIMIT) as u64;

/// Where one chunk of a source is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceChunk {
    /// The id of its first item.
    pub first: Id,
    /// Its number of items.
    pub items: usize,
    /// Its first byte in the source.
    pub offset: u64,
    /// Its number of bytes, compressed.
    pub size_bytes: usize,
    /// The checksum of its bytes, hexadecimal.
    pub sha256: String,
}

/// One item of a source: its canonical JSON text.
#[derive(Debug, Clone)]
pub struct SourceItem {
    /// Its id.
    pub id: Id,
    /// Its JSON text; equal items have equal texts.
    pub json: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
struct Line<I, V> {
    id: I,
    item: V,
}

/// The items of a kind as they are frozen: compressed, in the order of their ids.
#[derive(Debug, Clone, Default)]
pub struct FrozenItems {
    chunks: Vec<FrozenChunk>,
}

#[derive(Debug, Clone)]
struct FrozenChunk {
    first: Id,
    items: usize,
    gzip: Vec<u8>,
}

/// Freezes items one by one, as many as a source may have.
#[derive(Debug)]
pub struct Freezer {
    limit_bytes: usize,
    done: FrozenItems,
    done_bytes: usize,
    open: Option<OpenChunk>,
    json_bytes: usize,
}

#[derive(Debug)]
struct OpenChunk {
    first: Id,
    items: usize,
    json_bytes: usize,
    gzip: GzEncoder<Vec<u8>>,
}

impl Default for Freezer {
    fn default() -> Self {
        Self::up_to(SOURCE_LIMIT)
    }
}

impl Freezer {
    fn up_to(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            done: FrozenItems::default(),
            done_bytes: 0,
            open: None,
            json_bytes: 0,
        }
    }

    /// Adds the item that follows in the order of ids. Its text must be JSON without line breaks.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] as soon as the items so far are too many for a source, so that the
    /// memory for those that follow is not needed.
    pub fn add(&mut self, id: &Id, json: &str) -> Result<(), StoreError> {
        let unwritable = |error| StoreError::corrupt("the items to be frozen", error);
        let line = format!("{{\"id\":\"{id}\",\"item\":{json}}}\n");
        let chunk = self.open.get_or_insert_with(|| OpenChunk {
            first: id.clone(),
            items: 0,
            json_bytes: 0,
            gzip: GzEncoder::new(Vec::new(), Compression::fast()),
        });
        chunk.gzip.write_all(line.as_bytes()).map_err(unwritable)?;
        chunk.items += 1;
        chunk.json_bytes += line.len();
        self.json_bytes += line.len();
        if chunk.json_bytes > CHUNK_BYTES {
            self.close()?;
        }
        Ok(())
    }

    /// The bytes of JSON that were added.
    pub const fn json_bytes(&self) -> usize {
        self.json_bytes
    }

    /// Returns the frozen items.
    pub fn finish(mut self) -> Result<FrozenItems, StoreError> {
        self.close()?;
        Ok(self.done)
    }

    fn close(&mut self) -> Result<(), StoreError> {
        if let Some(chunk) = self.open.take() {
            let gzip = chunk.gzip.finish();
            let gzip =
                gzip.map_err(|error| StoreError::corrupt("the items to be frozen", error))?;
            self.done_bytes += gzip.len();
            if self.done_bytes > self.limit_bytes {
                return Err(StoreError::TooLarge {
                    what: "a source",
                    size_bytes: self.done_bytes,
                    limit_bytes: self.limit_bytes,
                });
            }
            self.done.chunks.push(FrozenChunk {
                first: chunk.first,
                items: chunk.items,
                gzip,
            });
        }
        Ok(())
    }
}

impl FrozenItems {
    /// The number of items.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.items).sum()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Returns the source as bytes. Equal items give equal bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let parts: Vec<&[u8]> = self.chunks.iter().map(|chunk| &*chunk.gzip).collect();
        parts.concat()
    }

    /// Returns the index of the source's chunks.
    pub(super) fn index(&self) -> Vec<SourceChunk> {
        let mut offset = 0;
        let entry = |chunk: &FrozenChunk| {
            let at = offset;
            offset += chunk.gzip.len() as u64;
            SourceChunk {
                first: chunk.first.clone(),
                items: chunk.items,
                offset: at,
                size_bytes: chunk.gzip.len(),
                sha256: sha256(&chunk.gzip),
            }
        };
        self.chunks.iter().map(entry).collect()
    }

    /// Returns the items that [`to_bytes`](Self::to_bytes) wrote, given their index.
    pub(super) fn from_bytes(bytes: &[u8], index: &[SourceChunk]) -> Option<Self> {
        let chunk = |entry: &SourceChunk| {
            let from = usize::try_from(entry.offset).ok()?;
            let gzip = bytes.get(from..from.checked_add(entry.size_bytes)?)?;
            Some(FrozenChunk {
                first: entry.first.clone(),
                items: entry.items,
                gzip: gzip.to_vec(),
            })
        };
        let chunks = index.iter().map(chunk).collect::<Option<_>>()?;
        Some(Self { chunks })
    }

    /// Reads a source of an earlier release: JSON lines, not compressed.
    pub(super) fn from_lines(bytes: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |error| StoreError::corrupt("a source", error);
        let mut freezer = Freezer::default();
        let lines = serde_json::Deserializer::from_slice(bytes).into_iter::<Line<Id, Value>>();
        for line in lines {
            let Line { id, item } = line.map_err(corrupt)?;
            freezer.add(&id, &item.to_string())?;
        }
        freezer.finish()
    }

    /// Returns all items, in the order of their ids, decompressed one chunk at a time.
    pub fn items(&self) -> impl Iterator<Item = Result<SourceItem, UnreadableItems>> + '_ {
        self.chunks.iter().flat_map(|chunk| lines(&chunk.gzip))
    }

    /// The number of chunks.
    pub fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// Returns the number of chunks whose first id is not greater than `id`.
    pub fn chunks_up_to(&self, id: &Id) -> usize {
        self.chunks.partition_point(|chunk| chunk.first <= *id)
    }

    /// Returns the items of one chunk; none where there is no such chunk.
    pub fn chunk_items(&self, at: usize) -> Result<Vec<SourceItem>, StoreError> {
        let gzip = self.chunks.get(at).map_or(&[][..], |chunk| &chunk.gzip);
        if gzip.is_empty() {
            return Ok(Vec::new());
        }
        lines(gzip)
            .collect::<Result<_, _>>()
            .map_err(|error| StoreError::unreadable("a source", &error))
    }

    /// Returns the id and the JSON text of each item, in the order of their ids.
    pub(super) fn texts(&self) -> impl Iterator<Item = Result<(Id, Box<str>), UnreadableItems>> {
        let text = |item: SourceItem| (item.id, item.json.get().into());
        self.items().map(move |item| item.map(text))
    }
}

impl ItemSet for FrozenItems {
    fn for_each(&self, each: &mut dyn FnMut(&Id, &Value)) -> Result<(), UnreadableItems> {
        for item in self.items() {
            let item = item?;
            let value = serde_json::from_str(item.json.get()).map_err(unreadable)?;
            each(&item.id, &value);
        }
        Ok(())
    }
}

/// Reads the items of one chunk.
pub(super) fn lines(gzip: &[u8]) -> impl Iterator<Item = Result<SourceItem, UnreadableItems>> + '_ {
    let text = BufReader::new(GzDecoder::new(gzip).take(CHUNK_LIMIT));
    text.lines().map(|line| {
        let line = line.map_err(unreadable)?;
        let Line { id, item } = serde_json::from_str(&line).map_err(unreadable)?;
        Ok(SourceItem { id, json: item })
    })
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> UnreadableItems {
    UnreadableItems(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hexadecimal digits that compress to about half.
    fn noise(seed: u64) -> String {
        let mut state = seed;
        let digits = (0..1_000).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            format!("{:08x}", state >> 32)
        });
        digits.collect()
    }

    #[test]
    fn a_source_that_grows_too_large_is_refused_before_all_of_it_is_read() {
        let mut freezer = Freezer::up_to(600_000);
        let refused = (0..10_000).find_map(|nth| {
            let id: Id = format!("item-{nth:05}").parse().unwrap();
            let json = format!("\"{}\"", noise(nth));
            freezer.add(&id, &json).err().map(|error| (nth, error))
        });
        let (items, error) = refused.unwrap();
        assert!(items < 400, "{items} items of 8 kB");
        let StoreError::TooLarge { limit_bytes, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(limit_bytes, 600_000);

        let mut freezer = Freezer::up_to(600_000);
        for nth in 0..60 {
            let id: Id = format!("item-{nth:05}").parse().unwrap();
            freezer.add(&id, &format!("\"{}\"", noise(nth))).unwrap();
        }
        assert_eq!(freezer.finish().unwrap().len(), 60);
    }
}
