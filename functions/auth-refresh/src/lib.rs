//! `POST /v1/auth/refresh`: the next pair of tokens of a session.
//!
//! Phones repeat a request whose response they did not receive, some of them hours later: a token whose
//! successor was not used is answered with the live pair at any time, and the one before that for a
//! while. Any other that was replaced has been copied, and ends its session.
#![forbid(unsafe_code)]

use std::sync::Arc;

use aws::Pace;
use domain::{
    Instant, RandomId,
    identity::{MemberStatus, Presented, SecurityAction, SecurityEvent, Session},
};
use garde::Validate;
use kit::{
    Call, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::Variable, extract, reply,
};
use schemars::JsonSchema;
use serde::Deserialize;
use sessions::{SessionSettings, Sessions, TokenPair, refusal};
use store::{
    Database,
    edge::{
        self, Calls, CountedBy, IssuerSettings, LimitSettings, Limits, SnapshotSettings,
        TokenSettings,
    },
    members::{MemberRecord, Members, Refresh},
};
use upstream::SecretSettings;

const NAME: &str = "auth-refresh";

const POST: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/auth/refresh",
    "refreshTokens",
    "The next pair of tokens of a session",
)
.problems(&[
    Code::TokenInvalid,
    Code::TokenExpired,
    Code::RefreshTokenReused,
    Code::MemberBanned,
    Code::WithdrawalPending,
    Code::Unavailable,
]);

kit::settings! {
    /// How often sessions are refreshed.
    pub struct Settings {
        /// Refreshes of one session a minute.
        per_session: Calls = "REFRESH_LIMIT_SESSION_PER_MIN", default "60";
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
    Settings::VARIABLES,
];

struct State {
    members: Members,
    sessions: Sessions,
    limits: Limits,
    per_session: Calls,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, ((secrets, session), ((token, issuer), (limits, settings))), aws, gate) =
        edge::start_gated(vars, NAME, |vars| {
            let sessions = Faults::both(SecretSettings::read(vars), SessionSettings::read(vars));
            let tokens = Faults::both(TokenSettings::read(vars), IssuerSettings::read(vars));
            let own = Faults::both(LimitSettings::read(vars), Settings::read(vars));
            Faults::both(sessions, Faults::both(tokens, own))
        })?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let state = Arc::new(State {
        sessions: Sessions::new(&session, (&token, &issuer), &secrets, &aws, &database),
        members: Members::new(database.table(&token.members_table.0)),
        limits: limits.limits(&database),
        per_session: settings.per_session,
    });
    Ok(kit::Api::new(NAME, runtime)
        .gate(gate)
        .route(POST, &state, post)
        .build())
}

/// The token that the last pair had.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    /// As it was given out.
    #[garde(length(bytes, max = 512))]
    refresh_token: String,
}

async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Json<RefreshBody>>,
) -> Result<Reply<reply::Json<TokenPair>>, Problem> {
    let (now, mut rng) = (call.now(), call.rng());
    let text = &call.body.0.refresh_token;
    let token = state.sessions.keys().presented(text, now).await?;
    let quota = state.per_session.per_minute("refreshes-session");
    let session = CountedBy::Session(token.session);
    state.limits.check(session, quota, now).await?;
    let over = || Problem::new(Code::TokenInvalid).detail("the session is over");
    let standing = state.members.standing(token.member, token.session).await?;
    let (record, session) = standing.ok_or_else(over)?;
    let terms = state.sessions.terms();
    let refused = match &session {
        // A copy is a copy, whatever else there is to say of its member.
        Some(session) if session.present(token.counter, now, terms) == Presented::Reused => None,
        _ => not_now(&record, now),
    };
    if let Some(refused) = refused {
        return Err(refused);
    }
    let session = session.ok_or_else(over)?;
    let refreshed = state
        .members
        .refresh(session, token.counter, now, terms)
        .await?;
    let session = match refreshed {
        Refresh::Live(session) => session,
        Refresh::Reused(session) => {
            let event = SecurityEvent {
                at: now,
                action: SecurityAction::RefreshTokenReused,
                session_id: session.id,
                counter: session.counter,
                request_id: call.facts.request_id.clone(),
            };
            let id = RandomId::new(now, &mut rng);
            state.end(&session, id, &event).await?;
            return Err(Problem::new(Code::RefreshTokenReused));
        }
        Refresh::Ended => return Err(Problem::new(Code::TokenExpired)),
        Refresh::Unheard => return Err(Problem::new(Code::TokenInvalid)),
    };
    let pair = state.sessions.pair(&session, now, &mut rng).await?;
    Ok(Reply::ok(pair).cache_control("no-store"))
}

/// Why a member gets no new tokens. Whoever is about to be forgotten signs in again to stay; whoever
/// has nothing left to sign in with has their session for it. A banned member signs in again to get
/// a token for their own data: a refresh token may be stolen, and ends no account.
fn not_now(record: &MemberRecord, now: Instant) -> Option<Problem> {
    let leaving = record.member.status(now) == MemberStatus::WithdrawalPending;
    let leaving = leaving && record.identities > 0;
    refusal(&record.member, now).or_else(|| leaving.then(|| Problem::new(Code::WithdrawalPending)))
}

impl State {
    /// Ends a session whose token has been copied. Its access tokens last until they expire: the
    /// revocation log is one for all, and not for what anybody can bring about.
    async fn end(
        &self,
        session: &Session,
        id: RandomId,
        event: &SecurityEvent,
    ) -> Result<(), Problem> {
        let members = &self.members;
        let with =
            |transaction| members.record_security_event(transaction, session.member, id, event);
        members
            .end_session(session.member, session.id, with)
            .await?;
        Ok(())
    }
}
