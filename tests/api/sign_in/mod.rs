//! Sign-in: with every provider's good and bad proofs, as a guest, by challenges, while key sets are
//! out of reach, and what of it is found in logs.

mod challenges;
mod discretion;
mod flows;
mod forged;
mod guests;
mod key_sets;
mod linking;
mod misuse;
mod proofs;
mod providers;
mod stand_in;
mod upstreams;
mod visitor;
