//! Publications: requests to publish, and what came of them.
//!
//! Actions on the Content table: GetItem, Query, TransactWriteItems (as PutItem).

use std::time::Duration;

use domain::{
    Instant, RandomId,
    content::{Kind, SetFault},
};
use serde::{Deserialize, Serialize};

use crate::{
    StoreError, Table, keys,
    published::Versions,
    query::{Range, Read},
    table::ABSENT,
    transaction::Transaction,
};

/// How long the result of a validation is stored. It is of drafts that have changed by then.
const VALIDATION_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// A request to publish, or to see whether it would be possible.
#[derive(Debug, Clone)]
pub struct Request {
    /// A new id.
    pub id: RandomId,
    /// Which kind.
    pub kind: Kind,
    /// Whether the source is published or only validated.
    pub goal: Goal,
    /// What is to be published.
    pub origin: Origin,
    /// Why, in the author's words.
    pub note: String,
    /// Who asks.
    pub author: String,
    /// When.
    pub at: Instant,
}

/// What a publication publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The drafts as they are when it is run.
    Drafts,
    /// The frozen source of a version.
    Version(u64),
}

/// What is done with the source of a publication.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// It becomes the next version.
    #[default]
    Publish,
    /// It is compiled, and the artefact is thrown away.
    Validate,
}

/// How far a publication is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Stored, and perhaps being worked on.
    Running,
    /// Done: it is [`Publication::version`].
    Live,
    /// Done: a validation without faults.
    Valid,
    /// Refused for its [`Publication::faults`].
    Failed,
}

/// A publication as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Publication {
    /// Its id.
    pub id: RandomId,
    /// Which kind it publishes.
    pub kind: Kind,
    /// What is done with its source; absent in items of earlier releases.
    #[serde(default)]
    pub goal: Goal,
    /// What it publishes.
    pub origin: Origin,
    /// Why, in the author's words.
    pub note: String,
    /// Who asked.
    pub author: String,
    /// When.
    pub requested_at: Instant,
    /// How far it is. (`state` is a reserved word of DynamoDB's expressions.)
    #[serde(rename = "phase")]
    pub state: State,
    /// The version that it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Why it failed; the first hundred reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<PublicationFault>,
    /// When it was live, or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Instant>,
}

/// One reason why a publication failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicationFault {
    /// The id of the item at fault, if it is one item's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Where in the item (a JSON pointer).
    pub pointer: String,
    /// The kind of fault.
    pub code: String,
    /// The fault in words.
    pub message: String,
}

impl From<SetFault> for PublicationFault {
    fn from(fault: SetFault) -> Self {
        Self {
            item: Some(fault.item.as_str().to_owned()),
            pointer: fault.pointer,
            code: fault.code.as_str().to_owned(),
            message: fault.message,
        }
    }
}

/// A publication that is still to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: RandomId,
}

/// The publications of every kind.
#[derive(Debug, Clone)]
pub struct Publications {
    content: Table,
}

impl Publications {
    /// Publications live in the Content table.
    pub fn new(content: Table) -> Self {
        Self { content }
    }

    /// Stores a request as a fact: from here on it will be run. `false`: it asks for a version
    /// that does not exist, and is not stored.
    pub async fn request(&self, request: Request) -> Result<bool, StoreError> {
        let Request { id, kind, .. } = request;
        if let Origin::Version(number) = request.origin {
            // Versions neither change nor go, so looking first is no race.
            let versions = Versions::new(self.content.clone());
            if versions.get(kind, number).await?.is_none() {
                return Ok(false);
            }
        }
        let publication = Publication {
            id,
            kind,
            goal: request.goal,
            origin: request.origin,
            note: request.note,
            author: request.author,
            requested_at: request.at,
            state: State::Running,
            version: None,
            faults: Vec::new(),
            finished_at: None,
        };
        let key = keys::publication(kind, id);
        let publication = match request.goal {
            Goal::Publish => self.content.encode(&key, &publication)?,
            Goal::Validate => {
                let expires_at = request.at + VALIDATION_RETENTION;
                self.content.encode_until(&key, &publication, expires_at)?
            }
        };
        let pending = self
            .content
            .encode(&keys::pending(kind, id), &Pending { kind, id })?;
        Transaction::new(&self.content)
            .put_if(publication, ABSENT, [])?
            .put(pending)?
            .commit()
            .await?;
        Ok(true)
    }

    /// One publication.
    pub async fn get(&self, kind: Kind, id: RandomId) -> Result<Option<Publication>, StoreError> {
        let key = keys::publication(kind, id);
        self.content.get(&key, Read::Consistent).await
    }

    /// All that are still to be run, the oldest first. One that cannot be understood, such as one
    /// of a kind that a later release brought, is logged and left for who can.
    pub async fn pending(&self) -> Result<Vec<Pending>, StoreError> {
        let range = Range::all(keys::PENDING, Read::Consistent);
        let (items, _) = self.content.query(&range, usize::MAX).await?;
        let understood = |item| {
            self.content
                .decode(item)
                .inspect_err(|error| tracing::error!(%error, "a pending publication is left"))
                .ok()
        };
        Ok(items.into_iter().filter_map(understood).collect())
    }
}
