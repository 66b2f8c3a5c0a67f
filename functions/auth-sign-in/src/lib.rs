//! `POST /v1/auth/sign-in`: a session for whoever a provider vouches for, who becomes a member the
//! first time.
#![forbid(unsafe_code)]

use std::sync::Arc;

use aws::Pace;
use domain::{
    Country, RandomId,
    identity::{Consents, Provider, SessionDevice},
};
use garde::Validate;
use kit::{
    Call, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::Variable, extract, reply,
};
use schemars::JsonSchema;
use serde::Deserialize;
use sessions::{Claimed, MemberAnswer, Prover, SessionSettings, Sessions, SignedInAnswer};
use store::{
    Database, Stamp,
    edge::{self, IssuerSettings, SnapshotSettings, TokenSettings},
    members::{Members, NewIdentity, NewSession, Newcomer, SignIn, SignedIn},
};
use upstream::{SecretSettings, providers::ProviderSettings};

const NAME: &str = "auth-sign-in";

const POST: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/auth/sign-in",
    "signIn",
    "Signs in with a provider's proof",
)
.answers(&[200, 201])
.problems(&[
    Code::TokenInvalid,
    Code::TokenExpired,
    Code::TokenAudience,
    Code::TokenIssuer,
    Code::TokenNonce,
    Code::ChallengeUsed,
    Code::MemberBanned,
    Code::GuardianConsentRequired,
    Code::ProviderDisabled,
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
];

struct State {
    members: Members,
    sessions: Sessions,
    prover: Prover,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, ((secrets, session), ((token, issuer), provider)), aws, gate) =
        edge::start_gated(vars, NAME, |vars| {
            let sessions = Faults::both(SecretSettings::read(vars), SessionSettings::read(vars));
            let tokens = Faults::both(TokenSettings::read(vars), IssuerSettings::read(vars));
            let providers = ProviderSettings::read(vars);
            Faults::both(sessions, Faults::both(tokens, providers))
        })?;
    let providers = provider.providers(runtime.settings.stage, &secrets, &aws)?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let sessions = Sessions::new(&session, (&token, &issuer), &secrets, &aws, &database);
    let state = Arc::new(State {
        members: Members::new(database.table(&token.members_table.0)),
        prover: Prover::new(providers, sessions.keys().clone()),
        sessions,
    });
    Ok(kit::Api::new(NAME, runtime)
        .gate(gate)
        .route(POST, &state, post)
        .build())
}

/// A proof of who somebody is, and where they are. Which of the tokens a provider vouches by, the
/// documentation of each says.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct SignInBody {
    /// Who is to vouch for them.
    provider: Provider,
    /// A token that the provider signed.
    // More than any verifier takes: one that is merely too large is a bad token, not a bad body.
    #[garde(inner(length(bytes, max = 65536)))]
    id_token: Option<String>,
    /// A token that the provider's API takes.
    #[garde(inner(length(bytes, max = 4096)))]
    access_token: Option<String>,
    /// Apple's authorization code, by which the connection can be ended at withdrawal.
    #[garde(inner(length(bytes, max = 4096)))]
    authorization_code: Option<String>,
    /// The challenge that the id token answers: needed wherever the provider puts a nonce into it.
    #[garde(inner(length(bytes, max = 256)))]
    challenge_id: Option<String>,
    /// The challenge's nonce, or its SHA-256 in hexadecimal.
    #[garde(inner(length(bytes, max = 256)))]
    nonce: Option<String>,
    /// Where they are.
    #[garde(dive)]
    device: SessionDevice,
    /// Where they are at home.
    country: Option<Country>,
    /// Whether they are under 14, in which case a guardian has to agree before they become a member.
    #[serde(default)]
    under_14: bool,
    /// That a guardian agreed.
    #[serde(default)]
    guardian_consent: bool,
}

async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Json<SignInBody>>,
) -> Result<Reply<reply::Json<SignedInAnswer>>, Problem> {
    let (now, mut rng) = (call.now(), call.rng());
    let body = call.body.0;
    let claimed = Claimed {
        provider: body.provider,
        id_token: body.id_token,
        access_token: body.access_token,
        authorization_code: body.authorization_code,
        challenge_id: body.challenge_id,
        nonce: body.nonce,
    };
    let proven = state.prover.prove(&claimed, now).await?;
    let may_join = !body.under_14 || body.guardian_consent;
    let newcomer = may_join.then(|| Newcomer {
        id: RandomId::new(now, &mut rng),
        locale: body.device.locale.clone(),
        country: body.country,
        consents: Consents {
            guardian: (body.under_14 && body.guardian_consent).then_some(now),
            ..Consents::default()
        },
        under_14: body.under_14,
    });
    let session = NewSession {
        id: RandomId::new(now, &mut rng),
        device: body.device,
    };
    let identity = NewIdentity {
        provider: proven.provider,
        subject: &proven.subject,
        guest_secret: None,
        provider_token: None,
    };
    let sign_in = SignIn {
        identity: &identity,
        newcomer: newcomer.as_ref(),
        session: &session,
        terms: state.sessions.terms(),
        challenge: proven.challenge.as_ref(),
    };
    let stamp = Stamp::random(&mut rng);
    let entered = match state.members.sign_in(&sign_in, stamp, now).await? {
        SignedIn::Entered(entered) => entered,
        SignedIn::ChallengeUsed => return Err(Problem::new(Code::ChallengeUsed)),
        SignedIn::Unknown => return Err(Problem::new(Code::GuardianConsentRequired)),
        SignedIn::Banned(ban) => return Err(Problem::banned(ban.message, ban.ends_at)),
        SignedIn::Leaving => {
            return Err(Problem::unavailable("the account is being forgotten"));
        }
    };
    let member = entered.member.member.id;
    state
        .prover
        .store_grant(&state.members, member, &proven, now, &mut rng)
        .await;
    let tokens = state.sessions.pair(&entered.session, now, &mut rng).await?;
    let created = entered.created;
    let answer = SignedInAnswer {
        tokens,
        created,
        member: MemberAnswer::read(&state.members, entered.member, now).await?,
    };
    let reply = match created {
        true => Reply::created(answer),
        false => Reply::ok(answer),
    };
    Ok(reply.cache_control("no-store"))
}
