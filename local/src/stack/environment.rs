//! What a function finds in its environment: the template's variables, Lambda's own, and the
//! endpoints of the stack by the names that AWS's SDKs know.

use std::collections::BTreeMap;

use kit::Vars;

use super::Description;
use crate::template::{Function, REGION};

/// The environment of one function. `replaced` has the last word.
pub(super) fn of(
    function: &Function,
    stack: &Description,
    replaced: &BTreeMap<String, String>,
) -> Vars {
    let blobs = format!("file://{}", stack.blobs.display());
    let memory = function.memory_mb.to_string();
    let lambda = [
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &stack.dynamodb_endpoint),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &stack.secrets_endpoint),
        ("AWS_ENDPOINT_URL_LAMBDA", &stack.lambda_endpoint),
        ("AWS_ENDPOINT_URL_S3", &blobs),
        ("AWS_LAMBDA_FUNCTION_NAME", &function.name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut vars = function.environment.clone();
    vars.extend(lambda);
    vars.extend(replaced.clone());
    vars.into_iter().collect()
}
