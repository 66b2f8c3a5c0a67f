//! `$default`: 404 for what does not exist, 405 with `Allow` for what exists by another method.
//!
//! API Gateway sends here whatever no route took. The paths that exist are read from the checked-in
//! `openapi.json`, which the contract tests hold equal to the template.
#![forbid(unsafe_code)]

use std::{collections::BTreeSet, sync::Arc};

use http::{HeaderValue, header};
use kit::{
    Call, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Rate, Reply, Runtime, Vars,
    reply::Empty,
};

const DEFAULT: Endpoint = Endpoint::new(Method::Any, "$default", "fallback", "What no route took")
    .rate(Rate::Address)
    .during_maintenance();

/// The paths of the API with the methods each has.
struct Paths(Vec<(Vec<Segment>, Vec<String>)>);

enum Segment {
    Literal(String),
    Parameter,
}

/// Every variable that the function reads.
pub const VARIABLES: &[&[kit::config::Variable]] = &[kit::runtime::Settings::VARIABLES];

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let paths = Arc::new(Paths::read(include_str!("../../../openapi.json")));
    Ok(kit::Api::new("fallback", Runtime::read(vars)?)
        .route(DEFAULT, &paths, refuse)
        .build())
}

async fn refuse(
    paths: Arc<Paths>,
    call: Call<Nothing, Nothing, Nothing>,
) -> Result<Reply<Empty>, Problem> {
    let method = call.facts.method.as_str();
    let allowed = paths
        .allow(&call.facts.path)
        .filter(|allowed| !allowed.contains(&method));
    // A path that is ours only once it is decoded is none of ours as it was sent.
    let Some(allowed) = allowed else {
        let detail = format!("there is no route {method} {}", call.facts.path);
        return Err(Problem::new(Code::NotFound).detail(detail));
    };
    let methods = allowed.join(", ");
    let problem = Problem::new(Code::MethodNotAllowed)
        .detail(format!("this path takes {methods}, not {method}"));
    Err(match HeaderValue::from_str(&methods) {
        Ok(value) => problem.header(header::ALLOW, value),
        Err(_) => problem,
    })
}

impl Paths {
    fn read(document: &str) -> Self {
        let document: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
        let paths = document.get("paths").and_then(|paths| paths.as_object());
        let read = paths.into_iter().flatten().map(|(path, operations)| {
            let segments = path
                .split('/')
                .map(|segment| match segment.strip_prefix('{') {
                    Some(_) => Segment::Parameter,
                    None => Segment::Literal(segment.to_owned()),
                });
            let methods = operations
                .as_object()
                .into_iter()
                .flat_map(|methods| methods.keys());
            let methods = methods.flat_map(|method| match method.as_str() {
                // The document does not list HEAD: every GET has it.
                "get" => vec!["GET".to_owned(), "HEAD".to_owned()],
                method => vec![method.to_ascii_uppercase()],
            });
            (segments.collect(), methods.collect())
        });
        Self(read.collect())
    }

    /// The methods of `path`, where it is one of ours: of every route that would take it.
    fn allow(&self, path: &str) -> Option<Vec<&str>> {
        let sent: Vec<_> = path.split('/').collect();
        let methods: BTreeSet<&str> = self
            .0
            .iter()
            .filter(|(segments, _)| {
                segments.len() == sent.len()
                    && segments
                        .iter()
                        .zip(&sent)
                        .all(|(segment, sent)| match segment {
                            Segment::Literal(text) => text == sent,
                            Segment::Parameter => !sent.is_empty(),
                        })
            })
            .flat_map(|(_, methods)| methods.iter().map(String::as_str))
            .collect();
        (!methods.is_empty()).then(|| methods.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_allowed_its_own_methods_only() {
        let paths = Paths::read(
            r#"{"paths": {"/health": {"get": {}}, "/v1/devices/{id}/profile": {"put": {}, "get": {}}}}"#,
        );
        assert_eq!(paths.allow("/health"), Some(vec!["GET", "HEAD"]));
        let both = paths.allow("/v1/devices/a/profile");
        assert_eq!(both, Some(vec!["GET", "HEAD", "PUT"]));
        assert_eq!(paths.allow("/v1/devices//profile"), None);
        assert_eq!(paths.allow("/health/"), None);
        assert_eq!(paths.allow("//"), None);
        assert_eq!(paths.allow(""), None);
    }
}
