//! `GET /v1/me/sessions` and `DELETE /v1/me/sessions/{session_id}`: where a member is signed in.
#![forbid(unsafe_code)]

use std::sync::Arc;

use aws::Pace;
use domain::{
    Instant,
    identity::{DeviceInfo, Session, SessionId},
};
use garde::Validate;
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::Variable, reply,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sessions::member_now;
use store::{
    Database,
    edge::{self, SnapshotSettings, TokenSettings},
    members::Members,
};

const NAME: &str = "me-sessions";

const GET: Endpoint = Endpoint::new(
    Method::Get,
    "/v1/me/sessions",
    "listMySessions",
    "Where the member is signed in",
)
.caller(Caller::Member)
.problems(&[Code::MemberBanned, Code::InvalidCursor, Code::Unavailable]);
const DELETE: Endpoint = Endpoint::new(
    Method::Delete,
    "/v1/me/sessions/{session_id}",
    "endMySession",
    "Signs one device out",
)
.caller(Caller::Member)
.answers(&[204])
.problems(&[Code::MemberBanned, Code::NotFound, Code::Unavailable]);

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    TokenSettings::VARIABLES,
];

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, settings, aws, gate) = edge::start_gated(vars, NAME, TokenSettings::read)?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let members = Arc::new(Members::new(database.table(&settings.members_table.0)));
    Ok(kit::Api::new(NAME, runtime)
        .gate(gate)
        .authority(Arc::new(settings.authority(&database)))
        .route(GET, &members, list)
        .route(DELETE, &members, end)
        .build())
}

/// The most sessions of a page, and as many as a page has where nothing is said.
const MOST: usize = 100;

/// Which page.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
pub struct SessionQuery {
    /// The cursor that the page before ended with.
    #[garde(inner(length(bytes, max = 512)))]
    cursor: Option<String>,
    /// The most sessions of the page, 1 to 100; 100 by default.
    #[garde(range(min = 1, max = MOST))]
    limit: Option<usize>,
}

/// One page of a member's sessions, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SessionList {
    /// The sessions.
    sessions: Vec<SessionAnswer>,
    /// Cursor for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A session, as its member sees it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Session")]
pub struct SessionAnswer {
    /// Its id.
    id: SessionId,
    /// What the app reported about the device. The device's id is not stored.
    device: DeviceInfo,
    /// When it was signed in to.
    created_at: Instant,
    /// When its tokens were refreshed last.
    last_seen_at: Instant,
    /// Whether it is the one that asks.
    current: bool,
}

/// Which session.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SessionPath {
    /// Its id.
    #[garde(skip)]
    session_id: SessionId,
}

async fn list(
    members: Arc<Members>,
    call: Call<Nothing, SessionQuery, Nothing>,
) -> Result<Reply<reply::Json<SessionList>>, Problem> {
    let now = call.now();
    let (member, own) = call.principal.member()?;
    member_now(&members, &call.principal, now).await?;
    let told = |session: Session| SessionAnswer {
        current: session.id == own,
        id: session.id,
        device: session.device,
        created_at: session.created_at,
        last_seen_at: session.rotated_at,
    };
    let cursor = call.query.cursor.as_deref();
    let limit = call.query.limit.unwrap_or(MOST);
    let page = members.sessions_page(member, cursor, limit, now).await?;
    Ok(Reply::ok(SessionList {
        sessions: page.items.into_iter().map(told).collect(),
        next_cursor: page.next_cursor,
    }))
}

async fn end(
    members: Arc<Members>,
    call: Call<SessionPath, Nothing, Nothing>,
) -> Result<Reply<reply::Empty>, Problem> {
    let (member, _) = call.principal.member()?;
    member_now(&members, &call.principal, call.now()).await?;
    match members
        .end_session(member, call.path.session_id, Ok)
        .await?
    {
        true => Ok(Reply::no_content()),
        false => Err(Problem::new(Code::NotFound)),
    }
}
