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
    /// When; where the provider does not say, when we heard of it.
    pub at: Instant,
    /// The provider's name for the event, by which a replay can be known, where it has one.
    pub id: Option<String>,
}

/// What can happen to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountEventKind {
    /// The user took back the consent to sign in to us.
    ConsentRevoked,
    /// The account is no more.
    AccountDeleted,
    /// Mail to the relay address is forwarded again.
    EmailEnabled,
    /// Mail to the relay address is no longer forwarded.
    EmailDisabled,
    /// Something that we do not know of, and that changes nothing here.
    Other,
}
