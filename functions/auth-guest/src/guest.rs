//! `POST /v1/auth/guest`.

use std::sync::Arc;

use domain::{
    Country, Fault, FaultCode, Instant, RandomId, ReportedDevice,
    identity::{Consents, Provider, Subject},
    reported,
};
use garde::Validate;
use kit::{Call, Code, Nothing, Problem, Reply, call::Facts, extract, reply};
use rand::Rng;
use schemars::JsonSchema;
use serde::Deserialize;
use sessions::{Attempt, GuestCredentials, SignInClaim, settle};
use store::{
    Stamp,
    edge::CountedBy,
    members::{NewIdentity, NewSession, Newcomer, SignIn, SignedIn, secret_sha256},
};

use crate::{GuestAnswer, SignedInGuest, State, new_secret};

/// A guest: a new one without id and secret, else the one that was given both.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct GuestBody {
    /// The device that they sign in on.
    #[garde(dive)]
    device: ReportedDevice,
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

pub(crate) async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Json<GuestBody>>,
) -> Result<Reply<reply::Json<GuestAnswer>>, Problem> {
    let (now, mut rng) = (call.now(), call.rng());
    let claim = match state.repeats.begin(&call, &mut rng).await? {
        Attempt::First(claim) => claim,
        Attempt::Repeated(outcome) => return state.again(outcome, now, &mut rng).await,
        Attempt::Refused(banned) => {
            return Err(banned.problem(&state.sessions, now, &mut rng).await?);
        }
    };
    let entered = state
        .enter(&call.facts, call.body.0, claim.as_ref(), now, &mut rng)
        .await;
    let guest = settle(claim, entered).await?;
    state.reply(guest, now, &mut rng).await
}

impl State {
    async fn enter(
        &self,
        facts: &Facts,
        body: GuestBody,
        claim: Option<&SignInClaim>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<SignedInGuest, Problem> {
        let (guest_id, secret, is_new) = match (body.guest_id, body.guest_secret) {
            (None, None) => {
                if body.under_14 && !body.guardian_consent {
                    return Err(Problem::new(Code::GuardianConsentRequired));
                }
                let per_address = self.settings.guests_per_address.per_hour("guests-address");
                let address = CountedBy::Address(facts.address);
                self.limits.check(address, per_address, now).await?;
                (new_guest(now, rng)?, new_secret(rng), true)
            }
            (Some(guest), Some(secret)) => {
                self.sign_ins_per_address
                    .count(&self.limits, facts.address, now)
                    .await?;
                if !self.members.knows_guest(&guest, &secret).await? {
                    return Err(self.not_this_guest(&guest, &secret, now).await?);
                }
                (guest, secret, false)
            }
            (Some(_), None) => return Err(half("/guest_secret")),
            (None, Some(_)) => return Err(half("/guest_id")),
        };
        let newcomer = is_new.then(|| Newcomer {
            id: RandomId::new(now, rng),
            locale: body.device.locale.clone(),
            country: body.country,
            consents: Consents {
                guardian: body.under_14.then_some(now),
                ..Consents::default()
            },
            under_14: body.under_14,
        });
        let session = NewSession::on(RandomId::new(now, rng), body.device);
        let identity = NewIdentity {
            provider: Provider::Guest,
            subject: &guest_id,
            guest_secret: Some(&secret),
            hashes: &[],
        };
        let sign_in = SignIn {
            identity: &identity,
            newcomer: newcomer.as_ref(),
            session: &session,
            terms: self.sessions.terms(),
            challenge: None,
        };
        let credentials = GuestCredentials {
            id: guest_id.clone(),
            secret: is_new.then(|| secret.clone()),
        };
        let stamp = Stamp::random(rng);
        let signed_in = self
            .members
            .sign_in_with(&sign_in, stamp, now, |transaction, signed_in| match claim {
                Some(claim) => {
                    let guest = Some(credentials.clone());
                    claim.finish_sign_in(signed_in, guest, now, rng, transaction)
                }
                None => Ok(transaction),
            })
            .await?;
        let entered = match signed_in {
            SignedIn::Entered(entered) => *entered,
            SignedIn::Banned { ban, member } => {
                return Err(self.sessions.banned(member, &ban, now, rng).await?);
            }
            // Deleted, or moved to another device, since the secret was checked; a guest's sign-in answers no
            // challenge.
            SignedIn::Unknown | SignedIn::ChallengeUsed => {
                return Err(Problem::new(Code::TokenInvalid).detail("not this guest"));
            }
        };
        Ok(SignedInGuest {
            member: entered.member,
            session: entered.session,
            created: entered.created,
            credentials,
        })
    }
}

impl State {
    /// The refusal of a guest id and secret that no member has: 403 `member_banned` if a ban outlived
    /// its member, else 401 `token_invalid`, or 429 after too many.
    async fn not_this_guest(
        &self,
        guest: &Subject,
        secret: &str,
        now: Instant,
    ) -> Result<Problem, Problem> {
        let secret = secret_sha256(secret);
        let hashes = self
            .sessions
            .keys()
            .identity_hashes(Provider::Guest, guest, Some(&secret), now)
            .await?;
        Ok(match self.members.retained_ban(&hashes, now).await? {
            Some(ban) => Problem::banned(ban.message, ban.ends_at),
            None => self.secrets.wrong(&self.limits, guest, now).await,
        })
    }
}

fn new_guest(now: Instant, rng: &mut impl Rng) -> Result<Subject, Problem> {
    let id = RandomId::new(now, rng).to_string();
    id.parse().map_err(|e| Problem::internal(&e))
}

fn half(pointer: &'static str) -> Problem {
    let fault = Fault::new(pointer, FaultCode::Required, "guests have both or neither");
    Problem::new(Code::ValidationFailed).errors(vec![fault])
}
