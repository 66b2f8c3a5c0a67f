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
    /// and `dismissal` count for a published item that `target` names. Others count by their type, if it
    /// is built in or published as one of `event_types`, and as `other` if it is not.
    #[garde(skip)]
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it happened to: `banners/<id>`, `notices/<id>`, or any other text of 1 to 130 characters,
    /// none of them a control character.
    #[garde(skip)]
    pub target: Option<String>,
    /// Time at which it happened, in RFC 3339 or close to it (`+0900` for `+09:00`, a blank for the `T`,
    /// no seconds, fractions of any length), with an offset from UTC: no more than 30 days ago, and no
    /// more than a day ahead. For example `2026-03-01T09:29:05.123+0900`.
    #[garde(skip)]
    pub at: String,
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
    /// What happens to an item.
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
        /// `at` is no time with an offset.
        InvalidAt = "invalid_at",
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
    /// Reads the event that an app reports at `now`. It counts for its item where that `is_published`,
    /// and otherwise for its type where that is built in or `is_declared`.
    ///
    /// # Errors
    /// The first thing that is wrong with it, in the order of its members.
    pub fn told(
        event: &ClientEvent,
        is_published: impl Fn(&Item) -> bool,
        is_declared: impl Fn(&EventType) -> bool,
        now: Instant,
    ) -> Result<Self, EventRefusal> {
        let id = event.id.parse().map_err(|_| EventRefusal::InvalidId)?;
        let event_type = event.event_type.parse();
        let event_type: EventType = event_type.map_err(|_| EventRefusal::InvalidType)?;
        if event.target.as_deref().is_some_and(|text| !is_target(text)) {
            return Err(EventRefusal::InvalidTarget);
        }
        let at = Instant::from_reported(&event.at).ok_or(EventRefusal::InvalidAt)?;
        if at + OLDEST < now {
            return Err(EventRefusal::TooOld);
        }
        if at > now + FURTHEST_AHEAD {
            return Err(EventRefusal::InTheFuture);
        }
        if event.attributes.as_ref().is_some_and(|it| !are_small(it)) {
            return Err(EventRefusal::InvalidAttributes);
        }
        let counter = match event.interaction() {
            Some((item, interaction)) if is_published(&item) => Counter::Item(item, interaction),
            _ if event_type.is_built_in() || is_declared(&event_type) => Counter::Type(event_type),
            _ => Counter::Type(EventType::other()),
        };
        Ok(Self {
            id,
            counter,
            day: Day::of(at.min(now)),
            remembered_until: at.max(now) + REMEMBERED,
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
    /// What types count under that are neither built in nor declared.
    pub fn other() -> Self {
        Self("other".into())
    }

    /// Whether every app has it, so that it need not be declared.
    pub fn is_built_in(&self) -> bool {
        BUILT_IN.binary_search(&self.as_str()).is_ok()
    }
}

/// The types that every app has, in alphabetical order: what happens to items, and what most apps
/// measure, by the names that Google Analytics recommends (<https://support.google.com/analytics/answer/9267735>)
/// and by those of our own apps. `docs/authoring.md` lists them.
pub const BUILT_IN: &[&str] = &[
    "ad_impression",
    "add_payment_info",
    "add_shipping_info",
    "add_to_cart",
    "add_to_wishlist",
    "app_background",
    "app_foreground",
    "app_open",
    "app_update",
    "begin_checkout",
    "click",
    "dismissal",
    "earn_virtual_currency",
    "error",
    "first_open",
    "generate_lead",
    "impression",
    "install",
    "join_group",
    "level_end",
    "level_start",
    "level_up",
    "login",
    "logout",
    "notification_dismiss",
    "notification_open",
    "notification_receive",
    "other",
    "page_view",
    "post_score",
    "purchase",
    "purchase_cancelled",
    "purchase_done",
    "purchase_failed",
    "purchase_started",
    "refund",
    "remove_from_cart",
    "screen_view",
    "search",
    "select_content",
    "select_item",
    "select_promotion",
    "session_end",
    "session_start",
    "share",
    "sign_in",
    "sign_out",
    "sign_up",
    "spend_virtual_currency",
    "subscription_cancelled",
    "subscription_renewed",
    "subscription_started",
    "trial_started",
    "tutorial_begin",
    "tutorial_complete",
    "unlock_achievement",
    "view_cart",
    "view_item",
    "view_item_list",
    "view_promotion",
    "view_search_results",
    "withdraw",
];

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
