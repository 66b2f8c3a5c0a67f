//! Routes that the HTTP API sends on to another server by itself: `http_proxy` integrations of its
//! `DefinitionBody`. What functions answer stands in their events.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::{Route, TemplateError, intrinsics::Resolver};

const ANY_METHOD: &str = "x-amazon-apigateway-any-method";

/// A route whose requests go to another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Which requests.
    pub route: Route,
    /// Where they go: scheme, host and perhaps a port.
    pub origin: String,
    /// Request headers that are left out, in lower case.
    pub removed_headers: Vec<String>,
    /// How long the other server may take; the gateway's default is 30 s.
    pub timeout: Duration,
}

/// Every proxy route that its conditions leave in.
pub(super) fn all(resolver: &Resolver) -> Result<Vec<Proxy>, TemplateError> {
    let mut found = Vec::new();
    for api in resolver.resources_of("AWS::Serverless::HttpApi") {
        let (id, body) = api?;
        let Some(paths) = body.pointer("/Properties/DefinitionBody/paths") else {
            continue;
        };
        let place = format!("{id}.DefinitionBody.paths");
        let Some(paths) = resolver.resolve(paths, &place)? else {
            continue;
        };
        let paths: Paths = serde_json::from_value(paths)
            .map_err(|error| TemplateError::at(&place, error.to_string()))?;
        for (path, methods) in paths {
            for (method, operation) in methods {
                let place = format!("{place}.{path}.{method}");
                let Some(integration) = operation.integration else {
                    continue;
                };
                let route = Route {
                    method: match method.as_str() {
                        ANY_METHOD => "ANY".to_owned(),
                        method => method.to_uppercase(),
                    },
                    path: path.clone(),
                };
                found.extend(integration.proxy(route, &place)?);
            }
        }
    }
    Ok(found)
}

type Paths = BTreeMap<String, BTreeMap<String, Operation>>;

#[derive(Deserialize)]
struct Operation {
    #[serde(rename = "x-amazon-apigateway-integration")]
    integration: Option<Integration>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Integration {
    r#type: String,
    #[serde(default)]
    uri: Value,
    #[serde(default = "gateway_timeout")]
    timeout_in_millis: u64,
    #[serde(default)]
    request_parameters: BTreeMap<String, String>,
}

fn gateway_timeout() -> u64 {
    30_000
}

impl Integration {
    /// `None` for a function's integration.
    fn proxy(self, route: Route, place: &str) -> Result<Option<Proxy>, TemplateError> {
        let fault = |problem: String| Err(TemplateError::at(place, problem));
        match self.r#type.to_ascii_lowercase().as_str() {
            "aws_proxy" => return Ok(None),
            "http_proxy" => {}
            other => {
                return fault(format!(
                    "{other} integrations are not supported by the local stack"
                ));
            }
        }
        let Some(origin) = self.uri.as_str() else {
            return fault("uri: expects a string".to_owned());
        };
        let mut removed_headers = Vec::new();
        let mut keeps_path = false;
        for (key, value) in &self.request_parameters {
            match (key.strip_prefix("remove:header."), key.as_str()) {
                (Some(name), _) => removed_headers.push(name.to_ascii_lowercase()),
                (None, "overwrite:path") if value == "$request.path" => keeps_path = true,
                _ => {
                    return fault(format!(
                        "{key}: {value}: is not supported by the local stack"
                    ));
                }
            }
        }
        if !keeps_path {
            return fault("requestParameters: expects overwrite:path: $request.path".to_owned());
        }
        Ok(Some(Proxy {
            route,
            origin: origin.to_owned(),
            removed_headers,
            timeout: Duration::from_millis(self.timeout_in_millis),
        }))
    }
}
