//! `POST /v1/auth/challenges`: a nonce for a provider's id token, good for one sign-in.
//!
//! Nothing is kept: [`domain::identity::Challenge`] says how it is known again.
#![forbid(unsafe_code)]

use std::sync::Arc;

use domain::{Instant, identity::Challenge};
use kit::{
    Call, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::Variable, reply::Json,
};
use schemars::JsonSchema;
use serde::Serialize;
use sessions::{AuthKeys, SessionSettings};
use store::edge::{self, SnapshotSettings};
use upstream::SecretSettings;

const NAME: &str = "auth-challenges";

const POST: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/auth/challenges",
    "createChallenge",
    "A nonce for a provider's id token",
)
.answers(&[201])
.problems(&[Code::Unavailable]);

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    SecretSettings::VARIABLES,
    SessionSettings::VARIABLES,
];

struct State {
    keys: AuthKeys,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, (secrets, settings), aws, gate) = edge::start_gated(vars, NAME, |vars| {
        Faults::both(SecretSettings::read(vars), SessionSettings::read(vars))
    })?;
    let state = Arc::new(State {
        keys: settings.keys(&secrets, &aws),
    });
    Ok(kit::Api::new(NAME, runtime)
        .gate(gate)
        .route(POST, &state, post)
        .build())
}

/// A challenge, as an app is told of it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Challenge")]
pub struct ChallengeAnswer {
    /// What the sign-in names it by.
    challenge_id: String,
    /// What the provider's SDK is given to put into its token.
    nonce: String,
    /// When it lapses.
    expires_at: Instant,
}

async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, Nothing>,
) -> Result<Reply<Json<ChallengeAnswer>>, Problem> {
    let now = call.now();
    let keys = state.keys.current(now).await?;
    let challenge = Challenge::new(&keys, now, &mut call.rng());
    let answer = Reply::created(ChallengeAnswer {
        challenge_id: challenge.id,
        nonce: challenge.nonce,
        expires_at: challenge.expires_at,
    });
    Ok(answer.cache_control("no-store"))
}
