//! What a member agreed to, and when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Instant;

/// Agreement to one version of the terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TermsAgreed {
    /// Which version.
    pub version: String,
    /// When.
    pub at: Instant,
}

/// Agreement to be told of offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Marketing {
    /// Since when.
    pub at: Instant,
    /// Since when also between 21:00 and 08:00, which Korean law wants asked for apart (Act on
    /// Promotion of Information and Communications Network Utilization, article 50(3)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub night: Option<Instant>,
}

/// All that a member agreed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Consents {
    /// The terms of use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<TermsAgreed>,
    /// The privacy policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<TermsAgreed>,
    /// Offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marketing: Option<Marketing>,
    /// That a guardian agreed, where the member is under 14.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian: Option<Instant>,
}
