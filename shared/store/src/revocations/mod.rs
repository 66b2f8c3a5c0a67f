//! Who may not come in although their access token is good: a log of bans and ended sessions that
//! every verifier follows.
//!
//! A token cannot be taken back, so whoever must be out before it expires gets an entry in the log,
//! in the very transaction that bans them or ends their sessions. Entries are only added, so that no
//! ban waits for another; each lapses when the last token that it is about has expired, and from then
//! on the refusal of a new one is enough. What members do themselves, as signing out, needs no entry:
//! it is the next refresh that fails.
//!
//! A verifier reads on from where it was, a minute of overlap included: an entry may be written some
//! seconds after the time that its key says.
//!
//! Actions on the Members table: Query and GetItem; for those who revoke PutItem.

mod legacy;
mod list;
pub(crate) mod log;
mod reader;
mod writer;

pub use self::{
    list::{Change, LONGEST_TOKEN, Refusal, RevocationList},
    reader::RevocationReader,
    writer::{RevocationWrite, Revocations},
};
