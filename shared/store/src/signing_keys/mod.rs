//! The keys that access tokens are signed with: the secret that holds them, their public halves in
//! the Members table, and tokens that are issued under them.
//!
//! The secret holds `{next, current, previous[]}`. A rotation shifts: `next` becomes `current`,
//! `current` the newest of `previous`, and a new `next` is made. Public halves are published before
//! anything is signed under them, and stay until the last token under them has expired, so that
//! nobody who verifies ever meets a key that is not published.
//!
//! Actions on the Members table: GetItem; for those who issue or rotate also PutItem.

mod issuer;
mod published;
mod reader;
mod secret;

pub use self::{
    issuer::{AccessToken, Grant, IssueError, Issuer},
    published::{PublicKey, PublishedKeys},
    reader::{PublicKeySet, PublicKeys},
    secret::{BadSigningKeys, SigningKeys},
};
