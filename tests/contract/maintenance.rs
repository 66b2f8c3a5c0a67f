//! What is for users is closed during maintenance: every function with such a route has a gate.

use schemars::SchemaGenerator;
use tests::findings::{Findings, Outcome};

use crate::functions::built;

#[test]
fn a_function_has_a_gate_where_a_route_closes_for_maintenance_and_nowhere_else() -> Outcome {
    let mut findings = Findings::default();
    for (folder, function) in built()? {
        let operations = function.operations(&mut SchemaGenerator::default());
        let mut endpoints = operations.iter().map(|operation| operation.endpoint);
        let closing = endpoints.find(kit::Endpoint::closes_for_maintenance);
        match (closing, function.has_gate()) {
            (Some(endpoint), false) => findings.note(
                format!("{endpoint} would answer during maintenance: functions/{folder} has no gate"),
                format!(
                    "in functions/{folder}/src/lib.rs: store::edge::start_gated for aws::start, `.gate(gate)` on its Api, \
                     SnapshotSettings::VARIABLES among VARIABLES; in template.yaml CONTENT_TABLE, BLOBS_BUCKET and the first three \
                     statements of DeviceProfilesFunction. Or, where users need it even then: `.during_maintenance()` on the endpoint"
                ),
            ),
            (None, true) => findings.note(
                format!("functions/{folder} has a gate, and no route that closes for maintenance"),
                format!("aws::start in functions/{folder}/src/lib.rs, without `.gate(…)`"),
            ),
            (Some(_), true) | (None, false) => {}
        }
    }
    findings.done()
}
