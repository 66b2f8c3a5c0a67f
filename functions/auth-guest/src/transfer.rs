//! `POST /v1/me/transfer-code` and `POST /v1/auth/transfer`: a guest moves to another phone.

use std::sync::Arc;

use domain::{Instant, RandomId, ReportedDevice, identity::TransferCode};
use garde::Validate;
use kit::{
    Call, Code, Nothing, Problem, Reply, extract,
    reply::{self, Json},
};
use rand::Rng;
use schemars::JsonSchema;
use serde::Deserialize;
use sessions::{
    Attempt, GuestCredentials, SignInClaim, TransferCodeAnswer, gone, member_now, settle,
};
use store::{
    Stamp,
    edge::CountedBy,
    members::{NewSession, NewTransferCode, Transfer, Transferring},
};

use crate::{GuestAnswer, SignedInGuest, State, new_secret};

/// A transfer code and the device to move to.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct TransferBody {
    /// The code as it was shown, in any case, with or without its hyphens.
    #[garde(length(bytes, max = 64))]
    code: String,
    /// The device that the guest moves to.
    #[garde(dive)]
    device: ReportedDevice,
}

pub(crate) async fn create(
    state: Arc<State>,
    call: Call<Nothing, Nothing, Nothing>,
) -> Result<Reply<Json<TransferCodeAnswer>>, Problem> {
    let (now, mut rng) = (call.now(), call.rng());
    let record = member_now(&state.members, &call.principal, now).await?;
    let member = record.member.id;
    state
        .reauthentication
        .require(&state.members, &call.principal, now)
        .await?;
    let (code, stamp) = (TransferCode::new(&mut rng), Stamp::random(&mut rng));
    let made = state
        .members
        .make_transfer_code(member, &code, stamp, now, Ok)
        .await?;
    match made {
        NewTransferCode::Made(expires_at) => {
            let answer = TransferCodeAnswer::new(&code, expires_at);
            Ok(Reply::created(answer).cache_control("no-store"))
        }
        NewTransferCode::NotGuest => Err(Problem::new(Code::GuestOnly)),
        NewTransferCode::NotThere => Err(gone()),
    }
}

pub(crate) async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Json<TransferBody>>,
) -> Result<Reply<reply::Json<GuestAnswer>>, Problem> {
    let (now, mut rng) = (call.now(), call.rng());
    let transfers = state.settings.transfers_per_address;
    let quota = transfers.per_hour("transfers-address");
    let address = CountedBy::Address(call.facts.address);
    state.limits.check(address, quota, now).await?;
    let code: TransferCode = match call.body.0.code.parse() {
        Ok(code) => code,
        Err(_) => return Err(Problem::new(Code::TransferCodeInvalid)),
    };
    let device = call.body.0.device.key();
    let attempt = state
        .repeats
        .begin_transfer(&call, &code, device, &mut rng)
        .await?;
    let claim = match attempt {
        Attempt::First(claim) => claim,
        Attempt::Repeated(outcome) => return state.again(outcome, now, &mut rng).await,
        Attempt::Refused(banned) => {
            return Err(banned.problem(&state.sessions, now, &mut rng).await?);
        }
    };
    let moved = state
        .transfer(&code, call.body.0.device, claim.as_ref(), now, &mut rng)
        .await;
    let guest = settle(claim, moved).await?;
    state.reply(guest, now, &mut rng).await
}

impl State {
    async fn transfer(
        &self,
        code: &TransferCode,
        device: ReportedDevice,
        claim: Option<&SignInClaim>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<SignedInGuest, Problem> {
        let session = NewSession::on(RandomId::new(now, rng), device);
        let secret = new_secret(rng);
        let transfer = Transfer {
            code,
            session: &session,
            terms: self.sessions.terms(),
            guest_secret: &secret,
        };
        let transferring = self
            .members
            .transfer(
                &transfer,
                now,
                |transaction, entered, subject| match claim {
                    Some(claim) => {
                        let guest = Some(GuestCredentials {
                            id: subject.clone(),
                            secret: Some(secret.clone()),
                        });
                        claim.finish(entered, guest, now, rng, transaction)
                    }
                    None => Ok(transaction),
                },
            )
            .await?;
        match transferring {
            Transferring::Entered(entered, subject) => Ok(SignedInGuest {
                member: entered.member,
                session: entered.session,
                created: false,
                credentials: GuestCredentials {
                    id: subject,
                    secret: Some(secret),
                },
            }),
            Transferring::Banned(ban) => Err(Problem::banned(ban.message, ban.ends_at)),
            Transferring::Invalid => Err(Problem::new(Code::TransferCodeInvalid)),
        }
    }
}
