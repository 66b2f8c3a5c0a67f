//! What the test binaries share: the project's files, an HTTP client that sends what it is told,
//! a recorder in front of the stack's services, and a Lambda runtime API for release binaries.
//!
//! Everything blocks, on threads of its own: a test is a plain function, whatever it talks to.
#![forbid(unsafe_code)]

mod actions;
pub mod courtyard;
pub mod fault;
pub mod findings;
pub mod http1;
pub mod interruption;
pub mod lambda;
mod logs;
pub mod observed;
pub mod project;
pub mod recorder;
pub mod skip;
pub mod source;
