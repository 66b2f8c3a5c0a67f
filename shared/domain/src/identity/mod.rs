//! Who somebody is: the providers that vouch for a member.

mod provider;

pub use provider::Provider;
