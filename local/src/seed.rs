//! What development starts with: a service key of this data folder, and its record, with every
//! scope, in the Operators table.

use std::sync::Arc;

use aws::{Aws, Endpoints, Keys, Pace, Settings};
use domain::{BadText, Id, Instant};
use jiff::Timestamp;
use store::{Database, ServiceKeys, Stamp, StoreError, service_keys::Plaintext};

use crate::{
    Description,
    secrets::{SecretsError, Vault},
    stack::Seed,
    template::{REGION, STACK, secret_arn},
};

/// The logical id of the table that keeps service keys.
const OPERATORS: &str = "OperatorsTable";

/// Writes the records; a template without an Operators table gets none.
#[must_use]
pub fn development() -> Seed {
    Arc::new(|stack| Box::pin(write(stack)))
}

/// Why the records could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The vault cannot keep the key.
    #[error(transparent)]
    Vault(#[from] SecretsError),
    /// The key's id is not one.
    #[error("the service key's id: {0}")]
    Id(#[from] BadText),
    /// The key in the vault is not one.
    #[error("the service key in secrets.json is not a service key")]
    NotAKey,
    /// The client cannot be configured.
    #[error(transparent)]
    Client(#[from] aws::AppNameRefused),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The development service key of this data folder, made once.
pub(crate) fn service_key(vault: &mut Vault) -> Result<String, SeedError> {
    let name = format!("{STACK}/service-key");
    let id: Id = "dev".parse()?;
    if let Some(key) = vault.current(&name) {
        return Ok(key.to_owned());
    }
    let key = Plaintext::random(id, &mut rand::rng()).reveal();
    vault.create(&name, &secret_arn(&name), key.clone())?;
    Ok(key)
}

async fn write(stack: Description) -> Result<(), SeedError> {
    let Some(operators) = stack.tables.get(OPERATORS) else {
        return Ok(());
    };
    let key = Plaintext::parse(&stack.service_key).ok_or(SeedError::NotAKey)?;
    let aws = Aws::new(Settings {
        region: REGION.to_owned(),
        credentials: Keys {
            access_key_id: "local".to_owned(),
            secret_access_key: "local".to_owned(),
            session_token: None,
        },
        endpoints: Endpoints {
            dynamodb: Some(stack.dynamodb_endpoint),
            ..Endpoints::default()
        },
        app_name: "local".to_owned(),
    })?;
    let keys = ServiceKeys::new(Database::connect(&aws, Pace::NORMAL).table(operators));
    let now = Instant::from_millis(Timestamp::now().as_millisecond());
    let stamp = Stamp::random(&mut rand::rng());
    keys.seed(&key, &["*".to_owned()], stamp, now).await?;
    Ok(())
}
