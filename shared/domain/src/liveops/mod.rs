//! What an operator changes without a release, as readers answer it: banners, notices, remote config.
//!
//! Each is loaded from its artefact ([`content`](crate::content)) and evaluated for an
//! [`Audience`](crate::Audience) at a moment. Targeting that cannot be evaluated does not match, and
//! an artefact whose targeting cannot be compiled is not loaded. Every answer can be explained: of
//! everything that is published, why it is in the answer or is not.

mod banners;
mod config;
mod cursor;
mod notices;
mod schedule;
#[cfg(test)]
mod tests;

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

pub use banners::{BannerAnswer, Banners, Selection};
pub use config::{ExplainedCondition, ExplainedParameter, RemoteConfig};
pub use cursor::{BadCursor, NoticeCursor};
pub use notices::{Notices, PublishedNotice};

use crate::{
    Audience, Id,
    content::{Kind, LoadError},
    targeting::{Facts, Matcher, Targeting},
};

/// Why something is in an answer, or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome<'s> {
    /// It is in the answer.
    Selected,
    /// It has not begun yet, or is over.
    Schedule,
    /// It belongs in another place than the one that was asked for.
    Placement,
    /// It is for others: this field of its targeting, or `percent` or `any`, does not match.
    Targeting(&'s str),
    /// It matches, and another before it does too, which counts.
    Shadowed,
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selected => f.write_str("selected"),
            Self::Schedule => f.write_str("schedule"),
            Self::Placement => f.write_str("placement"),
            Self::Targeting(dimension) => write!(f, "targeting.{dimension}"),
            Self::Shadowed => f.write_str("shadowed"),
        }
    }
}

impl Serialize for Outcome<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Outcome<'_> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PublishedOutcome".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`selected`, `schedule`, `placement`, `shadowed` (it matches, and so does \
                one before it), or `targeting.` and what it did not match.",
            "type": "string",
            "examples": ["selected", "targeting.country"],
        })
    }
}

/// What became of a published item in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ExplainedItem")]
pub struct Explained<'s> {
    /// The item.
    pub id: &'s Id,
    /// Whether it is in the answer, or why not.
    pub outcome: Outcome<'s>,
}

/// Compiles the targeting of a published item; what does not compile must not be loaded, since it
/// would be for everybody or for nobody.
fn matcher(kind: Kind, item: &Id, targeting: Option<&Targeting>) -> Result<Matcher, LoadError> {
    let compiled = targeting.map(Targeting::compile).transpose();
    match compiled {
        Ok(matcher) => Ok(matcher.unwrap_or_default()),
        Err(_) => Err(LoadError::Broken {
            kind,
            item: item.clone(),
        }),
    }
}

/// Whether facts match, as an outcome.
fn targeted<'s>(matcher: &'s Matcher, facts: &Facts<'_>) -> Outcome<'s> {
    match matcher.failing_dimension(facts) {
        Some(dimension) => Outcome::Targeting(dimension),
        None => Outcome::Selected,
    }
}

/// What a set of matchers looks at that is stored with a device.
#[derive(Debug, Clone, Copy, Default)]
struct Asks {
    person: bool,
    country: bool,
    member: bool,
}

impl Asks {
    fn note(&mut self, matcher: &Matcher) {
        self.person |= matcher.asks_the_person();
        self.country |= matcher.asks_the_country();
        self.member |= matcher.asks_the_member();
    }

    /// Whether an audience's stored profile could change an answer.
    fn profile_of(self, audience: &Audience<'_>) -> bool {
        let counts = self.person || self.country && audience.country.is_none();
        counts && audience.device_id.is_some()
    }
}
