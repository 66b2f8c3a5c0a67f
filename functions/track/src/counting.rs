//! From the text of a token to a mark that is counted once.

use domain::{
    Instant,
    marks::MarkKind,
    tracking::{Token, TokenRefused, Verified, verify},
};
use kit::{Code, Problem, problem::Chain};
use store::{
    Stamp,
    marks::{Mark, Outcome},
};
use tracing::Instrument as _;

use crate::State;

/// Why a token does not count.
pub(crate) enum Refused {
    /// It is none of ours.
    Invalid,
    /// It is one of ours, and came too late.
    Expired(Token),
    /// That cannot be said, or kept, now.
    Failed(Problem),
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid | Refused::Expired(_) => Self::new(Code::TrackingTokenInvalid),
            Refused::Failed(problem) => problem,
        }
    }
}

impl State {
    /// A token that counts as `kind` at `now`.
    pub(crate) async fn countable(
        &self,
        token: &str,
        kind: MarkKind,
        now: Instant,
    ) -> Result<Token, Refused> {
        let Verified { token, expired } = self.verified(token, now).await?;
        let window = match kind {
            MarkKind::Conversion => self.conversion_window,
            MarkKind::Impression | MarkKind::Click => return counts(token, expired),
        };
        let in_window = now < Instant::from_minutes(token.issue_minute) + window;
        counts(token, expired && !in_window)
    }

    /// Verifies with the keys at hand; a token of a key that is not among them may be of one that was
    /// made since, so the keys are read again once.
    async fn verified(&self, token: &str, now: Instant) -> Result<Verified, Refused> {
        let keys = self.keys.get(now).await;
        let keys = keys.map_err(|error| Refused::Failed(error.into()))?;
        match verify(&keys, token, now) {
            Err(TokenRefused::UnknownKey(_)) => {
                let keys = self.keys.refresh(now).await;
                let keys = keys.map_err(|error| Refused::Failed(error.into()))?;
                verify(&keys, token, now).map_err(|_| Refused::Invalid)
            }
            verified => verified.map_err(|_| Refused::Invalid),
        }
    }

    /// Counts a mark of a token that counts.
    pub(crate) async fn count(
        &self,
        token: &Token,
        kind: MarkKind,
        flagged: bool,
        now: Instant,
        stamp: Stamp,
    ) -> Result<Outcome, Problem> {
        let known = self.campaigns.known(token, now).await;
        let mark = Mark {
            token,
            kind,
            names: known.names.as_ref(),
            charges: &known.charges,
            conversions_after: Some(known.conversions_after),
            flagged,
            at: now,
        };
        let outcome = self.marks.count(mark, stamp).await?;
        if outcome == Outcome::Repeated && !flagged {
            self.note_repeat(*token, kind);
        }
        tracing::debug!(kind = kind.as_str(), ?outcome, "a mark");
        Ok(outcome)
    }

    /// Nobody waits for it, and nothing is lost with it but a number in a report.
    fn note_repeat(&self, token: Token, kind: MarkKind) {
        let marks = self.marks.clone();
        let note = async move {
            if let Err(error) = marks.note_repeat(&token, kind).await {
                tracing::warn!(error = %Chain(&error), "a repeat was not noted");
            }
        };
        tokio::spawn(note.in_current_span());
    }
}

fn counts(token: Token, expired: bool) -> Result<Token, Refused> {
    if expired {
        Err(Refused::Expired(token))
    } else {
        Ok(token)
    }
}
