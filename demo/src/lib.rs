//! The main job on real traffic: the items of the Open Bandit log are published as campaigns, its
//! 10,000 visits replayed as allocations over HTTP with their impressions and clicks, and what the
//! stack counted is held against what was sent. Or a day's traffic in a minute, on a stack with a fast
//! clock. Or, without a stack, what its policies can be said to be worth by the log alone.
#![forbid(unsafe_code)]

mod audience;
mod authoring;
mod campaigns;
mod checks;
mod client;
mod dataset;
mod day;
mod evaluation;
mod options;
mod progress;
mod replay;
mod stack;
mod statistics;
mod summary;

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use tokio::time::{Instant, sleep};

pub use day::{DayReport, day};
pub use evaluation::{Evaluation, evaluate};
pub use options::{HELP, Options};
pub use summary::Summary;

use campaigns::Campaigns;
use client::{Client, Counts};
use dataset::Dataset;
use replay::Replay;
use stack::Stack;

/// How long a published version may take until allocations are answered from it.
const LIVE_WITHIN: Duration = Duration::from_secs(30);

/// The most campaigns of others that a request can leave out.
const MOST_EXCLUDED: usize = 200;

/// Runs the demo from the publication to the last count.
///
/// # Errors
/// The stack cannot be reached or started, or a call fails. That the stack answered but answered
/// wrongly is no error: the summary says so.
pub async fn run(options: &Options) -> Result<Summary> {
    let log = Dataset::read()?;
    let stack = Stack::find_or_start(options).await?;
    let outcome = play(options, &log, &stack).await;
    stack.stop().await;
    outcome
}

async fn play(options: &Options, log: &Dataset, stack: &Stack) -> Result<Summary> {
    let client = Client::new(stack.description())?;
    let run = Timestamp::now().to_string();
    let campaigns = Campaigns::new(log, options.targeted, &run);
    let excluded = others(&client, &campaigns).await?;
    let version = publish(&client, &campaigns, options).await?;
    let replay = Replay {
        client: &client,
        log,
        campaigns: &campaigns,
        excluded: &excluded,
        run: &run,
    };
    until_served(&replay).await?;
    replay.put_profiles(options.concurrency).await?;

    // What is counted is compared by difference, so that runs on one data folder do not add up.
    let days = days_around(Timestamp::now())?;
    let before = counted(&client, days).await?;
    let outcome = replay
        .run(
            options.seed,
            options.visits.unwrap_or(usize::MAX),
            options.concurrency,
        )
        .await?;
    let after = counted(&client, days).await?;
    let counted = campaigns
        .ids
        .iter()
        .map(|id| {
            after.get(id).copied().unwrap_or_default() - before.get(id).copied().unwrap_or_default()
        })
        .collect();
    Summary::new(
        options,
        stack,
        &campaigns,
        version,
        excluded.len(),
        outcome,
        counted,
    )
}

/// The campaigns on this stack that are not the demo's. Requests leave them out, or they would take
/// part in the draw.
async fn others(client: &Client, campaigns: &Campaigns) -> Result<Vec<String>> {
    let mut ids = client.campaign_ids().await?;
    ids.retain(|id| campaigns.item_of(id).is_none());
    ensure!(
        ids.len() <= MOST_EXCLUDED,
        "this stack has {} campaigns of others, and a request can leave out {MOST_EXCLUDED}: \
         give the demo a folder of its own with DATA=",
        ids.len(),
    );
    Ok(ids)
}

async fn publish(client: &Client, campaigns: &Campaigns, options: &Options) -> Result<u64> {
    client
        .import(&campaigns.documents)
        .await
        .context("importing the campaigns")?;
    let note = match options.targeted {
        true => "Open Bandit demo, some campaigns targeted",
        false => "Open Bandit demo",
    };
    client
        .publish(note)
        .await
        .context("publishing the campaigns")
}

/// Waits until an allocation is answered from the version that was just published.
async fn until_served(replay: &Replay<'_>) -> Result<()> {
    let deadline = Instant::now() + LIVE_WITHIN;
    loop {
        let answer = replay.probe().await?;
        if answer
            .items
            .iter()
            .any(|item| item.assets.run.as_deref() == Some(replay.run))
        {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the campaigns are published, but after {LIVE_WITHIN:?} allocations still come from before",
        );
        sleep(Duration::from_millis(100)).await;
    }
}

/// Rolls the marks up and reads the totals per campaign.
async fn counted(client: &Client, days: (Date, Date)) -> Result<BTreeMap<String, Counts>> {
    client.roll_up().await.context("rolling the marks up")?;
    client
        .report(days.0, days.1)
        .await
        .context("reading the report")
}

/// Yesterday and tomorrow: a run may pass midnight.
fn days_around(now: Timestamp) -> Result<(Date, Date)> {
    let today = now.to_zoned(TimeZone::UTC).date();
    Ok((today.checked_sub(1.day())?, today.checked_add(1.day())?))
}
