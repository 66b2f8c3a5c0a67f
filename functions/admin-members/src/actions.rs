//! What operators do to members.

use std::sync::Arc;

use domain::{
    Fault, FaultCode, Instant, Localized,
    identity::{Ban, BanTemplate, MemberId, MemberStatus, SessionsEnded},
};
use garde::Validate;
use kit::{
    Call, Code, Nothing, Problem, Reply, extract,
    reply::{Empty, Json},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Stamp, revocations::Change};

use crate::{MemberPath, State, record};

/// Why and how long a member is kept out.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct BanBody {
    /// Why, for operators.
    #[garde(length(chars, min = 1, max = 500))]
    reason: String,
    /// What the member is told: one of the texts that are there already.
    template: Option<BanTemplate>,
    /// What the member is told, in words of one's own.
    message: Option<Localized>,
    /// Until when; for good without it.
    ends_at: Option<Instant>,
}

/// Why it is done.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReasonBody {
    /// Why, for the audit.
    #[garde(length(chars, min = 1, max = 500))]
    reason: String,
}

/// How the member stands now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Standing {
    /// How.
    status: MemberStatus,
    /// The ban that holds.
    ban: Option<Ban>,
}

pub(crate) async fn ban(
    state: Arc<State>,
    call: Call<MemberPath, Nothing, extract::Json<BanBody>>,
) -> Result<Reply<Json<Standing>>, Problem> {
    let (now, stamp, member) = (call.now(), Stamp::random(&mut call.rng()), call.path.id);
    let ban = call.body.0.ban(now)?;
    let change = Change::Ban {
        member,
        message: ban.message.clone(),
        ends_at: ban.ends_at,
    };
    let record = record(
        &call,
        "member.ban",
        (state.standing(member, now).await?, json!(ban)),
    );
    let (members, audit) = (&state.members, &state.audit);
    let (ban, record) = (&ban, &record);
    let banned = state
        .revocations
        .together_with(&change, now, |revoke| async move {
            let with = |transaction| audit.add(record, revoke.add(transaction)?);
            members.ban(member, ban, stamp, with).await
        })
        .await?;
    let banned = banned.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(Reply::ok(Standing {
        status: banned.member.status(now),
        ban: banned.member.held_ban(now).cloned(),
    }))
}

pub(crate) async fn unban(
    state: Arc<State>,
    call: Call<MemberPath, Nothing, extract::Json<ReasonBody>>,
) -> Result<Reply<Json<Standing>>, Problem> {
    let (now, stamp, member) = (call.now(), Stamp::random(&mut call.rng()), call.path.id);
    let why = json!({ "reason": call.body.0.reason });
    let record = record(
        &call,
        "member.unban",
        (state.standing(member, now).await?, why),
    );
    let (members, audit, record) = (&state.members, &state.audit, &record);
    let change = Change::Lift(member);
    let unbanned = state
        .revocations
        .together_with(&change, now, |revoke| async move {
            let with = |transaction| audit.add(record, revoke.add(transaction)?);
            members.unban(member, stamp, now, with).await
        })
        .await?;
    let unbanned = unbanned.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(Reply::ok(Standing {
        status: unbanned.member.status(now),
        ban: None,
    }))
}

pub(crate) async fn sign_out(
    state: Arc<State>,
    call: Call<MemberPath, Nothing, extract::Json<ReasonBody>>,
) -> Result<Reply<Empty>, Problem> {
    let (now, stamp, member) = (call.now(), Stamp::random(&mut call.rng()), call.path.id);
    let why = json!({ "reason": call.body.0.reason });
    let record = record(
        &call,
        "member.sign_out",
        (state.standing(member, now).await?, why),
    );
    let (members, audit, record) = (&state.members, &state.audit, &record);
    let ended = SessionsEnded {
        at: now,
        except: None,
    };
    let change = Change::EndAll(member, ended);
    let known = state
        .revocations
        .together_with(&change, now, |revoke| async move {
            let with = |transaction| audit.add(record, revoke.add(transaction)?);
            members.end_sessions(member, ended, stamp, with).await
        })
        .await?;
    match known {
        true => Ok(Reply::no_content()),
        false => Err(Problem::new(Code::NotFound)),
    }
}

impl State {
    /// How the member stands before anything is done to them, for the audit: another operator may
    /// get in between.
    async fn standing(&self, member: MemberId, now: Instant) -> Result<Value, Problem> {
        let record = self.members.member(member).await?;
        let record = record.ok_or_else(|| Problem::new(Code::NotFound))?;
        Ok(json!(Standing {
            status: record.member.status(now),
            ban: record.member.ban,
        }))
    }
}

impl BanBody {
    fn ban(&self, now: Instant) -> Result<Ban, Problem> {
        let refuse = |pointer, message: &str| {
            let fault = Fault::new(pointer, FaultCode::Invalid, message);
            Problem::new(Code::ValidationFailed).errors(vec![fault])
        };
        if self.ends_at.is_some_and(|end| end <= now) {
            return Err(refuse("/ends_at", "must be in the future"));
        }
        let message = match (&self.message, self.template) {
            (Some(message), None) => message.clone(),
            (None, template) => template.unwrap_or(BanTemplate::Other).message(),
            (Some(_), Some(_)) => {
                return Err(refuse("/message", "is given beside a template"));
            }
        };
        Ok(Ban {
            reason: self.reason.clone(),
            message,
            since: now,
            ends_at: self.ends_at,
        })
    }
}
