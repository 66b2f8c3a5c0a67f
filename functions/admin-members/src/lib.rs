//! `/admin/v1/members`: members, as operators find, see, ban and sign them out. Each write is audited
//! in its own transaction.
#![forbid(unsafe_code)]

mod actions;
mod search;
mod transfer;

use std::sync::Arc;

use aws::Pace;
use domain::{RandomId, identity::MemberId};
use garde::Validate;
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Vars,
    config::{ResourceName, Variable},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use store::{
    Database, ServiceKeys,
    audit::{Audit, Record},
    edge::KeyAuthority,
    members::Members,
    revocations::Revocations,
};

const NAME: &str = "admin-members";
const READ: &str = "members:read";
const WRITE: &str = "members:write";

const SEARCH: Endpoint = Endpoint::new(
    Method::Get,
    "/admin/v1/members",
    "searchMembers",
    "Members by id, nickname, identity or device",
)
.caller(Caller::Operator(READ))
.problems(&[Code::InvalidCursor, Code::Unavailable]);
const VIEW: Endpoint = Endpoint::new(
    Method::Get,
    "/admin/v1/members/{id}",
    "getMember",
    "A member, their identities and sessions",
)
.caller(Caller::Operator(READ))
.problems(&[Code::NotFound, Code::Unavailable]);
const BAN: Endpoint = Endpoint::new(
    Method::Post,
    "/admin/v1/members/{id}/ban",
    "banMember",
    "Keeps a member out",
)
.caller(Caller::Operator(WRITE))
.problems(&[Code::NotFound, Code::Unavailable]);
const UNBAN: Endpoint = Endpoint::new(
    Method::Post,
    "/admin/v1/members/{id}/unban",
    "unbanMember",
    "Lets a member in again",
)
.caller(Caller::Operator(WRITE))
.problems(&[Code::NotFound, Code::Unavailable]);
const SIGN_OUT: Endpoint = Endpoint::new(
    Method::Post,
    "/admin/v1/members/{id}/sign-out",
    "signMemberOut",
    "Ends all of a member's sessions",
)
.caller(Caller::Operator(WRITE))
.answers(&[204])
.problems(&[Code::NotFound, Code::Unavailable]);

const TRANSFER_CODE: Endpoint = Endpoint::new(
    Method::Post,
    "/admin/v1/members/{id}/transfer-code",
    "issueTransferCode",
    "Issue a transfer code for a guest",
)
.caller(Caller::Operator(WRITE))
.answers(&[201])
.problems(&[Code::NotFound, Code::GuestOnly, Code::Unavailable]);

kit::settings! {
    /// What the function needs.
    pub struct Settings {
        /// Where members are kept.
        members_table: ResourceName = "MEMBERS_TABLE", example "madang-dev-members";
        /// Where service keys and the audit are kept.
        operators_table: ResourceName = "OPERATORS_TABLE", example "madang-dev-operators";
    }
}

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    Settings::VARIABLES,
];

struct State {
    members: Members,
    revocations: Revocations,
    audit: Audit,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, settings, aws) = aws::start(vars, NAME, Settings::read)?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let members = database.table(&settings.members_table.0);
    let operators = database.table(&settings.operators_table.0);
    let keys = ServiceKeys::new(operators.clone());
    let state = Arc::new(State {
        revocations: Revocations::new(members.clone()),
        members: Members::new(members),
        audit: Audit::new(operators),
    });
    Ok(kit::Api::new(NAME, runtime.clone())
        .authority(KeyAuthority::new(keys, runtime.clock))
        .route(SEARCH, &state, search::search)
        .route(VIEW, &state, search::view)
        .route(BAN, &state, actions::ban)
        .route(UNBAN, &state, actions::unban)
        .route(SIGN_OUT, &state, actions::sign_out)
        .route(TRANSFER_CODE, &state, transfer::issue)
        .build())
}

/// Which member.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct MemberPath {
    /// Their id.
    #[garde(skip)]
    id: MemberId,
}

/// What an operator did to a member, for the audit.
fn record<Q, B>(
    call: &Call<MemberPath, Q, B>,
    action: &'static str,
    (before, after): (Value, Value),
) -> Record {
    let now = call.now();
    Record {
        id: RandomId::new(now, &mut call.rng()),
        at: now,
        operator: call.principal.name(),
        ip: call.facts.address,
        action,
        resource: format!("member/{}", call.path.id),
        before: Some(before),
        after: Some(after),
        request_id: call.facts.request_id.clone(),
    }
}
