//! Instances as processes of the operating system, some of them killed while they hold leases.

use std::{
    collections::BTreeSet,
    env,
    process::{Child, Command, Stdio},
    time::Duration,
};

use aws::Pace;
use domain::{Day, Instant, marks::MarkKind, pacing::Terms, tracking::Token};
use store::{
    Budgets, Marks,
    budgets::{Lease, Leases},
    marks::{Mark, Outcome},
};

use crate::{
    budgets::{CAMPAIGN, Instance, LAPSE, LIVES, settle_all, terms, used},
    harness::{Dynamo, NOON, Stamps, marks_over, table_at},
    marks::{roll_up, token, totals},
};

const BUDGET: u64 = 1_000;
const PROCESSES: u64 = 50;
const KILLED: usize = 10;

/// Where a child finds the database, and which of them it is.
const ENDPOINT: &str = "BUDGETS_TEST_ENDPOINT";
const NTH: &str = "BUDGETS_TEST_NTH";

/// An instance and the devices that see what it gives out.
struct Process {
    instance: Instance,
    nth: u64,
    marks: Marks,
    stamps: Stamps,
    served: u64,
}

impl Process {
    fn new(endpoint: &str, nth: u64) -> Self {
        let table = table_at(endpoint, Pace::NORMAL);
        let leases = Leases::new(Budgets::new(table.clone()), LIVES);
        Self {
            instance: Instance::new(leases, budget(), nth << 32),
            nth,
            marks: marks_over(table),
            stamps: Stamps::new(),
            served: 0,
        }
    }

    /// Serves a request, if there is a lease to do it under. What it gave out is seen once, and told
    /// twice.
    async fn serve(&mut self, now: Instant) -> bool {
        let Some(lease) = self.instance.serve(now).await else {
            return false;
        };
        self.served += 1;
        let token = Token {
            campaign: CAMPAIGN,
            lease: Some(lease),
            ..token((self.nth << 32) | self.served, "red", now)
        };
        let mark = Mark {
            token: &token,
            kind: MarkKind::Impression,
            names: None,
            charges: &[],
            conversions_after: None,
            flagged: false,
            at: now,
        };
        let first = self.marks.count(mark, self.stamps.next()).await.unwrap();
        assert_eq!(first, Outcome::Counted);
        let second = self.marks.count(mark, self.stamps.next()).await.unwrap();
        assert_eq!(second, Outcome::Repeated);
        true
    }
}

fn budget() -> Terms {
    terms(None, Some(BUDGET))
}

/// What a child does until it is killed or finds nothing more to give out; in the parent, nothing.
#[tokio::test]
async fn as_a_child() {
    let (Ok(endpoint), Ok(nth)) = (env::var(ENDPOINT), env::var(NTH)) else {
        return;
    };
    let mut process = Process::new(&endpoint, nth.parse().unwrap());
    let mut without = 0;
    while without < 20 {
        without += u32::from(!process.serve(NOON).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn child(endpoint: &str, nth: u64) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "processes::as_a_child"])
        .env(ENDPOINT, endpoint)
        .env(NTH, nth.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Who took a lease.
fn holder(lease: &Lease) -> u64 {
    lease.id >> 32
}

/// What is left of leases, of these holders.
async fn unused(budgets: &Budgets, holders: &BTreeSet<u64>) -> u64 {
    let leases = budgets.leases(CAMPAIGN).await.unwrap();
    let theirs = leases
        .iter()
        .filter(|lease| holders.contains(&holder(lease)));
    theirs.map(|lease| lease.chunk - lease.used).sum()
}

/// Waits until as many processes as are to be killed have units to give out, and says which.
async fn victims(budgets: &Budgets) -> BTreeSet<u64> {
    loop {
        let leases = budgets.leases(CAMPAIGN).await.unwrap();
        let holding = leases.iter().filter(|lease| lease.chunk > lease.used + 1);
        let holders: BTreeSet<u64> = holding.map(holder).collect();
        if holders.len() >= KILLED {
            return holders.into_iter().take(KILLED).collect();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_processes_ten_are_killed_and_a_thousand_are_delivered_and_not_one_more() {
    let dynamo = Dynamo::start().await;
    let budgets = Budgets::new(dynamo.table());
    let mut running: Vec<(u64, Child)> = (1..=PROCESSES)
        .map(|nth| (nth, child(&dynamo.endpoint, nth)))
        .collect();
    let victims = victims(&budgets).await;
    for (nth, child) in &mut running {
        if victims.contains(nth) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    assert!(unused(&budgets, &victims).await > 0, "they held leases");
    let ended = |(nth, child): &mut (u64, Child)| match child.try_wait().unwrap() {
        Some(status) => {
            assert!(status.success() || victims.contains(nth), "{nth}: {status}");
            true
        }
        None => false,
    };
    while !running.iter_mut().all(ended) {
        assert!(used(&budgets).await <= BUDGET);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What they held is free again, and another gives it out.
    let later = NOON + LAPSE;
    settle_all(&budgets, later).await;
    let mut heir = Process::new(&dynamo.endpoint, PROCESSES + 1);
    for _ in 0..2 * BUDGET {
        heir.serve(later).await;
    }
    let used = used(&budgets).await;
    assert!((BUDGET * 99 / 100..=BUDGET).contains(&used), "{used}");
    // And that is what is billed, by a roll-up that knows no budget.
    roll_up(&dynamo, later).await;
    let billed = totals(&dynamo, Day::of(NOON)).await;
    let billed: u64 = billed.values().map(|counts| counts.impressions).sum();
    assert_eq!(billed, used);
}
