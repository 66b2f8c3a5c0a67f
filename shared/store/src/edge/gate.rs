//! The maintenance gate: who may come in while a published window closes the app.
//!
//! Maintenance is read as all published content is. Who the testers are is looked for once a window
//! closes the app to somebody: out of maintenance, one head is looked after and not two.

use std::{net::IpAddr, sync::Arc};

use aws::Aws;
use domain::{
    DeviceId, Instant, Platform, ReportedValue, Store,
    content::{Kind, Maintenance, Testers, Window},
};
use http::HeaderMap;
use kit::{
    BoxFuture, Faults, Problem, Runtime, Vars,
    call::Facts,
    middleware::{Gate, Passed},
    problem::Chain,
};

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
    fn admit(&self, facts: &Facts, headers: &HeaderMap) -> BoxFuture<Result<Passed, Problem>> {
        let published = Arc::clone(&self.0);
        let visitor = Visitor::of(facts, headers);
        Box::pin(async move { published.admit(visitor).await })
    }
}

impl Published {
    async fn admit(&self, visitor: Visitor) -> Result<Passed, Problem> {
        let Visitor {
            platform,
            store,
            now,
            ..
        } = visitor;
        let maintenance = self.maintenance.current(now).await?;
        let window = maintenance.content.window(now, platform, store);
        match window {
            Some(window) if !self.knows_tester(&visitor).await => Err(refusal(window, now)),
            _ => Ok(Passed {
                next_boundary: maintenance.content.next_boundary(now),
                as_tester: window.is_some(),
            }),
        }
    }

    /// While testers cannot be read nobody is one: that the app is closed is known.
    async fn knows_tester(&self, visitor: &Visitor) -> bool {
        match self.testers.current(visitor.now).await {
            Ok(testers) => testers
                .content
                .include(visitor.device_id.as_ref(), visitor.address),
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
            device_id: text(headers, "x-device-id")
                .and_then(|text| DeviceId::reported(text.trim()).ok().flatten()),
            address: facts.address,
            now: facts.received_at,
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
