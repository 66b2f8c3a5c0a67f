//! Who is this: members, the identities they sign in with, their sessions, and the tokens that stand
//! for both.

mod access;
mod ban_template;
mod challenge;
mod consents;
mod member;
mod nickname;
mod provider;
mod refresh_token;
mod session;

use crate::RandomId;

pub use self::{
    access::AccessClaims,
    ban_template::BanTemplate,
    challenge::{Challenge, ChallengeRefused, TokenUse},
    consents::{Consents, Marketing, TermsAgreed},
    member::{Ban, Member, MemberStatus, SessionsEnded, Withdrawal},
    nickname::{Nickname, NicknameFault, NicknameKey, NicknameRules},
    provider::{Provider, Subject},
    refresh_token::{RefreshToken, RefreshTokenRefused},
    session::{Presented, Session, SessionDevice, SessionTerms},
};

/// A member's id.
pub type MemberId = RandomId;

/// A session's id.
pub type SessionId = RandomId;
