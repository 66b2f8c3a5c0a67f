//! The maintenance gate: who may come in while a published window closes the app.
//!
//! Maintenance is read as all published content is. Who the testers are is looked for once a window
//! closes the app to somebody: out of maintenance, one head is looked after and not two.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use aws::Aws;
use domain::{
    DeviceId, Instant, Platform, ReportedValue, Store,
    content::{Kind, Maintenance, Testers, Window},
};
use http::HeaderMap;
use kit::{
    BoxFuture, Faults, Problem, Runtime, Vars,
    call::Facts,
    extract::BODY_LIMIT_BYTES,
    middleware::{Gate, Passed},
    problem::Chain,
};
use serde::Deserialize;
use serde_json::Value;

use super::{SnapshotSettings, SnapshotSource, Watched};

/// What a function starts with whose routes close for maintenance: what [`aws::start`] gives, and
/// the gate. The gate's own settings are [`SnapshotSettings`].
///
/// # Errors
/// Every fault of them all.
pub fn start_gated<S>(
    vars: &Vars,
    name: &str,
    settings: impl FnOnce(&Vars) -> Result<S, Faults>,
) -> Result<(Runtime, S, Aws, Arc<Gatekeeper>), Faults> {
    let (runtime, (snapshots, own), aws) = aws::start(vars, name, |vars| {
        Faults::both(SnapshotSettings::read(vars), settings(vars))
    })?;
    let gate = snapshots.source(&aws).gate();
    Ok((runtime, own, aws, gate))
}

/// Keeps the gate of one function.
#[derive(Debug, Clone)]
pub struct Gatekeeper(Arc<Published>);

#[derive(Debug)]
struct Published {
    maintenance: Watched<Maintenance>,
    testers: Watched<Testers>,
}

/// Who wants to come in, as far as they say so. Nothing here is proved: a gate keeps users from a
/// service that is being worked on, not attackers.
#[derive(Debug)]
struct Visitor {
    platform: Option<Platform>,
    store: Option<Store>,
    device_id: Option<DeviceId>,
    address: Option<IpAddr>,
    now: Instant,
}

impl SnapshotSource {
    /// Who closes a function's routes during maintenance.
    pub fn gate(&self) -> Arc<Gatekeeper> {
        Arc::new(Gatekeeper(Arc::new(Published {
            maintenance: self.reader(Kind::Maintenance, Maintenance::load),
            testers: self.reader(Kind::Testers, Testers::load),
        })))
    }
}

impl Gate for Gatekeeper {
    fn admit(
        &self,
        facts: &Facts,
        headers: &HeaderMap,
        body: &[u8],
    ) -> BoxFuture<Result<Passed, Problem>> {
        let published = Arc::clone(&self.0);
        let visitor = Visitor::of(facts, headers);
        // What is larger is refused by the next layers.
        let body = match body.len() <= BODY_LIMIT_BYTES {
            true => body.to_vec(),
            false => Vec::new(),
        };
        Box::pin(async move { published.admit(visitor, &body).await })
    }
}

impl Published {
    async fn admit(&self, visitor: Visitor, body: &[u8]) -> Result<Passed, Problem> {
        let now = visitor.now;
        let maintenance = self.maintenance.current(now).await?;
        // Out of maintenance, which is nearly always, no body is looked into.
        let in_body = match maintenance.content.has_open_window(now) {
            true => DescribedDevice::in_body(body),
            false => DescribedDevice::default(),
        };
        let said = [
            (visitor.platform, visitor.store),
            (in_body.platform, in_body.store),
        ];
        // One of the two is enough: an app may name its platform in either place.
        let window = said
            .into_iter()
            .find_map(|(platform, store)| maintenance.content.window(now, platform, store));
        match window {
            Some(window) if !self.knows_tester(&visitor, &in_body).await => {
                Err(refusal(window, now))
            }
            _ => Ok(Passed {
                next_boundary: maintenance.content.next_boundary(now),
                as_tester: window.is_some(),
            }),
        }
    }

    /// While testers cannot be read nobody is one: that the app is closed is known.
    async fn knows_tester(&self, visitor: &Visitor, in_body: &DescribedDevice) -> bool {
        let device_id = visitor.device_id.as_ref().or(in_body.id.as_ref());
        match self.testers.current(visitor.now).await {
            Ok(testers) => testers.content.include(device_id, visitor.address),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "testers are not let in");
                false
            }
        }
    }
}

fn refusal(window: &Window, now: Instant) -> Problem {
    let problem = Problem::maintenance(window.message.clone(), window.ends_at, now);
    match &window.url {
        Some(url) => problem.with("url", url),
        None => problem,
    }
}

impl Visitor {
    /// The query goes before the headers, as in the app's status. What is none of ours is not said.
    fn of(facts: &Facts, headers: &HeaderMap) -> Self {
        Self {
            platform: said(facts, headers, "platform", "x-app-platform"),
            store: said(facts, headers, "store", "x-app-store"),
            device_id: text(headers, "x-device-id").and_then(DeviceId::reported),
            address: facts.address,
            now: facts.received_at,
        }
    }
}

/// What a request's body says of its device, where the route takes a `device` (sign-in, guests,
/// allocations). What cannot be read is not said: the route itself refuses a wrong body.
#[derive(Debug, Default)]
struct DescribedDevice {
    platform: Option<Platform>,
    store: Option<Store>,
    id: Option<DeviceId>,
}

impl DescribedDevice {
    fn in_body(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            device: BTreeMap<String, Value>,
        }
        let Ok(Body { device }) = serde_json::from_slice(body) else {
            return Self::default();
        };
        let member = |name: &str| device.get(name)?.as_str();
        let id = member("id").and_then(DeviceId::reported);
        Self {
            platform: member("platform").and_then(Platform::reported),
            store: member("store").and_then(Store::reported),
            id,
        }
    }
}

fn said<T: ReportedValue>(
    facts: &Facts,
    headers: &HeaderMap,
    query: &str,
    name: &str,
) -> Option<T> {
    facts
        .queried(query)
        .and_then(|value| T::reported(&value))
        .or_else(|| text(headers, name).and_then(T::reported))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
