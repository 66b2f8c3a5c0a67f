//! Whom we ask: systems that are not ours to keep, with timeouts, caches and single flights.
#![forbid(unsafe_code)]

pub mod breaker;
pub mod edge;
pub mod https;
pub mod key_sets;
pub mod providers;
pub mod rotation;
pub mod secrets;

pub use crate::{
    edge::{SecretSettings, unkept},
    providers::{ProviderError, ProviderSettings, Providers},
    rotation::SecretVersions,
    secrets::{Secret, SecretError, SecretsManager},
};
