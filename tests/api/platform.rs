//! Health, readiness, documentation, and what no route takes.

use std::{fs, path::PathBuf};

use serde_json::Value;
use tests::{
    fault::Fault,
    http1::{Request, Response},
};

use crate::scenario::{Scenario, campaign, eventually};

/// The names of the dependencies that readiness says have failed.
fn failed(answer: &Response) -> Vec<String> {
    let document = answer.json();
    let dependencies = document["dependencies"].as_array().unwrap().iter();
    dependencies
        .filter(|dependency| dependency["status"] == "failed")
        .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn health_names_the_build() {
    let scenario = Scenario::start();
    let first = scenario.get("/health");
    assert_eq!(first.status, 200);
    let health = first.json();
    for (field, value) in [("status", "ok"), ("service", "madang"), ("stage", "dev")] {
        assert_eq!(health[field], value);
    }
    let commit = health["commit"].as_str().unwrap();
    assert_eq!(commit.len(), 40, "{commit}");
    for time in ["commit_time", "build_time", "started_at"] {
        assert!(health[time].as_str().unwrap().ends_with('Z'), "{time}");
    }
    assert!(health["dirty_build"].is_boolean() && health["uptime_s"].is_u64());
    assert_eq!(health["cold_start"], true);
    assert_eq!(scenario.get("/health").json()["cold_start"], false);
}

#[test]
fn readiness_names_the_table_that_fails_and_heals() {
    let scenario = Scenario::start();
    let ready = scenario.get("/health/ready");
    assert_eq!(
        (ready.status, &ready.json()["status"]),
        (200, &"ok".into()),
        "{}",
        ready.text()
    );
    for fault in [Fault::Refuse, Fault::Hang, Fault::Throttle] {
        let began = std::time::Instant::now();
        scenario.courtyard.database.inject(fault).unwrap();
        let answer = scenario.get("/health/ready");
        assert!(began.elapsed().as_millis() < 2_000, "{fault:?}");
        assert_eq!(answer.status, 503, "{fault:?}");
        let failed = failed(&answer);
        assert!(
            failed.contains(&"madang-dev-devices".to_owned()),
            "{fault:?}: {failed:?}"
        );
        scenario.courtyard.database.heal().unwrap();
        eventually("it is ready again", || {
            (scenario.get("/health/ready").status == 200).then_some(())
        });
    }
    scenario.courtyard.secrets.inject(Fault::Refuse).unwrap();
    let answer = scenario.get("/health/ready");
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("tracking-keys"));
    scenario.courtyard.secrets.heal().unwrap();
}

#[test]
fn readiness_names_the_published_version_that_cannot_be_loaded() {
    let scenario = Scenario::start();
    scenario.create("campaigns", "one", &campaign("top"));
    assert_eq!(scenario.publish("campaigns")["state"], "live");
    assert_eq!(scenario.get("/health/ready").status, 200);

    let artefact = artefact(&scenario, "campaigns");
    let aside = artefact.with_extension("aside");
    fs::rename(&artefact, &aside).unwrap();
    let answer = scenario.get("/health/ready");
    assert_eq!(answer.status, 503);
    assert_eq!(failed(&answer), ["published/campaigns"]);
    fs::write(&artefact, "half").unwrap();
    let answer = scenario.get("/health/ready");
    assert_eq!(failed(&answer), ["published/campaigns"]);

    fs::rename(&aside, &artefact).unwrap();
    let answer = scenario.get("/health/ready");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let document = answer.json();
    let dependencies = document["dependencies"].as_array().unwrap();
    let published = |dependency: &&Value| dependency["name"] == "published/campaigns";
    assert_eq!(dependencies.iter().find(published).unwrap()["version"], 1);
}

/// The file of the only artefact of a kind.
fn artefact(scenario: &Scenario, kind: &str) -> PathBuf {
    let blobs = &scenario.courtyard.description().blobs;
    let bucket = fs::read_dir(blobs).unwrap().next().unwrap().unwrap().path();
    let version = bucket.join(kind).join("0000000001");
    let files = fs::read_dir(version)
        .unwrap()
        .map(|file| file.unwrap().path());
    let mut artefacts = files.filter(|path| path.to_string_lossy().contains("/artefact-"));
    artefacts.next().unwrap()
}

#[test]
fn what_no_route_takes_is_404_or_405() {
    let scenario = Scenario::start();
    for target in [
        "/",
        "/nothing",
        "/v1/devices//profile",
        "/health/",
        "//",
        "/v1/allocations/x",
    ] {
        let answer = scenario.get(target);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (404, &"not_found".into()),
            "{target}"
        );
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
    for (method, target, allow) in [
        ("DELETE", "/health", "GET, HEAD"),
        ("GET", "/v1/allocations", "POST"),
        (
            "POST",
            "/v1/devices/phone-0-example-0000/profile",
            "DELETE, GET, HEAD, PUT",
        ),
        ("PATCH", "/v1/app/status", "GET, HEAD"),
    ] {
        let answer = scenario.send(&Request::new(method, target));
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (405, &"method_not_allowed".into()),
            "{target}"
        );
        assert_eq!(answer.header("allow"), Some(allow), "{method} {target}");
    }
}

#[test]
fn the_documentation_is_served_whole() {
    let scenario = Scenario::start();
    let document = scenario.get("/openapi.json");
    assert_eq!(document.json()["openapi"], "3.1.0");
    let page = scenario.get("/docs");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("default-src 'self'")
    );
    for (asset, holds) in [
        ("swagger-ui.css", ".swagger-ui"),
        ("swagger-ui-bundle.js", "SwaggerUIBundle"),
        ("start.js", "/openapi.json"),
    ] {
        assert!(page.text().contains(asset) || asset == "start.js");
        let plain = scenario.get(&format!("/docs/{asset}"));
        assert_eq!(plain.status, 200, "{asset}");
        assert!(plain.text().contains(holds), "{asset}");
        let request = Request::get(&format!("/docs/{asset}")).header("accept-encoding", "gzip");
        let packed = scenario.send(&request);
        assert_eq!(packed.status, 200);
        if asset != "start.js" {
            assert_eq!(packed.header("content-encoding"), Some("gzip"));
            assert!(packed.body.len() < plain.body.len() / 2);
        }
    }
    assert_eq!(scenario.get("/docs/other.js").status, 404);
}
