//! Base64url as RFC 7515, section 2, wants it: no padding, no whitespace, one spelling of each value.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

/// The bytes; nothing when the text is not the one spelling of them.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
