//! Signed tokens: JSON Web Signatures verified strictly, their claims checked, and our own signed.
//!
//! A token is untrusted until [`verify`] has answered; what it then says of itself is read with
//! [`Claims`]. The algorithm is pinned by whoever calls and by the key, never chosen by the token.
//! Only the compact serialization (RFC 7515, section 7.1) is read. There is no I/O and no clock here:
//! keys are bytes that somebody fetched, and the time is handed in.
#![forbid(unsafe_code)]

mod algorithm;
mod base64url;
mod claims;
mod header;
mod json;
mod key;
mod key_set;
mod nonce;
mod roca;
mod signing;
mod thumbprint;
mod verify;

pub use crate::{
    algorithm::{Algorithm, UnknownAlgorithm},
    claims::{ClaimFault, Claims, Expected},
    key::BadKey,
    key_set::{BadKeySet, KeySet},
    nonce::nonce_matches,
    signing::{Pkcs8, SigningError, SigningKey},
    thumbprint::thumbprint,
    verify::{MAX_TOKEN_BYTES, Refused, Verified, verify},
};
