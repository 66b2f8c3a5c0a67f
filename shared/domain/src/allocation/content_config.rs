//! What the user of a device wants to see: switches per category, and how often.

use std::collections::BTreeMap;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Instant, Label};

/// At most this many categories may be switched.
const MOST_CATEGORIES: usize = 200;

/// The body of `PUT /v1/devices/{id}/content-config`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct ContentConfig {
    /// Categories that are switched on or off; what is not named is on.
    #[serde(default)]
    #[garde(length(max = MOST_CATEGORIES))]
    pub categories: BTreeMap<Label, bool>,
    /// How often campaigns are shown.
    #[serde(default)]
    pub frequency: Frequency,
}

closed_set! {
    /// How often campaigns are shown. House items are not affected.
    pub enum Frequency {
        /// As often as they are asked for.
        Normal = "normal",
        /// In half of the requests, by lot.
        Less = "less",
        /// Never.
        Off = "off",
    }
}

#[expect(
    clippy::derivable_impls,
    reason = "the macro that defines closed sets marks no default"
)]
impl Default for Frequency {
    fn default() -> Self {
        Self::Normal
    }
}

impl ContentConfig {
    /// The categories that are switched off.
    pub fn switched_off(&self) -> impl Iterator<Item = &Label> {
        let off = self.categories.iter().filter(|(_, on)| !**on);
        off.map(|(category, _)| category)
    }
}

/// The answer of `GET /v1/devices/{id}/content-config`: what was put and when, or the defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StoredContentConfig {
    /// What was put.
    #[serde(flatten)]
    pub config: ContentConfig,
    /// When it was put; absent for the defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Instant>,
}
