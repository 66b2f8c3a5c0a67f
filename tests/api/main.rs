//! The API over HTTP, against the local stack: what a client sends, and what it gets.
//!
//! Each scenario has a stack of its own, so that what one publishes is nothing to another.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, its helpers too"
)]

mod admin_members;
mod allocations;
mod app_status;
mod bad_input;
mod budgets;
mod content;
mod demo_app;
mod devices;
mod documents;
mod events;
mod head;
mod hooks;
mod identities;
mod keys;
mod leavers;
mod legacy;
mod limits;
mod link_tickets;
mod live;
mod lost_answers;
mod maintenance;
mod media_types;
mod members;
mod nicknames;
mod outage;
mod people;
mod platform;
mod purge;
mod reauthentication;
mod refresh;
mod repeats;
mod reported;
mod scenario;
mod sessions;
mod sign_in;
mod standing;
mod tracking;
mod transfer;
mod withdrawals;
