//! `POST /hooks/v1/apple/account`, `POST /hooks/v1/kakao/account` and
//! `POST /hooks/v1/facebook/data-deletion`: what providers report of accounts.
//!
//! A user who took back their consent is signed out; an account that was deleted, or whose user wants
//! everything deleted, is unlinked from a member who has another identity, and withdraws one who has
//! not, or who is banned. Events about users we do not know are answered as others are, as providers want it, and a
//! replay changes nothing.
#![forbid(unsafe_code)]

mod data_deletion;
mod reactions;

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
    extract::{FormOrSecurityEvent, Json},
    reply::Empty,
};
use schemars::JsonSchema;
use serde::Deserialize;
use sessions::WithdrawalSettings;
use store::{
    Database, Stamp, StoreError,
    edge::TokenSettings,
    members::{Members, ToldEvent, Unlinking, Withdrawing},
    revocations::{Change, Revocations},
};
use upstream::{
    SecretSettings,
    providers::{AccountEvent, ProviderSettings, Providers},
};

pub use self::reactions::{DeletionReaction, Reaction, ReactionSettings, UnlinkReaction};

const NAME: &str = "provider-events";

/// For how long an event is known again: by the id that its provider gave it, and without one. Kakao's
/// notices have neither id nor time, so within this a second one counts as the first one sent again,
/// also where the user has linked the account in between.
const NAMED: Duration = Duration::from_secs(400 * 86_400);
const UNNAMED: Duration = Duration::from_secs(300);

const APPLE: Endpoint = Endpoint::new(
    Method::Post,
    "/hooks/v1/apple/account",
    "appleAccountEvent",
    "Receive an account event from Apple",
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
    "Receive an account event from Kakao",
)
.caller(Caller::Hook)
.answers(&[200, 202])
.problems(&[
    Code::TokenInvalid,
    Code::TokenAudience,
    Code::TokenIssuer,
    Code::TokenExpired,
    Code::ProviderDisabled,
    Code::Unavailable,
]);
const FACEBOOK_DATA_DELETION: Endpoint = Endpoint::new(
    Method::Post,
    "/hooks/v1/facebook/data-deletion",
    "facebookDataDeletion",
    "Receive a data deletion request from Facebook",
)
.caller(Caller::Hook)
.problems(&[
    Code::TokenInvalid,
    Code::TokenExpired,
    Code::ValidationFailed,
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
    ReactionSettings::VARIABLES,
];

struct State {
    members: Members,
    revocations: Revocations,
    providers: Providers,
    reactions: ReactionSettings,
    grace: Duration,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, ((secrets, token), (provider, (withdrawal, reactions))), aws) =
        aws::start(vars, NAME, |vars| {
            let shared = Faults::both(SecretSettings::read(vars), TokenSettings::read(vars));
            let own = Faults::both(WithdrawalSettings::read(vars), ReactionSettings::read(vars));
            Faults::both(shared, Faults::both(ProviderSettings::read(vars), own))
        })?;
    let providers = provider.providers(runtime.settings.stage, &secrets, &aws)?;
    let members = Database::connect(&aws, Pace::NORMAL).table(&token.members_table.0);
    let state = Arc::new(State {
        revocations: Revocations::new(members.clone()),
        members: Members::new(members),
        providers,
        reactions,
        grace: withdrawal.grace.0,
    });
    Ok(kit::Api::new(NAME, runtime)
        .route(APPLE, &state, apple)
        .route(KAKAO, &state, kakao)
        .route(FACEBOOK_DATA_DELETION, &state, data_deletion::post)
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

/// A form is a notice of unlinking, proved by our admin key; a security event token proves itself, and is
/// acknowledged as RFC 8935, section 2.2, has it.
async fn kakao(
    state: Arc<State>,
    call: Call<Nothing, Nothing, FormOrSecurityEvent>,
) -> Result<Reply<Empty>, Problem> {
    let now = call.now();
    let stamp = Stamp::random(&mut call.rng());
    let text = &call.body.0;
    let media_type = call.header(header::CONTENT_TYPE.as_str());
    let is_token = media_type.is_some_and(|sent| {
        let essence = sent.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case(FormOrSecurityEvent::SECURITY_EVENT)
    });
    if is_token {
        let event = state.providers.kakao_security_event(text.trim(), now);
        state.act(&event.await?, stamp, now).await?;
        return Ok(Reply::new(http::StatusCode::ACCEPTED, Empty));
    }
    let proof = call
        .header(header::AUTHORIZATION.as_str())
        .unwrap_or_default();
    let event = state.providers.kakao_event(proof, text, now).await?;
    state.act(&event, stamp, now).await?;
    Ok(Reply::done())
}

impl State {
    async fn act(&self, event: &AccountEvent, stamp: Stamp, now: Instant) -> Result<(), Problem> {
        let id = id_of(event);
        let seen = ToldEvent {
            provider: event.provider,
            id: &id,
            known_for: if event.id.is_some() { NAMED } else { UNNAMED },
        };
        // An event that is older than the link is about an earlier one.
        let identity = (event.provider, &event.subject);
        let Some(member) = self.members.owner_since(identity, event.at).await? else {
            return self.without_effect(event, &seen, now).await;
        };
        if self.members.was_acted_on(&seen, now).await? {
            return Ok(());
        }
        let reaction = self.reactions.to(event);
        match self
            .react(reaction, event, (member, &seen), stamp, now)
            .await
        {
            Err(error) if error.is_conflict() => match self.members.was_acted_on(&seen, now).await?
            {
                true => Ok(()),
                // Other writes were in the way: the provider sends it again.
                false => Err(error.into()),
            },
            acted => Ok(acted?),
        }
    }

    /// Remembers an event that changed nothing if its provider tells no time of it: only so is the same
    /// notice known as the same once the user has linked the account.
    async fn without_effect(
        &self,
        event: &AccountEvent,
        seen: &ToldEvent<'_>,
        now: Instant,
    ) -> Result<(), Problem> {
        match event.id {
            Some(_) => Ok(()),
            None => Ok(self.members.dismiss_event(seen, now).await?),
        }
    }

    async fn react(
        &self,
        reaction: Reaction,
        event: &AccountEvent,
        (member, seen): (MemberId, &ToldEvent<'_>),
        stamp: Stamp,
        now: Instant,
    ) -> Result<(), StoreError> {
        let at = event.at;
        match reaction {
            Reaction::Ignore => return Ok(()),
            Reaction::SignOut => return self.sign_out(member, seen, at, stamp, now).await,
            Reaction::Unlink | Reaction::Withdraw => {}
        }
        let with = |transaction| self.members.act_once(transaction, seen, now);
        let identity = (event.provider, &event.subject, at);
        let unlinking = self
            .members
            .unlink_ended(member, identity, stamp, now, with);
        match (unlinking.await?, reaction) {
            (Unlinking::Unlinked { .. } | Unlinking::NotThere, _) => Ok(()),
            // A banned member's identity is not unlinked alone, because it could sign in without the ban.
            // A withdrawal deletes all of them, and the ban stays under their hashes.
            (Unlinking::LastIdentity | Unlinking::Banned(_), Reaction::Withdraw) => {
                let withdrawing = self.members.withdraw(member, self.grace, stamp, now, with);
                match withdrawing.await? {
                    Some(Withdrawing::Pending(_)) => self.members.dismiss_event(seen, now).await,
                    Some(Withdrawing::Begun(_)) | None => Ok(()),
                }
            }
            (Unlinking::Banned(_), _) => self.members.dismiss_event(seen, now).await,
            // Without it the member could never sign in again: the same user may come back to it.
            (Unlinking::LastIdentity, _) => self.sign_out(member, seen, at, stamp, now).await,
        }
    }

    async fn sign_out(
        &self,
        member: MemberId,
        seen: &ToldEvent<'_>,
        at: Instant,
        stamp: Stamp,
        now: Instant,
    ) -> Result<(), StoreError> {
        let ended = SessionsEnded { at, except: None };
        let revoke = self
            .revocations
            .entry(&Change::EndAll(member, ended), now)?;
        let with = |transaction| self.members.act_once(revoke.add(transaction)?, seen, now);
        self.members
            .end_sessions(member, ended, stamp, with)
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
