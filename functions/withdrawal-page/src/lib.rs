//! `GET /withdrawal` and `POST /v1/withdrawals`: leaving for whoever has no app at hand. Google Play
//! asks for such a page, by an address that needs no sign-in. `GET /withdrawal/requests/{code}` shows how far a
//! deletion is that Facebook requested.
#![forbid(unsafe_code)]

mod page;
mod requests;
mod store_name;
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

use crate::{page::Contact, store_name::StoreName};

const NAME: &str = "withdrawal-page";

const PAGE: Endpoint = Endpoint::new(
    Method::Get,
    "/withdrawal",
    "getWithdrawalPage",
    "A page that says how to leave",
)
.headers(&["Accept-Language"])
.during_maintenance();
const REQUEST: Endpoint = Endpoint::new(
    Method::Get,
    "/withdrawal/requests/{code}",
    "getDeletionRequestPage",
    "Show the state of a deletion request",
)
.headers(&["Accept-Language"])
.problems(&[Code::NotFound, Code::Unavailable])
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
        /// The app's name as in the stores, which the page names. Required in the stage prd.
        app_name: Option<StoreName> = "APP_NAME", example "Madang";
        /// The developer's name as in the stores, which the page names. Required in the stage prd.
        developer_name: Option<StoreName> = "DEVELOPER_NAME", example "Madang Inc.";
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
    app_name: StoreName,
    developer_name: StoreName,
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
    let (app_name, developer_name) = settings.of_the_app(runtime.settings.stage)?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let state = Arc::new(State {
        members: Members::new(database.table(&token.members_table.0)),
        prover: Prover::new(providers, session.keys(&secrets, &aws)),
        grace: withdrawal.grace.0,
        contact: settings.contact,
        app_name,
        developer_name,
        limits: limits.limits(&database),
        per_address: settings.per_address,
        secrets: guests,
    });
    Ok(kit::Api::new(NAME, runtime)
        .gate(gate)
        .route(PAGE, &state, page::get)
        .route(REQUEST, &state, requests::get)
        .route(WITHDRAW, &state, withdrawals::post)
        .build())
}

impl Settings {
    /// The names of app and developer. Stages but prd have example ones where none are configured.
    fn of_the_app(&self, stage: Stage) -> Result<(StoreName, StoreName), Faults> {
        let is_prd = stage == Stage::Prd;
        let named = |name: &Option<StoreName>, variable, what: &str, example| match name {
            Some(name) => Ok(name.clone()),
            None if is_prd => Err(Faults::one(
                variable,
                format!("the {what}'s name as in the stores, in the stage prd"),
            )),
            None => Ok(StoreName::example(example)),
        };
        let contact = match is_prd && self.contact.is_example() {
            true => Err(Faults::one(
                "WITHDRAWAL_CONTACT",
                "an address of the app's own, in the stage prd",
            )),
            false => Ok(()),
        };
        let app = named(&self.app_name, "APP_NAME", "app", "Example App");
        let developer = named(
            &self.developer_name,
            "DEVELOPER_NAME",
            "developer",
            "Example Developer",
        );
        let ((), names) = Faults::both(contact, Faults::both(app, developer))?;
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let pairs = pairs.iter();
        let vars: Vars = pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Settings::read(&vars).unwrap()
    }

    #[test]
    fn production_refuses_a_page_that_names_neither_app_nor_developer() {
        let bare = settings(&[("WITHDRAWAL_CONTACT", "privacy@example.com")]);
        let faults = bare.of_the_app(Stage::Prd).unwrap_err();
        let names: Vec<_> = faults.0.iter().map(|fault| fault.name).collect();
        assert_eq!(names, ["WITHDRAWAL_CONTACT", "APP_NAME", "DEVELOPER_NAME"]);
        assert!(bare.of_the_app(Stage::Dev).is_ok());
        let whole = settings(&[
            ("WITHDRAWAL_CONTACT", "privacy@madang.kr"),
            ("APP_NAME", "마당"),
            ("DEVELOPER_NAME", "Madang & Co."),
        ]);
        assert!(whole.of_the_app(Stage::Prd).is_ok());
    }
}
