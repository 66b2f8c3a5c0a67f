//! Every function is in five places by one name: its folder, its package and binary, the template,
//! the local stack's registry, and `events/`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use kit::{Function, Vars};
use local::functions::Registry;
use schemars::SchemaGenerator;
use tests::{
    findings::{Findings, Outcome},
    project::{self, Services},
};

use crate::cargo::metadata;

/// Every function of the template, built from the environment that the template gives it.
pub(crate) fn built() -> anyhow::Result<BTreeMap<String, Function>> {
    let registry = Registry::workspace();
    let mut built = BTreeMap::new();
    for function in &project::template()?.functions {
        if let Some(build) = registry.get(&function.folder) {
            let function_built = build(&variables_of(function)).map_err(|faults| {
                anyhow::anyhow!(
                    "functions/{}: {faults}\n  mend: give these under Environment of {} in template.yaml",
                    function.folder,
                    function.logical_id
                )
            })?;
            built.insert(function.folder.clone(), function_built);
        }
    }
    Ok(built)
}

/// What the template gives a function, and nothing behind the addresses.
pub(crate) fn variables_of(function: &local::template::Function) -> Vars {
    project::environment(function, &Services::nowhere())
        .into_iter()
        .collect()
}

/// The route keys that a function's code answers.
pub(crate) fn route_keys(function: &Function) -> BTreeSet<String> {
    let operations = function.operations(&mut SchemaGenerator::default());
    operations
        .iter()
        .flat_map(|operation| operation.endpoint.route_keys())
        .collect()
}

/// The folders under `functions/`.
pub(crate) fn folders() -> anyhow::Result<BTreeSet<String>> {
    let mut folders = BTreeSet::new();
    for entry in fs::read_dir(project::root().join("functions"))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").exists() {
            folders.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(folders)
}

#[test]
fn every_function_has_a_folder_a_binary_a_template_block_a_registry_line_and_an_event() -> Outcome {
    let template = project::template()?;
    let registry = Registry::workspace();
    let declared: BTreeSet<_> = template
        .functions
        .iter()
        .map(|function| function.folder.clone())
        .collect();
    let folders = folders()?;
    let mut findings = Findings::default();
    findings.expect(
        declared.len() == template.functions.len(),
        "two functions of template.yaml share a CodeUri",
        "one function, one folder",
    );
    for folder in folders.difference(&declared) {
        findings.note(
            format!("functions/{folder} is in no function of template.yaml"),
            format!("add a function with `CodeUri: target/lambda/{folder}` (make new shows how), or delete the folder"),
        );
    }
    for folder in declared.difference(&folders) {
        findings.note(
            format!(
                "template.yaml names target/lambda/{folder}, but there is no functions/{folder}"
            ),
            format!("make new NAME={folder}, or delete the function from template.yaml"),
        );
    }
    for folder in folders.intersection(&declared) {
        findings.expect(
            registry.get(folder).is_some(),
            format!("functions/{folder} is not in the local stack's registry"),
            format!(
                "in local/src/functions.rs: \"{folder}\" => {},\nin local/Cargo.toml: {folder} = {{ path = \"../functions/{folder}\" }}",
                folder.replace('-', "_")
            ),
        );
        findings.expect(
            project::root()
                .join(format!("events/{folder}.json"))
                .exists(),
            format!("functions/{folder} has no event"),
            format!("write events/{folder}.json; events/health.json shows how"),
        );
    }
    let events = project::files("events", "json")?;
    let events: BTreeSet<_> = events
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    for event in events.difference(&folders) {
        findings.note(
            format!("events/{event}.json belongs to no function"),
            format!("git rm events/{event}.json"),
        );
    }
    findings.done()
}

#[test]
fn folder_package_and_binary_have_one_name() -> Outcome {
    let packages = metadata()?.ours();
    let mut findings = Findings::default();
    for folder in folders()? {
        let manifest = project::root().join(format!("functions/{folder}/Cargo.toml"));
        let package = packages
            .iter()
            .find(|package| package.manifest_path == manifest);
        let binaries = package
            .map(|package| package.binaries())
            .unwrap_or_default();
        findings.expect(
            package.is_some_and(|package| package.name == folder) && binaries == [folder.as_str()],
            format!("functions/{folder}: the package or its binary has another name"),
            format!("in functions/{folder}/Cargo.toml: name = \"{folder}\", and no [[bin]] but src/main.rs"),
        );
    }
    findings.done()
}
