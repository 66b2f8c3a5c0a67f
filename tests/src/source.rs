//! `template.yaml` as it is written, intrinsics included: what the local stack's reader resolves
//! away, such as policies and alarms.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::{Map, Value as Json};
use serde_norway::Value as Yaml;

use crate::project;

/// The stage for which names are written out.
const STAGE: &str = "dev";

/// The resources of the template by their logical ids, `!Sub` written as `Fn::Sub`.
#[derive(Debug)]
pub struct Source(BTreeMap<String, Json>);

/// One statement of a function's own policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// `Allow` or `Deny`.
    pub effect: String,
    /// Actions by their IAM names.
    pub actions: Vec<String>,
    /// Names of tables, secrets, functions and buckets, as the recorder writes them.
    pub resources: Vec<String>,
}

impl Source {
    /// Reads `template.yaml`.
    ///
    /// # Errors
    /// It is not YAML, or has no resources.
    pub fn read() -> anyhow::Result<Self> {
        let yaml: Yaml = serde_norway::from_str(&project::read("template.yaml")?)?;
        let Json::Object(mut root) = to_json(yaml)? else {
            anyhow::bail!("template.yaml is not a map");
        };
        match root.remove("Resources") {
            Some(Json::Object(resources)) => Ok(Self(resources.into_iter().collect())),
            _ => anyhow::bail!("template.yaml has no Resources"),
        }
    }

    /// The resources of one type: logical id and properties.
    pub fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Json)> {
        self.0.iter().filter_map(move |(id, resource)| {
            let is = resource.get("Type").and_then(Json::as_str) == Some(kind);
            is.then(|| Some((id.as_str(), resource.get("Properties")?)))
                .flatten()
        })
    }

    /// One resource, whole.
    #[must_use]
    pub fn resource(&self, id: &str) -> Option<&Json> {
        self.0.get(id)
    }

    /// The statements of a function's own policies.
    ///
    /// # Errors
    /// A policy is written in a way that is not understood here: a name of AWS's own, a wildcard.
    pub fn statements(&self, function_id: &str) -> anyhow::Result<Vec<Statement>> {
        let policies = self
            .resource(function_id)
            .and_then(|function| function.pointer("/Properties/Policies"))
            .map_or(&[][..], |policies| {
                policies.as_array().map_or(&[][..], Vec::as_slice)
            });
        let mut statements = Vec::new();
        for policy in policies {
            let listed = policy
                .get("Statement")
                .and_then(Json::as_array)
                .with_context(|| format!("{function_id}: a policy without its own statements"))?;
            for statement in listed {
                let actions = one_or_many(statement.get("Action"));
                let resources = one_or_many(statement.get("Resource"))
                    .into_iter()
                    .map(|resource| self.name_of(resource))
                    .collect::<anyhow::Result<_>>()
                    .with_context(|| format!("{function_id}: a policy's Resource"))?;
                statements.push(Statement {
                    effect: text(statement.get("Effect")),
                    actions: actions
                        .into_iter()
                        .map(|action| text(Some(action)))
                        .collect(),
                    resources,
                });
            }
        }
        Ok(statements)
    }

    /// The name behind `!GetAtt X.Arn`, `!Ref X` or `!Sub ${X.Arn}/*`.
    fn name_of(&self, resource: &Json) -> anyhow::Result<String> {
        let refers = resource
            .get("Fn::GetAtt")
            .and_then(Json::as_str)
            .and_then(|text| text.strip_suffix(".Arn"))
            .or_else(|| resource.get("Ref").and_then(Json::as_str))
            .or_else(|| {
                let text = resource.get("Fn::Sub").and_then(Json::as_str)?;
                text.strip_prefix("${")?.strip_suffix(".Arn}/*")
            })
            .with_context(|| {
                format!("{resource}: expected !GetAtt X.Arn, !Ref X or !Sub ${{X.Arn}}/*")
            })?;
        let properties = self
            .resource(refers)
            .and_then(|resource| resource.get("Properties"))
            .with_context(|| format!("there is no resource {refers}"))?;
        ["TableName", "BucketName", "FunctionName", "Name"]
            .iter()
            .find_map(|key| properties.get(key))
            .and_then(written_out)
            .with_context(|| format!("{refers} has no name"))
    }
}

/// A name with the stage and the account put in.
#[must_use]
pub fn written_out(name: &Json) -> Option<String> {
    let text = match name {
        Json::String(text) => text,
        other => other.get("Fn::Sub")?.as_str()?,
    };
    Some(
        text.replace("${Stage}", STAGE)
            .replace("${AWS::AccountId}", local::template::ACCOUNT),
    )
}

fn one_or_many(value: Option<&Json>) -> Vec<&Json> {
    match value {
        None => Vec::new(),
        Some(Json::Array(many)) => many.iter().collect(),
        Some(one) => vec![one],
    }
}

fn text(value: Option<&Json>) -> String {
    value.and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn to_json(yaml: Yaml) -> anyhow::Result<Json> {
    Ok(match yaml {
        Yaml::Null => Json::Null,
        Yaml::Bool(value) => Json::Bool(value),
        Yaml::String(value) => Json::String(value),
        Yaml::Number(number) => serde_json::to_value(number)?,
        Yaml::Sequence(items) => {
            Json::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let key = key.as_str().context("a key that is not text")?.to_owned();
                map.insert(key, to_json(value)?);
            }
            Json::Object(map)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let key = match tag.trim_start_matches('!') {
                "Ref" => "Ref".to_owned(),
                name => format!("Fn::{name}"),
            };
            Json::Object(Map::from_iter([(key, to_json(tagged.value)?)]))
        }
    })
}
