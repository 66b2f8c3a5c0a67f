//! Published content: from drafts to what every reader serves, by way of immutable versions.
//!
//! ```text
//! drafts ──request──▶ publication (running) + pending entry
//!                          │  Publisher::run, at once or by a schedule, as often as it takes
//!                          ▼
//!        source blob, artefact blob ──one transaction──▶ version N, head at N, publication live
//!                                                            │
//!                                             Reader: N in memory, checked, stale on failure
//! ```
//!
//! - A publication is a fact before anybody works on it, so nothing that was asked for is lost.
//! - Blobs are named by their checksums and written first; the transaction alone makes a version.
//!   A worker that dies in between leaves blobs that nobody refers to, and the next run begins
//!   again. Two workers at once make one version: the head's number is a condition.
//! - `restore` is a publication whose source is an older version's frozen source. It makes a new
//!   version and leaves the drafts as they are.
//! - The head names the artefact before its own too, so that a reader that starts while the newest
//!   cannot be read has something to serve.

mod compiler;
mod faults;
mod publications;
mod publisher;
mod reader;
mod shelf;
mod source;
mod versions;

pub use self::{
    compiler::{Compile, Compiler},
    publications::{
        Goal, Origin, Pending, Publication, PublicationFault, Publications, Request, State,
    },
    publisher::Publisher,
    reader::{Freshness, Reader, SnapshotUnavailable},
    shelf::{Loader, Snapshot},
    source::{Freezer, FrozenItems, SourceChunk, SourceItem},
    versions::{ARTEFACT_LIMIT, Artefact, Head, Version, Versions},
};
