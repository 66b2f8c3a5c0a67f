//! The store over the SDK's real clients, against an embedded DynamoDB, a stand-in for S3, and a
//! proxy that loses answers.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod billing;
mod blobs;
mod budgets;
mod charging;
mod delivery;
mod device_writer;
mod devices;
mod drafts;
mod events;
mod failing;
mod harness;
mod idempotency;
mod invoke;
mod marks;
mod members;
mod probe;
mod processes;
mod publishing;
mod rate;
mod reading;
mod revocations;
mod roll_up;
mod service_keys;
mod signing_keys;
mod tallies;
mod tokens;
