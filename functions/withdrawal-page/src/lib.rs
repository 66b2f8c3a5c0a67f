//! `GET /withdrawal` and `POST /v1/withdrawals`: leaving for whoever has no app at hand. Google Play
//! asks for such a page, by an address that needs no sign-in.
#![forbid(unsafe_code)]

mod page;
mod withdrawals;

use std::{sync::Arc, time::Duration};

use aws::Pace;
use kit::{
    Code, Endpoint, Faults, Function, Method, Vars,
    config::{Stage, Variable},
};
use sessions::{GuestSecretSettings, Prover, SessionSettings, WithdrawalSettings};
use store::{
    Database,
    edge::{self, Calls, LimitSettings, Limits, SnapshotSettings, TokenSettings},
    members::Members,
};
use upstream::{SecretSettings, providers::ProviderSettings};

use crate::page::Contact;

const NAME: &str = "withdrawal-page";

const PAGE: Endpoint = Endpoint::new(
    Method::Get,
    "/withdrawal",
    "getWithdrawalPage",
    "A page that says how to leave",
)
.headers(&["Accept-Language"])
.during_maintenance();
const WITHDRAW: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/withdrawals",
    "withdrawByProof",
    "Has whoever proves who they are forgotten after a grace",
)
.answers(&[202])
.problems(&[
    Code::TokenInvalid,
    Code::TokenExpired,
    Code::TokenAudience,
    Code::TokenIssuer,
    Code::TokenNonce,
    Code::ChallengeUsed,
    Code::NotFound,
    Code::ProviderDisabled,
    Code::Unavailable,
]);

kit::settings! {
    /// What the page needs beside.
    pub struct Settings {
        /// Whom somebody writes to who wants to leave and has no app: a mail address, or a page. An example's is refused in the stage prd.
        contact: Contact = "WITHDRAWAL_CONTACT", example "privacy@example.com";
        /// Withdrawals by proof an hour from one address (IPv6: from one /64).
        per_address: Calls = "WITHDRAWAL_LIMIT_ADDRESS_PER_HOUR", default "20";
    }
}

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    SecretSettings::VARIABLES,
    SessionSettings::VARIABLES,
    TokenSettings::VARIABLES,
    ProviderSettings::VARIABLES,
    WithdrawalSettings::VARIABLES,
    LimitSettings::VARIABLES,
    GuestSecretSettings::VARIABLES,
    Settings::VARIABLES,
];

struct State {
    members: Members,
    prover: Prover,
    grace: Duration,
    contact: Contact,
    limits: Limits,
    per_address: Calls,
    secrets: GuestSecretSettings,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (
        runtime,
        (((secrets, session), (token, (provider, (withdrawal, settings)))), (limits, guests)),
        aws,
        gate,
    ) = edge::start_gated(vars, NAME, |vars| {
        let sessions = Faults::both(SecretSettings::read(vars), SessionSettings::read(vars));
        let own = Faults::both(WithdrawalSettings::read(vars), Settings::read(vars));
        let own = Faults::both(ProviderSettings::read(vars), own);
        let limits = Faults::both(LimitSettings::read(vars), GuestSecretSettings::read(vars));
        let proofs = Faults::both(sessions, Faults::both(TokenSettings::read(vars), own));
        Faults::both(proofs, limits)
    })?;
    let providers = provider.providers(runtime.settings.stage, &secrets, &aws)?;
    if runtime.settings.stage == Stage::Prd && settings.contact.is_example() {
        return Err(Faults::one(
            "WITHDRAWAL_CONTACT",
            "an address of the app's own, in the stage prd",
        ));
    }
    let database = Database::connect(&aws, Pace::NORMAL);
    let state = Arc::new(State {
        members: Members::new(database.table(&token.members_table.0)),
        prover: Prover::new(providers, session.keys(&secrets, &aws)),
        grace: withdrawal.grace.0,
        contact: settings.contact,
        limits: limits.limits(&database),
        per_address: settings.per_address,
        secrets: guests,
    });
    Ok(kit::Api::new(NAME, runtime)
        .gate(gate)
        .route(PAGE, &state, page::get)
        .route(WITHDRAW, &state, withdrawals::post)
        .build())
}
