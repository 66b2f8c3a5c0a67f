//! `POST /hooks/v1/apple/account` and `POST /hooks/v1/kakao/account`: what providers tell of accounts,
//! unasked.
//!
//! Whoever took back their consent is signed out; whoever deleted their account is forgotten after
//! the grace. What is not about anybody we know is answered 200 too, as providers want it, and a
//! replay changes nothing.
#![forbid(unsafe_code)]

use std::{sync::Arc, time::Duration};

use aws::Pace;
use domain::{
    Instant,
    identity::{MemberId, SessionsEnded},
};
use garde::Validate;
use http::header;
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::Variable,
    extract::{Form, Json},
    reply::Empty,
};
use schemars::JsonSchema;
use serde::Deserialize;
use sessions::WithdrawalSettings;
use store::{
    Database, Stamp, StoreError,
    edge::TokenSettings,
    members::{Members, ToldEvent},
    revocations::{Change, Revocations},
};
use upstream::{
    SecretSettings,
    providers::{AccountEvent, AccountEventKind, ProviderSettings, Providers},
};

const NAME: &str = "provider-events";

/// For how long an event is known again: by the id that its provider gave it, and without one.
const NAMED: Duration = Duration::from_secs(400 * 86_400);
const UNNAMED: Duration = Duration::from_secs(300);

const APPLE: Endpoint = Endpoint::new(
    Method::Post,
    "/hooks/v1/apple/account",
    "appleAccountEvent",
    "What Apple tells of an account",
)
.caller(Caller::Hook)
.problems(&[
    Code::TokenInvalid,
    Code::TokenAudience,
    Code::TokenIssuer,
    Code::TokenExpired,
    Code::ProviderDisabled,
    Code::Unavailable,
]);
const KAKAO: Endpoint = Endpoint::new(
    Method::Post,
    "/hooks/v1/kakao/account",
    "kakaoAccountEvent",
    "What Kakao tells of an account",
)
.caller(Caller::Hook)
.headers(&["Authorization"])
.problems(&[
    Code::TokenInvalid,
    Code::TokenAudience,
    Code::ProviderDisabled,
    Code::Unavailable,
]);

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SecretSettings::VARIABLES,
    TokenSettings::VARIABLES,
    ProviderSettings::VARIABLES,
    WithdrawalSettings::VARIABLES,
];

struct State {
    members: Members,
    revocations: Revocations,
    providers: Providers,
    grace: Duration,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, ((secrets, token), (provider, withdrawal)), aws) =
        aws::start(vars, NAME, |vars| {
            let shared = Faults::both(SecretSettings::read(vars), TokenSettings::read(vars));
            let own = Faults::both(ProviderSettings::read(vars), WithdrawalSettings::read(vars));
            Faults::both(shared, own)
        })?;
    let providers = provider.providers(runtime.settings.stage, &secrets, &aws)?;
    let members = Database::connect(&aws, Pace::NORMAL).table(&token.members_table.0);
    let state = Arc::new(State {
        revocations: Revocations::new(members.clone()),
        members: Members::new(members),
        providers,
        grace: withdrawal.grace.0,
    });
    Ok(kit::Api::new(NAME, runtime)
        .route(APPLE, &state, apple)
        .route(KAKAO, &state, kakao)
        .build())
}

/// What Apple posts.
#[derive(Deserialize, JsonSchema, Validate)]
pub struct AppleNotification {
    /// A token that Apple signed, with the event inside.
    #[garde(length(bytes, max = 16384))]
    payload: String,
}

async fn apple(
    state: Arc<State>,
    call: Call<Nothing, Nothing, Json<AppleNotification>>,
) -> Result<Reply<Empty>, Problem> {
    let now = call.now();
    let payload = &call.body.0.payload;
    let event = state.providers.apple_event(payload, now).await?;
    state
        .act(&event, Stamp::random(&mut call.rng()), now)
        .await?;
    Ok(Reply::done())
}

async fn kakao(
    state: Arc<State>,
    call: Call<Nothing, Nothing, Form>,
) -> Result<Reply<Empty>, Problem> {
    let now = call.now();
    let proof = call
        .header(header::AUTHORIZATION.as_str())
        .unwrap_or_default();
    let event = state
        .providers
        .kakao_event(proof, &call.body.0, now)
        .await?;
    state
        .act(&event, Stamp::random(&mut call.rng()), now)
        .await?;
    Ok(Reply::done())
}

impl State {
    async fn act(&self, event: &AccountEvent, stamp: Stamp, now: Instant) -> Result<(), Problem> {
        let owner = self.members.owner(event.provider, &event.subject).await?;
        let Some(member) = owner else {
            return Ok(());
        };
        let id = id_of(event);
        let told = ToldEvent {
            provider: event.provider,
            id: &id,
            known_for: if event.id.is_some() { NAMED } else { UNNAMED },
        };
        let acted = match event.kind {
            AccountEventKind::ConsentRevoked => {
                let at = event.at.min(now);
                self.sign_out(member, &told, at, stamp, now).await
            }
            AccountEventKind::AccountDeleted => {
                let with = |transaction| self.members.act_once(transaction, &told, now);
                let withdrawn = self.members.withdraw(member, self.grace, stamp, now, with);
                withdrawn.await.map(drop)
            }
            AccountEventKind::EmailEnabled
            | AccountEventKind::EmailDisabled
            | AccountEventKind::Other => Ok(()),
        };
        match acted {
            Err(error) if error.is_conflict() => match self.members.was_acted_on(&told, now).await?
            {
                true => Ok(()),
                // Others were in the way: the provider tells it again.
                false => Err(error.into()),
            },
            acted => Ok(acted?),
        }
    }

    async fn sign_out(
        &self,
        member: MemberId,
        told: &ToldEvent<'_>,
        at: Instant,
        stamp: Stamp,
        now: Instant,
    ) -> Result<(), StoreError> {
        let ended = SessionsEnded { at, except: None };
        let change = Change::EndAll(member, ended);
        let members = &self.members;
        self.revocations
            .together_with(&change, now, |revoke| async move {
                let with = |transaction| members.act_once(revoke.add(transaction)?, told, now);
                members.end_sessions(member, ended, stamp, with).await
            })
            .await?;
        Ok(())
    }
}

/// An event that its provider gives no id is the same for a while if it says the same of the same
/// account.
fn id_of(event: &AccountEvent) -> String {
    let unnamed = || format!("{:?}:{}", event.kind, &*event.subject);
    event.id.clone().unwrap_or_else(unnamed)
}
