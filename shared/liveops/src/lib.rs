//! What the functions of live operations share: who asks ([`Visitor`]), what is published for them
//! ([`Asking::known`]), and for how long the answer may be kept ([`Caching`]).
//!
//! Each part of the launch answer also stands alone, and is the same in both: what it takes is in a
//! module here, and the functions put it together.
#![forbid(unsafe_code)]

mod asking;
mod caching;
mod notices;
mod operators;
mod profiles;
mod query;
mod status;
mod visitor;

pub use crate::{
    asking::{Asking, Known, Targeted},
    caching::{Caching, CachingSettings, Keeping, tag},
    notices::{read_state, unread},
    operators::{EXPLAIN, OperatorSettings, explained},
    profiles::{ProfileSettings, Profiles},
    query::{AudienceQuery, ExplainQuery, PageQuery, PlacementQuery},
    status::{KnownStatus, StatusReader, StatusSettings},
    visitor::{Said, Says, Visitor},
};

/// The headers that say who asks, for declarations.
pub const AUDIENCE_HEADERS: &[&str] = &[
    "X-Device-Id",
    "X-App-Platform",
    "X-App-Store",
    "X-App-Version",
    "X-App-Build",
    "Accept-Language",
];
