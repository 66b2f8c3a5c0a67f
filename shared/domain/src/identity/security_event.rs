//! Security events of a member's sessions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SessionId;
use crate::Instant;

closed_set! {
    /// The kind of a security event.
    pub enum SecurityAction {
        /// A refresh token was used again after its successor, which ended its session.
        RefreshTokenReused = "refresh_token_reused",
    }
}

/// A security event of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecurityEvent {
    /// RFC 3339 time at which it happened.
    pub at: Instant,
    /// The kind of event.
    pub action: SecurityAction,
    /// The session.
    pub session_id: SessionId,
    /// The counter of the session's live refresh token.
    pub counter: u64,
    /// The request that caused it.
    pub request_id: String,
}
