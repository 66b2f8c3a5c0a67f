//! `POST /v1/me/identities`.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Instant, ReportedDevice,
    identity::{MemberId, SessionId},
};
use kit::{Call, Code, Nothing, Problem, Reply, extract, reply::Json};
use rand::RngExt;
use serde_json::{Map, Value, json};
use sessions::{MemberAnswer, member_now};
use store::{
    Stamp,
    edge::CountedBy,
    members::{Linking, NewIdentity, Ticket},
};

use crate::State;

sessions::proof_body! {
    /// A proof, as at sign-in.
    pub(crate) struct LinkBody {
        /// Apple's authorization code, by which the connection can be ended at withdrawal.
        #[garde(inner(length(bytes, max = 4096)))]
        authorization_code: Option<String>,
        /// The device. It is accepted and not used: the session already has one.
        #[serde(rename = "device")]
        #[garde(dive)]
        _device: Option<ReportedDevice>,
    }
}

pub(crate) async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Json<LinkBody>>,
) -> Result<Reply<Json<MemberAnswer>>, Problem> {
    let (now, mut rng) = (call.now(), call.rng());
    let member = member_now(&state.members, &call.principal, now)
        .await?
        .member
        .id;
    let recent = state.count_and_look(&call, member, now).await?;
    let (_, session) = call.principal.member()?;
    let mut body = call.body.0;
    let authorization_code = body.authorization_code.take();
    let claimed = body.take_claimed(authorization_code);
    let proven = state.prover.prove(&claimed, now).await?;
    let identity = NewIdentity {
        provider: proven.provider,
        subject: &proven.subject,
        guest_secret: None,
        hashes: &proven.hashes,
    };
    // One's own identity may be proved at any time: that is how a member signs in again.
    let owner = match recent {
        true => None,
        false => Some(state.members.owner(proven.provider, &proven.subject)),
    };
    if let Some(owner) = owner
        && owner.await? != Some(member)
    {
        return Err(state.reauthentication.refusal());
    }
    let (challenge, stamp) = (proven.challenge.as_ref(), Stamp::random(&mut rng));
    let linking = state
        .members
        .link(member, &identity, challenge, stamp, now, Ok)
        .await?;
    if let Linking::Linked(_) | Linking::AlreadyYours(_) = linking {
        state
            .prover
            .store_grant(&state.members, member, &proven, now, &mut rng)
            .await;
    }
    match linking {
        Linking::Linked(record) => {
            let member = MemberAnswer::read(&state.members, record, now).await?;
            Ok(Reply::created(member))
        }
        Linking::AlreadyYours(record) => {
            state.authenticated(member, session, now).await?;
            let member = MemberAnswer::read(&state.members, record, now).await?;
            Ok(Reply::ok(member))
        }
        Linking::OtherOfProvider => Err(Problem::new(Code::ProviderAlreadyLinked)),
        Linking::ChallengeUsed => Err(Problem::new(Code::ChallengeUsed)),
        Linking::NotThere => Err(Problem::new(Code::TokenInvalid)),
        Linking::Banned(ban) => Err(Problem::banned(ban.message, ban.ends_at)),
        Linking::TakenBy(other) => {
            let ticket = URL_SAFE_NO_PAD.encode(rng.random::<[u8; 32]>());
            let challenge = proven.challenge.as_ref();
            let made = state
                .members
                .make_ticket(&ticket, member, &identity, challenge, now)
                .await?;
            Err(state.in_use(&ticket, made, other).await?)
        }
    }
}

impl State {
    /// Counts the attempt, and returns whether the member signed in recently.
    async fn count_and_look<P, Q, B>(
        &self,
        call: &Call<P, Q, B>,
        member: MemberId,
        now: Instant,
    ) -> Result<bool, Problem> {
        let per_address = self.settings.per_address.per_hour("links-address");
        let per_member = self.settings.per_member.per_hour("links-member");
        let address = CountedBy::Address(call.facts.address);
        let name = member.to_string();
        self.limits.check(address, per_address, now).await?;
        let by_member = CountedBy::Name(&name);
        self.limits.check(by_member, per_member, now).await?;
        let (_, session) = call.principal.member()?;
        let session = self.members.live_session(member, session).await?;
        Ok(session.is_some_and(|session| self.reauthentication.is_recent(&session, now)))
    }

    /// Stores that the member proved who they are.
    async fn authenticated(
        &self,
        member: MemberId,
        session: SessionId,
        now: Instant,
    ) -> Result<(), Problem> {
        let noted = self.members.note_authentication(member, session, now).await;
        match noted {
            Err(error) if error.is_conflict() => {
                Err(Problem::new(Code::TokenInvalid).detail("the session is over"))
            }
            noted => Ok(noted?),
        }
    }

    /// The refusal that carries a ticket.
    async fn in_use(
        &self,
        ticket: &str,
        made: Ticket,
        other: MemberId,
    ) -> Result<Problem, Problem> {
        match made {
            Ticket::Made(good_until) => Ok(Problem::new(Code::IdentityInUse)
                .detail(format!("the ticket is good until {good_until}"))
                .with("link_ticket", ticket)
                .with("other", self.masked(other).await?)),
            Ticket::ChallengeUsed => Err(Problem::new(Code::ChallengeUsed)),
            Ticket::Moved => Err(Problem::unavailable("the identity is changing hands")),
        }
    }

    /// What may be told of the other member to whoever has proved one of their identities.
    async fn masked(&self, other: MemberId) -> Result<Map<String, Value>, Problem> {
        let Some(record) = self.members.member(other).await? else {
            return Ok(Map::new());
        };
        let identities = self.members.identities(other).await?;
        let providers = identities.iter().map(|identity| identity.provider);
        let nickname = record.nickname.as_deref().map(mask);
        Ok(Map::from_iter([
            ("nickname".to_owned(), json!(nickname)),
            ("providers".to_owned(), json!(providers.collect::<Vec<_>>())),
            ("created_at".to_owned(), json!(record.member.created_at)),
        ]))
    }
}

/// The first letter of a name.
fn mask(nickname: &str) -> String {
    let first: String = nickname.chars().take(1).collect();
    format!("{first}***")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_nickname_its_first_letter_is_told() {
        for (nickname, told) in [("민아", "민***"), ("Bo", "B***"), ("", "***")] {
            assert_eq!(mask(nickname), told);
        }
    }
}
