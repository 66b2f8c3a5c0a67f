//! `GET /v1/me/sessions` and `DELETE /v1/me/sessions/{session_id}`: where a member is signed in.
#![forbid(unsafe_code)]

use std::sync::Arc;

use aws::Pace;
use domain::{
    Instant,
    identity::{Session, SessionDevice, SessionId},
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
.problems(&[Code::MemberBanned, Code::Unavailable]);
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

/// A member's sessions, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SessionList {
    /// The sessions.
    sessions: Vec<SessionAnswer>,
}

/// A session, as its member sees it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Session")]
pub struct SessionAnswer {
    /// Its id.
    id: SessionId,
    /// On which device.
    device: SessionDevice,
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
    call: Call<Nothing, Nothing, Nothing>,
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
    let sessions = members.sessions(member, now).await?;
    Ok(Reply::ok(SessionList {
        sessions: sessions.into_iter().map(told).collect(),
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
