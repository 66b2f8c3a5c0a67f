//! What `Ref` and `Fn::GetAtt` give: parameters, pseudo parameters, names and ARNs of resources.

use serde_json::Value;

use super::{Resolved, Resolver, scalar_text, type_of};
use crate::template::{ACCOUNT, API_ID, PARTITION, REGION, STACK, TemplateError, URL_SUFFIX};

impl Resolver {
    /// The name of a resource as CloudFormation would give it: the one the template sets, or one
    /// made of the stack's name and the logical id.
    pub(in crate::template) fn name_of(
        &self,
        id: &str,
        depth: usize,
    ) -> Result<String, TemplateError> {
        let body = self.resources.get(id).unwrap_or(&Value::Null);
        let property = match type_of(body) {
            "AWS::DynamoDB::Table" => "TableName",
            "AWS::Serverless::Function" => "FunctionName",
            "AWS::S3::Bucket" => "BucketName",
            _ => "Name",
        };
        let place = format!("{id}.{property}");
        let given = match body.pointer(&format!("/Properties/{property}")) {
            Some(name) => self.at_depth(name, &place, depth + 1)?,
            None => None,
        };
        match given {
            Some(name) => scalar_text(&name)
                .ok_or_else(|| TemplateError::at(&place, "a name must be a string")),
            None if property == "BucketName" => Ok(format!("{STACK}-{id}").to_lowercase()),
            None => Ok(format!("{STACK}-{id}")),
        }
    }

    pub(super) fn reference(&self, target: &str, place: &str, depth: usize) -> Resolved {
        let pseudo = match target {
            "AWS::NoValue" => return Ok(None),
            "AWS::Region" => Some(REGION),
            "AWS::AccountId" => Some(ACCOUNT),
            "AWS::Partition" => Some(PARTITION),
            "AWS::StackName" => Some(STACK),
            "AWS::URLSuffix" => Some(URL_SUFFIX),
            _ => None,
        };
        if let Some(value) = pseudo {
            return Ok(Some(Value::String(value.to_owned())));
        }
        if let Some(value) = self.parameters.get(target) {
            return Ok(Some(value.clone()));
        }
        let kind = self.kind(target, place)?;
        let text = match kind {
            "AWS::SecretsManager::Secret" => secret_arn(&self.name_of(target, depth)?),
            "AWS::Serverless::HttpApi" => API_ID.to_owned(),
            "AWS::DynamoDB::Table" | "AWS::Serverless::Function" | "AWS::S3::Bucket" => {
                self.name_of(target, depth)?
            }
            _ => {
                return Err(TemplateError::at(
                    place,
                    format!("Ref {target}: a {kind} does not exist in the local stack"),
                ));
            }
        };
        Ok(Some(Value::String(text)))
    }

    pub(super) fn attribute(
        &self,
        id: &str,
        attribute: &str,
        place: &str,
        depth: usize,
    ) -> Result<String, TemplateError> {
        let kind = self.kind(id, place)?;
        let name = self.name_of(id, depth)?;
        match (kind, attribute) {
            ("AWS::DynamoDB::Table", "Arn") => Ok(arn("dynamodb", &format!("table/{name}"))),
            ("AWS::Serverless::Function", "Arn") => Ok(function_arn(&name)),
            ("AWS::S3::Bucket", "Arn") => Ok(format!("arn:{PARTITION}:s3:::{name}")),
            ("AWS::S3::Bucket", "DomainName") => Ok(format!("{name}.s3.{URL_SUFFIX}")),
            ("AWS::SecretsManager::Secret", "Id") => Ok(secret_arn(&name)),
            _ => Err(TemplateError::at(
                place,
                format!("Fn::GetAtt {id}.{attribute}: not known to the local stack"),
            )),
        }
    }

    fn kind(&self, id: &str, place: &str) -> Result<&str, TemplateError> {
        self.resources.get(id).map(type_of).ok_or_else(|| {
            TemplateError::at(place, format!("no parameter or resource is called {id}"))
        })
    }
}

/// The function's ARN in the local account.
pub(in crate::template) fn function_arn(name: &str) -> String {
    arn("lambda", &format!("function:{name}"))
}

/// The secret's ARN in the local account. Secrets Manager ends each with six characters of its own.
pub(crate) fn secret_arn(name: &str) -> String {
    arn("secretsmanager", &format!("secret:{name}-local0"))
}

fn arn(service: &str, resource: &str) -> String {
    format!("arn:{PARTITION}:{service}:{REGION}:{ACCOUNT}:{resource}")
}
