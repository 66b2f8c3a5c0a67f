//! What providers tell of accounts, unasked.

use domain::{
    Instant,
    identity::{Provider, Subject},
};

/// Something happened to an account at its provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountEvent {
    /// The provider.
    pub provider: Provider,
    /// What happened.
    pub kind: AccountEventKind,
    /// To whom, by the provider's name for them.
    pub subject: Subject,
    /// The last moment at which it may have happened: the end of the second where the provider tells
    /// whole seconds, and where it tells no time, when we heard of it. Never later than that.
    pub at: Instant,
    /// The provider's name for the event, by which a replay can be known, where it has one.
    pub id: Option<String>,
}

/// Returns the latest moment that a provider's time may stand for, at most `now`. A whole second
/// stands for all of its milliseconds, because sessions and links begin at milliseconds, and an event
/// is about those that began earlier in its own second too.
pub(super) fn latest_moment(time: Instant, now: Instant) -> Instant {
    let latest = match time.as_millis().rem_euclid(1_000) {
        0 => Instant::end_of_second(time.as_seconds()),
        _ => time,
    };
    latest.min(now)
}

/// What can happen to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountEventKind {
    /// The provider ended what the user had open: consent was taken back, tokens or sessions were
    /// revoked, the account was disabled or may be in other hands.
    SessionsRevoked,
    /// The account is no more.
    AccountDeleted,
    /// The user wants everything deleted that we store of them.
    DeletionRequested,
    /// The provider's staff ended the connection between the user and us.
    UnlinkedByProvider,
    /// The provider ended the connection because the user never completed signing up.
    SignUpAbandoned,
    /// Something that changes nothing here: mail settings, a new connection, or an event that this
    /// version does not know.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_second_stands_for_all_of_it_and_nothing_happens_after_now() {
        let later = Instant::from_millis(90_000_000);
        for (time, now, latest) in [
            (7_000, later, 7_999),
            (7_001, later, 7_001),
            (7_250, later, 7_250),
            (0, later, 999),
            (-1_000, later, -1),
            (7_000, Instant::from_millis(7_400), 7_400),
            (9_000, Instant::from_millis(7_400), 7_400),
            (9_001, Instant::from_millis(7_400), 7_400),
        ] {
            let found = latest_moment(Instant::from_millis(time), now);
            assert_eq!(found, Instant::from_millis(latest), "{time} at {now}");
        }
    }
}
