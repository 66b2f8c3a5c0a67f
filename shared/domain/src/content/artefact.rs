//! The compiled form of a version's items: what lies in the blob store and what readers load.
//!
//! Format 1 is JSON: `{"items":[{"id":…,"item":{…}},…]}` in the order of the ids. Campaigns, of which
//! there are many, have a second one ([`campaigns::artefact`](super::campaigns)). A reader accepts the
//! current format of a kind and the one before: so a publish and a deployment need not happen at
//! once.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Kind;
use crate::Id;

/// The format of items as JSON.
const JSON: u16 = 1;
/// The campaigns' own format.
pub(crate) const COMPACT: u16 = 2;

/// The number of the format that [`compile`](super::compile) writes for a kind.
pub const fn format(kind: Kind) -> u16 {
    match kind {
        Kind::AppVersions
        | Kind::Maintenance
        | Kind::Testers
        | Kind::Banners
        | Kind::Notices
        | Kind::Config
        | Kind::NicknameRules
        | Kind::EventTypes => JSON,
        Kind::Campaigns => COMPACT,
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
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl LoadError {
    pub(crate) fn damaged(
        kind: Kind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let source = source.into();
        Self::Damaged { kind, source }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Artefact<T> {
    items: Vec<Entry<T>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry<T> {
    pub(crate) id: Id,
    pub(crate) item: T,
}

pub(super) fn write<T: Serialize>(mut items: Vec<Entry<T>>) -> Result<Vec<u8>, serde_json::Error> {
    items.sort_by(|a, b| a.id.cmp(&b.id));
    serde_json::to_vec(&Artefact { items })
}

/// Reads the items of an artefact of format 1, with their ids.
pub(crate) fn load<T: DeserializeOwned>(
    kind: Kind,
    found: u16,
    bytes: &[u8],
) -> Result<impl Iterator<Item = (Id, T)>, LoadError> {
    if found != JSON {
        return Err(LoadError::UnknownFormat { kind, found });
    }
    let artefact: Artefact<T> =
        serde_json::from_slice(bytes).map_err(|source| LoadError::damaged(kind, source))?;
    let entries = artefact.items.into_iter();
    Ok(entries.map(|entry| (entry.id, entry.item)))
}
