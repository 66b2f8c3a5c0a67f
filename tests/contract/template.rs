//! What holds of `template.yaml` itself: tables that can be restored, logs that end, alarms that
//! see every function, and a size that CloudFormation takes.

use std::{path::PathBuf, process::Command};

use serde_json::Value;
use tests::{
    findings::{Findings, Outcome},
    project,
    skip::skipped,
    source::{Source, written_out},
};

/// CloudFormation takes 500; the rest is room to grow.
const MOST_RESOURCES: u32 = 400;

/// Alarms that name every function.
const WATCHING: [&str; 2] = ["FunctionErrorsAlarm", "ThrottlesAlarm"];

#[test]
fn tables_are_encrypted_and_recoverable_and_expire_their_items() -> Outcome {
    let source = Source::read()?;
    let mut findings = Findings::default();
    for (id, table) in source.of_type("AWS::DynamoDB::Table") {
        let is = |pointer: &str| table.pointer(pointer) == Some(&Value::Bool(true));
        for (holds, line) in [
            (
                is("/SSESpecification/SSEEnabled"),
                "SSESpecification: {SSEEnabled: true}",
            ),
            (
                is("/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled"),
                "PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}",
            ),
            (
                is("/TimeToLiveSpecification/Enabled")
                    && table.pointer("/TimeToLiveSpecification/AttributeName")
                        == Some(&Value::from("expires_at")),
                "TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}",
            ),
            (
                table.get("DeletionProtectionEnabled").is_some(),
                "DeletionProtectionEnabled: !If [IsProduction, true, false]",
            ),
            (
                table.get("BillingMode") == Some(&Value::from("PAY_PER_REQUEST")),
                "BillingMode: PAY_PER_REQUEST",
            ),
        ] {
            findings.expect(
                holds,
                format!("{id} lacks a protection"),
                format!("in its Properties: {line}"),
            );
        }
        let kept = source
            .resource(id)
            .and_then(|table| table.get("UpdateReplacePolicy"));
        findings.expect(
            kept == Some(&Value::from("Retain")),
            format!("{id} would be lost with its replacement"),
            "beside its Properties: DeletionPolicy: RetainExceptOnCreate and UpdateReplacePolicy: Retain",
        );
    }
    findings.done()
}

#[test]
fn every_function_logs_into_a_group_whose_lines_expire() -> Outcome {
    let source = Source::read()?;
    let mut findings = Findings::default();
    for function in &project::template()?.functions {
        let properties = source
            .resource(&function.logical_id)
            .and_then(|found| found.get("Properties"));
        let group = properties
            .and_then(|properties| properties.pointer("/LoggingConfig/LogGroup/Ref"))
            .and_then(Value::as_str)
            .and_then(|group| source.resource(group));
        let name = group.and_then(|group| written_out(group.pointer("/Properties/LogGroupName")?));
        let ends =
            group.is_some_and(|group| group.pointer("/Properties/RetentionInDays").is_some());
        findings.expect(
            ends && name == Some(format!("/madang/dev/{}", function.folder)),
            format!(
                "{} has no log group of its own with a retention",
                function.logical_id
            ),
            "as in HealthFunction and HealthLogs",
        );
    }
    findings.done()
}

#[test]
fn alarms_watch_every_function() -> Outcome {
    let source = Source::read()?;
    let mut findings = Findings::default();
    for alarm in WATCHING {
        let query = source
            .resource(alarm)
            .and_then(|alarm| alarm.pointer("/Properties/Metrics/0/Expression/Fn::Sub"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        for function in &project::template()?.functions {
            let named = format!("FunctionName = 'madang-${{Stage}}-{}'", function.folder);
            findings.expect(
                query.contains(&named),
                format!("{alarm} does not watch {}", function.folder),
                format!("in its Expression: OR {named}"),
            );
        }
    }
    findings.done()
}

#[test]
fn sam_and_cloudformation_take_it() -> Outcome {
    let Some(tools) = tools() else {
        skipped("sam validate --lint and the size of the transformed template (make tools)");
        return Ok(());
    };
    let validated = Command::new(tools.join("sam"))
        .args(["validate", "--lint"])
        .envs([
            ("AWS_DEFAULT_REGION", local::template::REGION),
            ("SAM_CLI_TELEMETRY", "0"),
        ])
        .current_dir(project::root())
        .output()?;
    assert!(
        validated.status.success(),
        "sam validate --lint:\n{}{}",
        String::from_utf8_lossy(&validated.stdout),
        String::from_utf8_lossy(&validated.stderr)
    );
    let counted = Command::new(tools.join("python"))
        .arg("scripts/count-resources")
        .env("AWS_DEFAULT_REGION", local::template::REGION)
        .current_dir(project::root())
        .output()?;
    assert!(
        counted.status.success(),
        "scripts/count-resources:\n{}",
        String::from_utf8_lossy(&counted.stderr)
    );
    let resources: u32 = String::from_utf8_lossy(&counted.stdout).trim().parse()?;
    assert!(
        resources < MOST_RESOURCES,
        "{resources} resources after the transform\n  mend: below {MOST_RESOURCES}, by fewer functions or a nested stack"
    );
    Ok(())
}

/// Where `scripts/tools` put them, if it did.
fn tools() -> Option<PathBuf> {
    let bin = project::root().join(".tools/bin");
    bin.join("sam").exists().then_some(bin)
}
