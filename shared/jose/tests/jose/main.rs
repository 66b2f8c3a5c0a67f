//! The verifier from outside, as an attacker and as a provider meet it.

mod rfc;
