//! That a request asks the heap for no more among many campaigns than among few, and that a publication
//! of as many fits into the publish worker.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::{collections::HashSet, sync::Arc, time::Duration};

use bench_selection::full;
use domain::{
    Day,
    allocation::{Given, Lineup, Profile, Request, Snapshot, allocate},
    content::{Kind, compile, format},
};
use rand::{SeedableRng as _, rngs::StdRng};
use store::published::{Compiler, Freezer};

/// How often each request asks the heap.
#[expect(
    clippy::unwrap_used,
    reason = "a test is to end where something is amiss"
)]
fn allocations(count: usize) -> Vec<u64> {
    let items: Result<Vec<_>, _> = full::campaigns().take(count).collect();
    let artefact = compile(Kind::Campaigns, &items.unwrap()).unwrap();
    let snapshot = Arc::new(Snapshot::load(format(Kind::Campaigns), &artefact).unwrap());
    let now = "2026-01-01T12:00:00Z".parse().unwrap();
    // With leases for all that need one: who lacks one is told of, in a list of its own.
    let delivery = Arc::new(full::delivery(&snapshot, now));
    let leases: HashSet<u64> = delivery.throttles.keys().copied().collect();
    let lineup = Lineup::new(Arc::clone(&snapshot), delivery, Duration::MAX, now);
    let showings = full::showings(&snapshot, Day::of(now), now.as_minutes());
    let profile: Profile = serde_json::from_value(bench_selection::profile()).unwrap();
    let segments = bench_selection::segments(&profile);
    let mut rng = StdRng::seed_from_u64(1);
    let mut asked = Vec::new();
    for round in 0..2 {
        for request in full::requests() {
            let request: Request = serde_json::from_value(request).unwrap();
            let given = Given {
                request: &request,
                profile: Some(&profile),
                segments: Some(&segments),
                config: None,
                showings: &showings,
                leases: &leases,
                member: None,
                now,
            };
            let heap = allocation_counter::measure(|| {
                allocate(&lineup, &given, &mut rng);
            });
            // The first round makes the memory that requests share.
            if round > 0 {
                asked.push(heap.count_total);
            }
        }
    }
    asked
}

#[test]
fn a_request_asks_the_heap_as_often_among_many_campaigns_as_among_few() {
    let few = allocations(1_000);
    assert_eq!(few, allocations(100_000));
    assert!(few.iter().all(|count| *count < 25), "{few:?}");
}

/// The most heap that compiling so many campaigns takes, and the size of their JSON, in bytes. A page of
/// drafts and the copy of a blob that the publish worker reads back are not in it.
fn compiling(count: usize) -> (u64, u64) {
    let campaigns = full::campaigns().take(count);
    let mut campaigns: Vec<_> = campaigns
        .map(|campaign| campaign.map(|(id, item)| (id, item.to_string())).unwrap())
        .collect();
    campaigns.sort();
    let compiler = Compiler::default();
    let heap = allocation_counter::measure(|| {
        let mut freezer = Freezer::default();
        for (id, json) in &campaigns {
            freezer.add(id, json).unwrap();
        }
        let items = freezer.finish().unwrap();
        let artefact = (compiler.compile)(Kind::Campaigns, &items).unwrap();
        (compiler.check)(Kind::Campaigns, format(Kind::Campaigns), &artefact).unwrap();
    });
    let json_bytes = campaigns.iter().map(|(_, json)| json.len() as u64).sum();
    (heap.bytes_max, json_bytes)
}

#[test]
fn compiling_campaigns_takes_little_more_heap_than_their_json() {
    // The same of 100,000: 61 MB for 59 MB. As values they would take several times as much.
    let (heap, json) = compiling(20_000);
    assert!(heap <= json * 5 / 4, "{heap} for {json}");
}
