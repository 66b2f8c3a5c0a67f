//! `POST /v1/auth/guest`, `POST /v1/auth/transfer` and `POST /v1/me/transfer-code`: a session for
//! somebody without an account anywhere, by a secret that is given once, and a code that moves them to
//! another phone. A device's id alone proves nothing.
#![forbid(unsafe_code)]

mod guest;
mod transfer;

use std::sync::Arc;

use aws::Pace;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Instant,
    identity::{Session, Subject},
};
use kit::{
    Caller, Code, Endpoint, Faults, Function, Method, Problem, Reply, Vars, config::Variable, reply,
};
use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::Serialize;
use sessions::{
    GuestCredentials, GuestSecretSettings, MemberAnswer, REPLAYED, ReauthenticationSettings,
    Repeats, SessionSettings, Sessions, SignInLimitSettings, SignInOutcome, SignedInAnswer,
};
use store::{
    Database,
    edge::{self, Calls, IssuerSettings, LimitSettings, Limits, SnapshotSettings, TokenSettings},
    members::{MemberRecord, Members},
};
use upstream::SecretSettings;

const NAME: &str = "auth-guest";

const POST: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/auth/guest",
    "signInAsGuest",
    "Signs in as a guest",
)
.idempotent_in_handler()
.answers(&[200, 201])
.problems(&[
    Code::TokenInvalid,
    Code::MemberBanned,
    Code::GuardianConsentRequired,
    Code::Unavailable,
]);
const TRANSFER: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/auth/transfer",
    "signInWithTransferCode",
    "Sign in with a transfer code",
)
.idempotent_in_handler()
.problems(&[
    Code::TransferCodeInvalid,
    Code::TokenInvalid,
    Code::MemberBanned,
    Code::Unavailable,
]);
const CODE: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/me/transfer-code",
    "createTransferCode",
    "Create a transfer code",
)
.caller(Caller::Member)
.answers(&[201])
.problems(&[
    Code::MemberBanned,
    Code::ReauthenticationRequired,
    Code::GuestOnly,
    Code::Unavailable,
]);

kit::settings! {
    /// How often guests sign in.
    pub struct Settings {
        /// New guests an hour from one address (IPv6: from one /64).
        guests_per_address: Calls = "GUEST_LIMIT_ADDRESS_PER_HOUR", default "20";
        /// Transfer codes an hour that one address may present (IPv6: one /64).
        transfers_per_address: Calls = "TRANSFER_LIMIT_ADDRESS_PER_HOUR", default "20";
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
    IssuerSettings::VARIABLES,
    LimitSettings::VARIABLES,
    GuestSecretSettings::VARIABLES,
    ReauthenticationSettings::VARIABLES,
    SignInLimitSettings::VARIABLES,
    Settings::VARIABLES,
];

struct State {
    members: Members,
    sessions: Sessions,
    repeats: Repeats,
    limits: Limits,
    secrets: GuestSecretSettings,
    reauthentication: ReauthenticationSettings,
    sign_ins_per_address: SignInLimitSettings,
    settings: Settings,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (
        runtime,
        (((secrets, session), (token, issuer)), (limits, (guest, (sign_ins, own)))),
        aws,
        gate,
    ) = edge::start_gated(vars, NAME, |vars| {
        let sessions = Faults::both(SecretSettings::read(vars), SessionSettings::read(vars));
        let tokens = Faults::both(TokenSettings::read(vars), IssuerSettings::read(vars));
        let guests = Faults::both(
            GuestSecretSettings::read(vars),
            ReauthenticationSettings::read(vars),
        );
        let own = Faults::both(SignInLimitSettings::read(vars), Settings::read(vars));
        let own = Faults::both(guests, own);
        let own = Faults::both(LimitSettings::read(vars), own);
        Faults::both(Faults::both(sessions, tokens), own)
    })?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let sessions = Sessions::new(&session, (&token, &issuer), &secrets, &aws, &database);
    let state = Arc::new(State {
        members: Members::new(database.table(&token.members_table.0)),
        repeats: Repeats::new(&limits, &database, sessions.keys()),
        limits: limits.limits(&database),
        sessions,
        secrets: guest.0,
        reauthentication: guest.1,
        sign_ins_per_address: sign_ins,
        settings: own,
    });
    Ok(kit::Api::new(NAME, runtime)
        .gate(gate)
        .authority(Arc::new(token.authority(&database)))
        .route(POST, &state, guest::post)
        .route(TRANSFER, &state, transfer::post)
        .route(CODE, &state, transfer::create)
        .build())
}

/// What a guest's sign-in gives.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GuestSignedIn")]
pub struct GuestAnswer {
    #[serde(flatten)]
    signed_in: SignedInAnswer,
    /// Who they are from now on.
    guest_id: Subject,
    /// What proves it. Told this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    guest_secret: Option<String>,
}

/// A guest who is signed in.
struct SignedInGuest {
    member: MemberRecord,
    session: Session,
    created: bool,
    credentials: GuestCredentials,
}

impl State {
    async fn reply(
        &self,
        guest: SignedInGuest,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<Reply<reply::Json<GuestAnswer>>, Problem> {
        let tokens = self.sessions.pair(&guest.session, now, rng).await?;
        let answer = GuestAnswer {
            signed_in: SignedInAnswer {
                tokens,
                created: guest.created,
                member: MemberAnswer::read(&self.members, guest.member, now).await?,
            },
            guest_id: guest.credentials.id,
            guest_secret: guest.credentials.secret,
        };
        let reply = match guest.created {
            true => Reply::created(answer),
            false => Reply::ok(answer),
        };
        Ok(reply.cache_control("no-store"))
    }

    /// Answers a repeated request as the first one was answered.
    async fn again(
        &self,
        outcome: SignInOutcome,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<Reply<reply::Json<GuestAnswer>>, Problem> {
        let (member, session) = outcome.current(&self.members, now).await?;
        let credentials = outcome
            .guest
            .ok_or_else(|| Problem::new(Code::TokenInvalid))?;
        let guest = SignedInGuest {
            member,
            session,
            created: outcome.created,
            credentials,
        };
        let (name, value) = REPLAYED;
        Ok(self.reply(guest, now, rng).await?.header(name, value))
    }
}

/// Returns a secret of 256 random bits.
fn new_secret(rng: &mut impl Rng) -> String {
    URL_SAFE_NO_PAD.encode(rng.random::<[u8; 32]>())
}
