//! Operators, who may be told why an answer is what it is.

use std::sync::Arc;

use kit::{Call, Clock, Code, Principal, Problem, config::ResourceName, middleware::bearer_token};
use store::{Database, ServiceKeys, edge::KeyAuthority};

/// What a service key needs to be told why.
pub const EXPLAIN: &str = "content:read";

kit::settings! {
    /// Where operators are known.
    pub struct OperatorSettings {
        /// Where service keys are kept.
        operators_table: ResourceName = "OPERATORS_TABLE", example "madang-dev-operators";
    }
}

impl OperatorSettings {
    /// The keys that operators may ask with.
    pub fn service_keys(&self, database: &Database) -> ServiceKeys {
        ServiceKeys::new(database.table(&self.operators_table.0))
    }

    /// Who knows them, on routes that take no other proof.
    pub fn authority(&self, database: &Database, clock: Clock) -> Arc<KeyAuthority> {
        KeyAuthority::new(self.service_keys(database), clock)
    }
}

/// Whether the caller is to be told why: whoever asks for it must be an operator. Where tokens are not
/// verified, whoever sends one is none all the same.
///
/// # Errors
/// 401 for who sends nothing, 403 for others.
pub fn explained<P, Q, B>(call: &Call<P, Q, B>, asked: Option<bool>) -> Result<bool, Problem> {
    let explained = asked == Some(true);
    if explained {
        let sent = bearer_token(&call.headers)?;
        if call.principal == Principal::Anonymous && sent.is_some() {
            return Err(Problem::new(Code::Forbidden).detail("operators only"));
        }
        call.principal.require(EXPLAIN)?;
    }
    Ok(explained)
}
