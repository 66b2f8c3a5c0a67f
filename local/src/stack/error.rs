//! Why a stack does not start, each said in one line.

use std::{io, path::PathBuf};

use crate::{
    data::DataError, database::DatabaseError, external_database::ExternalDatabaseError,
    gateway::OriginError, schedule::ExpressionError, secrets::SecretsError, seed::SeedError,
    template::TemplateError,
};

/// Why a stack does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A port cannot be listened on.
    #[error("port {port}: {}", port_problem(variable, source))]
    Port {
        /// The variable that sets it.
        variable: &'static str,
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The template.
    #[error("{}: {source}", path.display())]
    Template {
        /// The template's file.
        path: PathBuf,
        /// What is wrong with it.
        source: TemplateError,
    },
    /// The server that requests are sent on to.
    #[error("LEGACY_ORIGIN: {0}")]
    Origin(#[from] OriginError),
    /// A server to send requests on to, and a template that sends none.
    #[error("LEGACY_ORIGIN is set, but the template has no route that would use LegacyOrigin")]
    NoRouteToOrigin,
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A database elsewhere.
    #[error(transparent)]
    ExternalDatabase(#[from] ExternalDatabaseError),
    /// The secrets.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// Functions refused their environments: a line each.
    #[error("{0}")]
    Functions(String),
    /// A schedule.
    #[error("schedule {0}")]
    Schedule(#[from] ExpressionError),
    /// The records that development starts with.
    #[error("seed: {0}")]
    Seed(#[from] SeedError),
    /// Anything else of the operating system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn port_problem(variable: &str, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            format!("already taken by another process; set {variable} to another")
        }
        _ => source.to_string(),
    }
}
