//! The compiled form of a version's items: what lies in the blob store and what readers load.
//!
//! Format 1, the only one so far, is JSON: `{"items":[{"id":…,"item":{…}},…]}` in the order of the
//! ids. A reader accepts the current format of a kind and, once there is a second, the one before:
//! so a publish and a deployment need not happen at once.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Kind;
use crate::Id;

/// The number of the format that [`compile`](super::compile) writes for a kind.
pub const fn format(kind: Kind) -> u16 {
    match kind {
        Kind::AppVersions | Kind::Maintenance | Kind::Testers | Kind::Campaigns => 1,
    }
}

/// Why an artefact cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It has a format that this reader does not know.
    #[error("format {found} of {kind} is not known here")]
    UnknownFormat {
        /// What it is an artefact of.
        kind: Kind,
        /// The format's number.
        found: u16,
    },
    /// One of its items breaks a rule that was checked before it was written.
    #[error("the item {item} of an artefact of {kind} breaks a rule")]
    Broken {
        /// What it is an artefact of.
        kind: Kind,
        /// The item.
        item: Id,
    },
    /// Its bytes are not what its format says.
    #[error("damaged artefact of {kind}")]
    Damaged {
        /// What it is an artefact of.
        kind: Kind,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Artefact<T> {
    items: Vec<Entry<T>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry<T> {
    pub(super) id: Id,
    pub(super) item: T,
}

pub(super) fn write<T: Serialize>(mut items: Vec<Entry<T>>) -> Result<Vec<u8>, serde_json::Error> {
    items.sort_by(|a, b| a.id.cmp(&b.id));
    serde_json::to_vec(&Artefact { items })
}

/// Reads an artefact's items with their ids.
pub(crate) fn load<T: DeserializeOwned>(
    kind: Kind,
    found: u16,
    bytes: &[u8],
) -> Result<impl Iterator<Item = (Id, T)>, LoadError> {
    if found != format(kind) {
        return Err(LoadError::UnknownFormat { kind, found });
    }
    let artefact: Artefact<T> =
        serde_json::from_slice(bytes).map_err(|source| LoadError::Damaged { kind, source })?;
    Ok(artefact
        .items
        .into_iter()
        .map(|entry| (entry.id, entry.item)))
}
