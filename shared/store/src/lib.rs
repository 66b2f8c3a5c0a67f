//! Where it is kept: DynamoDB tables, keys, typed items, published snapshots.
//!
//! Nothing outside this crate knows a key, an attribute or an expression. Clocks and randomness are
//! handed in: every method that needs the time takes it, and every write that must happen once
//! takes a [`Stamp`] that its caller drew.
//!
//! Each module's documentation lists the AWS actions that it takes; the functions' policies are
//! written from those lists.
#![forbid(unsafe_code)]

pub mod audit;
pub mod blobs;
pub mod budgets;
pub mod devices;
pub mod drafts;
pub mod edge;
pub mod error;
pub mod events;
pub mod idempotency;
pub mod invoke;
pub mod marks;
pub mod members;
pub mod page;
pub mod probe;
pub mod published;
pub mod rate;
pub mod revocations;
pub mod service_keys;
pub mod signing_keys;
pub mod stamp;
pub mod table;
pub mod tallies;

mod flight;
mod keys;
mod latest;
mod query;
mod transaction;

pub use crate::{
    audit::Audit,
    blobs::Blobs,
    budgets::Budgets,
    devices::Devices,
    drafts::Drafts,
    error::StoreError,
    events::Events,
    idempotency::Requests,
    invoke::Worker,
    marks::Marks,
    members::Members,
    page::Page,
    probe::probe,
    published::{Publications, Publisher, Reader, Versions},
    rate::Rates,
    revocations::Revocations,
    service_keys::ServiceKeys,
    signing_keys::{Issuer, PublicKeys, PublishedKeys, SigningKeys},
    stamp::Stamp,
    table::{Database, Table},
    tallies::Tallies,
    transaction::Transaction,
};
