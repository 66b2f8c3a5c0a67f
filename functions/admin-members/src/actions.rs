//! What operators do to members.

use std::sync::Arc;

use domain::{
    Fault, FaultCode, Instant,
    identity::{Ban, BanMessage, BanTemplate, MemberId, MemberStatus, SessionsEnded},
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
    /// What the member is told, in words of one's own: at most 2,000 characters a language, and 20
    /// languages.
    message: Option<BanMessage>,
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
    let record = record(
        &call,
        "member.ban",
        (state.standing(member, now).await?, json!(ban)),
    );
    let with = |transaction| state.audit.add(&record, transaction);
    let banned = state.members.ban(member, &ban, stamp, with).await?;
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
    let with = |transaction| state.audit.add(&record, transaction);
    let unbanned = match state.members.unban(member, stamp, now, with).await? {
        Some(unbanned) => Some(unbanned),
        // A ban may outlive its member.
        None => state.members.lift_retained_ban(member, stamp, with).await?,
    };
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
    let ended = SessionsEnded {
        at: now,
        except: None,
    };
    let revoke = state
        .revocations
        .entry(&Change::EndAll(member, ended), now)?;
    let with = |transaction| state.audit.add(&record, revoke.add(transaction)?);
    let known = state
        .members
        .end_sessions(member, ended, stamp, with)
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
        let status = record.member.status(now);
        // The ban's own record has its message in full; twice would make this one too large.
        let ban = record.member.ban.map(|ban| Ban {
            message: ban.message.default_only(),
            ..ban
        });
        Ok(json!(Standing { status, ban }))
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
            (Some(message), None) => message.clone().into(),
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
