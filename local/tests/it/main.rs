//! The local stack over real sockets: the gateway, the services behind it, and the process itself.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod functions;
mod gateway;
mod legacy;
mod process;
mod services;
mod wire;
