//! `POST /v1/withdrawals`: a withdrawal by the proof of a sign-in, without signing in.
//!
//! That somebody is no member is told only to whoever proved to be that somebody; a guest that there
//! is not and a wrong secret are refused alike.

use std::sync::Arc;

use domain::{
    Fault, FaultCode, Instant,
    identity::{Challenge, Provider, Subject},
};
use garde::Validate;
use kit::{Call, Code, Nothing, Problem, Reply, extract, reply::Json};
use schemars::JsonSchema;
use serde::Deserialize;
use sessions::{Claimed, WithdrawalAnswer};
use store::{Stamp, edge::CountedBy, members::Withdrawing};

use crate::State;

/// A proof, as at sign-in; of a guest, their id and secret.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct WithdrawalBody {
    /// Who is to vouch for them.
    provider: Provider,
    /// A token that the provider signed.
    #[garde(inner(length(bytes, max = 16384)))]
    id_token: Option<String>,
    /// A token that the provider's API takes.
    #[garde(inner(length(bytes, max = 4096)))]
    access_token: Option<String>,
    /// The challenge that the id token answers.
    #[garde(inner(length(bytes, max = 256)))]
    challenge_id: Option<String>,
    /// The challenge's nonce, or its SHA-256 in hexadecimal.
    #[garde(inner(length(bytes, max = 256)))]
    nonce: Option<String>,
    /// Who a guest is.
    guest_id: Option<Subject>,
    /// The secret that the guest was given.
    #[garde(inner(length(bytes, max = 128)))]
    guest_secret: Option<String>,
}

pub(crate) async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Json<WithdrawalBody>>,
) -> Result<Reply<Json<WithdrawalAnswer>>, Problem> {
    let (now, mut rng) = (call.now(), call.rng());
    let quota = state.per_address.per_hour("withdrawals-address");
    let address = CountedBy::Address(call.facts.address);
    state.limits.check(address, quota, now).await?;
    let body = call.body.0;
    let (provider, subject, challenge) = match body.provider {
        Provider::Guest => (Provider::Guest, state.guest(body, now).await?, None),
        provider => {
            let claimed = claimed(provider, body);
            let proven = state.prover.prove(&claimed, now).await?;
            (proven.provider, proven.subject, proven.challenge)
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
        .withdraw(member, challenge.as_ref(), Stamp::random(&mut rng), now)
        .await?;
    let (Withdrawing::Begun(record) | Withdrawing::Pending(record)) = withdrawing;
    let answer = WithdrawalAnswer::of(&record).ok_or_else(nobody)?;
    Ok(Reply::accepted(answer).cache_control("no-store"))
}

impl State {
    /// The guest who knows their secret.
    async fn guest(&self, body: WithdrawalBody, now: Instant) -> Result<Subject, Problem> {
        let guest = body.guest_id.ok_or_else(|| missing("/guest_id"))?;
        let secret = body.guest_secret.ok_or_else(|| missing("/guest_secret"))?;
        match self.members.knows_guest(&guest, &secret).await? {
            true => Ok(guest),
            false => Err(self.secrets.wrong(&self.limits, &guest, now).await),
        }
    }

    /// A challenge is good for one withdrawal, as it is for one sign-in: whoever came back cannot be
    /// sent away again by a copy of their proof.
    async fn withdraw(
        &self,
        member: domain::identity::MemberId,
        challenge: Option<&Challenge>,
        stamp: Stamp,
        now: Instant,
    ) -> Result<Withdrawing, Problem> {
        let used = || Problem::new(Code::ChallengeUsed);
        if let Some(challenge) = challenge
            && self.members.is_used(challenge).await?
        {
            return Err(used());
        }
        let withdrawn = self
            .members
            .withdraw(member, self.grace, stamp, now, |transaction| {
                self.members.use_challenge(transaction, challenge)
            })
            .await;
        match withdrawn {
            Err(error) if error.is_conflict() && challenge.is_some() => Err(used()),
            withdrawn => withdrawn?.ok_or_else(nobody),
        }
    }
}

fn claimed(provider: Provider, body: WithdrawalBody) -> Claimed {
    Claimed {
        provider,
        id_token: body.id_token,
        access_token: body.access_token,
        authorization_code: None,
        challenge_id: body.challenge_id,
        nonce: body.nonce,
    }
}

fn nobody() -> Problem {
    Problem::new(Code::NotFound).detail("there is no such member")
}

fn missing(pointer: &'static str) -> Problem {
    let fault = Fault::new(pointer, FaultCode::Required, "a guest has both");
    Problem::new(Code::ValidationFailed).errors(vec![fault])
}
