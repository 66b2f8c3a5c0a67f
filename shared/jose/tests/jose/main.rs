//! The verifier from outside, as an attacker and as a provider meet it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod attacks;
mod claims;
mod forge;
mod keys;
mod properties;
mod rfc;
mod signatures;
mod signing;
