//! `POST /v1/auth/sign-in`: a session for whoever a provider vouches for, who becomes a member the
//! first time.
#![forbid(unsafe_code)]

use std::sync::Arc;

use aws::Pace;
use domain::{Country, Instant, RandomId, ReportedDevice, identity::Consents, reported};
use kit::{
    Call, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars, call::Facts,
    config::Variable, extract, reply,
};
use rand::Rng;
use sessions::{
    Attempt, MemberAnswer, Prover, REPLAYED, Repeats, SessionSettings, Sessions, SignInClaim,
    SignInLimitSettings, SignedInAnswer, settle,
};
use store::{
    Database, Stamp,
    edge::{self, IssuerSettings, LimitSettings, Limits, SnapshotSettings, TokenSettings},
    members::{Entered, Members, NewIdentity, NewSession, Newcomer, SignIn, SignedIn},
};
use upstream::{SecretSettings, providers::ProviderSettings};

const NAME: &str = "auth-sign-in";

const POST: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/auth/sign-in",
    "signIn",
    "Signs in with a provider's proof",
)
.idempotent_in_handler()
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
    LimitSettings::VARIABLES,
    SignInLimitSettings::VARIABLES,
];

struct State {
    members: Members,
    sessions: Sessions,
    prover: Prover,
    repeats: Repeats,
    limits: Limits,
    per_address: SignInLimitSettings,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (
        runtime,
        (((secrets, session), ((token, issuer), provider)), (limits, per_address)),
        aws,
        gate,
    ) = edge::start_gated(vars, NAME, |vars| {
        let sessions = Faults::both(SecretSettings::read(vars), SessionSettings::read(vars));
        let tokens = Faults::both(TokenSettings::read(vars), IssuerSettings::read(vars));
        let providers = ProviderSettings::read(vars);
        let limits = Faults::both(LimitSettings::read(vars), SignInLimitSettings::read(vars));
        let sign_in = Faults::both(sessions, Faults::both(tokens, providers));
        Faults::both(sign_in, limits)
    })?;
    let providers = provider.providers(runtime.settings.stage, &secrets, &aws)?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let sessions = Sessions::new(&session, (&token, &issuer), &secrets, &aws, &database);
    let state = Arc::new(State {
        members: Members::new(database.table(&token.members_table.0)),
        prover: Prover::new(providers, sessions.keys().clone()),
        repeats: Repeats::new(&limits, &database, sessions.keys()),
        limits: limits.limits(&database),
        per_address,
        sessions,
    });
    Ok(kit::Api::new(NAME, runtime)
        .gate(gate)
        .route(POST, &state, post)
        .build())
}

sessions::proof_body! {
    /// A proof of who somebody is, and the device that they sign in on. Which of the tokens a provider
    /// vouches by, the documentation of each says.
    pub struct SignInBody {
        /// Apple's authorization code, by which the connection can be ended at withdrawal.
        #[garde(inner(length(bytes, max = 4096)))]
        authorization_code: Option<String>,
        /// The device that they sign in on.
        #[garde(dive)]
        device: ReportedDevice,
        /// The country where they are at home: ISO 3166-1 alpha-2 or `XK`, in any case. One that cannot be
        /// read counts as absent.
        #[serde(default, deserialize_with = "reported::value")]
        #[schemars(with = "Option<String>")]
        country: Option<Country>,
        /// Whether they are under 14, in which case a guardian has to agree before they become a member.
        #[serde(default)]
        under_14: bool,
        /// That a guardian agreed.
        #[serde(default)]
        guardian_consent: bool,
    }
}

async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Json<SignInBody>>,
) -> Result<Reply<reply::Json<SignedInAnswer>>, Problem> {
    let (now, mut rng) = (call.now(), call.rng());
    let claim = match state.repeats.begin(&call, &mut rng).await? {
        Attempt::First(claim) => claim,
        Attempt::Repeated(outcome) => {
            let (member, session) = outcome.current(&state.members, now).await?;
            let entered = Entered {
                member,
                session,
                created: outcome.created,
            };
            let (name, value) = REPLAYED;
            return Ok(state
                .reply(entered, now, &mut rng)
                .await?
                .header(name, value));
        }
        Attempt::Refused(banned) => {
            return Err(banned.problem(&state.sessions, now, &mut rng).await?);
        }
    };
    let entered = state
        .enter(&call.facts, call.body.0, claim.as_ref(), now, &mut rng)
        .await;
    let entered = settle(claim, entered).await?;
    state.reply(entered, now, &mut rng).await
}

impl State {
    async fn enter(
        &self,
        facts: &Facts,
        mut body: SignInBody,
        claim: Option<&SignInClaim>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<Entered, Problem> {
        self.per_address
            .count(&self.limits, facts.address, now)
            .await?;
        let authorization_code = body.authorization_code.take();
        let claimed = body.take_claimed(authorization_code);
        let proven = self.prover.prove(&claimed, now).await?;
        let may_join = !body.under_14 || body.guardian_consent;
        let newcomer = may_join.then(|| Newcomer {
            id: RandomId::new(now, rng),
            locale: body.device.locale.clone(),
            country: body.country,
            consents: Consents {
                guardian: (body.under_14 && body.guardian_consent).then_some(now),
                ..Consents::default()
            },
            under_14: body.under_14,
        });
        let session = NewSession::on(RandomId::new(now, rng), body.device);
        let identity = NewIdentity {
            provider: proven.provider,
            subject: &proven.subject,
            guest_secret: None,
            hashes: &proven.hashes,
        };
        let sign_in = SignIn {
            identity: &identity,
            newcomer: newcomer.as_ref(),
            session: &session,
            terms: self.sessions.terms(),
            challenge: proven.challenge.as_ref(),
        };
        let stamp = Stamp::random(rng);
        let signed_in = self
            .members
            .sign_in_with(&sign_in, stamp, now, |transaction, signed_in| match claim {
                Some(claim) => claim.finish_sign_in(signed_in, None, now, rng, transaction),
                None => Ok(transaction),
            })
            .await?;
        match signed_in {
            SignedIn::Entered(entered) => {
                let member = entered.member.member.id;
                self.prover
                    .store_grant(&self.members, member, &proven, now, rng)
                    .await;
                Ok(*entered)
            }
            SignedIn::ChallengeUsed => Err(Problem::new(Code::ChallengeUsed)),
            SignedIn::Unknown => Err(Problem::new(Code::GuardianConsentRequired)),
            SignedIn::Banned { ban, member } => {
                Err(self.sessions.banned(member, &ban, now, rng).await?)
            }
        }
    }

    async fn reply(
        &self,
        entered: Entered,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<Reply<reply::Json<SignedInAnswer>>, Problem> {
        let tokens = self.sessions.pair(&entered.session, now, rng).await?;
        let created = entered.created;
        let answer = SignedInAnswer {
            tokens,
            created,
            member: MemberAnswer::read(&self.members, entered.member, now).await?,
        };
        let reply = match created {
            true => Reply::created(answer),
            false => Reply::ok(answer),
        };
        Ok(reply.cache_control("no-store"))
    }
}
