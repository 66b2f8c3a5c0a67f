//! Members and sessions, as callers are told of them.

use domain::{
    Country, Instant, Locale,
    identity::{Consents, MemberId, MemberStatus, Provider, TransferCode},
    targeting::Attributes,
};
use kit::Problem;
use schemars::JsonSchema;
use serde::Serialize;
use store::members::{LinkedIdentity, MemberRecord, Members};

use crate::TokenPair;

/// A member as they see themselves.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Member")]
pub struct MemberAnswer {
    /// Their id.
    pub id: MemberId,
    /// How they stand.
    pub status: MemberStatus,
    /// What they are called.
    pub nickname: Option<String>,
    /// The language they read.
    pub locale: Option<Locale>,
    /// Where they are at home.
    pub country: Option<Country>,
    /// What they sign in with.
    pub identities: Vec<IdentityAnswer>,
    /// What they agreed to.
    pub consents: Consents,
    /// What the app knows of them beside.
    pub attributes: Attributes,
    /// When they will be forgotten, where they asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purge_at: Option<Instant>,
    /// Counts their changes: the entity tag of `PATCH /v1/me`.
    pub version: u64,
    /// When they became a member.
    pub created_at: Instant,
}

/// What a member signs in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "MemberIdentity")]
pub struct IdentityAnswer {
    /// Who vouches for them.
    pub provider: Provider,
    /// Since when.
    pub linked_at: Instant,
}

impl MemberAnswer {
    /// A member with the identities that are kept of them.
    pub async fn read(
        members: &Members,
        record: MemberRecord,
        now: Instant,
    ) -> Result<Self, Problem> {
        let identities = members.identities(record.member.id).await?;
        Ok(Self::new(record, &identities, now))
    }

    /// A member with these identities.
    pub fn new(record: MemberRecord, identities: &[LinkedIdentity], now: Instant) -> Self {
        let MemberRecord {
            member, nickname, ..
        } = record;
        let identities = identities.iter().map(|identity| IdentityAnswer {
            provider: identity.provider,
            linked_at: identity.linked_at,
        });
        Self {
            id: member.id,
            status: member.status(now),
            nickname,
            identities: identities.collect(),
            purge_at: member.withdrawal.map(|withdrawal| withdrawal.purge_at),
            version: member.version,
            created_at: member.created_at,
            locale: member.locale,
            country: member.country,
            consents: member.consents,
            attributes: member.attributes,
        }
    }
}

/// A withdrawal that is under way.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WithdrawalAnswer {
    /// Always `withdrawal_pending`, although a ban may hold too.
    status: MemberStatus,
    /// When they said so.
    requested_at: Instant,
    /// When they are forgotten, if they don't come back before.
    purge_at: Instant,
}

impl WithdrawalAnswer {
    /// The withdrawal of a member; `None`: there is none.
    pub fn of(record: &MemberRecord) -> Option<Self> {
        let withdrawal = record.member.withdrawal?;
        Some(Self {
            status: MemberStatus::WithdrawalPending,
            requested_at: withdrawal.requested_at,
            purge_at: withdrawal.purge_at,
        })
    }
}

/// A code that moves a guest to another device.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TransferCode")]
pub struct TransferCodeAnswer {
    /// The code: 20 letters and digits in groups of five. It is shown once and moves the guest once.
    code: String,
    /// When the code expires, 7 days after it was created.
    expires_at: Instant,
}

impl TransferCodeAnswer {
    /// Returns a code as it is shown.
    pub fn new(code: &TransferCode, expires_at: Instant) -> Self {
        Self {
            code: code.to_string(),
            expires_at,
        }
    }
}

/// What a sign-in gives.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SignedIn")]
pub struct SignedInAnswer {
    /// The tokens.
    #[serde(flatten)]
    pub tokens: TokenPair,
    /// Whether they became a member just now.
    pub created: bool,
    /// The member.
    pub member: MemberAnswer,
}
