//! Which route a request takes: exact parts before `{param}`, before `{proxy+}`, before `$default`;
//! among equal paths the method before `ANY`. Segments are compared as sent and decoded afterwards,
//! so that an encoded slash stays inside its parameter.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap};

use percent_encoding::percent_decode_str;

use crate::template::Route;

/// The routes of one API, most specific first.
pub(super) struct Routes<T> {
    routes: Vec<(Pattern, T)>,
    default: Option<T>,
}

/// The route of one request.
pub(super) struct Found<'a, T> {
    pub(super) target: &'a T,
    /// `GET /v1/devices/{id}/profile`, or `$default`.
    pub(super) key: &'a str,
    pub(super) parameters: BTreeMap<&'a str, String>,
    method: &'a str,
}

impl<T> Found<'_, T> {
    /// The route names the method rather than taking any.
    pub(super) fn is_exact_method(&self) -> bool {
        self.method != "ANY"
    }
}

struct Pattern {
    key: String,
    method: String,
    parts: Vec<Part>,
}

enum Part {
    Exact(String),
    Parameter(String),
    Rest(String),
}

impl Part {
    /// Which of two parts in the same place is tried first.
    fn rank(&self) -> u8 {
        match self {
            Self::Exact(_) => 0,
            Self::Parameter(_) => 1,
            Self::Rest(_) => 2,
        }
    }
}

impl<T> Routes<T> {
    pub(super) fn new(declared: impl IntoIterator<Item = (Route, T)>) -> Self {
        let mut default = None;
        let mut routes = Vec::new();
        for (route, target) in declared {
            if route.path == "$default" {
                default.get_or_insert(target);
            } else {
                routes.push((Pattern::new(&route), target));
            }
        }
        routes.sort_by(|(a, _), (b, _)| a.precedence(b));
        Self { routes, default }
    }

    /// The route for a method and a path as sent.
    pub(super) fn find<'a>(&'a self, method: &str, path: &str) -> Option<Found<'a, T>> {
        let segments: Vec<&str> = segments(path).collect();
        self.routes
            .iter()
            .filter(|(pattern, _)| pattern.method == "ANY" || pattern.method == method)
            .find_map(|(pattern, target)| {
                Some(Found {
                    target,
                    key: &pattern.key,
                    parameters: pattern.parameters(&segments)?,
                    method: &pattern.method,
                })
            })
            .or_else(|| {
                Some(Found {
                    target: self.default.as_ref()?,
                    key: "$default",
                    parameters: BTreeMap::new(),
                    method: "ANY",
                })
            })
    }
}

impl Pattern {
    fn new(route: &Route) -> Self {
        let parts = segments(&route.path).map(|segment| {
            let inner = segment
                .strip_prefix('{')
                .and_then(|segment| segment.strip_suffix('}'));
            match inner.map(|name| (name, name.strip_suffix('+'))) {
                None => Part::Exact(segment.to_owned()),
                Some((_, Some(name))) => Part::Rest(name.to_owned()),
                Some((name, None)) => Part::Parameter(name.to_owned()),
            }
        });
        Self {
            key: route.key(),
            method: route.method.clone(),
            parts: parts.collect(),
        }
    }

    fn precedence(&self, other: &Self) -> Ordering {
        let ranks = |pattern: &Self| pattern.parts.iter().map(Part::rank).collect::<Vec<_>>();
        ranks(self)
            .cmp(&ranks(other))
            .then_with(|| (self.method == "ANY").cmp(&(other.method == "ANY")))
    }

    /// The parameters of a path that matches; `None` if it does not.
    fn parameters<'a>(&'a self, segments: &[&str]) -> Option<BTreeMap<&'a str, String>> {
        let mut parameters = BTreeMap::new();
        let mut left = segments.iter();
        for part in &self.parts {
            match part {
                Part::Rest(name) => {
                    let rest: Vec<&str> = left.by_ref().copied().collect();
                    if rest.concat().is_empty() {
                        return None;
                    }
                    parameters.insert(name.as_str(), decode(&rest.join("/")).into_owned());
                }
                Part::Exact(text) => {
                    if left.next()? != text {
                        return None;
                    }
                }
                Part::Parameter(name) => {
                    let segment = left.next().filter(|segment| !segment.is_empty())?;
                    parameters.insert(name.as_str(), decode(segment).into_owned());
                }
            }
        }
        left.next().is_none().then_some(parameters)
    }
}

/// Percent-decoded text; kept as it came where that gives no UTF-8.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text)
        .decode_utf8()
        .unwrap_or(Cow::Borrowed(text))
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes<&'static str> {
        let declared = [
            ("ANY", "$default"),
            ("ANY", "/v1/{proxy+}"),
            ("GET", "/v1/devices/{id}"),
            ("ANY", "/v1/devices/{id}"),
            ("GET", "/v1/devices/{id}/profile"),
            ("GET", "/v1/devices/self"),
            ("GET", "/"),
        ];
        Routes::new(declared.map(|(method, path)| {
            let route = Route {
                method: method.to_owned(),
                path: path.to_owned(),
            };
            (route, path)
        }))
    }

    #[test]
    fn the_most_specific_route_is_taken() {
        let table = [
            ("GET", "/", "GET /"),
            ("POST", "/", "$default"),
            ("GET", "/v1/devices/self", "GET /v1/devices/self"),
            ("GET", "/v1/devices/a", "GET /v1/devices/{id}"),
            ("PUT", "/v1/devices/self", "ANY /v1/devices/{id}"),
            ("HEAD", "/v1/devices/a/profile", "ANY /v1/{proxy+}"),
            ("GET", "/v1/devices/a/profile/", "ANY /v1/{proxy+}"),
            ("GET", "/v1/devices//profile", "ANY /v1/{proxy+}"),
            ("GET", "/v1/", "$default"),
            ("GET", "//", "$default"),
            ("GET", "/v2", "$default"),
            ("GET", "", "GET /"),
        ];
        let routes = routes();
        for (method, path, expected) in table {
            let found = routes.find(method, path).unwrap();
            assert_eq!(found.key, expected, "{method} {path}");
        }
    }

    #[test]
    fn parameters_are_decoded_after_matching() {
        let table = [
            ("a%2Fb", "a/b"),
            ("a%23b", "a#b"),
            ("a%00b", "a\0b"),
            ("%E2%82%AC", "€"),
            ("a%", "a%"),
            ("%zz", "%zz"),
            ("%ff", "%ff"),
            ("a+b", "a+b"),
        ];
        let routes = routes();
        for (segment, expected) in table {
            let path = format!("/v1/devices/{segment}/profile");
            let found = routes.find("GET", &path).unwrap();
            assert_eq!(found.key, "GET /v1/devices/{id}/profile");
            assert_eq!(found.parameters["id"], expected, "{segment}");
        }
        let rest = routes.find("GET", "/v1/x/y%2Fz").unwrap();
        assert_eq!(rest.parameters["proxy"], "x/y/z");
    }

    #[test]
    fn without_a_default_an_unknown_path_has_no_route() {
        let none: Routes<()> = Routes::new([]);
        assert!(none.find("GET", "/").is_none());
    }
}
