//! What an access token says (RFC 7519, section 4.1; RFC 9068 without its scopes).

use serde::{Deserialize, Serialize};

use super::{MemberId, SessionId};
use crate::{DeviceKey, RandomId};

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
