//! The verifier from outside, as an attacker and as a provider meet it.

mod attacks;
mod claims;
mod forge;
mod keys;
mod properties;
mod rfc;
