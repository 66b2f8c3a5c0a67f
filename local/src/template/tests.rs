//! Templates as CloudFormation would resolve them.

use std::{collections::BTreeMap, time::Duration};

use super::*;

const TEMPLATE: &str = r#"
AWSTemplateFormatVersion: 2010-09-09
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev}
  PublicBaseUrl: {Type: String, Default: ''}
  Origins: {Type: CommaDelimitedList, Default: ''}
  LegacyOrigin: {Type: String, Default: ''}
  Refresh: {Type: Number, Default: 3}
Conditions:
  IsPrd: !Equals [!Ref Stage, prd]
  IsNotPrd: !Not [!Condition IsPrd]
  HasLegacyOrigin: !Not [!Equals [!Ref LegacyOrigin, '']]
  HasOrigins: !Not [!Equals [!Join ['', !Ref Origins], '']]
Mappings:
  Sizes: {dev: {Memory: 256}, qa: {Memory: 256}, prd: {Memory: 1024}}
Globals:
  Function:
    Runtime: provided.al2023
    Architectures: [arm64]
    MemorySize: !FindInMap [Sizes, !Ref Stage, Memory]
    Timeout: 5
    Environment:
      Variables:
        STAGE: !Ref Stage
        LEVEL: !If [IsPrd, warn, info]
        ONLY_PRD: !If [IsPrd, yes, !Ref AWS::NoValue]
        REFRESH: !Ref Refresh
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefinitionBody:
        openapi: 3.0.1
        info: {title: !Ref AWS::StackName}
        paths:
          $default:
            x-amazon-apigateway-any-method:
              x-amazon-apigateway-integration: !If
                - HasLegacyOrigin
                - type: http_proxy
                  uri: !Ref LegacyOrigin
                  timeoutInMillis: 2000
                  requestParameters:
                    overwrite:path: $request.path
                    remove:header.X-Inside: "''"
                - {type: aws_proxy, uri: !Sub '${Health.Arn}'}
          /things/{id}:
            get: {summary: no integration of its own}
      CorsConfiguration: !If
        - HasOrigins
        - {AllowOrigins: !Ref Origins, AllowMethods: [GET], MaxAge: 600}
        - !Ref AWS::NoValue
  Health:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/health
      FunctionName: !Sub 'madang-${Stage}-health'
      Timeout: 2
      Environment:
        Variables:
          LEVEL: debug
          TABLE: !Ref Things
          TABLE_ARN: !GetAtt Things.Arn
          KEYS: !Ref Keys
          TEXT: !Sub ['${Word}-${Things.Arn}-${!kept}', {Word: !Ref Stage}]
          WORKER: {Ref: Worker}
      Events:
        Get: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: get, Path: '/health/{id}'}}
        Rest: {Type: HttpApi, Properties: {ApiId: !Ref Api}}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/roll-up/
      Events:
        Tick: {Type: Schedule, Properties: {Schedule: rate(1 minute), Input: '{"a":1}', Enabled: !If [IsPrd, true, false]}}
  OnlyInPrd:
    Type: AWS::Serverless::Function
    Condition: IsPrd
    Properties: {CodeUri: target/lambda/never, Timeout: !ImportValue nothing}
  Things:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      TableName: !Sub 'madang-${Stage}-things'
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {AttributeName: pk, AttributeType: S}
        - {AttributeName: sk, AttributeType: S}
      KeySchema:
        - {AttributeName: pk, KeyType: HASH}
        - {AttributeName: sk, KeyType: RANGE}
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
  Keys:
    Type: AWS::SecretsManager::Secret
    Metadata: {Madang: {Generate: tracking-keys}}
    Properties: {Name: !Sub 'madang/${Stage}/keys', GenerateSecretString: {PasswordLength: 64}}
  Blobs:
    Type: AWS::S3::Bucket
"#;

fn parse(text: &str, overrides: &[(&str, &str)]) -> Result<Template, TemplateError> {
    let overrides = overrides
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Template::parse(text, &BTreeMap::new(), &overrides)
}

fn function<'a>(template: &'a Template, folder: &str) -> &'a Function {
    template
        .functions
        .iter()
        .find(|function| function.folder == folder)
        .unwrap()
}

#[test]
fn a_function_has_its_own_and_the_global_environment_resolved() {
    let template = parse(TEMPLATE, &[]).unwrap();
    let health = function(&template, "health");
    let expected = [
        (
            "KEYS",
            "arn:aws:secretsmanager:ap-northeast-2:000000000000:secret:madang/dev/keys-local0",
        ),
        ("LEVEL", "debug"),
        ("REFRESH", "3"),
        ("STAGE", "dev"),
        ("TABLE", "madang-dev-things"),
        (
            "TABLE_ARN",
            "arn:aws:dynamodb:ap-northeast-2:000000000000:table/madang-dev-things",
        ),
        (
            "TEXT",
            "dev-arn:aws:dynamodb:ap-northeast-2:000000000000:table/madang-dev-things-${kept}",
        ),
        ("WORKER", "madang-dev-Worker"),
    ];
    let expected: BTreeMap<String, String> = expected
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(health.environment, expected);
    assert_eq!(health.name, "madang-dev-health");
    assert_eq!(
        health.arn,
        "arn:aws:lambda:ap-northeast-2:000000000000:function:madang-dev-health"
    );
    assert_eq!(
        (health.timeout, health.memory_mb),
        (Duration::from_secs(2), 256)
    );
    assert_eq!(health.runtime.as_deref(), Some("provided.al2023"));
    assert_eq!(health.architectures, ["arm64"]);
}

#[test]
fn routes_and_schedules_come_from_events() {
    let template = parse(TEMPLATE, &[]).unwrap();
    let mut keys: Vec<String> = function(&template, "health")
        .routes
        .iter()
        .map(Route::key)
        .collect();
    keys.sort();
    assert_eq!(keys, ["$default", "GET /health/{id}"]);
    let worker = function(&template, "roll-up");
    assert_eq!(worker.timeout, Duration::from_secs(5));
    let tick = &worker.schedules[0];
    assert_eq!(tick.expression, "rate(1 minute)");
    assert_eq!(tick.input, Some(serde_json::json!({"a": 1})));
    assert!(!tick.enabled);
}

#[test]
fn routes_to_another_server_come_from_the_definition_of_the_api() {
    assert_eq!(parse(TEMPLATE, &[]).unwrap().proxies, []);
    let origin = [("LegacyOrigin", "http://127.0.0.1:8000")];
    let proxies = parse(TEMPLATE, &origin).unwrap().proxies;
    let expected = Proxy {
        route: Route {
            method: "ANY".to_owned(),
            path: "$default".to_owned(),
        },
        origin: "http://127.0.0.1:8000".to_owned(),
        removed_headers: vec!["x-inside".to_owned()],
        timeout: Duration::from_secs(2),
    };
    assert_eq!(proxies, [expected]);
    let place = "Api.DefinitionBody.paths.$default.x-amazon-apigateway-any-method";
    for (from, to, problem) in [
        (
            "type: http_proxy",
            "type: mock",
            "mock integrations are not supported by the local stack",
        ),
        (
            "overwrite:path: $request.path",
            "append:header.x: y",
            "append:header.x: y: is not supported by the local stack",
        ),
        (
            "overwrite:path: $request.path",
            "",
            "requestParameters: expects overwrite:path: $request.path",
        ),
    ] {
        let error = parse(&TEMPLATE.replace(from, to), &origin).unwrap_err();
        assert_eq!(error.to_string(), format!("{place}: {problem}"));
    }
}

#[test]
fn what_a_condition_leaves_out_does_not_exist() {
    let dev = parse(TEMPLATE, &[]).unwrap();
    assert!(
        dev.functions
            .iter()
            .all(|function| function.folder != "never")
    );
    let prd = parse(TEMPLATE, &[("Stage", "prd")]).unwrap_err();
    assert_eq!(
        prd.to_string(),
        "OnlyInPrd.Timeout: Fn::ImportValue: is not supported by the local stack"
    );
}

#[test]
fn tables_secrets_buckets_and_cross_origin_rules_are_read() {
    let template = parse(TEMPLATE, &[]).unwrap();
    let table = &template.tables[0];
    assert_eq!(
        (table.logical_id.as_str(), table.name.as_str()),
        ("Things", "madang-dev-things")
    );
    assert_eq!(table.ttl_attribute.as_deref(), Some("expires_at"));
    assert_eq!(
        serde_json::to_value(&table.schema).unwrap()["KeySchema"][1]["AttributeName"],
        "sk"
    );
    assert!(matches!(
        template.secrets[0].value,
        SecretValue::TrackingKeys
    ));
    assert_eq!(template.buckets["Blobs"], "madang-dev-blobs");
    assert_eq!(template.cors, None);
    let open = parse(
        TEMPLATE,
        &[("Origins", "https://a.example,https://b.example")],
    )
    .unwrap();
    let cors = open.cors.unwrap();
    assert_eq!(
        cors.allow_origins,
        ["https://a.example", "https://b.example"]
    );
    assert_eq!(cors.max_age, Some(600));
}

#[test]
fn what_cannot_be_resolved_is_named() {
    let cases = [
        ("!Ref Nothing", "no parameter or resource is called Nothing"),
        (
            "!GetAtt Things.StreamArn",
            "Fn::GetAtt Things.StreamArn: not known to the local stack",
        ),
        (
            "!Sub '${Nothing}'",
            "no parameter or resource is called Nothing",
        ),
        ("!Sub '${Open'", "Fn::Sub: a ${ is not closed"),
        ("!If [Missing, a, b]", "no condition is called Missing"),
        (
            "!Cidr [a, b]",
            "Fn::Cidr: is not supported by the local stack",
        ),
        ("[a]", "an environment variable is a string"),
    ];
    for (value, problem) in cases {
        let text = TEMPLATE.replace("LEVEL: debug", &format!("LEVEL: {value}"));
        let error = parse(&text, &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("Health.Environment.Variables.LEVEL: {problem}")
        );
    }
}

#[test]
fn names_in_a_circle_end_in_an_error() {
    let text = TEMPLATE.replace(
        "TableName: !Sub 'madang-${Stage}-things'",
        "TableName: !Ref Things",
    );
    let error = parse(&text, &[]).unwrap_err().to_string();
    assert!(error.ends_with("refers to itself"), "{error}");
}

#[test]
fn an_unknown_way_to_generate_a_secret_is_refused() {
    let text = TEMPLATE.replace("tracking-keys", "magic");
    let error = parse(&text, &[]).unwrap_err().to_string();
    assert_eq!(
        error,
        "Keys.Metadata.Madang.Generate: \"magic\" is not a value that the local stack can generate"
    );
}

#[test]
fn a_stage_of_samconfig_sets_parameters() {
    let samconfig = "version = 0.1\n[dev.deploy.parameters]\nparameter_overrides = [\"Stage=qa\", \"Refresh=9\"]\n";
    let stage = parameters::of_stage(samconfig, "dev").unwrap();
    let template = Template::parse(TEMPLATE, &stage, &BTreeMap::new()).unwrap();
    assert_eq!(function(&template, "health").environment["REFRESH"], "9");
    assert_eq!(template.tables[0].name, "madang-qa-things");
    let line = "[dev.deploy.parameters]\nparameter_overrides = \"Stage=\\\"qa\\\" Refresh=9\"\n";
    assert_eq!(parameters::of_stage(line, "dev").unwrap(), stage);
    assert!(parameters::of_stage("", "dev").unwrap().is_empty());
    let unknown = BTreeMap::from([("Stagee".to_owned(), "x".to_owned())]);
    let error = Template::parse(TEMPLATE, &unknown, &BTreeMap::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "samconfig.toml: Stagee is not a parameter of the template"
    );
}
