//! Tables, secrets, buckets and the HTTP API's cross-origin rules, as the template declares them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{TemplateError, intrinsics::Resolver};

/// One `AWS::DynamoDB::Table`.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name in the template.
    pub logical_id: String,
    /// Its name as deployed.
    pub name: String,
    /// Keys and indexes.
    pub schema: TableSchema,
    /// The attribute that holds an item's expiry, if items expire.
    pub ttl_attribute: Option<String>,
}

/// Keys and indexes of a table: the part that cannot be changed in place. Reads both the template's
/// properties and DynamoDB's own description of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TableSchema {
    attribute_definitions: Vec<AttributeDefinition>,
    key_schema: Vec<KeyElement>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    global_secondary_indexes: Vec<Index>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    local_secondary_indexes: Vec<Index>,
}

impl TableSchema {
    /// The same schema in one order, so that two of them can be compared.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.attribute_definitions.sort();
        for indexes in [
            &mut self.global_secondary_indexes,
            &mut self.local_secondary_indexes,
        ] {
            indexes.sort_by(|a, b| a.index_name.cmp(&b.index_name));
            for index in indexes {
                index.projection.non_key_attributes.sort();
            }
        }
        self
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeDefinition {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyElement {
    attribute_name: String,
    key_type: String,
}

/// A secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Index {
    index_name: String,
    key_schema: Vec<KeyElement>,
    projection: Projection,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Projection {
    projection_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    non_key_attributes: Vec<String>,
}

/// `CorsConfiguration` of an `AWS::Serverless::HttpApi`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct Cors {
    /// Exact origins, `*`, `https://*` or `http://*`.
    pub allow_origins: Vec<String>,
    /// Methods, or `*`.
    pub allow_methods: Vec<String>,
    /// Header names, or `*`.
    pub allow_headers: Vec<String>,
    /// Header names, or `*`.
    pub expose_headers: Vec<String>,
    /// Whether cookies and credentials may be sent.
    pub allow_credentials: bool,
    /// How long a preflight may be remembered, in seconds.
    pub max_age: Option<u32>,
}

/// Every table whose condition holds.
pub(super) fn tables(resolver: &Resolver) -> Result<Vec<Table>, TemplateError> {
    resolver
        .resources_of("AWS::DynamoDB::Table")
        .map(|found| {
            let (id, body) = found?;
            let keys = [
                "AttributeDefinitions",
                "KeySchema",
                "GlobalSecondaryIndexes",
                "LocalSecondaryIndexes",
            ];
            let schema = properties(resolver, id, body, &keys)?;
            let ttl = properties::<Ttl>(resolver, id, body, &["TimeToLiveSpecification"])?;
            Ok(Table {
                logical_id: id.to_owned(),
                name: resolver.name_of(id, 0)?,
                schema,
                ttl_attribute: ttl
                    .time_to_live_specification
                    .filter(|ttl| ttl.enabled)
                    .map(|ttl| ttl.attribute_name),
            })
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ttl {
    time_to_live_specification: Option<TtlSpecification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TtlSpecification {
    #[serde(default)]
    attribute_name: String,
    enabled: bool,
}

/// Every bucket whose condition holds: logical id and name.
pub(super) fn buckets(resolver: &Resolver) -> Result<BTreeMap<String, String>, TemplateError> {
    resolver
        .resources_of("AWS::S3::Bucket")
        .map(|found| {
            let (id, _) = found?;
            Ok((id.to_owned(), resolver.name_of(id, 0)?))
        })
        .collect()
}

/// The cross-origin rules of the HTTP API, declared on it or in `Globals`; `true` allows everything.
pub(super) fn cors(resolver: &Resolver, root: &Value) -> Result<Option<Cors>, TemplateError> {
    let apis = resolver
        .resources_of("AWS::Serverless::HttpApi")
        .collect::<Result<Vec<_>, _>>()?;
    let own = apis.iter().find_map(|(id, body)| {
        let rules = body.pointer("/Properties/CorsConfiguration")?;
        Some((format!("{id}.CorsConfiguration"), rules))
    });
    let global = root
        .pointer("/Globals/HttpApi/CorsConfiguration")
        .map(|rules| ("Globals.HttpApi.CorsConfiguration".to_owned(), rules));
    let Some((place, rules)) = own.or(global) else {
        return Ok(None);
    };
    let everything = || {
        let any = || vec!["*".to_owned()];
        Cors {
            allow_origins: any(),
            allow_methods: any(),
            allow_headers: any(),
            ..Cors::default()
        }
    };
    match resolver.resolve(rules, &place)? {
        None | Some(Value::Null | Value::Bool(false)) => Ok(None),
        Some(Value::Bool(true)) => Ok(Some(everything())),
        Some(rules) => {
            let cors: Cors = serde_json::from_value(rules)
                .map_err(|error| TemplateError::at(&place, error.to_string()))?;
            Ok(Some(cors).filter(|cors| !cors.allow_origins.is_empty()))
        }
    }
}

/// Some of a resource's properties, resolved and typed.
pub(super) fn properties<T: DeserializeOwned>(
    resolver: &Resolver,
    id: &str,
    body: &Value,
    keys: &[&str],
) -> Result<T, TemplateError> {
    let chosen: Map<String, Value> = keys
        .iter()
        .filter_map(|key| {
            let value = body.get("Properties")?.get(*key)?;
            Some(((*key).to_owned(), value.clone()))
        })
        .collect();
    let resolved = resolver.resolve(&chosen.into(), id)?.unwrap_or(Value::Null);
    serde_json::from_value(resolved).map_err(|error| TemplateError::at(id, error.to_string()))
}
