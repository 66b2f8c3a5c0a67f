//! Events that apps tell of: what is taken of them, and what each is counted under.
//!
//! An event is counted and not kept. Its id, which the app gave it, makes it count once; what is told
//! of a published banner or notice counts for that item, everything else for its type alone. What an
//! app says beside that is held to its bounds and forgotten.

use std::{fmt, str::FromStr, time::Duration};

use garde::Validate;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{BadText, Day, Id, Instant, validation::UniqueMap};

/// How long after it happened an event is taken.
pub const OLDEST: Duration = Duration::from_secs(30 * DAY_S);

/// How far ahead of ours a device's clock may be.
pub const FURTHEST_AHEAD: Duration = Duration::from_secs(DAY_S);

/// How long an event's id is remembered after it happened or was told, whichever is later: for longer
/// than the event itself is taken.
pub const REMEMBERED: Duration = Duration::from_secs(31 * DAY_S);

const DAY_S: u64 = 24 * 3600;

/// How large an event's attributes may be, as compact JSON, and how deep, the object itself counted.
const LARGEST_ATTRIBUTES: usize = 4 * 1024;
const DEEPEST_ATTRIBUTES: usize = 4;

/// How many characters a target may have.
const LONGEST_TARGET: usize = 130;

/// One event as an app tells it. What has the wrong JSON type, is not there or is not known is a fault
/// of the program that wrote it, and so of the whole body; a value that is not legal refuses its own
/// event alone.
#[derive(Debug, Clone, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ClientEvent {
    /// The app's own id of the event, 1 to 64 of A-Z, a-z, 0-9, `_`, `.`, `:` and `-`. Told again with
    /// the same `X-Device-Id`, it counts once; without that header the id must be unique by itself.
    #[garde(skip)]
    pub id: String,
    /// What happened: 1 to 64 of a-z, 0-9, `_`, `.` and `-`, the first a letter. `impression`, `click`
    /// and `dismissal` count for a published item that `target` names; others count by their type, the
    /// first 200 of a day by their own names and any further ones as `other`.
    #[garde(skip)]
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it happened to: `banners/<id>`, `notices/<id>`, or any other text of 1 to 130 characters,
    /// none of them a control character.
    #[garde(skip)]
    pub target: Option<String>,
    /// When it happened: no more than 30 days ago, and no more than a day ahead.
    #[garde(skip)]
    pub at: Instant,
    /// The app's own notes, up to 4 KiB and four levels deep. They are not kept.
    #[garde(skip)]
    pub attributes: Option<UniqueMap<Value>>,
}

text_type! {
    /// The id that an app gives an event.
    pub struct EventId {
        expected: "1 to 64 of A-Z, a-z, 0-9, `_`, `.`, `:` and `-`",
        length: 1..=64,
        pattern: "^[A-Za-z0-9_.:-]*$",
        accept: |text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b)),
    }
}

text_type! {
    /// What kind of event it is, in the app's own words.
    pub struct EventType {
        expected: "1 to 64 of a-z, 0-9, `_`, `.` and `-`, the first a letter",
        length: 1..=64,
        pattern: "^[a-z][a-z0-9_.-]*$",
        accept: |text| {
            text.starts_with(|first: char| first.is_ascii_lowercase())
                && text
                    .bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-'))
        },
    }
}

closed_set! {
    /// What happens to an item: the types of events that are known here.
    pub enum Interaction {
        /// It was seen.
        Impression = "impression",
        /// It was followed.
        Click = "click",
        /// It was closed.
        Dismissal = "dismissal",
    }
}

closed_set! {
    /// The kinds of content whose items are counted one by one.
    pub enum ItemKind {
        /// Banners.
        Banners = "banners",
        /// Notices.
        Notices = "notices",
    }
}

closed_set! {
    /// Why an event was not taken.
    pub enum EventRefusal {
        /// `id` is none.
        InvalidId = "invalid_id",
        /// `type` is none.
        InvalidType = "invalid_type",
        /// `target` is too long, empty, or has control characters.
        InvalidTarget = "invalid_target",
        /// It happened more than 30 days ago.
        TooOld = "too_old",
        /// It has not happened yet: `at` is more than a day ahead.
        InTheFuture = "in_the_future",
        /// `attributes` are too large or too deep.
        InvalidAttributes = "invalid_attributes",
    }
}

/// An item of published content, written `banners/spring`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// Which one.
    pub id: Id,
}

/// An event that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// What it is counted under.
    pub counter: Counter,
    /// The day (UTC) that it counts for: when it happened, by a clock that is not ahead of ours.
    pub day: Day,
    /// Until when its id is remembered.
    pub remembered_until: Instant,
}

/// What events are counted under, each day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// What happened to an item.
    Item(Item, Interaction),
    /// A type, whatever it happened to.
    Type(EventType),
}

/// How many events a day (UTC) had of a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventCount {
    /// The day.
    pub day: Day,
    /// What was counted.
    pub counter: Counter,
    /// How many.
    pub count: u64,
}

impl Event {
    /// The event that an app tells of at `now`, counted for its item where that `is_published`.
    ///
    /// # Errors
    /// The first thing that is wrong with it, in the order of its members.
    pub fn told(
        event: &ClientEvent,
        is_published: impl Fn(&Item) -> bool,
        now: Instant,
    ) -> Result<Self, EventRefusal> {
        let id = event.id.parse().map_err(|_| EventRefusal::InvalidId)?;
        let event_type = event.event_type.parse();
        let event_type: EventType = event_type.map_err(|_| EventRefusal::InvalidType)?;
        if event.target.as_deref().is_some_and(|text| !is_target(text)) {
            return Err(EventRefusal::InvalidTarget);
        }
        if event.at + OLDEST < now {
            return Err(EventRefusal::TooOld);
        }
        if event.at > now + FURTHEST_AHEAD {
            return Err(EventRefusal::InTheFuture);
        }
        if event.attributes.as_ref().is_some_and(|it| !are_small(it)) {
            return Err(EventRefusal::InvalidAttributes);
        }
        let counter = match event.interaction() {
            Some((item, interaction)) if is_published(&item) => Counter::Item(item, interaction),
            _ => Counter::Type(event_type),
        };
        Ok(Self {
            id,
            counter,
            day: Day::of(event.at.min(now)),
            remembered_until: event.at.max(now) + REMEMBERED,
        })
    }
}

impl ClientEvent {
    /// The item that it counts for, should that be published, and what happened to it.
    pub fn interaction(&self) -> Option<(Item, Interaction)> {
        let item = self.target.as_deref()?.parse().ok()?;
        Some((item, self.event_type.parse().ok()?))
    }
}

impl EventType {
    /// What the types are counted under that have no name of their own any more.
    pub fn other() -> Self {
        Self("other".into())
    }

    /// Whether it is one of those that every app has: it needs no name of its own.
    pub fn is_common(&self) -> bool {
        self.parse::<Interaction>().is_ok() || *self == Self::other()
    }
}

impl From<Interaction> for EventType {
    fn from(interaction: Interaction) -> Self {
        Self(interaction.as_str().into())
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

impl FromStr for Item {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let (kind, id) = text.split_once('/').ok_or(BadText {
            expected: "`banners/<id>` or `notices/<id>`",
        })?;
        Ok(Self {
            kind: kind.parse()?,
            id: id.parse()?,
        })
    }
}

fn is_target(text: &str) -> bool {
    (1..=LONGEST_TARGET).contains(&text.chars().count()) && !text.contains(char::is_control)
}

fn are_small(attributes: &UniqueMap<Value>) -> bool {
    let is_shallow = |value| is_within(value, DEEPEST_ATTRIBUTES - 1);
    let size = serde_json::to_vec(attributes).map_or(usize::MAX, |json| json.len());
    size <= LARGEST_ATTRIBUTES && attributes.values().all(is_shallow)
}

/// Whether a value nests no more than so many levels.
fn is_within(value: &Value, levels: usize) -> bool {
    let below = |value| levels > 0 && is_within(value, levels - 1);
    match value {
        Value::Array(elements) => levels > 0 && elements.iter().all(below),
        Value::Object(members) => levels > 0 && members.values().all(below),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
