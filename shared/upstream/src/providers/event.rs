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
