//! `POST /v1/me/identities/resolve`.

use std::sync::Arc;

use domain::RandomId;
use garde::Validate;
use kit::{Call, Code, Nothing, Problem, Reply, extract, reply::Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sessions::{MemberAnswer, TokenPair, refusal};
use store::{
    Stamp,
    members::{Choice, Entered, Entrance, NewSession, Resolution},
};

use crate::State;

/// Which member to go on as.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResolveBody {
    /// The ticket that `identity_in_use` carried.
    #[garde(length(bytes, max = 128))]
    link_ticket: String,
    /// Which.
    #[garde(skip)]
    choice: Chosen,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "LinkChoice")]
pub(crate) enum Chosen {
    /// The one who calls: the identity becomes theirs.
    KeepCurrent,
    /// The one who has the identity: they are signed in to.
    UseOther,
}

/// How they go on.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Resolved {
    /// As whom.
    member: MemberAnswer,
    /// `use_other`: the tokens of the other member's session. The one that called is over.
    #[serde(flatten)]
    tokens: Option<TokenPair>,
}

pub(crate) async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Json<ResolveBody>>,
) -> Result<Reply<Json<Resolved>>, Problem> {
    let (now, mut rng) = (call.now(), call.rng());
    let (current, own) = call.principal.member()?;
    let over = || Problem::new(Code::TokenInvalid).detail("the session is over");
    let standing = state.members.standing(current, own).await?;
    let (record, session) = standing.ok_or_else(over)?;
    if let Some(refused) = refusal(&record.member, now) {
        return Err(refused);
    }
    let session = session.ok_or_else(over)?;
    let session = NewSession {
        id: RandomId::new(now, &mut rng),
        device_key: session.device_key,
        device: session.device,
    };
    let ResolveBody {
        link_ticket,
        choice,
    } = call.body.0;
    let choice = match choice {
        Chosen::KeepCurrent => Choice::KeepCurrent { grace: state.grace },
        Chosen::UseOther => Choice::UseOther(Entrance {
            session: &session,
            terms: state.sessions.terms(),
        }),
    };
    let stamp = Stamp::random(&mut rng);
    let resolution = state
        .members
        .resolve(&link_ticket, current, &choice, stamp, now, Ok)
        .await?;
    match resolution {
        Resolution::Moved { current, .. } => Ok(Reply::ok(Resolved {
            member: MemberAnswer::read(&state.members, *current, now).await?,
            tokens: None,
        })),
        Resolution::Switched(switched) => {
            let Entered {
                member, session, ..
            } = *switched;
            let tokens = state.sessions.pair(&session, now, &mut rng).await?;
            let member = MemberAnswer::read(&state.members, member, now).await?;
            // The choice stands, whatever becomes of the session that is left behind.
            if let Err(error) = state.members.end_session(current, own, Ok).await {
                tracing::warn!(%error, "a session that was left stays until it is not used");
            }
            Ok(Reply::ok(Resolved {
                member,
                tokens: Some(tokens),
            }))
        }
        Resolution::NoTicket => Err(Problem::new(Code::LinkTicketInvalid)),
        Resolution::OtherOfProvider => Err(Problem::new(Code::ProviderAlreadyLinked)),
        Resolution::OtherBanned => {
            Err(Problem::new(Code::Forbidden).detail("the other member is banned"))
        }
    }
}
