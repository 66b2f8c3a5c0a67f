//! `POST · DELETE /v1/me/withdrawal`: a member's wish to be forgotten, and their coming back.

use std::sync::Arc;

use kit::{
    Call, Code, Nothing, Problem, Reply,
    reply::{Empty, Json},
};
use sessions::{WithdrawalAnswer, gone, member_for_own_data};
use store::{
    Stamp,
    members::{Cancelling, Withdrawing},
};

use crate::State;

pub(crate) async fn begin(
    state: Arc<State>,
    call: Call<Nothing, Nothing, Nothing>,
) -> Result<Reply<Json<WithdrawalAnswer>>, Problem> {
    let (now, stamp) = (call.now(), Stamp::random(&mut call.rng()));
    let member = member_for_own_data(&state.members, &call.principal, now)
        .await?
        .member
        .id;
    state
        .reauthentication
        .require(&state.members, &call.principal, now)
        .await?;
    let withdrawing = state
        .members
        .withdraw(member, state.grace, stamp, now, Ok)
        .await?
        .ok_or_else(gone)?;
    let (Withdrawing::Begun(record) | Withdrawing::Pending(record)) = withdrawing;
    let answer = WithdrawalAnswer::of(&record).ok_or_else(gone)?;
    Ok(Reply::accepted(answer))
}

pub(crate) async fn cancel(
    state: Arc<State>,
    call: Call<Nothing, Nothing, Nothing>,
) -> Result<Reply<Empty>, Problem> {
    let (now, stamp) = (call.now(), Stamp::random(&mut call.rng()));
    let member = member_for_own_data(&state.members, &call.principal, now)
        .await?
        .member
        .id;
    let cancelling = state
        .members
        .cancel_withdrawal(member, stamp, now, Ok)
        .await?
        .ok_or_else(gone)?;
    match cancelling {
        Cancelling::Cancelled(_) => Ok(Reply::no_content()),
        Cancelling::NotPending(_) => Err(Problem::new(Code::WithdrawalNotPending)),
        Cancelling::TooLate => {
            Err(Problem::new(Code::WithdrawalNotPending).detail("the grace is over"))
        }
        Cancelling::NoIdentity => Err(Problem::new(Code::LastIdentity)
            .detail("there is nothing left to sign in with: link an identity first")),
    }
}
