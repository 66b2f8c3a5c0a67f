//! `POST /v1/auth/sign-out`: the end of this session, of all others, or of all.
//!
//! The next refresh fails at once, and so does every call whose function reads the member; elsewhere
//! an access token is good until it expires.
#![forbid(unsafe_code)]

use std::sync::Arc;

use aws::Pace;
use domain::identity::SessionsEnded;
use garde::Validate;
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::Variable, extract, reply,
};
use schemars::JsonSchema;
use serde::Deserialize;
use sessions::member_now;
use store::{
    Database, Stamp,
    edge::{self, SnapshotSettings, TokenSettings},
    members::Members,
};

const NAME: &str = "auth-sign-out";

const POST: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/auth/sign-out",
    "signOut",
    "Ends this session, all others, or all",
)
.caller(Caller::Member)
.answers(&[204])
.problems(&[Code::MemberBanned, Code::Unavailable]);

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
        .route(POST, &members, post)
        .build())
}

/// Which sessions are to end.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SignOutBody {
    /// Which.
    #[garde(skip)]
    scope: Scope,
}

/// Which of a member's sessions.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SignOutScope")]
pub enum Scope {
    /// This one.
    Local,
    /// All but this one.
    Others,
    /// All.
    Global,
}

async fn post(
    members: Arc<Members>,
    call: Call<Nothing, Nothing, extract::Json<SignOutBody>>,
) -> Result<Reply<reply::Empty>, Problem> {
    let now = call.now();
    let (member, session) = call.principal.member()?;
    let except = match call.body.0.scope {
        Scope::Local => {
            // One that is over already is what was asked for.
            members.end_session(member, session, Ok).await?;
            return Ok(Reply::no_content());
        }
        Scope::Others => Some(session),
        Scope::Global => None,
    };
    // A session that was ended must not end those that go on.
    member_now(&members, &call.principal, now).await?;
    let ended = SessionsEnded { at: now, except };
    let stamp = Stamp::random(&mut call.rng());
    members.end_sessions(member, ended, stamp, Ok).await?;
    Ok(Reply::no_content())
}
