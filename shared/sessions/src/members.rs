//! Whether a member may come in, as the functions see it that read the member.

use domain::{
    Instant,
    identity::{Member, MemberStatus, NO_SESSION},
};
use kit::{Code, Principal, Problem};
use store::members::{MemberRecord, Members};

/// Why a member may not come in at `now`: 403 `member_banned`, or 401 for one who was forgotten.
pub fn refusal(member: &Member, now: Instant) -> Option<Problem> {
    match (member.status(now), member.held_ban(now)) {
        (MemberStatus::Withdrawn, _) => Some(gone()),
        (_, Some(ban)) => Some(Problem::banned(ban.message.clone(), ban.ends_at)),
        _ => None,
    }
}

/// The member who calls, as they are now: bans, sign-outs and withdrawals act at once.
///
/// # Errors
/// 403 `member_banned`; 401 `token_invalid` where the session or the member is no more.
pub async fn member_now(
    members: &Members,
    principal: &Principal,
    now: Instant,
) -> Result<MemberRecord, Problem> {
    let (member, session) = principal.member()?;
    let Some((record, session)) = members.standing(member, session).await? else {
        return Err(gone());
    };
    match (refusal(&record.member, now), session) {
        (Some(refused), _) => Err(refused),
        (None, None) => Err(Problem::new(Code::TokenInvalid).detail("the session is over")),
        (None, Some(_)) => Ok(record),
    }
}

/// The member who calls for their own data, as they are now: they may be banned. A token without a
/// session is one that [`Sessions::banned`](crate::Sessions::banned) issued.
///
/// # Errors
/// 401 `token_invalid` where the session or the member is no more.
pub async fn member_for_own_data(
    members: &Members,
    principal: &Principal,
    now: Instant,
) -> Result<MemberRecord, Problem> {
    let (member, session) = principal.member()?;
    let (record, is_over) = match session {
        NO_SESSION => (members.member(member).await?, false),
        session => match members.standing(member, session).await? {
            Some((record, session)) => (Some(record), session.is_none()),
            None => (None, false),
        },
    };
    let record = record.filter(|record| !record.member.is_gone(now));
    let record = record.ok_or_else(gone)?;
    match is_over {
        true => Err(Problem::new(Code::TokenInvalid).detail("the session is over")),
        false => Ok(record),
    }
}

/// 401: the member was forgotten, perhaps a moment ago.
pub fn gone() -> Problem {
    Problem::new(Code::TokenInvalid).detail("the member is no more")
}
