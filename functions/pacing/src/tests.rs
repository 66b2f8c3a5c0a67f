//! A campaign's life, minute by minute, over an embedded database.

use std::{collections::HashMap, time::Duration};

use aws::{Aws, Endpoints, Keys, Pace, Settings};
use domain::{
    Instant,
    allocation::Snapshot,
    delivery::{Delivery, Zone},
    key_of,
    pacing::{Counted, Curve, Minutes, Passes, Progress, Terms},
};
use store::{
    Budgets, Database, Table,
    budgets::{Account, Lease, Lives, Phase, Refusal, Taken},
    marks::Totals,
};
use tokio::net::TcpListener;

use crate::{Summary, known::Known, round::Round};

const EXPOSURE: Duration = Duration::from_secs(480);

const LIVES: Lives = Lives {
    lease: Duration::from_secs(120),
    token: Duration::from_secs(300),
};

const ITEM: &str = r#"{"items":[{"id":"spring","item":{"advertiser":"acme","name":"Spring",
    "starts_at":"2026-01-01T00:00:00Z","tier":1,"weight":1,"placements":["home"],"types":["image"],
    "consent":"not_required","no_device":"serve","budget":{"pricing":"impressions","total":10000},
    "pacing":"asap","sampling":"weighted","click_url":"https://example.com",
    "creatives":[{"id":"red","type":"image","weight":1,"assets":{}}]}}]}"#;

/// One table for everything: all of them have the same shape.
async fn table() -> Table {
    let engine = dynoxide::Database::memory().unwrap();
    let definition = serde_json::json!({
        "TableName": "things",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
    });
    engine
        .create_table(serde_json::from_value(definition).unwrap())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dynamodb = format!("http://{}", listener.local_addr().unwrap());
    let listener = listener.into_std().unwrap();
    // The engine works synchronously: on a thread of its own, until the process ends.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let never = std::future::pending();
            dynoxide::server::serve_with_shutdown(listener, engine, never).await
        })
    });
    let aws = Aws::new(Settings {
        region: "ap-northeast-2".into(),
        credentials: Keys {
            access_key_id: "test".into(),
            secret_access_key: "test".into(),
            session_token: None,
        },
        endpoints: Endpoints {
            dynamodb: Some(dynamodb),
            ..Endpoints::default()
        },
        app_name: "pacing-tests".into(),
    });
    Database::connect(&aws.unwrap(), Pace::NORMAL).table("things")
}

/// The worker's world, at some minute.
struct World {
    budgets: Budgets,
    totals: Totals,
    snapshot: Snapshot,
    before: Delivery,
    passes: HashMap<u64, Passes>,
    now: Instant,
    /// Up to when everything is counted, if that is not the moment of the last run.
    known_since: Option<Instant>,
    ids: u64,
}

impl World {
    async fn new() -> Self {
        let table = table().await;
        Self {
            budgets: Budgets::new(table.clone()),
            totals: Totals::new(table),
            snapshot: Snapshot::load(1, ITEM.as_bytes()).unwrap(),
            before: Delivery::default(),
            passes: HashMap::new(),
            now: "2026-03-01T12:00:00Z".parse().unwrap(),
            known_since: None,
            ids: 0,
        }
    }

    /// Runs the worker after so many minutes, when the totals of a minute ago say this.
    async fn run(&mut self, minutes: u64, counted: u64, a_minute: u32, traffic: f64) -> Summary {
        self.now = self.now + Duration::from_secs(60 * minutes);
        let as_of = self.now - Duration::from_secs(60);
        let impressions = Counted {
            impressions: counted,
            ..Counted::default()
        };
        let progress = Progress {
            total: impressions,
            today: impressions,
            recent: Minutes {
                end: as_of.as_minutes(),
                counts: vec![a_minute; 15],
            },
            ..Progress::none(as_of)
        };
        let progress = Progress {
            as_of: self.known_since.unwrap_or(as_of),
            ..progress
        };
        let known = Known {
            as_of,
            progress: HashMap::from([(key_of("spring"), progress)]),
            curve: Curve::UNIFORM,
            traffic_per_minute: Some(traffic),
            slots_per_minute: Some(traffic),
        };
        let accounts = self.budgets.accounts().await.unwrap();
        let round = Round {
            budgets: &self.budgets,
            totals: &self.totals,
            snapshot: &self.snapshot,
            before: &self.before,
            known: &known,
            accounts: &accounts,
            exposure: EXPOSURE,
            now: self.now,
            patience: Duration::from_secs(20),
        };
        let (delivery, passes, mut summary) = round.paced(std::mem::take(&mut self.passes)).await;
        round.settle(&mut summary).await;
        (self.before, self.passes) = (delivery, passes);
        summary
    }

    fn zone(&self) -> Zone {
        self.before.throttles[&key_of("spring")].zone
    }

    async fn account(&self) -> Option<Account> {
        self.budgets.account(key_of("spring")).await.unwrap()
    }

    async fn phase(&self) -> Phase {
        self.account().await.unwrap().phase
    }

    async fn take(&mut self, units: u32) -> Result<Lease, Refusal> {
        self.ids += 1;
        let campaign = self.snapshot.campaigns().next().unwrap();
        let terms = Terms::of(campaign.key, campaign.budget.unwrap(), campaign.time_zone).unwrap();
        let taken = self.budgets.take(&terms, units, self.ids, LIVES, self.now);
        match taken.await.unwrap() {
            Taken::Lease(lease) => Ok(lease),
            Taken::Refused(refusal) => Err(refusal),
        }
    }
}

#[tokio::test]
async fn a_campaign_is_leased_while_it_is_new_and_near_its_end_and_open_between() {
    let mut world = World::new().await;
    world.run(0, 0, 0, 5_000.0).await;
    assert_eq!(world.zone(), Zone::Exact, "any of the traffic might be its");
    assert_eq!(world.account().await, None);
    assert_eq!(world.take(5).await.unwrap().chunk, 5);

    // It turns out to be slow.
    let summary = world.run(1, 3, 2, 5_000.0).await;
    assert_eq!((world.zone(), summary.open), (Zone::Open, 1));
    assert_eq!(world.phase().await, Phase::Open);
    assert_eq!(world.take(1).await, Err(Refusal::NotLeasing(None)));
    let summary = world.run(8, 19, 2, 5_000.0).await;
    assert_eq!((summary.settled, summary.moved, summary.drift), (1, 0, 0));

    // And fast after all: what went out openly must come in before the first lease.
    world.run(5, 9_700, 100, 5_000.0).await;
    assert_eq!(world.zone(), Zone::Exact);
    let leases_from = world.now + EXPOSURE + Duration::from_secs(60);
    for _ in 0..9 {
        let refused = world.take(1).await;
        assert_eq!(refused, Err(Refusal::NotLeasing(Some(leases_from))));
        world.run(1, 9_990, 0, 5_000.0).await;
    }
    assert_eq!(world.phase().await, Phase::Closing, "the totals lag");
    world.run(1, 9_990, 0, 5_000.0).await;
    assert_eq!(world.phase().await, Phase::Leasing);
    for _ in 0..10 {
        assert_eq!(world.take(9).await.unwrap().chunk, 1);
    }
    assert_eq!(world.take(1).await, Err(Refusal::Spent));

    // The totals come to know of all of them.
    let summary = world.run(9, 10_000, 0, 5_000.0).await;
    assert_eq!((world.zone(), summary.spent), (Zone::Spent, 1));

    world.snapshot = Snapshot::default();
    world.run(1, 10_000, 0, 5_000.0).await;
    world.run(1, 10_000, 0, 5_000.0).await;
    assert!(world.before.throttles.is_empty());
    assert!(world.account().await.unwrap().expires_at.is_some());
}

#[tokio::test]
async fn what_is_counted_beside_an_account_is_put_into_it_and_told() {
    let mut world = World::new().await;
    world.take(5).await.unwrap();
    let summary = world.run(1, 40, 0, 5_000.0).await;
    assert_eq!(summary.drift, 40);
    let account = world.account().await.unwrap();
    assert_eq!((account.reserved, account.counted), (45, 40));
    let again = world.run(1, 40, 0, 5_000.0).await;
    assert_eq!(again.drift, 0);
}

#[tokio::test]
async fn a_campaign_that_had_marks_before_it_had_a_budget_is_taken_stock_of_first() {
    let mut world = World::new().await;
    world.run(0, 40, 0, 5_000.0).await;
    assert_eq!(world.phase().await, Phase::Closing);
    world.run(11, 45, 0, 5_000.0).await;
    let account = world.account().await.unwrap();
    assert_eq!(account.phase, Phase::Leasing);
    assert_eq!((account.reserved, account.counted), (45, 45));
}

#[tokio::test]
async fn a_budget_is_spent_although_the_roll_up_has_a_backlog() {
    let mut world = World::new().await;
    world.known_since = Some(Instant::default());
    world.run(1, 9_999, 0, 5_000.0).await;
    assert_eq!(world.zone(), Zone::Exact, "nothing is known for certain");
    world.run(1, 10_000, 0, 5_000.0).await;
    assert_eq!(world.zone(), Zone::Spent);
}

#[tokio::test]
async fn a_worker_that_remembers_nothing_goes_on_from_the_last_delivery() {
    let mut world = World::new().await;
    world.run(0, 0, 0, 5_000.0).await;
    world.run(1, 30, 2, 5_000.0).await;
    assert_eq!(world.zone(), Zone::Open);
    world.passes.clear();
    world.run(1, 32, 2, 5_000.0).await;
    assert_eq!(world.zone(), Zone::Open);
    assert_eq!(world.passes.len(), 1);
}
