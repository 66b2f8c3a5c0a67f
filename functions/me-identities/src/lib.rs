//! `/v1/me/identities`: what a member signs in with. Accounts are never joined by an e-mail address:
//! whoever proves an identity that is another member's is given a ticket, and says once which of the
//! two they want to go on as.
#![forbid(unsafe_code)]

mod link;
mod resolve;
mod unlink;

use std::{sync::Arc, time::Duration};

use aws::Pace;
use kit::{Caller, Code, Endpoint, Faults, Function, Method, Vars, config::Variable};
use sessions::{Prover, ReauthenticationSettings, SessionSettings, Sessions, WithdrawalSettings};
use store::{
    Database,
    edge::{self, Calls, IssuerSettings, LimitSettings, Limits, SnapshotSettings, TokenSettings},
    members::Members,
};
use upstream::{
    SecretSettings,
    providers::{ProviderSettings, Providers},
};

const NAME: &str = "me-identities";

const LINK: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/me/identities",
    "linkIdentity",
    "Gives the member another identity",
)
.caller(Caller::Member)
.answers(&[200, 201])
.problems(&[
    Code::TokenAudience,
    Code::TokenIssuer,
    Code::TokenNonce,
    Code::ChallengeUsed,
    Code::MemberBanned,
    Code::ReauthenticationRequired,
    Code::IdentityInUse,
    Code::ProviderAlreadyLinked,
    Code::ProviderDisabled,
    Code::Unavailable,
]);
const RESOLVE: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/me/identities/resolve",
    "resolveIdentity",
    "Says which of two members to go on as",
)
.caller(Caller::Member)
.problems(&[
    Code::Forbidden,
    Code::MemberBanned,
    Code::LinkTicketInvalid,
    Code::ProviderAlreadyLinked,
    Code::Unavailable,
]);
const UNLINK: Endpoint = Endpoint::new(
    Method::Delete,
    "/v1/me/identities/{provider}",
    "unlinkIdentity",
    "Takes an identity from the member",
)
.caller(Caller::Member)
.answers(&[204])
.problems(&[
    Code::MemberBanned,
    Code::ReauthenticationRequired,
    Code::NotFound,
    Code::LastIdentity,
    Code::Unavailable,
]);

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    SecretSettings::VARIABLES,
    SessionSettings::VARIABLES,
    TokenSettings::VARIABLES,
    IssuerSettings::VARIABLES,
    ProviderSettings::VARIABLES,
    WithdrawalSettings::VARIABLES,
    ReauthenticationSettings::VARIABLES,
    LimitSettings::VARIABLES,
    Settings::VARIABLES,
];

kit::settings! {
    /// How often identities are linked.
    pub struct Settings {
        /// Attempts to link an identity an hour from one address (IPv6: from one /64).
        per_address: Calls = "LINK_LIMIT_ADDRESS_PER_HOUR", default "60";
        /// Attempts of one member to link an identity an hour.
        per_member: Calls = "LINK_LIMIT_MEMBER_PER_HOUR", default "20";
    }
}

struct State {
    members: Members,
    sessions: Sessions,
    providers: Providers,
    prover: Prover,
    grace: Duration,
    reauthentication: ReauthenticationSettings,
    limits: Limits,
    settings: Settings,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (
        runtime,
        (((secrets, session), ((token, issuer), (provider, settings))), (limits, own)),
        aws,
        gate,
    ) = edge::start_gated(vars, NAME, |vars| {
        let sessions = Faults::both(SecretSettings::read(vars), SessionSettings::read(vars));
        let tokens = Faults::both(TokenSettings::read(vars), IssuerSettings::read(vars));
        let links = Faults::both(ProviderSettings::read(vars), WithdrawalSettings::read(vars));
        let own = Faults::both(ReauthenticationSettings::read(vars), Settings::read(vars));
        let own = Faults::both(LimitSettings::read(vars), own);
        Faults::both(Faults::both(sessions, Faults::both(tokens, links)), own)
    })?;
    let providers = provider.providers(runtime.settings.stage, &secrets, &aws)?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let sessions = Sessions::new(&session, (&token, &issuer), &secrets, &aws, &database);
    let state = Arc::new(State {
        members: Members::new(database.table(&token.members_table.0)),
        prover: Prover::new(providers.clone(), sessions.keys().clone()),
        sessions,
        providers,
        grace: settings.grace.0,
        reauthentication: own.0,
        limits: limits.limits(&database),
        settings: own.1,
    });
    Ok(kit::Api::new(NAME, runtime)
        .gate(gate)
        .authority(Arc::new(token.authority(&database)))
        .route(LINK, &state, link::post)
        .route(RESOLVE, &state, resolve::post)
        .route(UNLINK, &state, unlink::delete)
        .build())
}
