//! What the functions of live operations share: who asks ([`Visitor`]), what is published for them
//! ([`Asking::known`]), and for how long the answer may be kept ([`Caching`]).
//!
//! Each part of the launch answer also stands alone, and is the same in both: what it takes is in a
//! module here, and the functions put it together.
#![forbid(unsafe_code)]

mod asking;
mod caching;
mod notices;
mod profiles;
mod query;
mod status;
mod visitor;

pub use crate::{
    asking::{Asking, Known, Targeted},
    caching::{Caching, CachingSettings, Keeping, tag},
    notices::{read_state, unread},
    profiles::{ProfileSettings, Profiles},
    query::{AudienceQuery, ExplainQuery, PageQuery, PlacementQuery},
    status::{KnownStatus, StatusReader, StatusSettings},
    visitor::{Said, Says, Visitor},
};

/// What a service key needs to be told why.
pub const EXPLAIN: &str = "content:read";

/// The headers that say who asks, for declarations.
pub const AUDIENCE_HEADERS: &[&str] = &[
    "X-Device-Id",
    "X-App-Platform",
    "X-App-Store",
    "X-App-Version",
    "Accept-Language",
    "If-None-Match",
];

/// Whether the caller is to be told why: whoever asks for it must be an operator.
///
/// # Errors
/// 401 for nobody in particular, 403 for others.
pub fn explained<P, Q, B>(
    call: &kit::Call<P, Q, B>,
    asked: Option<bool>,
) -> Result<bool, kit::Problem> {
    let explained = asked == Some(true);
    if explained {
        call.principal.require(EXPLAIN)?;
    }
    Ok(explained)
}
