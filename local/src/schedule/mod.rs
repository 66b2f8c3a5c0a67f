//! EventBridge schedules: each invokes its worker when it is due, never twice at the same time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use kit::Clock;
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

mod cron;
mod expression;

pub use expression::{Expression, ExpressionError};

use crate::{
    identifier,
    sandbox::Sandbox,
    say::say,
    stop::Stopped,
    template::{self, ACCOUNT, REGION},
};

/// Schedules that run until they are stopped.
#[derive(Debug, Default)]
pub struct Schedules {
    running: JoinSet<()>,
    counters: BTreeMap<String, Arc<Counter>>,
}

/// How often a schedule's worker ran: on a fast clock, seldomer than it was due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Runs {
    /// Runs that have ended.
    pub ended: u64,
    /// How many of them failed.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Counter {
    ended: AtomicU64,
    failed: AtomicU64,
}

impl Schedules {
    /// Starts `schedule` for `worker`; it ends when `stopped` turns true, after the run it is in.
    pub fn start(
        &mut self,
        schedule: &template::Schedule,
        expression: Expression,
        worker: Arc<Sandbox>,
        time: Time,
        mut stopped: Stopped,
    ) {
        let schedule = schedule.clone();
        let counter = Arc::clone(self.counters.entry(schedule.name.clone()).or_default());
        self.running.spawn(async move {
            let mut due = expression.next_after(time.now());
            loop {
                let Some(at) = due else {
                    return say(format_args!("{}: never due again", schedule.name));
                };
                tokio::select! {
                    () = sleep(time.until(at)) => {}
                    () = stopped.wait() => return,
                }
                let event = event(&schedule, at).to_string();
                // The sandbox prints a failure; the next run comes whatever became of this one.
                let run = worker.invoke(event.into(), None).await;
                counter.note(run.is_err());
                // Runs that became due meanwhile are not made up for.
                due = expression
                    .next_after(at)
                    .filter(|next| *next > time.now())
                    .or_else(|| expression.next_after(time.now()));
            }
        });
    }

    /// The runs so far, by the schedules' names.
    #[must_use]
    pub fn runs(&self) -> BTreeMap<String, Runs> {
        let counters = self.counters.iter();
        counters
            .map(|(name, counter)| (name.clone(), counter.runs()))
            .collect()
    }

    /// Waits for runs that have begun, at most as long as `grace`.
    pub async fn drain(mut self, grace: Duration) {
        let ended = async { while self.running.join_next().await.is_some() {} };
        if timeout(grace, ended).await.is_err() {
            say("scheduled runs were cut off");
        }
    }
}

impl Counter {
    fn note(&self, failed: bool) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(failed), Ordering::Relaxed);
    }

    fn runs(&self) -> Runs {
        Runs {
            ended: self.ended.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

/// The time that schedules go by.
#[derive(Debug, Clone)]
pub struct Time {
    /// What it shows.
    pub clock: Clock,
    /// How many seconds it shows per second.
    pub speed: u32,
}

impl Time {
    fn now(&self) -> Timestamp {
        let millis = self.clock.now().as_millis();
        Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
    }

    /// How long it really takes until `at` is shown.
    fn until(&self, at: Timestamp) -> Duration {
        let wait: SignedDuration = at.duration_since(self.now());
        Duration::try_from(wait).unwrap_or_default() / self.speed.max(1)
    }
}

/// The schedule's own input, or the event that EventBridge makes up
/// (<https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html>).
fn event(schedule: &template::Schedule, at: Timestamp) -> Value {
    schedule.input.clone().unwrap_or_else(|| {
        json!({
            "version": "0",
            "id": identifier::uuid(),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT,
            "time": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": REGION,
            "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{}", schedule.name)],
            "detail": {},
        })
    })
}

#[cfg(test)]
mod tests;
