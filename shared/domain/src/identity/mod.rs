//! Who is this: members, the identities they sign in with, their sessions, and the tokens that stand
//! for both.

mod access;
mod ban_message;
mod ban_template;
mod challenge;
mod consents;
mod identity_hash;
mod member;
mod nickname;
mod provider;
mod refresh_token;
mod security_event;
mod session;
mod transfer_code;

use crate::RandomId;

pub use self::{
    access::{AccessClaims, NO_SESSION, own_data_audience},
    ban_message::BanMessage,
    ban_template::BanTemplate,
    challenge::{Challenge, ChallengeRefused, TokenUse},
    consents::{
        ConsentAction, ConsentEvent, ConsentKind, Consents, Marketing, MarketingChange, TermsAgreed,
    },
    identity_hash::IdentityHash,
    member::{Ban, Member, MemberStatus, SessionsEnded, Withdrawal},
    nickname::{Nickname, NicknameFault, NicknameKey, NicknameRules},
    provider::{Provider, Subject},
    refresh_token::{RefreshToken, RefreshTokenRefused},
    security_event::{SecurityAction, SecurityEvent},
    session::{DeviceInfo, Presented, Session, SessionTerms},
    transfer_code::{TransferCode, TransferCodeError},
};

/// A member's id.
pub type MemberId = RandomId;

/// A session's id.
pub type SessionId = RandomId;
