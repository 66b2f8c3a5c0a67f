//! Forgetting: the purge worker, wherever it is killed, and what is left of a member afterwards.

use std::{
    collections::BTreeSet, env, fs, net::TcpListener, path::Path, process::Stdio, time::Duration,
};

use domain::DeviceKey;
use kit::{Clock, Vars};
use lambda_runtime::Context;
use local::functions::Registry;
use serde_json::{Value, json};
use tests::{
    fault::{Fault, Rule},
    http1::{self, Request},
    interruption::{Interruption, Moment, Run},
    project::{self, Services},
};

use crate::{
    leavers::{Addresses, IS_WORKER, Leaver, stack, tokens, unlinked, worker},
    people::{by, proof, with_environment},
    scenario::Scenario,
    tracking::aws,
};

/// What a child does; in the parent, nothing.
#[test]
fn the_worker_as_a_process() {
    let Ok(milliseconds_left) = env::var(IS_WORKER) else {
        return;
    };
    let mut context = Context::default();
    context.deadline = match milliseconds_left.parse().unwrap() {
        0 => 0,
        left => Clock::system().now().as_millis().unsigned_abs() + left,
    };
    let vars: Vars = env::vars().collect();
    let build = Registry::workspace().get("withdrawal-purge");
    let worker = build.expect("a worker")(&vars).expect("a configuration");
    let event = fs::read(project::root().join("events/withdrawal-purge.json")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let ended = runtime.block_on(worker.invoke(event.into(), context));
    ended.expect("nobody is left");
}

/// The worker in front of a stack, and whatever stands between.
struct Purge<'s> {
    scenario: &'s Scenario,
    between: Interruption,
    addresses: Addresses,
}

impl<'s> Purge<'s> {
    fn of(scenario: &'s Scenario) -> Self {
        let between = Interruption::default();
        let services = scenario.courtyard.services();
        let providers = &scenario.courtyard.description().providers_url;
        let addresses = Addresses {
            providers: between.before(providers).unwrap(),
            services: Services {
                dynamodb: between.before(&services.dynamodb).unwrap(),
                secrets: between.before(&services.secrets).unwrap(),
                ..services
            },
        };
        Self {
            scenario,
            between,
            addresses,
        }
    }

    /// Runs the worker, so many days after today.
    fn run(&self, days_ahead: u32, cut: Option<(usize, Moment)>) -> Run {
        let mut worker = worker(&self.addresses, days_ahead);
        let worker = worker.stdout(Stdio::null()).stderr(Stdio::null());
        self.between.run(worker, cut).unwrap()
    }

    /// Runs it to its end.
    fn finish(&self, days_ahead: u32) {
        let run = self.run(days_ahead, None);
        assert!(run.status.success() && run.calls > 0, "{run:?}");
    }

    /// Forgets one member after another, of whom each is cut off at the next call, and compares what
    /// is left of them with what is left of one whom nothing interrupted.
    fn cut_everywhere(&self, moment: Moment) {
        let whole = Leaver::arrive(self.scenario, 1_000);
        whole.withdraw(self.scenario);
        self.finish(0);
        let left = remains(self.scenario, &whole.member);
        assert_eq!(self.trace_of(&whole), None);
        for nth in 1.. {
            let leaver = Leaver::arrive(self.scenario, nth);
            leaver.withdraw(self.scenario);
            let run = self.run(0, Some((nth, moment)));
            self.finish_after(run, nth);
            let at = format!("{moment:?} call {nth}");
            assert_eq!(self.trace_of(&leaver), None, "{at}");
            assert_eq!(remains(self.scenario, &leaver.member), left, "{at}");
            for (provider, sub) in &leaver.subjects {
                assert!(
                    unlinked(self.scenario, provider).contains(sub),
                    "{at}: {provider}"
                );
            }
            if !run.killed {
                assert!(nth > 20, "only {nth} calls were cut off");
                break;
            }
        }
    }

    fn finish_after(&self, run: Run, nth: usize) {
        if run.killed {
            assert!(!run.status.success());
            self.finish(0);
        } else {
            assert!(run.status.success() && run.calls < nth, "{run:?}");
        }
    }

    /// Where there is still something that names them.
    fn trace_of(&self, leaver: &Leaver) -> Option<String> {
        let items = everything(self.scenario);
        let named = |(table, item): &(String, Value)| {
            let text = item.to_string();
            let trace = leaver.traces.iter().find(|trace| text.contains(&***trace));
            trace.map(|trace| format!("{trace} in {table}: {text}"))
        };
        items.iter().find_map(named)
    }
}

/// All items of all tables.
fn everything(scenario: &Scenario) -> Vec<(String, Value)> {
    let description = scenario.courtyard.description();
    let scan = |table: &String| {
        let body = json!({"TableName": table, "ConsistentRead": true});
        let request = Request::new("POST", "/")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "DynamoDB_20120810.Scan")
            .header("x-amz-date", "20260101T000000Z")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=t/20260101/ap-northeast-2/dynamodb/aws4_request, \
                 SignedHeaders=host, Signature=0",
            )
            .body(body.to_string());
        let answer = http1::send(&description.dynamodb_endpoint, &request).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let found = answer.json();
        assert_eq!(
            found.get("LastEvaluatedKey"),
            None,
            "one page holds them all"
        );
        let items = found["Items"].as_array().unwrap().clone();
        let named = |item| (table.clone(), item);
        items.into_iter().map(named).collect::<Vec<_>>()
    };
    description.tables.values().flat_map(scan).collect()
}

/// The shape of every item that names a member: its table, its key, and what it says.
fn remains(scenario: &Scenario, member: &str) -> BTreeSet<String> {
    let items = everything(scenario).into_iter();
    let of_member = items.filter(|(_, item)| item.to_string().contains(member));
    let shape = |(table, item): (String, Value)| {
        let key = |name: &str| text(&item[name]["S"]).replace(member, "(member)");
        if key("pk").starts_with("revocations#") {
            return format!("{table} revocations");
        }
        let names: Vec<&String> = item.as_object().unwrap().keys().collect();
        format!("{table} {} {} {names:?}", key("pk"), key("sk"))
    };
    of_member.map(shape).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// Whether anything of a member was changed, but what the stack does by itself.
fn untouched(scenario: &Scenario, leaver: &Leaver, purge: impl FnOnce()) {
    let own = || {
        let items = everything(scenario).into_iter();
        let own = items.filter(|(_, item)| item.to_string().contains(&leaver.member));
        own.map(|(table, item)| format!("{table} {item}"))
            .collect::<BTreeSet<_>>()
    };
    let before = own();
    purge();
    assert_eq!(own(), before);
}

#[test]
fn a_purge_that_is_killed_before_any_of_its_calls_ends_as_if_it_had_not_been() {
    let scenario = stack(0);
    Purge::of(&scenario).cut_everywhere(Moment::Before);
}

#[test]
fn a_purge_that_is_killed_after_any_of_its_calls_ends_as_if_it_had_not_been() {
    let scenario = stack(0);
    Purge::of(&scenario).cut_everywhere(Moment::After);
}

#[test]
fn of_a_member_who_was_forgotten_a_tombstone_without_a_name_is_left() {
    let scenario = stack(0);
    let leaver = Leaver::arrive(&scenario, 1);
    leaver.withdraw(&scenario);
    assert!(remains(&scenario, &leaver.member).len() > 8);
    scenario
        .courtyard
        .invoke("withdrawal-purge", b"{}")
        .unwrap();
    let left = remains(&scenario, &leaver.member);
    let members = &scenario.courtyard.description().tables["MembersTable"];
    let kept = |key: &str| {
        left.iter()
            .any(|item| item.starts_with(&format!("{members} {key}")))
    };
    assert!(kept("member#(member) member "), "{left:#?}");
    assert!(kept("member#(member) standing "), "{left:#?}");
    assert!(
        kept("revocations"),
        "until their access tokens lapse: {left:#?}"
    );
    assert_eq!(left.len(), 3, "{left:#?}");
    // Their tokens are good for nothing, and what they signed in with makes somebody new.
    assert_eq!(
        leaver.call(&scenario, "GET", "/v1/me", &json!({})).status,
        401
    );
    let again = json!({
        "device": {"id": leaver.devices[0], "platform": "ios"},
        "guest_id": leaver.guest["guest_id"], "guest_secret": leaver.guest["guest_secret"],
    });
    assert_eq!(scenario.post("/v1/auth/guest", &again).status, 401);
    let blobs = &scenario.courtyard.description().blobs;
    assert!(
        !says(blobs, &leaver.traces),
        "nothing was written elsewhere"
    );
}

/// Whether a file below a folder has any of these texts.
fn says(folder: &Path, traces: &[String]) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let path = entry.path();
        let text = || String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        path.is_dir() && says(&path, traces)
            || path.is_file() && traces.iter().any(|trace| text().contains(trace))
    })
}

#[test]
fn who_came_back_stays_and_who_did_not_stays_until_the_grace_is_over() {
    let scenario = stack(30);
    let purge = Purge::of(&scenario);
    let (back, gone) = (Leaver::arrive(&scenario, 1), Leaver::arrive(&scenario, 2));
    for leaver in [&back, &gone] {
        leaver.withdraw(&scenario);
    }
    untouched(&scenario, &gone, || purge.finish(29));
    let stay = back.call(&scenario, "DELETE", "/v1/me/withdrawal", &json!({}));
    assert_eq!(stay.status, 204, "{}", stay.text());
    untouched(&scenario, &back, || purge.finish(31));
    // A clock that runs so fast may end a run before it has called every provider.
    purge.finish(31);
    assert_eq!(
        back.call(&scenario, "GET", "/v1/me", &json!({})).status,
        200
    );
    assert_eq!(purge.trace_of(&gone), None);
    for (provider, sub) in &back.subjects {
        assert!(!unlinked(&scenario, provider).contains(sub), "{provider}");
    }
}

/// How many connections wait to be ended at their providers.
fn waiting(scenario: &Scenario) -> usize {
    let items = everything(scenario);
    let waits = |(_, item): &&(String, Value)| item["pk"]["S"] == "unlink-outbox";
    items.iter().filter(waits).count()
}

#[test]
fn a_provider_that_is_down_stands_in_the_way_of_no_purge_and_is_called_for_three_days() {
    let scenario = stack(0);
    let (purge, mut down) = (Purge::of(&scenario), Purge::of(&scenario));
    down.addresses.providers = nowhere();
    let leaver = Leaver::arrive(&scenario, 1);
    leaver.withdraw(&scenario);
    down.finish(0);
    let member = remains(&scenario, &leaver.member);
    let tombstone = member
        .iter()
        .filter(|item| item.contains("member#(member)"));
    assert_eq!(
        tombstone.count(),
        2,
        "nothing waits for a provider: {member:#?}"
    );
    assert_eq!(waiting(&scenario), 3);
    down.finish(2);
    assert_eq!(waiting(&scenario), 3, "put off");
    purge.finish(3);
    assert_eq!(waiting(&scenario), 0);
    assert_eq!(purge.trace_of(&leaver), None);
    for (provider, sub) in &leaver.subjects {
        assert!(unlinked(&scenario, provider).contains(sub), "{provider}");
    }

    let never = Leaver::arrive(&scenario, 2);
    never.withdraw(&scenario);
    down.finish(0);
    assert_eq!(waiting(&scenario), 3);
    down.finish(4);
    assert_eq!(waiting(&scenario), 0, "given up");
    assert_eq!(purge.trace_of(&never), None);
}

#[test]
fn who_comes_back_while_their_provider_is_down_is_a_new_member_and_stays_connected() {
    let scenario = stack(0);
    let (purge, mut down) = (Purge::of(&scenario), Purge::of(&scenario));
    down.addresses.providers = nowhere();
    let leaver = Leaver::arrive(&scenario, 1);
    leaver.withdraw(&scenario);
    down.finish(0);
    assert_eq!(waiting(&scenario), 3);
    let kakao = &leaver.subjects["kakao"];
    let issued = tokens(&scenario, "kakao", kakao, None);
    let body = json!({
        "provider": "kakao", "access_token": issued["access_token"],
        "device": {"id": "new-phone-example-01", "platform": "android"},
    });
    let signed = scenario.post("/v1/auth/sign-in", &body);
    assert_eq!(signed.status, 201, "{}", signed.text());
    assert_ne!(signed.json()["member"]["id"], leaver.member);
    purge.finish(1);
    assert_eq!(waiting(&scenario), 0);
    assert!(!unlinked(&scenario, "kakao").contains(kakao));
    assert!(unlinked(&scenario, "apple").contains(&leaver.subjects["apple"]));
}

#[test]
fn an_unlinking_whose_provider_is_down_is_made_up_for_by_the_worker() {
    let scenario = with_environment(&[("KAKAO_API_URL", nowhere().as_str())]);
    let person = by(&scenario, "google", "g-1");
    let linked = person.post(
        &scenario,
        "/v1/me/identities",
        &proof(&scenario, "kakao", "4242", json!({})),
    );
    assert_eq!(linked.status, 201, "{}", linked.text());
    let unlinked_here = person.delete(&scenario, "/v1/me/identities/kakao");
    assert_eq!(unlinked_here.status, 204, "{}", unlinked_here.text());
    assert_eq!(waiting(&scenario), 1);
    Purge::of(&scenario).finish(1);
    assert_eq!(waiting(&scenario), 0);
    assert!(unlinked(&scenario, "kakao").contains(&"4242".to_owned()));
}

#[test]
fn a_run_takes_on_nobody_more_once_its_time_is_nearly_over() {
    let scenario = stack(0);
    let purge = Purge::of(&scenario);
    let leavers = [
        Leaver::guest(&scenario, "first-phone-example-01"),
        Leaver::guest(&scenario, "second-phone-example-01"),
    ];
    for leaver in &leavers {
        leaver.withdraw(&scenario);
    }
    let slow = Rule::from(Fault::Delay(Duration::from_millis(100))).of("withdrawal-purge");
    scenario.courtyard.database.inject(slow).unwrap();
    let mut hurried = worker(&purge.addresses, 0);
    let hurried = hurried.env(IS_WORKER, "16000").stdout(Stdio::null());
    let run = purge.between.run(hurried, None).unwrap();
    assert!(run.status.success(), "{run:?}");
    scenario.courtyard.database.heal().unwrap();
    let forgotten = || {
        leavers
            .iter()
            .filter(|leaver| purge.trace_of(leaver).is_none())
    };
    assert_eq!(forgotten().count(), 1);
    purge.finish(0);
    assert_eq!(forgotten().count(), 2);
}

#[test]
fn each_member_of_a_run_is_revoked_at_the_time_of_their_own_purge() {
    const DELAY: Duration = Duration::from_millis(40);
    let scenario = stack(0);
    let leavers = ["first", "second", "third"]
        .map(|name| Leaver::guest(&scenario, &format!("{name}-phone-example-01")));
    for leaver in &leavers {
        leaver.withdraw(&scenario);
    }
    let slow = Rule::from(Fault::Delay(DELAY)).of("withdrawal-purge");
    scenario.courtyard.database.inject(slow).unwrap();
    Purge::of(&scenario).finish(0);
    scenario.courtyard.database.heal().unwrap();
    let items = everything(&scenario).into_iter();
    let revocations = items.filter(|(_, item)| text(&item["pk"]["S"]).starts_with("revocations#"));
    let mut made_at: Vec<domain::Instant> = revocations
        .map(|(_, item)| text(&item["made_at"]["S"]).parse().unwrap())
        .collect();
    made_at.sort();
    assert_eq!(made_at.len(), leavers.len());
    // A purge makes more than ten calls one after another.
    for pair in made_at.windows(2) {
        assert!(pair[1].since(pair[0]) > 10 * DELAY, "{made_at:?}");
    }
}

#[test]
fn an_outbox_entry_that_cannot_be_read_or_called_stands_in_the_way_of_no_other() {
    let scenario = stack(0);
    let members = &scenario.courtyard.description().tables["MembersTable"];
    let broken = json!({"TableName": members, "Item": {
        "pk": {"S": "unlink-outbox"}, "sk": {"S": "2020-02-02T00:00:00Z#broken"},
        "created_at": {"S": "2020-02-02T00:00:00Z"},
    }});
    let endpoint = &scenario.courtyard.description().dynamodb_endpoint;
    aws(endpoint, "DynamoDB_20120810.PutItem", &broken);
    let leaver = Leaver::arrive(&scenario, 3);
    leaver.withdraw(&scenario);
    // A run that leaves an entry fails, so that an alarm tells operators.
    let run = scenario.courtyard.invoke("withdrawal-purge", b"{}");
    let failure = run.unwrap_err().to_string();
    assert!(
        failure.contains("1 entries of the unlink outbox could not be processed"),
        "{failure}"
    );
    for (provider, sub) in &leaver.subjects {
        assert!(unlinked(&scenario, provider).contains(sub), "{provider}");
    }
    assert_eq!(waiting(&scenario), 1);
}

#[test]
fn an_outage_of_our_own_gives_no_connection_up() {
    let scenario = stack(0);
    let (purge, mut down, mut without_keys) = (
        Purge::of(&scenario),
        Purge::of(&scenario),
        Purge::of(&scenario),
    );
    down.addresses.providers = nowhere();
    without_keys.addresses.services.secrets = nowhere();
    let leaver = Leaver::arrive(&scenario, 4);
    leaver.withdraw(&scenario);
    down.finish(0);
    assert_eq!(waiting(&scenario), 3);
    // Later than the provider is called for, if it is called and fails.
    let run = without_keys.run(4, None);
    assert!(!run.status.success(), "{run:?}");
    assert_eq!(waiting(&scenario), 3);
    purge.finish(4);
    purge.finish(4);
    assert_eq!(waiting(&scenario), 0);
    for (provider, sub) in &leaver.subjects {
        assert!(unlinked(&scenario, provider).contains(sub), "{provider}");
    }
}

#[test]
fn a_connection_that_only_the_user_can_end_is_counted_as_such() {
    let scenario = stack(0);
    // Without an authorization code there is no token that Apple could revoke.
    let person = by(&scenario, "apple", "apple.without.code");
    let begun = person.post(&scenario, "/v1/me/withdrawal", &json!({}));
    assert_eq!(begun.status, 202, "{}", begun.text());
    let run = scenario.courtyard.invoke("withdrawal-purge", b"{}");
    let summary = run.unwrap().json();
    assert_eq!(summary["unlinks_not_possible"], 1, "{summary}");
    assert_eq!(summary["unlinked"], 0, "{summary}");
    assert_eq!(waiting(&scenario), 0);
}

/// An address where nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn what_a_member_put_on_a_device_goes_with_them_whoever_signed_in_there_later() {
    let scenario = stack(0);
    let purge = Purge::of(&scenario);
    let device = "a-phone-that-two-share";
    let of_phone = |what: &str| format!("/v1/devices/{device}/{what}");
    let key = DeviceKey::of(&device.parse().unwrap());
    let left = || {
        let named = format!("device#{key}");
        let devices = &scenario.courtyard.description().tables["DevicesTable"];
        let of_device =
            |(table, item): &(String, Value)| table == devices && item["pk"]["S"] == *named;
        let items = everything(&scenario).into_iter().filter(of_device);
        let keys: BTreeSet<_> = items
            .map(|(_, item)| text(&item["sk"]["S"]).to_owned())
            .collect();
        keys
    };
    let put = |leaver: &Leaver, what: &str, body: Value| {
        let answer = leaver.call(&scenario, "PUT", &of_phone(what), &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let first = Leaver::guest(&scenario, device);
    put(&first, "profile", json!({"interests": ["golf"]}));
    put(&first, "content-config", json!({"frequency": "less"}));
    let segments = json!({"segments": ["vip"]});
    let server = Request::new("PUT", &of_phone("segments")).json(&segments);
    assert_eq!(scenario.service(server).status, 200);

    // Another signs in there, and puts one of the two.
    let last = Leaver::guest(&scenario, device);
    put(&last, "profile", json!({"interests": ["chess"]}));
    assert_eq!(left().len(), 4);
    first.withdraw(&scenario);
    purge.finish(0);
    assert_eq!(left(), ["profile".to_owned()].into());
    let kept = last.call(&scenario, "GET", &of_phone("profile"), &json!({}));
    assert_eq!(kept.json()["interests"], json!(["chess"]));
    last.withdraw(&scenario);
    purge.finish(0);
    assert_eq!(left(), BTreeSet::new());
    // Their access token is accepted for some seconds more, and brings nothing back.
    for (what, body) in [
        ("profile", json!({"interests": ["chess"]})),
        ("content-config", json!({"frequency": "off"})),
    ] {
        let late = last.call(&scenario, "PUT", &of_phone(what), &body);
        assert_eq!(late.status, 401, "{what}: {}", late.text());
    }
    assert_eq!(left(), BTreeSet::new());

    // One who put nothing takes nothing of another's.
    let owner = Leaver::guest(&scenario, device);
    put(&owner, "profile", json!({"interests": ["golf"]}));
    let stranger = Leaver::guest(&scenario, device);
    stranger.withdraw(&scenario);
    purge.finish(0);
    let kept = owner.call(&scenario, "GET", &of_phone("profile"), &json!({}));
    assert_eq!(kept.status, 200, "{}", kept.text());
}
