//! Instances as processes of the operating system, some of them killed while they hold leases.

use std::{
    env,
    process::{Child, Command, Stdio},
    time::Duration,
};

use aws::Pace;
use store::{Budgets, budgets::Leases};

use crate::{
    budgets::{CAMPAIGN, Instance, LAPSE, LIVES, Marks, settle_all, terms, used},
    harness::{Dynamo, NOON, table_at},
};

const BUDGET: u64 = 300;

/// Where a child finds the database, and which of them it is.
const ENDPOINT: &str = "BUDGETS_TEST_ENDPOINT";
const NTH: &str = "BUDGETS_TEST_NTH";

/// What a child does; in the parent, nothing.
#[tokio::test]
async fn as_a_child() {
    let (Ok(endpoint), Ok(nth)) = (env::var(ENDPOINT), env::var(NTH)) else {
        return;
    };
    let nth: u64 = nth.parse().unwrap();
    let budgets = Budgets::new(table_at(&endpoint, Pace::NORMAL));
    let instance = Instance::new(
        Leases::new(budgets, LIVES),
        terms(None, Some(BUDGET)),
        nth << 32,
    );
    let marks = Marks::at(&endpoint);
    let mut without = 0;
    while without < 20 {
        match instance.serve(NOON).await {
            Some(lease) => {
                marks.count(lease).await;
                marks.count(lease).await;
            }
            None => without += 1,
        }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_are_killed_cost_their_leases_until_these_lapse() {
    let dynamo = Dynamo::start().await;
    let budgets = Budgets::new(dynamo.table());
    let mut children: Vec<Child> = (1..=6).map(|nth| child(&dynamo.endpoint, nth)).collect();
    // Killed in the middle of it.
    while budgets.leases(CAMPAIGN).await.unwrap().len() < 12 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for child in children.iter_mut().take(3) {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    while children
        .iter_mut()
        .any(|child| child.try_wait().unwrap().is_none())
    {
        assert!(used(&budgets).await <= BUDGET);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What they held is free again, and another gives it out.
    let later = NOON + LAPSE;
    settle_all(&budgets, later).await;
    let marks = Marks::at(&dynamo.endpoint);
    let heir = Instance::new(
        Leases::new(budgets.clone(), LIVES),
        terms(None, Some(BUDGET)),
        7 << 32,
    );
    for _ in 0..2 * BUDGET {
        if let Some(lease) = heir.serve(later).await {
            marks.count(lease).await;
        }
    }
    let used = used(&budgets).await;
    assert!((BUDGET * 99 / 100..=BUDGET).contains(&used), "{used}");
}
