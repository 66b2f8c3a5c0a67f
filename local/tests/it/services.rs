//! Secrets Manager, Lambda's `Invoke` and the database as functions and tools meet them.

use std::time::Duration;

use local::Stack;
use serde_json::{Value, json};

use crate::wire::{dynamodb, options, request, stack, template};

const TEMPLATE: &str = "
Resources:
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/worker
      FunctionName: test-worker
      Environment: {Variables: {TABLE: !Ref Things}}
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: test-things
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
  Keys:
    Type: AWS::SecretsManager::Secret
    Metadata: {Madang: {Generate: tracking-keys}}
    Properties: {Name: test/keys}
";

async fn secret(stack: &Stack, id: &str) -> (u16, Value) {
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "secretsmanager.GetSecretValue"),
    ];
    let body = json!({ "SecretId": id }).to_string();
    let endpoint = &stack.description().secrets_endpoint;
    let reply = request(endpoint, "POST", "/", &headers, body.as_bytes()).await;
    (reply.status, reply.json())
}

#[tokio::test]
async fn secrets_are_made_once_and_kept() {
    let (first, folder) = stack(TEMPLATE).await;
    let (status, made) = secret(&first, "test/keys").await;
    assert_eq!((status, made["Name"].as_str()), (200, Some("test/keys")));
    let (status, missing) = secret(&first, "test/other").await;
    assert_eq!(
        (status, missing["__type"].as_str()),
        (400, Some("ResourceNotFoundException"))
    );
    let key = first.description().service_key.clone();
    assert!(key.starts_with("msk_dev_") && key.len() == "msk_dev_".len() + 43);
    first.stop().await;

    let second = Stack::start(options(&folder, TEMPLATE)).await.unwrap();
    let (_, kept) = secret(&second, made["ARN"].as_str().unwrap()).await;
    assert_eq!(kept, made);
    assert_eq!(second.description().service_key, key);
    second.stop().await;

    let mut fresh = options(&folder, TEMPLATE);
    fresh.fresh = true;
    let third = Stack::start(fresh).await.unwrap();
    let (_, other) = secret(&third, "test/keys").await;
    assert_ne!(other["SecretString"], made["SecretString"]);
    assert_ne!(third.description().service_key, key);
    third.stop().await;
}

#[tokio::test]
async fn tables_are_made_once_and_items_outlive_the_stack() {
    let (first, folder) = stack(TEMPLATE).await;
    assert_eq!(first.created_tables(), ["test-things"]);
    assert_eq!(first.description().tables["Things"], "test-things");
    let item = json!({"TableName": "test-things", "Item": {"pk": {"S": "a"}, "n": {"N": "1"}}});
    let endpoint = first.description().dynamodb_endpoint.clone();
    assert_eq!(dynamodb(&endpoint, "PutItem", item).await.status, 200);
    let ttl = dynamodb(
        &endpoint,
        "DescribeTimeToLive",
        json!({"TableName": "test-things"}),
    )
    .await;
    assert_eq!(
        ttl.json()["TimeToLiveDescription"]["AttributeName"],
        "expires_at"
    );
    first.stop().await;

    let second = Stack::start(options(&folder, TEMPLATE)).await.unwrap();
    assert!(second.created_tables().is_empty());
    let key = json!({"TableName": "test-things", "Key": {"pk": {"S": "a"}}});
    let got = dynamodb(&second.description().dynamodb_endpoint, "GetItem", key).await;
    assert_eq!(got.json()["Item"]["n"]["N"], "1");
    second.stop().await;
}

#[tokio::test]
async fn another_dynamodb_gets_the_missing_tables_and_holds_the_items() {
    let (elsewhere, _folder) = stack("Resources: {}").await;
    let endpoint = elsewhere.description().dynamodb_endpoint.clone();
    let folder = tempfile::tempdir().unwrap();
    let on_it = |template: &str| {
        let mut options = options(&folder, template);
        options.dynamodb_endpoint = Some(format!("{endpoint}/"));
        options
    };
    let first = Stack::start(on_it(TEMPLATE)).await.unwrap();
    assert_eq!(first.created_tables(), ["test-things"]);
    assert_eq!(first.description().dynamodb_endpoint, endpoint);
    let item = json!({"TableName": "test-things", "Item": {"pk": {"S": "a"}}});
    assert_eq!(dynamodb(&endpoint, "PutItem", item).await.status, 200);
    let name = json!({"TableName": "test-things"});
    let ttl = dynamodb(&endpoint, "DescribeTimeToLive", name.clone()).await;
    assert_eq!(
        ttl.json()["TimeToLiveDescription"]["AttributeName"],
        "expires_at"
    );
    first.stop().await;

    let second = Stack::start(on_it(TEMPLATE)).await.unwrap();
    assert!(second.created_tables().is_empty());
    let items = dynamodb(&endpoint, "Scan", name).await;
    assert_eq!(items.json()["Count"], 1);
    second.stop().await;

    let changed = TEMPLATE.replace("AttributeName: pk,", "AttributeName: id,");
    let refused = Stack::start(on_it(&changed)).await.err().unwrap();
    assert!(refused.to_string().contains("test-things"), "{refused}");
    elsewhere.stop().await;
    let gone = Stack::start(on_it(TEMPLATE)).await.err().unwrap();
    assert!(gone.to_string().contains("DescribeTable"), "{gone}");
}

#[tokio::test]
async fn a_table_of_another_schema_asks_for_a_fresh_start() {
    let (first, folder) = stack(TEMPLATE).await;
    first.stop().await;
    let changed = TEMPLATE.replace("AttributeName: pk,", "AttributeName: id,");
    let refused = Stack::start(options(&folder, &changed))
        .await
        .err()
        .unwrap()
        .to_string();
    assert_eq!(
        refused,
        "table test-things differs from the template in its keys or indexes: start once with FRESH=1 to empty it"
    );
    let mut fresh = options(&folder, &changed);
    fresh.fresh = true;
    Stack::start(fresh).await.unwrap().stop().await;
}

async fn invoke(stack: &Stack, function: &str, kind: &str, body: &str) -> crate::wire::Reply {
    let target = format!("/2015-03-31/functions/{function}/invocations");
    let headers = [("x-amz-invocation-type", kind)];
    let endpoint = &stack.description().lambda_endpoint;
    request(endpoint, "POST", &target, &headers, body.as_bytes()).await
}

#[tokio::test]
async fn a_worker_is_invoked_by_name_or_arn_and_answers() {
    let (stack, _folder) = stack(TEMPLATE).await;
    let names = [
        "test-worker",
        "test-worker:$LATEST",
        "arn%3Aaws%3Alambda%3Aap-northeast-2%3A000000000000%3Afunction%3Atest-worker",
    ];
    for name in names {
        let reply = invoke(&stack, name, "RequestResponse", "{\"a\":1}").await;
        assert_eq!(
            (reply.status, reply.json()),
            (200, json!({"did": {"a": 1}, "as": "test-worker"}))
        );
        assert!(!reply.headers.contains_key("x-amz-function-error"));
    }
    let failed = invoke(&stack, "test-worker", "RequestResponse", "{\"fail\":true}").await;
    assert_eq!(failed.headers["x-amz-function-error"], "Unhandled");
    let error = json!({"errorType": "WorkerFailed", "errorMessage": "as it was told to"});
    assert_eq!((failed.status, failed.json()), (200, error));
    let missing = invoke(&stack, "other", "RequestResponse", "{}").await;
    assert_eq!(
        (missing.status, missing.headers["x-amzn-errortype"].as_str()),
        (404, "ResourceNotFoundException")
    );
    assert_eq!(
        invoke(&stack, "test-worker", "RequestResponse", "{")
            .await
            .status,
        400
    );
    assert_eq!(
        invoke(&stack, "test-worker", "DryRun", "{}").await.status,
        204
    );
    stack.stop().await;
}

#[tokio::test]
async fn an_asynchronous_invocation_is_accepted_at_once_and_tried_three_times() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let mut options = options(&folder, TEMPLATE);
    options.retries = [Duration::from_millis(10); 2];
    options
        .environment
        .insert("SEEN".to_owned(), seen.display().to_string());
    let stack = Stack::start(options).await.unwrap();
    let lines = async |count: usize| loop {
        let text = std::fs::read_to_string(&seen).unwrap_or_default();
        if text.lines().count() >= count {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(
        invoke(&stack, "test-worker", "Event", "{\"fail\":true}")
            .await
            .status,
        202
    );
    lines(3).await;
    assert_eq!(
        invoke(&stack, "test-worker", "Event", "{\"n\":1}")
            .await
            .status,
        202
    );
    let text = lines(4).await;
    stack.stop().await;
    assert_eq!(text.matches("fail").count(), 3, "{text}");
    assert_eq!(std::fs::read_to_string(&seen).unwrap().lines().count(), 4);
}

#[tokio::test]
async fn the_service_key_is_known_to_the_operators_table_by_its_hash() {
    let operators = TEMPLATE
        .replace(
            "AttributeName: pk, AttributeType: S}]",
            "AttributeName: pk, AttributeType: S}, {AttributeName: sk, AttributeType: S}]",
        )
        .replace(
            "KeyType: HASH}]",
            "KeyType: HASH}, {AttributeName: sk, KeyType: RANGE}]",
        )
        .replace("Things", "OperatorsTable");
    let (stack, _folder) = stack(&operators).await;
    let scan = json!({"TableName": "test-things"});
    let got = dynamodb(&stack.description().dynamodb_endpoint, "Scan", scan)
        .await
        .json();
    assert_eq!(got["Count"], 1);
    let text = got.to_string();
    let (_, secret) = stack.description().service_key.split_at("msk_dev_".len());
    assert!(
        text.contains("secrets_sha256") && !text.contains(secret),
        "{text}"
    );
    stack.stop().await;
}

#[tokio::test]
async fn every_fault_of_the_template_and_the_functions_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let unknown = "
Resources:
  A: {Type: AWS::Serverless::Function, Properties: {CodeUri: target/lambda/one}}
  B: {Type: AWS::Serverless::Function, Properties: {CodeUri: target/lambda/two}}
";
    let refused = Stack::start(options(&folder, unknown))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.contains("function one: ") && refused.contains("function two: "),
        "{refused}"
    );
    let broken = template(
        folder.path(),
        "Resources: {T: {Type: AWS::DynamoDB::Table}}",
    );
    let refused = Stack::start(options(
        &folder,
        "Resources: {T: {Type: AWS::DynamoDB::Table}}",
    ));
    let refused = refused.await.err().unwrap().to_string();
    assert!(
        refused.starts_with(&format!("{}: T: ", broken.display())),
        "{refused}"
    );
}
