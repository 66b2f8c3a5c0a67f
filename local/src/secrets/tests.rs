//! The operations that applications and rotations use.

use super::*;
use crate::template::{Secret, SecretValue};

const ARN: &str = "arn:aws:secretsmanager:ap-northeast-2:000000000000:secret:app/keys-local0";

fn service(folder: &std::path::Path) -> SecretsManager {
    let declared = [Secret {
        name: "app/keys".to_owned(),
        arn: ARN.to_owned(),
        value: SecretValue::Given("first".to_owned()),
        rotated_by: None,
    }];
    let vault = Vault::open(folder.join("secrets.json"), &declared).unwrap();
    SecretsManager::new(Arc::new(Mutex::new(vault)), Rotations::default())
}

fn call(service: &SecretsManager, operation: &str, input: Value) -> Result<Value, ApiError> {
    let any = ([127, 0, 0, 1], 1).into();
    service.answer(&Request {
        method: "POST".to_owned(),
        target: "/".to_owned(),
        headers: vec![(
            "x-amz-target".to_owned(),
            format!("secretsmanager.{operation}"),
        )],
        body: input.to_string().into(),
        peer: any,
        local: any,
    })
}

#[test]
fn a_value_is_found_by_name_by_arn_and_by_partial_arn() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path());
    for id in ["app/keys", ARN, ARN.trim_end_matches("-local0")] {
        let got = call(&service, "GetSecretValue", json!({ "SecretId": id })).unwrap();
        assert_eq!(got["SecretString"], "first");
        assert_eq!(got["ARN"], ARN);
        assert_eq!(got["VersionStages"], json!(["AWSCURRENT"]));
        assert!(got["CreatedDate"].as_f64().unwrap() > 1e9);
    }
}

#[test]
fn what_is_not_there_is_said_as_secrets_manager_says_it() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path());
    let missing = call(&service, "GetSecretValue", json!({ "SecretId": "other" })).unwrap_err();
    assert_eq!(missing.kind, "ResourceNotFoundException");
    assert_eq!(
        missing.message,
        "Secrets Manager can't find the specified secret."
    );
    let stage = json!({ "SecretId": "app/keys", "VersionStage": "AWSPENDING" });
    let stage = call(&service, "GetSecretValue", stage).unwrap_err();
    assert_eq!(
        stage.message,
        "Secrets Manager can't find the specified secret value for AWSPENDING."
    );
    assert_eq!(
        call(&service, "GetSecretValue", json!({}))
            .unwrap_err()
            .kind,
        "InvalidParameterException"
    );
    assert_eq!(
        call(&service, "Nothing", json!({})).unwrap_err().kind,
        "UnknownOperationException"
    );
}

#[test]
fn a_rotation_keeps_the_previous_version_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path());
    let value = |service: &SecretsManager, stage: &str| {
        let input = json!({ "SecretId": "app/keys", "VersionStage": stage });
        call(service, "GetSecretValue", input).map(|got| got["SecretString"].clone())
    };
    let pending = json!({
        "SecretId": "app/keys",
        "ClientRequestToken": "two",
        "SecretString": "second",
        "VersionStages": ["AWSPENDING"],
    });
    for _ in 0..2 {
        call(&service, "PutSecretValue", pending.clone()).unwrap();
    }
    let mut altered = pending;
    altered["SecretString"] = json!("other");
    assert_eq!(
        call(&service, "PutSecretValue", altered).unwrap_err().kind,
        "ResourceExistsException"
    );
    assert_eq!(value(&service, "AWSPENDING").unwrap(), "second");
    assert_eq!(value(&service, "AWSCURRENT").unwrap(), "first");

    let promote = |from: Option<&str>| {
        let input = json!({
            "SecretId": "app/keys",
            "VersionStage": "AWSCURRENT",
            "MoveToVersionId": "two",
            "RemoveFromVersionId": from,
        });
        call(&service, "UpdateSecretVersionStage", input)
    };
    assert_eq!(promote(None).unwrap_err().kind, "InvalidParameterException");
    let described = call(&service, "DescribeSecret", json!({ "SecretId": ARN })).unwrap();
    let stages = described["VersionIdsToStages"].as_object().unwrap();
    let first = stages
        .iter()
        .find(|(_, stages)| **stages == json!(["AWSCURRENT"]))
        .unwrap()
        .0;
    promote(Some(first)).unwrap();
    assert_eq!(value(&service, "AWSCURRENT").unwrap(), "second");
    assert_eq!(value(&service, "AWSPREVIOUS").unwrap(), "first");

    let restarted = self::service(folder.path());
    assert_eq!(value(&restarted, "AWSCURRENT").unwrap(), "second");
    assert_eq!(value(&restarted, "AWSPREVIOUS").unwrap(), "first");
}

#[test]
fn a_rotation_that_was_begun_is_gone_on_with_and_has_no_value_before_its_first_step() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path());
    let begin = |token: &str| {
        let mut vault = service.vault.lock().unwrap();
        let mut begun = String::new();
        let changed = vault.change("app/keys", |entry| {
            begun = entry.begin_rotation(token.to_owned());
            Ok(())
        });
        changed.unwrap();
        begun
    };
    assert_eq!(begin("two"), "two");
    assert_eq!(begin("three"), "two");
    let pending = json!({ "SecretId": "app/keys", "VersionStage": "AWSPENDING" });
    let missing = call(&service, "GetSecretValue", pending.clone()).unwrap_err();
    assert_eq!(missing.kind, "ResourceNotFoundException");
    let put = json!({
        "SecretId": "app/keys",
        "ClientRequestToken": "two",
        "SecretString": "second",
        "VersionStages": ["AWSPENDING"],
    });
    call(&service, "PutSecretValue", put).unwrap();
    let got = call(&service, "GetSecretValue", pending).unwrap();
    assert_eq!(got["SecretString"], "second");
    let none = call(&service, "RotateSecret", json!({ "SecretId": "app/keys" })).unwrap_err();
    assert_eq!(none.kind, "InvalidRequestException");
}
