//! What holds of `template.yaml` itself: tables that can be restored, logs that end, alarms that
//! see every function, and a size that CloudFormation takes.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use serde_json::{Value, json};
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

/// The table also has what operators sign in with. Writing to it is writing the audit, and readiness
/// looks at each table as a whole.
#[test]
fn whoever_reads_the_operators_table_reads_service_keys_only() -> Outcome {
    let source = Source::read()?;
    let mut findings = Findings::default();
    for function in &project::template()?.functions {
        if ["admin-members", "readiness"].contains(&function.folder.as_str()) {
            continue;
        }
        let policies = source.resource(&function.logical_id).and_then(|found| {
            found
                .pointer("/Properties/Policies/0/Statement")?
                .as_array()
        });
        for statement in policies.into_iter().flatten() {
            let is_of_operators = statement.pointer("/Resource/Fn::GetAtt")
                == Some(&Value::from("OperatorsTable.Arn"));
            let reads = statement
                .get("Action")
                .and_then(Value::as_array)
                .is_some_and(|actions| actions.contains(&Value::from("dynamodb:GetItem")));
            let keys = statement
                .pointer("/Condition/ForAllValues:StringLike/dynamodb:LeadingKeys/0")
                .and_then(Value::as_str);
            findings.expect(
                !is_of_operators || !reads || keys == Some("service-key#*"),
                format!("{} may read all of the Operators table", function.folder),
                "in its statement: Condition: {\"ForAllValues:StringLike\": \
                 {\"dynamodb:LeadingKeys\": [\"service-key#*\"]}}",
            );
        }
    }
    findings.done()
}

/// SAM leaves an integration alone that the definition has already, and only adds the permission.
#[test]
fn without_a_legacy_origin_the_definition_names_the_fallback() -> Outcome {
    let source = Source::read()?;
    let any = "/DefinitionBody/paths/$default/x-amazon-apigateway-any-method";
    let integration = source
        .of_type("AWS::Serverless::HttpApi")
        .find_map(|(_, api)| api.pointer(&format!("{any}/x-amazon-apigateway-integration/Fn::If")));
    let part = |pointer: &str| integration.and_then(|found| found.pointer(pointer)?.as_str());
    let invoked = "lambda:path/2015-03-31/functions/${FallbackFunction.Arn}/invocations";
    let mut findings = Findings::default();
    findings.expect(
        part("/0") == Some("HasLegacyOrigin")
            && part("/2/type") == Some("aws_proxy")
            && part("/2/payloadFormatVersion") == Some("2.0")
            && part("/2/uri/Fn::Sub").is_some_and(|uri| uri.ends_with(invoked)),
        "without a legacy origin `$default` does not invoke FallbackFunction",
        "in template.yaml, DefinitionBody of Api: !If [HasLegacyOrigin, the proxy, an aws_proxy to FallbackFunction]",
    );
    findings.done()
}

#[test]
fn the_header_that_functions_trust_never_reaches_a_legacy_origin() -> Outcome {
    let rules = project::read("template.yaml")?;
    let rules: serde_norway::Value = serde_norway::from_str(&rules)?;
    let contains = rules
        .get("Rules")
        .and_then(|rules| {
            rules
                .get("TrustedHeaderStaysInside")?
                .get("Assertions")?
                .get(0)?
                .get("Assert")
        })
        .and_then(|assert| match assert {
            serde_norway::Value::Tagged(tagged) => tagged.value.get(0)?.as_sequence(),
            _ => None,
        })
        .map_or(&[][..], Vec::as_slice);
    let allowed: BTreeSet<&str> = contains
        .iter()
        .filter_map(serde_norway::Value::as_str)
        .filter(|name| !name.is_empty())
        .collect();
    let template = project::template_before("https://legacy.example")?;
    let mut findings = Findings::default();
    for proxy in &template.proxies {
        let removed: BTreeSet<&str> = proxy.removed_headers.iter().map(String::as_str).collect();
        findings.expect(
            !allowed.is_empty() && allowed == removed,
            format!("TrustedHeaderStaysInside allows {allowed:?}, the integration removes {removed:?}"),
            "in template.yaml: the same names in the rule and as remove:header.… of the integration",
        );
    }
    findings.expect(
        !template.proxies.is_empty(),
        "a legacy origin is not used at all",
        "see tests/contract/routes.rs",
    );
    findings.done()
}

/// Two answers to the same question: an app that asks both must be told the same.
#[test]
fn whether_updates_go_before_maintenance_is_one_parameter_for_all_who_ask() -> Outcome {
    const VARIABLE: &str = "UPDATE_BEFORE_MAINTENANCE";
    let source = Source::read()?;
    let mut findings = Findings::default();
    let mut readers = 0;
    for function in &project::template()?.functions {
        let groups = local::functions::variables_of(&function.folder).unwrap_or_default();
        let mut declared = groups.iter().flat_map(|group| group.iter());
        if !declared.any(|variable| variable.name == VARIABLE) {
            continue;
        }
        readers += 1;
        let given = source.resource(&function.logical_id).and_then(|found| {
            found
                .pointer("/Properties/Environment/Variables")?
                .get(VARIABLE)
        });
        findings.expect(
            given == Some(&json!({"Ref": "UpdateBeforeMaintenance"})),
            format!(
                "template.yaml does not give {VARIABLE} to functions/{}",
                function.folder
            ),
            format!(
                "in Environment of {}: {VARIABLE}: !Ref UpdateBeforeMaintenance",
                function.logical_id
            ),
        );
    }
    findings.expect(
        readers > 0,
        format!("no function reads {VARIABLE}"),
        "delete the parameter UpdateBeforeMaintenance from template.yaml, and this test",
    );
    findings.done()
}

#[test]
fn the_alarm_on_old_snapshots_asks_for_the_metric_that_readers_emit() -> Outcome {
    let source = Source::read()?;
    let alarm = source.resource("SnapshotAgeAlarm");
    let query = alarm
        .and_then(|alarm| alarm.pointer("/Properties/Metrics/0/Expression/Fn::Sub"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let asked = format!(
        "SELECT MAX({}) FROM SCHEMA({}, stage, service) WHERE stage = '${{Stage}}'",
        store::edge::SNAPSHOT_AGE,
        kit::metrics::NAMESPACE
    );
    let mut findings = Findings::default();
    findings.expect(
        query == asked,
        format!("SnapshotAgeAlarm asks: {query}"),
        format!("in template.yaml, its Expression: {asked}"),
    );
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
