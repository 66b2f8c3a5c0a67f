//! `/v1/notices`: what there is to read, and what a member has read of it.
//!
//! Notices are the same for all of an audience; to whom sends an access token each says whether it is
//! read. That is read beside the notices, and where it cannot be, `read` is `null`.
#![forbid(unsafe_code)]

mod answer;
mod list;
mod one;
mod reading;

use std::sync::Arc;

use aws::Pace;
use domain::{ReadState, content::Kind, liveops::Notices};
use garde::Validate;
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Principal, Problem, Vars,
    config::Variable,
};
use liveops::{
    AUDIENCE_HEADERS, Asking, Caching, CachingSettings, EXPLAIN, Keeping, Known, OperatorSettings,
    ProfileSettings, Profiles, Visitor, read_state,
};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    Database, Members,
    edge::{SnapshotSettings, TokenSettings, Watched},
};

const NAME: &str = "notices";

const LIST: Endpoint = Endpoint::new(
    Method::Get,
    "/v1/notices",
    "listNotices",
    "What there is to read now",
)
.caller(Caller::PublicOrMember(EXPLAIN))
.headers(AUDIENCE_HEADERS)
.answers(&[200, 304])
.problems(&[Code::InvalidCursor, Code::MemberBanned, Code::Unavailable]);
const ONE: Endpoint = Endpoint::new(
    Method::Get,
    "/v1/notices/{id}",
    "getNotice",
    "A notice with all that it says",
)
.caller(Caller::PublicOrMember(EXPLAIN))
.headers(AUDIENCE_HEADERS)
.answers(&[200, 304])
.problems(&[Code::NotFound, Code::MemberBanned, Code::Unavailable]);
const READ: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/notices/{id}/read",
    "markNoticeRead",
    "Marks a notice as read by the member who calls",
)
.caller(Caller::Member)
.headers(AUDIENCE_HEADERS)
.answers(&[204])
.problems(&[Code::NotFound, Code::MemberBanned, Code::Unavailable]);
const UNREAD: Endpoint = Endpoint::new(
    Method::Get,
    "/v1/notices/unread-count",
    "getUnreadCount",
    "How many notices the member who calls has not read",
)
.caller(Caller::PublicOrMember(EXPLAIN))
.headers(AUDIENCE_HEADERS)
.answers(&[200, 304])
.problems(&[Code::MemberBanned, Code::Unavailable]);

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    TokenSettings::VARIABLES,
    CachingSettings::VARIABLES,
    ProfileSettings::VARIABLES,
    OperatorSettings::VARIABLES,
];

struct State {
    notices: Watched<Notices>,
    profiles: Profiles,
    /// For marks, which a member waits for.
    members: Members,
    /// For what a list can do without.
    hot_members: Members,
    caching: Caching,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, ((snapshots, token), (caching, (profiles, operators))), aws) =
        aws::start(vars, NAME, |vars| {
            let own = Faults::both(ProfileSettings::read(vars), OperatorSettings::read(vars));
            Faults::both(
                Faults::both(SnapshotSettings::read(vars), TokenSettings::read(vars)),
                Faults::both(CachingSettings::read(vars), own),
            )
        })?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let hot = Database::connect(&aws, Pace::HOT);
    let published = snapshots.source(&aws);
    let state = Arc::new(State {
        notices: published.reader(Kind::Notices, Notices::load),
        profiles: profiles.profiles(&aws),
        members: Members::new(database.table(&token.members_table.0)),
        hot_members: Members::new(hot.table(&token.members_table.0)),
        caching: Caching::from(&caching).varying_by_token(),
    });
    let service_keys = operators.service_keys(&database);
    let authority = token
        .authority(&database)
        .with_service_keys(service_keys, runtime.clock.clone());
    Ok(kit::Api::new(NAME, runtime)
        .gate(published.gate())
        .authority(Arc::new(authority))
        .route(LIST, &state, list::get)
        .route(ONE, &state, one::get)
        .route(READ, &state, reading::post)
        .route(UNREAD, &state, reading::count)
        .build())
}

/// Which notice.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NoticePath {
    /// Its id.
    #[garde(skip)]
    id: domain::Id,
}

/// What is published, and what the member who asks has read of it.
struct Seen<'a> {
    known: Known<'a, Notices>,
    /// `None` without a member, or where it cannot be read now.
    read: Option<ReadState>,
}

impl State {
    async fn seen<'a>(
        &'a self,
        asking: &Asking<'a>,
        principal: &Principal,
    ) -> Result<Seen<'a>, Problem> {
        let read = async {
            let (member, _) = principal.member().ok()?;
            read_state(&self.hot_members, member, asking.now).await
        };
        let (known, read) = tokio::join!(asking.known(&self.notices), read);
        Ok(Seen {
            known: known?,
            read,
        })
    }
}

/// What is a member's is nobody's to keep.
fn keeping<P, Q, B>(call: &Call<P, Q, B>, visitor: &Visitor, seen: &Seen<'_>) -> Keeping {
    let is_anyones = call.principal == Principal::Anonymous && seen.known.complete;
    Keeping::of(visitor).nobody_if(!is_anyones)
}
