//! Which IAM actions a request to AWS needs, by whom and on what, read from the request itself.

use serde_json::Value;

use crate::{http1::Request, observed::Call};

/// `X-Amz-Target`: the service's API and the operation.
pub(crate) fn target(request: &Request) -> Option<(&str, &str)> {
    request.headers.get("x-amz-target")?.split_once('.')
}

/// The IAM actions that a request needs, by whom and on what. A transaction needs the action of
/// each of its members on that member's table, and none of its own
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html>).
pub(crate) fn calls_of(request: &Request) -> Vec<Call> {
    let Some(function) = function_of(request) else {
        return Vec::new();
    };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let pairs: Vec<(String, Option<String>)> = match target(request) {
        Some(("DynamoDB_20120810", "TransactWriteItems" | "TransactGetItems")) => {
            let members = body.get("TransactItems").and_then(Value::as_array);
            let operations = members
                .into_iter()
                .flatten()
                .filter_map(Value::as_object)
                .flatten();
            operations
                .map(|(kind, operation)| (member_action(kind), text(operation, "TableName")))
                .collect()
        }
        Some(("DynamoDB_20120810", batch @ ("BatchWriteItem" | "BatchGetItem"))) => {
            let tables = body.get("RequestItems").and_then(Value::as_object);
            let tables = tables.into_iter().flat_map(|tables| tables.keys().cloned());
            tables
                .map(|table| (format!("dynamodb:{batch}"), Some(table)))
                .collect()
        }
        Some(("DynamoDB_20120810", operation)) => {
            vec![(format!("dynamodb:{operation}"), text(&body, "TableName"))]
        }
        Some(("secretsmanager", operation)) => {
            vec![(
                format!("secretsmanager:{operation}"),
                text(&body, "SecretId"),
            )]
        }
        _ => invoked(&request.target)
            .map(|name| ("lambda:InvokeFunction".to_owned(), Some(name)))
            .into_iter()
            .collect(),
    };
    let call = |(action, resource): (String, Option<String>)| Call {
        function: function.clone(),
        action,
        resource: resource.map_or_else(|| "?".to_owned(), |name| plain_name(&name)),
    };
    pairs.into_iter().map(call).collect()
}

fn function_of(request: &Request) -> Option<String> {
    ["x-amz-user-agent", "user-agent"].iter().find_map(|name| {
        let agent = request.headers.get(name)?;
        let app = agent
            .split(' ')
            .find_map(|word| word.strip_prefix("app/"))?;
        Some(app.to_owned())
    })
}

/// `Put` in a transaction is allowed by `dynamodb:PutItem`, `ConditionCheck` by
/// `dynamodb:ConditionCheckItem`.
fn member_action(kind: &str) -> String {
    format!("dynamodb:{kind}Item")
}

/// `/2015-03-31/functions/<name or ARN>/invocations`.
fn invoked(target: &str) -> Option<String> {
    let path = target.split('?').next()?;
    let name = path
        .strip_prefix("/2015-03-31/functions/")?
        .strip_suffix("/invocations")?;
    Some(name.replace("%3A", ":").replace("%3a", ":"))
}

/// A name, also where an ARN was given: `…:table/<name>`, `…:function:<name>`,
/// `…:secret:<name>-<6 random characters>`.
fn plain_name(given: &str) -> String {
    if !given.starts_with("arn:") {
        return given.to_owned();
    }
    let resource = given.splitn(6, ':').nth(5).unwrap_or(given);
    match resource.split_once([':', '/']) {
        Some(("secret", name)) => match name.rsplit_once('-') {
            Some((name, suffix)) if suffix.len() == 6 => name.to_owned(),
            _ => name.to_owned(),
        },
        Some((_, name)) => name.to_owned(),
        None => resource.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(target: &str, body: &str) -> Vec<(String, String)> {
        let request = Request::new("POST", "/")
            .header("x-amz-user-agent", "aws-sdk-rust/1.3 os/linux app/track")
            .header("x-amz-target", target)
            .body(body);
        let calls = calls_of(&request).into_iter();
        calls.map(|call| (call.action, call.resource)).collect()
    }

    fn pair(action: &str, resource: &str) -> (String, String) {
        (action.to_owned(), resource.to_owned())
    }

    #[test]
    fn a_request_needs_the_actions_of_all_it_does() {
        assert_eq!(
            calls("DynamoDB_20120810.Query", r#"{"TableName":"a"}"#),
            [pair("dynamodb:Query", "a")]
        );
        assert_eq!(
            calls(
                "DynamoDB_20120810.TransactWriteItems",
                r#"{"TransactItems":[{"Put":{"TableName":"a"}},{"ConditionCheck":{"TableName":"b"}}]}"#
            ),
            [
                pair("dynamodb:PutItem", "a"),
                pair("dynamodb:ConditionCheckItem", "b")
            ]
        );
        assert_eq!(
            calls(
                "DynamoDB_20120810.BatchWriteItem",
                r#"{"RequestItems":{"a":[],"b":[]}}"#
            ),
            [
                pair("dynamodb:BatchWriteItem", "a"),
                pair("dynamodb:BatchWriteItem", "b")
            ]
        );
        assert_eq!(
            calls(
                "secretsmanager.GetSecretValue",
                r#"{"SecretId":"arn:aws:secretsmanager:r:0:secret:madang/dev/keys-AbCdEf"}"#
            ),
            [pair("secretsmanager:GetSecretValue", "madang/dev/keys")]
        );
    }

    #[test]
    fn an_invocation_names_its_function() {
        let arn = "arn%3Aaws%3Alambda%3Ar%3A0%3Afunction%3Amadang-dev-publish";
        for name in ["madang-dev-publish", arn] {
            let path = format!("/2015-03-31/functions/{name}/invocations");
            let request = Request::new("POST", &path).header("user-agent", "x app/admin-content");
            let [call] = calls_of(&request).try_into().unwrap();
            assert_eq!(call.action, "lambda:InvokeFunction");
            assert_eq!(
                (call.function.as_str(), call.resource.as_str()),
                ("admin-content", "madang-dev-publish")
            );
        }
    }

    #[test]
    fn a_call_of_nobodys_is_not_written_down() {
        let request = Request::new("POST", "/").header("x-amz-target", "DynamoDB_20120810.Query");
        assert_eq!(calls_of(&request), []);
    }
}
