//! What the functions of sign-in share: how somebody proves who they are, the pair of tokens that a
//! session is told by, and a member as callers see them.
#![forbid(unsafe_code)]

mod answer;
mod grace;
mod guests;
mod keys;
mod limits;
mod members;
mod proof;
mod proof_body;
mod reauthentication;
mod repeats;
mod sealed;
mod tokens;
mod unlink;

pub use self::{
    answer::{MemberAnswer, SignedInAnswer, TransferCodeAnswer, WithdrawalAnswer},
    grace::{GraceDays, WithdrawalSettings},
    guests::GuestSecretSettings,
    keys::AuthKeys,
    limits::SignInLimitSettings,
    members::{gone, member_for_own_data, member_now, refusal},
    proof::{Claimed, Proven, Prover},
    reauthentication::{ReauthenticationSettings, Window},
    repeats::{
        Attempt, BannedSignIn, GuestCredentials, REPLAYED, Repeats, SignInClaim, SignInOutcome,
        settle,
    },
    sealed::{Sealed, Unsealed},
    tokens::{SessionSettings, Sessions, TokenPair},
    unlink::unlink,
};
