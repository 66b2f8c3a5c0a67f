//! What an access token says (RFC 7519, section 4.1; RFC 9068 without its scopes).

use serde::{Deserialize, Serialize};

use super::{MemberId, SessionId};
use crate::{DeviceKey, RandomId};

/// The session of a token that has none: one that opens nothing but a banned member's own data.
pub const NO_SESSION: SessionId = RandomId::from_bytes([0; 16]);

/// Returns the audience of tokens that open nothing but a banned member's own data: their exports and
/// their withdrawal. It is an audience of its own so that every other route refuses such a token.
pub fn own_data_audience(audience: &str) -> String {
    format!("{audience}/own-data")
}

/// The claims of an access token. Times are whole seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who issued it.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// The member.
    pub sub: MemberId,
    /// The session.
    pub sid: SessionId,
    /// The key of the device that the session is bound to; absent where it is bound to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<DeviceKey>,
    /// Its own id.
    pub jti: RandomId,
    /// When it was issued.
    pub iat: i64,
    /// When it stops being good.
    pub exp: i64,
}

impl AccessClaims {
    /// The type in the header of an access token (RFC 9068, section 2.1).
    pub const TYP: &str = "at+jwt";
}
