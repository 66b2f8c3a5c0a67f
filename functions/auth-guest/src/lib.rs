//! `POST /v1/auth/guest`: a session for whoever has no account anywhere, by a secret that is told
//! once. A device's id alone proves nothing.
#![forbid(unsafe_code)]

use std::sync::Arc;

use aws::Pace;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Country, Fault, FaultCode, Instant, RandomId,
    identity::{Consents, Provider, SessionDevice, Subject},
    reported,
};
use garde::Validate;
use kit::{
    Call, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::Variable, extract, reply,
};
use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sessions::{MemberAnswer, SessionSettings, Sessions, SignedInAnswer};
use store::{
    Database, Stamp,
    edge::{self, IssuerSettings, SnapshotSettings, TokenSettings},
    members::{Members, NewIdentity, NewSession, Newcomer, SignIn, SignedIn},
};
use upstream::SecretSettings;

const NAME: &str = "auth-guest";

const POST: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/auth/guest",
    "signInAsGuest",
    "Signs in as a guest",
)
.answers(&[200, 201])
.problems(&[
    Code::TokenInvalid,
    Code::MemberBanned,
    Code::GuardianConsentRequired,
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
];

struct State {
    members: Members,
    sessions: Sessions,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, ((secrets, session), (token, issuer)), aws, gate) =
        edge::start_gated(vars, NAME, |vars| {
            let sessions = Faults::both(SecretSettings::read(vars), SessionSettings::read(vars));
            let tokens = Faults::both(TokenSettings::read(vars), IssuerSettings::read(vars));
            Faults::both(sessions, tokens)
        })?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let state = Arc::new(State {
        members: Members::new(database.table(&token.members_table.0)),
        sessions: Sessions::new(&session, (&token, &issuer), &secrets, &aws, &database),
    });
    Ok(kit::Api::new(NAME, runtime)
        .gate(gate)
        .route(POST, &state, post)
        .build())
}

/// A guest: a new one without id and secret, else the one that was given both.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct GuestBody {
    /// Where they are.
    #[garde(dive)]
    device: SessionDevice,
    /// Who they are.
    guest_id: Option<Subject>,
    /// The secret that they were given.
    #[garde(inner(length(bytes, max = 128)))]
    guest_secret: Option<String>,
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

async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Json<GuestBody>>,
) -> Result<Reply<reply::Json<GuestAnswer>>, Problem> {
    let (now, mut rng) = (call.now(), call.rng());
    let body = call.body.0;
    let (guest_id, new_secret) = match (body.guest_id, &body.guest_secret) {
        (None, None) => new_guest(now, &mut rng)?,
        (Some(guest), Some(secret)) => match state.members.knows_guest(&guest, secret).await? {
            true => (guest, None),
            false => return Err(Problem::new(Code::TokenInvalid).detail("not this guest")),
        },
        (Some(_), None) => return Err(half("/guest_secret")),
        (None, Some(_)) => return Err(half("/guest_id")),
    };
    let is_new = new_secret.is_some();
    if is_new && body.under_14 && !body.guardian_consent {
        return Err(Problem::new(Code::GuardianConsentRequired));
    }
    let newcomer = is_new.then(|| Newcomer {
        id: RandomId::new(now, &mut rng),
        locale: body.device.locale.clone(),
        country: body.country,
        consents: Consents {
            guardian: body.under_14.then_some(now),
            ..Consents::default()
        },
        under_14: body.under_14,
    });
    let session = NewSession {
        id: RandomId::new(now, &mut rng),
        device: body.device,
    };
    let identity = NewIdentity {
        provider: Provider::Guest,
        subject: &guest_id,
        guest_secret: new_secret.as_deref(),
        provider_token: None,
    };
    let sign_in = SignIn {
        identity: &identity,
        newcomer: newcomer.as_ref(),
        session: &session,
        terms: state.sessions.terms(),
        challenge: None,
    };
    let stamp = Stamp::random(&mut rng);
    let entered = match state.members.sign_in(&sign_in, stamp, now).await? {
        SignedIn::Entered(entered) => entered,
        SignedIn::Banned(ban) => return Err(Problem::banned(ban.message, ban.ends_at)),
        // Forgotten since the secret was looked at; a guest's sign-in answers no challenge.
        SignedIn::Unknown | SignedIn::Leaving | SignedIn::ChallengeUsed => {
            return Err(Problem::new(Code::TokenInvalid).detail("not this guest"));
        }
    };
    let tokens = state.sessions.pair(&entered.session, now, &mut rng).await?;
    let created = entered.created;
    let answer = GuestAnswer {
        signed_in: SignedInAnswer {
            tokens,
            created,
            member: MemberAnswer::read(&state.members, entered.member, now).await?,
        },
        guest_id,
        guest_secret: new_secret,
    };
    let reply = match created {
        true => Reply::created(answer),
        false => Reply::ok(answer),
    };
    Ok(reply.cache_control("no-store"))
}

/// An id, and a secret of 256 random bits.
fn new_guest(now: Instant, rng: &mut impl Rng) -> Result<(Subject, Option<String>), Problem> {
    let id = RandomId::new(now, rng).to_string();
    let secret = URL_SAFE_NO_PAD.encode(rng.random::<[u8; 32]>());
    let id = id.parse().map_err(|e| Problem::internal(&e))?;
    Ok((id, Some(secret)))
}

fn half(pointer: &'static str) -> Problem {
    let fault = Fault::new(pointer, FaultCode::Required, "guests have both or neither");
    Problem::new(Code::ValidationFailed).errors(vec![fault])
}
