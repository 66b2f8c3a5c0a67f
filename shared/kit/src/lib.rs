//! How a function runs: configuration, logging, metrics, problems, extractors, middleware, and
//! `run()`, the same for every function.
//!
//! A function crate declares [`Endpoint`]s, writes a handler for each over typed input, and puts
//! them together with [`Api`]; a worker hands its one function to [`worker`]. Neither knows whether
//! Lambda or the local stack carries its events: that seam is [`Invoke`].
#![forbid(unsafe_code)]

pub mod api;
pub mod call;
pub mod clock;
pub mod config;
mod console;
pub mod endpoint;
pub mod extract;
pub mod function;
mod gateway;
pub mod logging;
pub mod metrics;
pub mod middleware;
pub mod openapi;
pub mod precondition;
pub mod problem;
pub mod random;
pub mod reply;
mod run;
pub mod runtime;
pub mod trace;
mod worker;

pub use api::Api;
pub use call::{Call, Principal};
pub use clock::Clock;
pub use config::{Faults, Vars};
pub use endpoint::{Caller, Endpoint, Method, Rate};
pub use extract::Nothing;
pub use function::{BoxFuture, Function, Invoke, InvokeError};
pub use precondition::Precondition;
pub use problem::{Code, Problem};
pub use random::Random;
pub use reply::Reply;
pub use run::run;
pub use runtime::Runtime;
pub use worker::{Job, worker};

/// A request inside the stack.
pub type Request = lambda_http::Request;

/// A response inside the stack.
pub type Response = http::Response<lambda_http::Body>;
