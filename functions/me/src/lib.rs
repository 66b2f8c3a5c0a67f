//! `/v1/me`: the member who calls, what they are called, what they agreed to, and their wish to be
//! forgotten.
#![forbid(unsafe_code)]

mod consents;
mod nickname;
mod profile;
mod withdrawal;

use std::{sync::Arc, time::Duration};

use aws::Pace;
use domain::{content::Kind, identity::NicknameRules};
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Problem, Rate, Vars, config::Variable,
};
use sessions::{ReauthenticationSettings, WithdrawalSettings, member_now};
use store::{
    Database,
    edge::{SnapshotSettings, TokenSettings, Watched},
    members::{MemberRecord, Members},
};

const NAME: &str = "me";
const RATE: Rate = Rate::Address;

const GET: Endpoint = Endpoint::new(Method::Get, "/v1/me", "getMe", "The member who calls")
    .caller(Caller::Member)
    .answers(&[200, 304])
    .problems(&[Code::MemberBanned, Code::Unavailable]);
const PATCH: Endpoint = Endpoint::new(
    Method::Patch,
    "/v1/me",
    "patchMe",
    "Changes what the member says of themselves",
)
.caller(Caller::Member)
.rate(RATE)
.headers(&["If-Match"])
.problems(&[
    Code::MemberBanned,
    Code::NicknameTaken,
    Code::NicknameChangeTooSoon,
    Code::VersionConflict,
    Code::NicknameInvalid,
    Code::PreconditionRequired,
    Code::Unavailable,
]);
const AVAILABILITY: Endpoint = Endpoint::new(
    Method::Get,
    "/v1/nicknames/availability",
    "getNicknameAvailability",
    "Whether the member can have a nickname",
)
.caller(Caller::Member)
.problems(&[Code::Unavailable]);
const CONSENT: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/me/consents",
    "recordConsents",
    "Records what the member agrees to",
)
.caller(Caller::Member)
.problems(&[Code::MemberBanned, Code::Unavailable]);
const WITHDRAW: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/me/withdrawal",
    "withdraw",
    "Has the member forgotten after a grace",
)
.caller(Caller::Member)
.answers(&[202])
.problems(&[Code::ReauthenticationRequired, Code::Unavailable])
.open_to_banned();
const STAY: Endpoint = Endpoint::new(
    Method::Delete,
    "/v1/me/withdrawal",
    "cancelWithdrawal",
    "Lets the member stay",
)
.caller(Caller::Member)
.answers(&[204])
.problems(&[
    Code::LastIdentity,
    Code::WithdrawalNotPending,
    Code::Unavailable,
])
.open_to_banned();

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    TokenSettings::VARIABLES,
    WithdrawalSettings::VARIABLES,
    ReauthenticationSettings::VARIABLES,
];

struct State {
    members: Members,
    nickname_rules: Watched<NicknameRules>,
    grace: Duration,
    reauthentication: ReauthenticationSettings,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, (snapshots, (token, (settings, reauthentication))), aws) =
        aws::start(vars, NAME, |vars| {
            let own = Faults::both(
                WithdrawalSettings::read(vars),
                ReauthenticationSettings::read(vars),
            );
            let own = Faults::both(TokenSettings::read(vars), own);
            Faults::both(SnapshotSettings::read(vars), own)
        })?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let published = snapshots.source(&aws);
    let state = Arc::new(State {
        members: Members::new(database.table(&token.members_table.0)),
        nickname_rules: published.reader(Kind::NicknameRules, NicknameRules::load),
        grace: settings.grace.0,
        reauthentication,
    });
    Ok(kit::Api::new(NAME, runtime)
        .gate(published.gate())
        .authority(Arc::new(token.authority(&database)))
        .route(GET, &state, profile::get)
        .route(PATCH, &state, profile::patch)
        .route(AVAILABILITY, &state, nickname::availability)
        .route(CONSENT, &state, consents::post)
        .route(WITHDRAW, &state, withdrawal::begin)
        .route(STAY, &state, withdrawal::cancel)
        .build())
}

impl State {
    /// The member who calls, if they may come in.
    async fn member<P, Q, B>(&self, call: &Call<P, Q, B>) -> Result<MemberRecord, Problem> {
        member_now(&self.members, &call.principal, call.now()).await
    }
}
