//! Secrets Manager over its own protocol (AWS JSON 1.1), with development values made on first use.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    http1::{Handler, Request},
    identifier,
};

mod generate;
mod rotation;
mod vault;

pub use rotation::Rotations;
use vault::Entry;
pub use vault::{SecretsError, Vault};

/// Answers Secrets Manager's operations out of a vault.
pub struct SecretsManager {
    vault: Arc<Mutex<Vault>>,
    rotations: Rotations,
}

/// An error of the API: its type and its message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    kind: &'static str,
    message: String,
}

impl ApiError {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    fn not_found(what: &str) -> Self {
        Self::new(
            "ResourceNotFoundException",
            format!("Secrets Manager can't find the specified {what}."),
        )
    }
}

impl SecretsManager {
    /// A service over `vault`, whose secrets are rotated by `rotations`.
    #[must_use]
    pub fn new(vault: Arc<Mutex<Vault>>, rotations: Rotations) -> Self {
        Self { vault, rotations }
    }

    fn answer(&self, request: &Request) -> Result<Value, ApiError> {
        let operation = request
            .header("x-amz-target")
            .and_then(|target| target.strip_prefix("secretsmanager."))
            .unwrap_or_default();
        // A panic while it was held cannot leave the vault half changed: it writes, then replaces.
        let mut vault = self.vault.lock().unwrap_or_else(PoisonError::into_inner);
        match operation {
            "GetSecretValue" => get_value(&vault, &input(request)?),
            "DescribeSecret" => describe(&vault, &input(request)?),
            "PutSecretValue" => put_value(&mut vault, input(request)?),
            "UpdateSecretVersionStage" => update_stage(&mut vault, &input(request)?),
            "RotateSecret" => self.rotate(&mut vault, input(request)?),
            _ => Err(ApiError::new(
                "UnknownOperationException",
                format!("{operation} is not offered by the local stack"),
            )),
        }
    }
}

impl SecretsManager {
    /// Begins a rotation; its steps go on beside, as they do at Secrets Manager.
    fn rotate(&self, vault: &mut Vault, input: Rotate) -> Result<Value, ApiError> {
        let (name, entry) = found(vault, &input.secret_id)?;
        let arn = entry.arn.clone();
        let function = self.rotations.of(&arn).ok_or_else(|| {
            ApiError::new(
                "InvalidRequestException",
                "No Lambda rotation function ARN is associated with this secret.",
            )
        })?;
        let mut version = input.client_request_token.unwrap_or_else(identifier::uuid);
        vault.change(&name, |entry| {
            version = entry.begin_rotation(version.clone());
            Ok(())
        })?;
        tokio::spawn(rotation::run(function, arn.clone(), version.clone()));
        Ok(json!({ "ARN": arn, "Name": name, "VersionId": version }))
    }
}

impl Handler for SecretsManager {
    async fn handle(&self, request: Request) -> Response<Bytes> {
        let (status, body) = match self.answer(&request) {
            Ok(body) => (StatusCode::OK, body),
            Err(error) => (
                StatusCode::BAD_REQUEST,
                json!({ "__type": error.kind, "Message": error.message, "message": error.message }),
            ),
        };
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/x-amz-json-1.1");
        headers.insert(header::CONTENT_TYPE, json);
        if let Ok(id) = HeaderValue::try_from(identifier::uuid()) {
            headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
        }
        response
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetValue {
    secret_id: String,
    version_id: Option<String>,
    version_stage: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Describe {
    secret_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rotate {
    secret_id: String,
    client_request_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutValue {
    secret_id: String,
    client_request_token: Option<String>,
    secret_string: String,
    version_stages: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateStage {
    secret_id: String,
    version_stage: String,
    move_to_version_id: Option<String>,
    remove_from_version_id: Option<String>,
}

fn input<T: DeserializeOwned>(request: &Request) -> Result<T, ApiError> {
    serde_json::from_slice(&request.body)
        .map_err(|error| ApiError::new("InvalidParameterException", error.to_string()))
}

fn get_value(vault: &Vault, input: &GetValue) -> Result<Value, ApiError> {
    let (name, entry) = found(vault, &input.secret_id)?;
    let stage = match (&input.version_stage, &input.version_id) {
        (None, None) => Some("AWSCURRENT"),
        (stage, _) => stage.as_deref(),
    };
    let version = entry
        .versions
        .iter()
        .find(|version| {
            stage.is_none_or(|stage| version.stages.iter().any(|own| own == stage))
                && input.version_id.as_ref().is_none_or(|id| *id == version.id)
        })
        .ok_or_else(|| {
            let wanted = stage.or(input.version_id.as_deref()).unwrap_or_default();
            ApiError::not_found(&format!("secret value for {wanted}"))
        })?;
    let Some(value) = &version.value else {
        return Err(ApiError::not_found("secret value for this version"));
    };
    Ok(json!({
        "ARN": entry.arn,
        "Name": name,
        "VersionId": version.id,
        "SecretString": value,
        "VersionStages": version.stages,
        "CreatedDate": version.created,
    }))
}

fn describe(vault: &Vault, input: &Describe) -> Result<Value, ApiError> {
    let (name, entry) = found(vault, &input.secret_id)?;
    let stages: serde_json::Map<String, Value> = entry
        .versions
        .iter()
        .map(|version| (version.id.clone(), json!(version.stages)))
        .collect();
    Ok(json!({ "ARN": entry.arn, "Name": name, "VersionIdsToStages": stages }))
}

fn put_value(vault: &mut Vault, input: PutValue) -> Result<Value, ApiError> {
    let (name, _) = found(vault, &input.secret_id)?;
    let id = input.client_request_token.unwrap_or_else(identifier::uuid);
    let stages = input
        .version_stages
        .unwrap_or_else(|| vec!["AWSCURRENT".to_owned()]);
    let value = input.secret_string;
    vault.change(&name, |entry| entry.put(&id, value, &stages))?;
    let (_, entry) = found(vault, &name)?;
    let version = entry.versions.iter().find(|version| version.id == id);
    Ok(json!({
        "ARN": entry.arn,
        "Name": name,
        "VersionId": id,
        "VersionStages": version.map(|version| &version.stages),
    }))
}

fn update_stage(vault: &mut Vault, input: &UpdateStage) -> Result<Value, ApiError> {
    let (name, _) = found(vault, &input.secret_id)?;
    vault.change(&name, |entry| {
        entry.move_stage(
            &input.version_stage,
            input.remove_from_version_id.as_deref(),
            input.move_to_version_id.as_deref(),
        )
    })?;
    let (_, entry) = found(vault, &name)?;
    Ok(json!({ "ARN": entry.arn, "Name": name }))
}

fn found<'a>(vault: &'a Vault, id: &str) -> Result<(String, &'a Entry), ApiError> {
    vault.find(id).ok_or_else(|| ApiError::not_found("secret"))
}

#[cfg(test)]
mod tests;
