//! The log: entries that are only ever added, a partition for each minute, each of them expiring with
//! the longest access token that it can be about.

use std::time::Duration;

use domain::{
    Instant, Localized,
    identity::{MemberId, SessionId, SessionsEnded},
};
use serde::{Deserialize, Serialize};

use super::{Change, LONGEST_TOKEN};
use crate::{
    StoreError, Table,
    blobs::sha256,
    keys,
    query::{Range, Read},
    table::{Item, sort_key},
};

/// An access token may be issued this much later than its session or member was revoked, by a
/// function that read them before.
const LATE: Duration = Duration::from_secs(60);

/// How long an entry is of use.
pub(super) const LIFETIME: Duration = LONGEST_TOKEN.saturating_add(LATE);

/// Of a message that is longer, all its languages together, an entry has the default alone: every
/// verifier holds every entry.
const MESSAGE_BYTES: usize = 4 * 1024;

/// An entry as verifiers hold it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// When it was made.
    pub(super) made_at: Instant,
    /// Of entries about the ban of one member, the greatest is the last.
    pub(super) order: u64,
    pub(super) about: About,
}

/// What an entry is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum About {
    /// Of an earlier version's list only.
    Session {
        session: SessionId,
    },
    Sessions {
        member: MemberId,
        ended: SessionsEnded,
    },
    Ban {
        member: MemberId,
        message: Localized,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ends_at: Option<Instant>,
    },
    Lift {
        member: MemberId,
    },
}

/// An entry as it lies in the table.
#[derive(Serialize, Deserialize)]
struct EntryItem {
    made_at: Instant,
    order: u64,
    /// As JSON text.
    about: String,
}

impl Entry {
    /// Whether every token that it could be about has expired.
    pub(super) fn has_lapsed(&self, now: Instant) -> bool {
        now >= self.made_at + LIFETIME
    }
}

impl About {
    fn of(change: &Change) -> Result<Self, serde_json::Error> {
        Ok(match change {
            Change::EndAll(member, ended) => Self::Sessions {
                member: *member,
                ended: *ended,
            },
            Change::Ban {
                member,
                message,
                ends_at,
            } => Self::Ban {
                member: *member,
                message: short(message)?,
                ends_at: *ends_at,
            },
            Change::Lift(member) => Self::Lift { member: *member },
        })
    }
}

/// Returns the item of an entry that is made at `now`. The same entry has the same key, so that a
/// write whose response was lost can be repeated.
pub(crate) fn entry(
    table: &Table,
    change: &Change,
    order: u64,
    now: Instant,
) -> Result<Item, StoreError> {
    let about = About::of(change).and_then(|about| serde_json::to_string(&about));
    let about = about.map_err(|e| StoreError::corrupt(table.name(), e))?;
    let mut hash = sha256(format!("{order}#{about}").as_bytes());
    hash.truncate(16);
    let key = keys::revocation(minute_of(now), now, &hash);
    let item = EntryItem {
        made_at: now,
        order,
        about,
    };
    table.encode_until(&key, &item, now + LIFETIME)
}

/// Reads the entries that were made in a minute at `from` or later, by their sort keys.
pub(super) async fn entries(
    table: &Table,
    minute: i64,
    from: Instant,
) -> Result<Vec<(String, Entry)>, StoreError> {
    let range = Range {
        between: Some((from.to_string(), "~".to_owned())),
        ..Range::all(keys::revocations(minute), Read::Eventual)
    };
    let (items, _) = table.query(&range, usize::MAX).await?;
    items
        .into_iter()
        .map(|item| {
            let key = sort_key(&item).map(str::to_owned);
            let key =
                key.ok_or_else(|| StoreError::corrupt(table.name(), "an entry without a key"))?;
            let EntryItem {
                made_at,
                order,
                about,
            } = table.decode(item)?;
            let about = serde_json::from_str(&about);
            let about = about.map_err(|e| StoreError::corrupt(table.name(), e))?;
            let entry = Entry {
                made_at,
                order,
                about,
            };
            Ok((key, entry))
        })
        .collect()
}

/// The minute of an instant, counted from the epoch.
pub(super) fn minute_of(instant: Instant) -> i64 {
    instant.as_seconds().div_euclid(60)
}

/// The message, or its default alone where all its languages together are too long.
fn short(message: &Localized) -> Result<Localized, serde_json::Error> {
    let bytes = serde_json::to_vec(message)?.len();
    Ok(match bytes <= MESSAGE_BYTES {
        true => message.clone(),
        false => message.default_only(),
    })
}
