//! Finding and seeing members.

use std::sync::Arc;

use domain::{
    DeviceId, DeviceKey, Fault, FaultCode, Instant,
    identity::{
        Ban, DeviceInfo, MemberId, MemberStatus, NicknameKey, Provider, Session, SessionId, Subject,
    },
};
use garde::Validate;
use kit::{Call, Code, Nothing, Problem, Reply, reply::Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sessions::MemberAnswer;
use store::{Page, members::MemberRecord};

use crate::{MemberPath, State};

/// The most members of a page.
const MOST: usize = 100;

/// By what members are sought: one of these.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct MemberQuery {
    /// By id.
    id: Option<MemberId>,
    /// By how their nickname begins.
    #[garde(inner(length(chars, min = 1, max = 100)))]
    nickname: Option<String>,
    /// By an identity: of this provider.
    provider: Option<Provider>,
    /// By an identity: of this name at the provider.
    subject: Option<Subject>,
    /// By a device that they are signed in on.
    device_id: Option<DeviceId>,
    /// Goes on where a page ended.
    #[garde(inner(length(bytes, max = 1024)))]
    cursor: Option<String>,
    /// How many, 1 to 100.
    #[garde(range(min = 1, max = MOST))]
    limit: Option<usize>,
}

/// Members that were found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MemberList {
    /// The members.
    members: Vec<FoundMember>,
    /// Where the next page begins, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A member who was found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FoundMember {
    /// Their id.
    id: MemberId,
    /// How they stand.
    status: MemberStatus,
    /// What they are called.
    nickname: Option<String>,
    /// When they became a member.
    created_at: Instant,
}

/// A member, as an operator sees them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ViewedMember {
    /// As they see themselves.
    member: MemberAnswer,
    /// What they sign in with, by the providers' names for them.
    identities: Vec<ViewedIdentity>,
    /// Where they are signed in.
    sessions: Vec<ViewedSession>,
    /// The last ban, lapsed or not.
    ban: Option<Ban>,
}

/// What a member signs in with.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ViewedIdentity {
    provider: Provider,
    subject: Subject,
    linked_at: Instant,
}

/// Where a member is signed in.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ViewedSession {
    id: SessionId,
    device: DeviceInfo,
    created_at: Instant,
    last_seen_at: Instant,
}

pub(crate) async fn search(
    state: Arc<State>,
    call: Call<Nothing, MemberQuery, Nothing>,
) -> Result<Reply<Json<MemberList>>, Problem> {
    let now = call.now();
    let query = &call.query;
    let ids = match (
        &query.id,
        &query.nickname,
        &query.provider,
        &query.subject,
        &query.device_id,
    ) {
        (Some(id), None, None, None, None) => vec![*id],
        (None, None, Some(provider), Some(subject), None) => {
            let owner = state.members.owner(*provider, subject).await?;
            owner.into_iter().collect()
        }
        (None, None, None, None, Some(device)) => {
            let (device, limit) = (DeviceKey::of(device), query.limit.unwrap_or(MOST));
            let cursor = query.cursor.as_deref();
            let page = state
                .members
                .by_device_page(device, cursor, limit, now)
                .await?;
            return Ok(Reply::ok(MemberList::of(page, now)));
        }
        (None, Some(beginning), None, None, None) => {
            let (key, limit) = (NicknameKey::of(beginning), query.limit.unwrap_or(MOST));
            let cursor = query.cursor.as_deref();
            let page = state.members.by_nickname(&key, cursor, limit).await?;
            return Ok(Reply::ok(MemberList::of(page, now)));
        }
        _ => return Err(not_one()),
    };
    let mut members = Vec::new();
    for id in ids {
        let record = state.members.member(id).await?;
        members.extend(record.map(|record| found(record, now)));
    }
    Ok(Reply::ok(MemberList {
        members,
        next_cursor: None,
    }))
}

pub(crate) async fn view(
    state: Arc<State>,
    call: Call<MemberPath, Nothing, Nothing>,
) -> Result<Reply<Json<ViewedMember>>, Problem> {
    let (id, now) = (call.path.id, call.now());
    let record = state.members.member(id).await?;
    let record = record.ok_or_else(|| Problem::new(Code::NotFound))?;
    let identities = state.members.identities(id).await?;
    let sessions = state.members.sessions(id, now).await?;
    let viewed = |session: Session| ViewedSession {
        id: session.id,
        device: session.device,
        created_at: session.created_at,
        last_seen_at: session.rotated_at,
    };
    Ok(Reply::ok(ViewedMember {
        ban: record.member.ban.clone(),
        identities: identities
            .iter()
            .map(|identity| ViewedIdentity {
                provider: identity.provider,
                subject: identity.subject.clone(),
                linked_at: identity.linked_at,
            })
            .collect(),
        sessions: sessions.into_iter().map(viewed).collect(),
        member: MemberAnswer::new(record, &identities, now),
    }))
}

impl MemberList {
    fn of(page: Page<MemberRecord>, now: Instant) -> Self {
        let found = page.items.into_iter().map(|record| found(record, now));
        Self {
            members: found.collect(),
            next_cursor: page.next_cursor,
        }
    }
}

fn found(record: MemberRecord, now: Instant) -> FoundMember {
    FoundMember {
        id: record.member.id,
        status: record.member.status(now),
        nickname: record.nickname,
        created_at: record.member.created_at,
    }
}

fn not_one() -> Problem {
    let message = "ask by one of id, nickname, provider with subject, device_id";
    let fault = Fault::new("", FaultCode::Invalid, message);
    Problem::new(Code::InvalidQuery).errors(vec![fault])
}
