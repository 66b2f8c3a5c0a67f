//! Who may not come in although their access token is good: a small list that every verifier holds.
//!
//! A token cannot be taken back, so whoever must be out before it expires is put on the list, in the
//! very transaction that bans them or ends their sessions. An entry lapses when the last token that
//! it is about has expired; from then on the refusal of a new one is enough. What members do
//! themselves, as signing out, needs no entry: it is the next refresh that fails.
//!
//! The list is one item of the Members table and bounded. When it is full, the oldest entries give
//! way to one line, before which all tokens are to be renewed: their holders refresh, and the
//! refresh sees who they are.
//!
//! Actions on the Members table: GetItem; for those who revoke also PutItem.

mod list;
mod reader;
mod writer;

pub use self::{
    list::{Change, LONGEST_TOKEN, Refusal, RevocationList},
    reader::RevocationReader,
    writer::{RevocationWrite, Revocations},
};
