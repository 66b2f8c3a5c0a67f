//! The whole backend in one process: API Gateway, DynamoDB, Secrets Manager, Lambda's `Invoke`,
//! schedules, and every function that the template names, through the same events as deployed.
//! What no route takes can go on to a legacy origin, as it does deployed; sign-in providers are asked
//! in sandboxes of their own.
#![forbid(unsafe_code)]

pub mod data;
pub mod database;
pub mod demo_app;
mod external_database;
pub mod functions;
pub mod gateway;
mod home;
pub mod http1;
mod identifier;
pub mod lambda_api;
mod providers;
pub mod sandbox;
mod say;
pub mod schedule;
pub mod secrets;
pub mod seed;
pub mod stack;
pub mod stop;
pub mod template;

pub use external_database::ExternalDatabaseError;
pub use stack::{Description, Home, Options, Stack, StartError};
