//! Secrets as the template declares them, and how their first values are made.

use serde::Deserialize;
use serde_json::Value;

use super::{
    TemplateError,
    intrinsics::{Resolver, secret_arn},
    resource::properties,
};

/// One `AWS::SecretsManager::Secret`.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Its ARN in the local account.
    pub arn: String,
    /// How its first value is made.
    pub value: SecretValue,
    /// The ARN of the function that rotates it, by an `AWS::SecretsManager::RotationSchedule`.
    pub rotated_by: Option<String>,
}

/// How the first value of a secret is made.
#[derive(Debug, Clone)]
pub enum SecretValue {
    /// `Metadata.Madang.Generate: tracking-keys`: a ring of keys of HMAC-SHA-256.
    TrackingKeys,
    /// `Metadata.Madang.Generate: signing-keys`: the keys that sign access tokens.
    SigningKeys,
    /// `GenerateSecretString`, as AWS defines it.
    Random(Box<RandomString>),
    /// `SecretString`.
    Given(String),
}

/// `GenerateSecretString` of `AWS::SecretsManager::Secret`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct RandomString {
    /// Characters of the password.
    pub password_length: usize,
    /// Characters never to use.
    pub exclude_characters: String,
    /// Leave out `a–z`.
    pub exclude_lowercase: bool,
    /// Leave out `A–Z`.
    pub exclude_uppercase: bool,
    /// Leave out `0–9`.
    pub exclude_numbers: bool,
    /// Leave out ASCII punctuation.
    pub exclude_punctuation: bool,
    /// Allow spaces.
    pub include_space: bool,
    /// At least one character of each class.
    pub require_each_included_type: bool,
    /// A JSON object to put the password into.
    pub secret_string_template: Option<String>,
    /// The key of that object.
    pub generate_string_key: Option<String>,
}

impl Default for RandomString {
    fn default() -> Self {
        Self {
            password_length: 32,
            exclude_characters: String::new(),
            exclude_lowercase: false,
            exclude_uppercase: false,
            exclude_numbers: false,
            exclude_punctuation: false,
            include_space: false,
            require_each_included_type: true,
            secret_string_template: None,
            generate_string_key: None,
        }
    }
}

/// Every secret whose condition holds.
pub(super) fn all(resolver: &Resolver) -> Result<Vec<Secret>, TemplateError> {
    let rotations = rotations(resolver)?;
    resolver
        .resources_of("AWS::SecretsManager::Secret")
        .map(|found| {
            let (id, body) = found?;
            let name = resolver.name_of(id, 0)?;
            let arn = secret_arn(&name);
            let rotation = rotations.iter().find(|rotation| rotation.secret_id == arn);
            Ok(Secret {
                rotated_by: rotation.map(|rotation| rotation.rotation_lambda_arn.clone()),
                arn,
                name,
                value: secret_value(resolver, id, body)?,
            })
        })
        .collect()
}

#[derive(Deserialize)]
struct Rotation {
    #[serde(rename = "SecretId")]
    secret_id: String,
    #[serde(rename = "RotationLambdaARN")]
    rotation_lambda_arn: String,
}

fn rotations(resolver: &Resolver) -> Result<Vec<Rotation>, TemplateError> {
    resolver
        .resources_of("AWS::SecretsManager::RotationSchedule")
        .map(|found| {
            let (id, body) = found?;
            properties(resolver, id, body, &["SecretId", "RotationLambdaARN"])
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretProperties {
    generate_secret_string: Option<RandomString>,
    secret_string: Option<String>,
}

fn secret_value(resolver: &Resolver, id: &str, body: &Value) -> Result<SecretValue, TemplateError> {
    match body.pointer("/Metadata/Madang/Generate") {
        Some(Value::String(hint)) if hint == "tracking-keys" => {
            return Ok(SecretValue::TrackingKeys);
        }
        Some(Value::String(hint)) if hint == "signing-keys" => {
            return Ok(SecretValue::SigningKeys);
        }
        Some(other) => {
            return Err(TemplateError::at(
                &format!("{id}.Metadata.Madang.Generate"),
                format!("{other} is not a value that the local stack can generate"),
            ));
        }
        None => {}
    }
    let keys = ["GenerateSecretString", "SecretString"];
    let given: SecretProperties = properties(resolver, id, body, &keys)?;
    match (given.generate_secret_string, given.secret_string) {
        (Some(random), None) => Ok(SecretValue::Random(Box::new(random))),
        (None, Some(text)) => Ok(SecretValue::Given(text)),
        _ => Err(TemplateError::at(
            id,
            "expects GenerateSecretString, SecretString or Metadata.Madang.Generate",
        )),
    }
}
