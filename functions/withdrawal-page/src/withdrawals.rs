//! `POST /v1/withdrawals`: a withdrawal by the proof of a sign-in, without signing in.
//!
//! That somebody is no member is told only to whoever proved to be that somebody; a guest that there
//! is not and a wrong secret are refused alike.

use std::sync::Arc;

use domain::{
    Fault, FaultCode, Instant,
    identity::{Challenge, MemberId, Provider, Subject},
};
use kit::{Call, Code, Nothing, Problem, Reply, extract, reply::Json};
use sessions::WithdrawalAnswer;
use store::{Stamp, edge::CountedBy, members::Withdrawing};

use crate::State;

sessions::proof_body! {
    /// A proof, as at sign-in; of a guest, their id and secret.
    pub(crate) struct WithdrawalBody {
        /// Who a guest is.
        guest_id: Option<Subject>,
        /// The secret that the guest was given.
        #[garde(inner(length(bytes, max = 128)))]
        guest_secret: Option<String>,
    }
}

pub(crate) async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Json<WithdrawalBody>>,
) -> Result<Reply<Json<WithdrawalAnswer>>, Problem> {
    let (now, mut rng) = (call.now(), call.rng());
    let quota = state.per_address.per_hour("withdrawals-address");
    let address = CountedBy::Address(call.facts.address);
    state.limits.check(address, quota, now).await?;
    let mut body = call.body.0;
    let (provider, subject, proof) = match body.provider {
        Provider::Guest => {
            let (guest, secret) = state.guest(body, now).await?;
            (Provider::Guest, guest, Proof::GuestSecret(secret))
        }
        _ => {
            let claimed = body.take_claimed(None);
            let proven = state.prover.prove(&claimed, now).await?;
            let proof = Proof::Challenge(proven.challenge);
            (proven.provider, proven.subject, proof)
        }
    };
    let owner = state.members.owner(provider, &subject).await?;
    let member = owner.ok_or_else(nobody)?;
    // A ban is no hindrance: a banned member may withdraw.
    let record = state.members.member(member).await?.ok_or_else(nobody)?;
    if record.member.is_gone(now) {
        return Err(nobody());
    }
    let withdrawing = state
        .withdraw(member, (&subject, &proof), Stamp::random(&mut rng), now)
        .await?;
    let (Withdrawing::Begun(record) | Withdrawing::Pending(record)) = withdrawing;
    let answer = WithdrawalAnswer::of(&record).ok_or_else(nobody)?;
    Ok(Reply::accepted(answer).cache_control("no-store"))
}

/// What the transaction of a withdrawal makes sure of.
enum Proof {
    /// That the challenge of a provider's token was not used before.
    Challenge(Option<Challenge>),
    /// That this is still the guest's secret.
    GuestSecret(String),
}

impl State {
    /// The guest who knows their secret, and the secret.
    async fn guest(
        &self,
        body: WithdrawalBody,
        now: Instant,
    ) -> Result<(Subject, String), Problem> {
        let guest = body.guest_id.ok_or_else(|| missing("/guest_id"))?;
        let secret = body.guest_secret.ok_or_else(|| missing("/guest_secret"))?;
        match self.members.knows_guest(&guest, &secret).await? {
            true => Ok((guest, secret)),
            false => Err(self.secrets.wrong(&self.limits, &guest, now).await),
        }
    }

    /// A challenge is good for one withdrawal, as it is for one sign-in: whoever came back cannot be
    /// sent away again by a copy of their proof. A guest's secret is good until a transfer replaces it.
    async fn withdraw(
        &self,
        member: MemberId,
        (subject, proof): (&Subject, &Proof),
        stamp: Stamp,
        now: Instant,
    ) -> Result<Withdrawing, Problem> {
        let used = || Problem::new(Code::ChallengeUsed);
        if let Proof::Challenge(Some(challenge)) = proof
            && self.members.is_used(challenge).await?
        {
            return Err(used());
        }
        let withdrawn = self
            .members
            .withdraw(member, self.grace, stamp, now, |transaction| match proof {
                Proof::Challenge(challenge) => {
                    self.members.use_challenge(transaction, challenge.as_ref())
                }
                Proof::GuestSecret(secret) => {
                    self.members
                        .check_guest_secret(transaction, member, subject, secret)
                }
            })
            .await;
        match (withdrawn, proof) {
            (Err(error), Proof::Challenge(Some(_))) if error.is_conflict() => Err(used()),
            (Err(error), Proof::GuestSecret(secret)) if error.is_conflict() => {
                match self.members.knows_guest(subject, secret).await? {
                    true => Err(error.into()),
                    false => Err(self.secrets.wrong(&self.limits, subject, now).await),
                }
            }
            (withdrawn, _) => withdrawn?.ok_or_else(nobody),
        }
    }
}

fn nobody() -> Problem {
    Problem::new(Code::NotFound).detail("there is no such member")
}

fn missing(pointer: &'static str) -> Problem {
    let fault = Fault::new(pointer, FaultCode::Required, "a guest has both");
    Problem::new(Code::ValidationFailed).errors(vec![fault])
}
