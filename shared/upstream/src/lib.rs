//! Whom we ask: systems that are not ours to keep, with timeouts, caches and single flights.
#![forbid(unsafe_code)]

pub mod edge;
pub mod rotation;
pub mod secrets;

pub use crate::{
    edge::{SecretSettings, unkept},
    rotation::SecretVersions,
    secrets::{Secret, SecretError, SecretsManager},
};
