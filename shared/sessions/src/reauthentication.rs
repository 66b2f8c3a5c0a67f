//! Recent sign-ins: what changes how a member signs in, or ends the account, needs one.
//!
//! An access token lives for minutes and a session for months. Whoever steals either can act as the
//! member while it lives; without this they could also link an identity of their own and stay, or end
//! the account. The time of a sign-in is stored in its session, and a refresh does not move it. A
//! member signs in again, or proves an identity that is already theirs by `POST /v1/me/identities`.

use std::time::Duration;

use domain::{
    Instant,
    identity::{NO_SESSION, Session},
};
use kit::{
    Code, Principal, Problem,
    config::{Seconds, Setting},
};
use store::members::Members;

kit::settings! {
    /// How recent a sign-in must be.
    pub struct ReauthenticationSettings {
        /// Linking, unlinking, withdrawal and transfer codes need a sign-in or a provider's proof within so many seconds.
        window: Window = "REAUTHENTICATION_WINDOW_S", default "600";
    }
}

/// The age up to which a sign-in is recent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(pub Duration);

impl Setting for Window {
    const EXPECTED: &'static str = "a whole number of seconds from 60 to 86400";

    fn parse(text: &str) -> Option<Self> {
        let window = Seconds::parse(text)?.0;
        (60..=86_400)
            .contains(&window.as_secs())
            .then_some(Self(window))
    }
}

impl ReauthenticationSettings {
    /// Returns whether the member of this session proved who they are recently.
    pub fn is_recent(&self, session: &Session, now: Instant) -> bool {
        session.is_recent(now, self.window.0)
    }

    /// Refuses a caller whose session began, or was proved again, too long ago.
    ///
    /// # Errors
    /// 403 `reauthentication_required`; 401 `token_invalid` if the session is over.
    pub async fn require(
        &self,
        members: &Members,
        principal: &Principal,
        now: Instant,
    ) -> Result<(), Problem> {
        let (member, session) = principal.member()?;
        if session == NO_SESSION {
            // A banned member, who signed in to get this token and may ask for a withdrawal.
            return Ok(());
        }
        let session = members.live_session(member, session).await?;
        let session = session
            .ok_or_else(|| Problem::new(Code::TokenInvalid).detail("the session is over"))?;
        match self.is_recent(&session, now) {
            true => Ok(()),
            false => Err(self.refusal()),
        }
    }

    /// 403: the sign-in is too old.
    pub fn refusal(&self) -> Problem {
        let minutes = self.window.0.as_secs().div_ceil(60);
        Problem::new(Code::ReauthenticationRequired).detail(format!(
            "sign in again, or prove one of your identities by POST /v1/me/identities; it counts for {minutes} minutes"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_is_recent_for_a_minute_to_a_day() {
        let seconds = |text| Window::parse(text).map(|window| window.0.as_secs());
        assert_eq!((seconds("60"), seconds("86400")), (Some(60), Some(86_400)));
        for refused in ["", "0", "59", "86401", "-1"] {
            assert_eq!(seconds(refused), None, "{refused}");
        }
    }
}
