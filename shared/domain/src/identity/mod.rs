//! Who somebody is: members and what they are called.

pub mod nickname;
