//! One secret's versions, for whoever rotates it.
//!
//! Actions on the secret: secretsmanager:DescribeSecret, GetSecretValue, PutSecretValue,
//! UpdateSecretVersionStage.

use std::{collections::HashMap, fmt, sync::Arc};

use aws::{Aws, Pace, Service};
use aws_sdk_secretsmanager::{
    Client, operation::get_secret_value::builders::GetSecretValueFluentBuilder,
};

use crate::secrets::{SecretError, failure};

/// A secret, by its versions.
#[derive(Debug, Clone)]
pub struct SecretVersions {
    client: Client,
    name: Arc<str>,
}

/// What there is to know of a secret without reading it.
#[derive(Debug, Clone)]
pub struct Described {
    /// Its ARN.
    pub arn: String,
    /// The stages of its versions.
    pub stages: Stages,
}

/// Which version has which stages, by their ids.
#[derive(Debug, Clone, Default)]
pub struct Stages(HashMap<String, Vec<String>>);

impl Stages {
    /// Whether the version has the stage.
    pub fn has(&self, version: &str, stage: &str) -> bool {
        let stages = self.0.get(version);
        stages.is_some_and(|stages| stages.iter().any(|own| own == stage))
    }

    /// The version that has the stage.
    pub fn holder(&self, stage: &str) -> Option<&str> {
        let mut versions = self.0.keys().map(String::as_str);
        versions.find(|version| self.has(version, stage))
    }
}

impl SecretVersions {
    /// Configures a client for the secret of that name or ARN. Nothing is opened before the first
    /// call.
    pub fn connect(aws: &Aws, name: &str) -> Self {
        Self {
            client: Client::new(&aws.config(Service::SecretsManager, Pace::NORMAL)),
            name: name.into(),
        }
    }

    /// Its ARN and its stages.
    pub async fn describe(&self) -> Result<Described, SecretError> {
        let described = self
            .client
            .describe_secret()
            .secret_id(&*self.name)
            .send()
            .await
            .map_err(|error| failure(&self.name, error))?;
        Ok(Described {
            arn: described.arn.unwrap_or_default(),
            stages: Stages(described.version_ids_to_stages.unwrap_or_default()),
        })
    }

    /// The value of the version that has a stage; `None` where none has, or it has no value yet.
    pub async fn read_stage<T, E: fmt::Display>(
        &self,
        stage: &str,
        parse: fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, SecretError> {
        let get = self.client.get_secret_value().version_stage(stage);
        self.read(get, parse).await
    }

    /// The value of a version; `None` where it has none yet.
    pub async fn read_version<T, E: fmt::Display>(
        &self,
        version: &str,
        parse: fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, SecretError> {
        let get = self.client.get_secret_value().version_id(version);
        self.read(get, parse).await
    }

    /// Gives a version its value and a stage. One that has a value keeps it: that is no error.
    pub async fn put(&self, version: &str, stage: &str, value: String) -> Result<(), SecretError> {
        let put = self
            .client
            .put_secret_value()
            .secret_id(&*self.name)
            .client_request_token(version)
            .version_stages(stage)
            .secret_string(value)
            .send()
            .await;
        match put.map_err(|error| failure(&self.name, error)) {
            Err(SecretError::Refused { code, .. }) if code == "ResourceExistsException" => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Takes a stage from one version, where one has it, and gives it to another.
    pub async fn move_stage(
        &self,
        stage: &str,
        from: Option<&str>,
        to: &str,
    ) -> Result<(), SecretError> {
        self.client
            .update_secret_version_stage()
            .secret_id(&*self.name)
            .version_stage(stage)
            .set_remove_from_version_id(from.map(str::to_owned))
            .move_to_version_id(to)
            .send()
            .await
            .map_err(|error| failure(&self.name, error))?;
        Ok(())
    }

    async fn read<T, E: fmt::Display>(
        &self,
        get: GetSecretValueFluentBuilder,
        parse: fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, SecretError> {
        let got = get.secret_id(&*self.name).send().await;
        let answer = match got.map_err(|error| failure(&self.name, error)) {
            Ok(answer) => answer,
            Err(SecretError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let malformed = |reason| SecretError::Malformed {
            name: Arc::clone(&self.name),
            reason,
        };
        match answer.secret_string() {
            None => Ok(None),
            Some(text) => parse(text)
                .map(Some)
                .map_err(|error| malformed(error.to_string())),
        }
    }
}
