//! Asynchronous invocations: a worker is told to begin, and nobody waits for it.
//!
//! Actions on the worker: lambda:InvokeFunction.

use aws::{Aws, Pace, Service};
use aws_sdk_lambda::{Client, primitives::Blob, types::InvocationType};
use serde::Serialize;

use crate::StoreError;

/// A worker function, called by its name.
#[derive(Debug, Clone)]
pub struct Worker {
    client: Client,
    function: String,
}

impl Worker {
    /// The worker of that name or ARN.
    pub fn connect(aws: &Aws, function: &str) -> Self {
        Self {
            client: Client::new(&aws.config(Service::Lambda, Pace::NORMAL)),
            function: function.to_owned(),
        }
    }

    /// Hands `event` over to be worked on soon, at least once. An error is no drama where a
    /// schedule picks up what was missed.
    pub async fn send(&self, event: &impl Serialize) -> Result<(), StoreError> {
        let event =
            serde_json::to_vec(event).map_err(|e| StoreError::corrupt(&self.function, e))?;
        self.client
            .invoke()
            .function_name(&self.function)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(event))
            .send()
            .await
            .map_err(|e| StoreError::from_sdk("Invoke", &self.function, e))?;
        Ok(())
    }
}
