//! CloudWatch embedded metric format: metrics as log lines, no call on the request's path.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::fmt::Write as _;

use domain::Instant;

/// The CloudWatch namespace of every metric.
pub const NAMESPACE: &str = "Madang";

/// What a metric counts in, by CloudWatch's own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Time.
    Milliseconds,
    /// Time.
    Seconds,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
        }
    }
}

/// The `_aws` member that makes a log line a metric document. The values themselves are members of
/// the line under the metrics' names; so are the dimensions.
pub fn directive(at: Instant, dimensions: &[&[&str]], metrics: &[(&str, Unit)]) -> String {
    let mut text = String::with_capacity(256);
    let _infallible = write!(
        text,
        "{{\"Timestamp\":{},\"CloudWatchMetrics\":[{{\"Namespace\":\"{NAMESPACE}\",\"Dimensions\":[",
        at.as_millis()
    );
    for (i, set) in dimensions.iter().enumerate() {
        text.push_str(if i == 0 { "[" } else { ",[" });
        for (j, name) in set.iter().enumerate() {
            let comma = if j == 0 { "" } else { "," };
            let _infallible = write!(text, "{comma}\"{name}\"");
        }
        text.push(']');
    }
    text.push_str("],\"Metrics\":[");
    for (i, (name, unit)) in metrics.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let _infallible = write!(
            text,
            "{comma}{{\"Name\":\"{name}\",\"Unit\":\"{}\"}}",
            unit.as_str()
        );
    }
    text.push_str("]}]}");
    text
}

/// Logs one business metric of the function whose span is entered (its `stage` and `service` fields are the dimensions).
pub fn emit(at: Instant, name: &'static str, unit: Unit, value: f64) {
    let directive = directive(at, &[&["stage", "service"]], &[(name, unit)]);
    // A tracing field's name is fixed at compile time; the value rides behind the directive.
    let value = if value.is_finite() { value } else { 0.0 };
    tracing::info!(_aws = format!("{directive},\"{name}\":{value}"), "metric");
}

/// Logs one business metric of the function whose span is entered, with two more dimensions, whose values
/// are each one of few words: in sum, by the first, and by both.
pub fn emit_by(
    at: Instant,
    (name, unit, value): (&'static str, Unit, f64),
    dimensions: [(&'static str, &'static str); 2],
) {
    let members = members_by(at, (name, unit, value), dimensions);
    tracing::info!(_aws = members, "metric");
}

fn members_by(
    at: Instant,
    (name, unit, value): (&str, Unit, f64),
    [(first, first_word), (second, second_word)]: [(&str, &str); 2],
) -> String {
    let sets: [&[&str]; 3] = [
        &["stage", "service"],
        &["stage", "service", first],
        &["stage", "service", first, second],
    ];
    let directive = directive(at, &sets, &[(name, unit)]);
    let value = if value.is_finite() { value } else { 0.0 };
    format!(
        "{directive},\"{name}\":{value},\"{first}\":\"{first_word}\",\"{second}\":\"{second_word}\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_is_what_cloudwatch_reads() {
        let text = directive(
            Instant::from_millis(5),
            &[&["service", "route"], &["service"]],
            &[
                ("requests", Unit::Count),
                ("duration_ms", Unit::Milliseconds),
            ],
        );
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"Timestamp": 5, "CloudWatchMetrics": [{
                "Namespace": "Madang",
                "Dimensions": [["service", "route"], ["service"]],
                "Metrics": [{"Name": "requests", "Unit": "Count"}, {"Name": "duration_ms", "Unit": "Milliseconds"}]
            }]})
        );
    }

    #[test]
    fn a_metric_by_two_dimensions_is_counted_by_each_set_of_them() {
        let of = [("platform", "ios"), ("version_of", "app")];
        let members = members_by(Instant::from_millis(7), ("unread", Unit::Count, 1.0), of);
        let line: serde_json::Value =
            serde_json::from_str(&format!("{{\"_aws\":{members}}}")).unwrap();
        assert_eq!(
            line["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
            serde_json::json!([
                ["stage", "service"],
                ["stage", "service", "platform"],
                ["stage", "service", "platform", "version_of"],
            ])
        );
        assert_eq!(
            (&line["unread"], &line["platform"], &line["version_of"]),
            (&1.into(), &"ios".into(), &"app".into())
        );
    }
}
