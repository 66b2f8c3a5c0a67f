//! `make run` as a process: what it prints, what it leaves behind, how it ends.

use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use local::Description;
use serde_json::json;

use crate::wire::{dynamodb, template};

const TEMPLATE: &str = "
Resources:
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: test-things
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
";

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command
        .current_dir(folder)
        .env("PORT", "0")
        .env_remove("DATA")
        .env_remove("FRESH")
        .env_remove("SEED")
        .env_remove("LEGACY_ORIGIN")
        .env_remove("DYNAMODB_ENDPOINT")
        .env_remove("AWS_ENDPOINT_URL_DYNAMODB")
        .env_remove("LOG_FORMAT")
        .env_remove("TEMPLATE")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts the stack of `folder` and waits until it has described itself.
fn start(folder: &Path) -> (Child, Description) {
    let mut child = command(folder).spawn().unwrap();
    let file = folder.join(".local/stack.json");
    let began = Instant::now();
    loop {
        // A description of an earlier, killed process may still be there for a moment.
        let described = std::fs::read(&file)
            .ok()
            .and_then(|text| serde_json::from_slice::<Description>(&text).ok())
            .filter(|description| description.pid == child.id());
        if let Some(description) = described {
            return (child, description);
        }
        if let Some(status) = child.try_wait().unwrap() {
            let output = child.wait_with_output().unwrap();
            panic!("{status}: {}", String::from_utf8_lossy(&output.stderr));
        }
        assert!(began.elapsed() < Duration::from_secs(30), "not ready");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([name, &pid])
            .status()
            .unwrap()
            .success()
    );
}

fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[tokio::test]
async fn a_killed_stack_loses_nothing_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    template(folder.path(), TEMPLATE);
    let (mut child, stack) = start(folder.path());
    for id in 0..50 {
        let item = json!({"TableName": "test-things", "Item": {"pk": {"S": id.to_string()}}});
        assert_eq!(
            dynamodb(&stack.dynamodb_endpoint, "PutItem", item)
                .await
                .status,
            200
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let (mut child, again) = start(folder.path());
    let scan = dynamodb(
        &again.dynamodb_endpoint,
        "Scan",
        json!({"TableName": "test-things"}),
    )
    .await;
    assert_eq!(scan.json()["Count"], 50);
    assert_eq!(again.service_key, stack.service_key);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn it_says_where_everything_is_and_ends_cleanly_on_either_signal() {
    for name in ["-TERM", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        template(folder.path(), TEMPLATE);
        let (child, stack) = start(folder.path());
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        for part in [
            "created test-things\n",
            &stack.base_url,
            &stack.dynamodb_endpoint,
            &stack.secrets_endpoint,
            &stack.lambda_endpoint,
            "ready in ",
            "stopped\n",
        ] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        assert!(!said.contains(&stack.service_key));
        assert!(!folder.path().join(".local/stack.json").exists());
        assert!(!folder.path().join(".local/dynamodb.sqlite-wal").exists());
    }
}

#[test]
fn a_second_stack_on_one_folder_or_one_port_says_so_in_one_line() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    template(one.path(), TEMPLATE);
    template(two.path(), TEMPLATE);
    let (mut child, stack) = start(one.path());
    let same_folder = refusal(&command(one.path()).output().unwrap());
    assert!(same_folder.contains(&format!(
        "in use by another local stack (pid {})",
        child.id()
    )));
    let port = stack.base_url.rsplit(':').next().unwrap();
    let same_port = refusal(&command(two.path()).env("PORT", port).output().unwrap());
    assert_eq!(
        same_port,
        format!("local: port {port}: already taken by another process; set PORT to another\n")
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_it_cannot_start_with_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = refusal(&command(folder.path()).output().unwrap());
    assert_eq!(
        nothing,
        "local: no template.yaml here or above; set TEMPLATE\n"
    );
    template(folder.path(), TEMPLATE);
    let port = refusal(&command(folder.path()).env("PORT", "x").output().unwrap());
    assert_eq!(port, "local: PORT=x: expected a port, 0 to 65535\n");
    let format = command(folder.path()).env("LOG_FORMAT", "xml").output();
    assert_eq!(
        refusal(&format.unwrap()),
        "local: LOG_FORMAT=xml: expected text or json\n"
    );
    for address in [
        "127.0.0.1:8000",
        "https://db.example",
        "http://db.example/path",
    ] {
        let refused = command(folder.path())
            .env("DYNAMODB_ENDPOINT", address)
            .output();
        assert_eq!(
            refusal(&refused.unwrap()),
            format!("local: DYNAMODB_ENDPOINT={address}: expected http://host:port\n")
        );
    }
    let origin = command(folder.path())
        .env("LEGACY_ORIGIN", "http://127.0.0.1:8000")
        .output()
        .unwrap();
    assert_eq!(
        refusal(&origin),
        "local: LEGACY_ORIGIN is set, but the template has no route that would use LegacyOrigin\n"
    );
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("precious"), "x").unwrap();
    let foreign = command(folder.path())
        .env("DATA", elsewhere.path())
        .env("FRESH", "1")
        .output()
        .unwrap();
    assert!(refusal(&foreign).contains("not emptying it"));
    assert!(elsewhere.path().join("precious").exists());
}
