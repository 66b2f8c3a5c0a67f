//! How many requests the HTTP API lets through: `DefaultRouteSettings` of the API itself.

use super::{
    TemplateError,
    intrinsics::{Resolver, scalar_text},
};

/// What the stage admits over all routes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttling {
    /// Requests a second.
    pub rate: f64,
    /// The most requests at once.
    pub burst: f64,
}

/// The settings of the only HTTP API, if it has any.
pub(super) fn of_stage(resolver: &Resolver) -> Result<Option<Throttling>, TemplateError> {
    for api in resolver.resources_of("AWS::Serverless::HttpApi") {
        let (id, body) = api?;
        if body.pointer("/Properties/RouteSettings").is_some() {
            let place = format!("{id}.RouteSettings");
            return Err(TemplateError::at(
                &place,
                "is not supported by the local stack",
            ));
        }
        let Some(settings) = body.pointer("/Properties/DefaultRouteSettings") else {
            continue;
        };
        let place = format!("{id}.DefaultRouteSettings");
        let Some(settings) = resolver.resolve(settings, &place)? else {
            continue;
        };
        let limit = |name: &str| {
            let Some(value) = settings.get(name).filter(|value| !value.is_null()) else {
                return Ok(None);
            };
            scalar_text(value)
                .and_then(|text| text.parse::<f64>().ok())
                .filter(|limit| limit.is_finite() && *limit >= 0.0)
                .map(Some)
                .ok_or_else(|| TemplateError::at(&format!("{place}.{name}"), "expects a number"))
        };
        match (
            limit("ThrottlingRateLimit")?,
            limit("ThrottlingBurstLimit")?,
        ) {
            (Some(rate), Some(burst)) => return Ok(Some(Throttling { rate, burst })),
            (None, None) => {}
            _ => {
                let problem = "expects both ThrottlingRateLimit and ThrottlingBurstLimit";
                return Err(TemplateError::at(&place, problem));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::template::Template;

    fn throttling(settings: &str, value: Option<&str>) -> Result<Option<Throttling>, String> {
        let text = format!(
            "Parameters: {{Rate: {{Type: Number, Default: 7}}}}
Resources: {{Api: {{Type: AWS::Serverless::HttpApi, Properties: {{{settings}}}}}}}"
        );
        let overrides = value.map(|value| ("Rate".to_owned(), value.to_owned()));
        let overrides: BTreeMap<_, _> = overrides.into_iter().collect();
        Template::parse(&text, &BTreeMap::new(), &overrides)
            .map(|template| template.throttling)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn limits_are_numbers_or_parameters() {
        let both =
            "DefaultRouteSettings: {ThrottlingRateLimit: !Ref Rate, ThrottlingBurstLimit: 9}";
        let limits = |rate, burst| Ok(Some(Throttling { rate, burst }));
        assert_eq!(throttling(both, None), limits(7.0, 9.0));
        assert_eq!(throttling(both, Some("0.5")), limits(0.5, 9.0));
        assert_eq!(throttling("", None), Ok(None));
        assert_eq!(
            throttling("DefaultRouteSettings: {DetailedMetricsEnabled: true}", None),
            Ok(None)
        );
        assert_eq!(
            throttling(both, Some("many")),
            Err("Api.DefaultRouteSettings.ThrottlingRateLimit: expects a number".to_owned())
        );
        for refused in [
            "DefaultRouteSettings: {ThrottlingRateLimit: 1}",
            "RouteSettings: {'GET /': {ThrottlingRateLimit: 1}}",
        ] {
            assert!(throttling(refused, None).is_err(), "{refused}");
        }
    }
}
