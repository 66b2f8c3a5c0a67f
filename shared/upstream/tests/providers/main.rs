//! Sign-in providers on loopback, with fresh keys, that also misbehave.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod access_tokens;
mod accounts;
mod discretion;
mod harness;
mod issuer;
mod key_sets;
mod questions;
mod signed_tokens;
mod stand_in;
