//! A day in a minute: a stack on a fast clock, a handful of campaigns, and a day's traffic over HTTP,
//! so that one can see pacing, budgets, caps and learning at work.

mod chart;
mod findings;
mod html;
mod ledger;
mod play;
mod report;
mod shape;
mod store;
mod traffic;

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant as WallInstant},
};

use anyhow::{Context as _, Result, ensure};
use domain::{Day, Instant};
use kit::{Clock, clock::Course};
use local::schedule::Runs;

use self::{
    ledger::Ledger,
    play::{Played, Player},
    store::{Budgets, Line},
};
use crate::{
    client::{Client, ReportRow},
    options::Options,
    stack::TEMPLATE,
};

pub use self::report::DayReport;

/// A day in 72 seconds, unless told otherwise. At a day a minute, the workers of a development build
/// fall further behind.
const SPEED: u32 = 1_200;

/// Visits of the day, unless told otherwise.
const VISITS: usize = 12_000;

/// How long before midnight the stack is started, on its clock.
const LEAD: Duration = Duration::from_secs(2 * 3_600);

/// For how long after midnight, on its clock, what is still on its way is waited for.
const TRAIL: Duration = Duration::from_secs(20 * 60);

/// What happened.
#[derive(Debug)]
struct Outcome {
    seed: u64,
    speed: u32,
    budgets: Budgets,
    elapsed: Duration,
    played: Played,
    ledger: Ledger,
    /// What the report says in the end.
    rows: BTreeMap<Line, ReportRow>,
    /// How many minutes passed on its clock while the workers' runs were counted.
    minutes: u64,
    /// How often each worker ran in them.
    runs: BTreeMap<String, Runs>,
}

impl Outcome {
    /// What the report says of a campaign.
    fn row(&self, line: Line) -> ReportRow {
        self.rows.get(&line).cloned().unwrap_or_default()
    }
}

/// Runs the day, and writes its HTML report.
///
/// # Errors
/// The stack cannot be started, or the campaigns cannot be published. What goes wrong in the day
/// itself is in the report.
pub async fn day(options: &Options) -> Result<DayReport> {
    let folder = tempfile::tempdir().context("a folder for the stack's data")?;
    let began = WallInstant::now();
    let visits = options.visits.unwrap_or(VISITS);
    let speed = options.speed.unwrap_or(SPEED);
    let budgets = Budgets::of(visits);
    // In the future, where a clock that is fast can be.
    let day = Day::of(Clock::system().now()).plus_days(2);
    let (starts_at, ends_at) = (midnight(day)?, midnight(day.plus_days(1))?);
    let course = course(speed, Clock::system().now(), starts_at - LEAD)?;
    let stack = start(folder.path(), options.seed, course).await?;
    let clock = Clock::fast(course);
    let client = Client::new(stack.description())?;
    publish(&client, budgets, starts_at, ends_at).await?;
    ensure!(
        clock.now() < starts_at,
        "this machine is too slow: the day began before its campaigns were published"
    );
    let player = Player::new(client, clock, speed, starts_at);
    player.until(starts_at).await;
    let before = stack.runs();
    let played = player.play(traffic::visits(options.seed, visits)).await;
    let minutes = player.now().since(starts_at).as_secs() / 60;
    let runs = stack
        .runs()
        .into_iter()
        .map(|(name, runs)| {
            let before = before.get(&name).copied().unwrap_or_default();
            let day = Runs {
                ended: runs.ended - before.ended,
                failed: runs.failed - before.failed,
            };
            (name, day)
        })
        .collect();
    let rows = settled(&player, ends_at).await;
    stack.stop().await;
    let rows = rows?;
    let ledger = std::mem::replace(&mut *player.ledger(), Ledger::new(starts_at));
    let outcome = Outcome {
        seed: options.seed,
        speed,
        budgets,
        elapsed: began.elapsed(),
        played: played?,
        ledger,
        rows,
        minutes,
        runs,
    };
    DayReport::new(outcome)
}

/// A stack on this folder, whose time takes this course.
async fn start(folder: &Path, seed: u64, course: Course) -> Result<local::Stack> {
    let mut options = local::Options::new(TEMPLATE, folder).unthrottled();
    options.course = Some(course);
    options.environment = BTreeMap::from(
        [
            ("RANDOM_SEED", seed.to_string()),
            // On the wall, seconds of this clock are less than a call to the database takes.
            ("SNAPSHOT_REFRESH_S", "60".to_owned()),
            ("SNAPSHOT_STALE_S", "600".to_owned()),
            // The workers do not keep up with every minute: what is held stays good for longer.
            ("DELIVERY_AGE_LIMIT_S", "900".to_owned()),
            ("SECRETS_TTL_S", "43200".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    local::Stack::start(options)
        .await
        .context("no stack starts")
}

async fn publish(
    client: &Client,
    budgets: Budgets,
    starts_at: Instant,
    ends_at: Instant,
) -> Result<()> {
    let documents = Line::ALL.map(|line| line.document(budgets, starts_at, ends_at));
    client
        .import(&documents)
        .await
        .context("importing the campaigns")?;
    client
        .publish("A day in a minute")
        .await
        .context("publishing the campaigns")?;
    Ok(())
}

/// The course of a clock that shows `shown` at `now`, to the millisecond of when it began.
fn course(speed: u32, now: Instant, shown: Instant) -> Result<Course> {
    ensure!(speed > 1 && shown >= now, "a fast clock is ahead");
    let ahead = shown.since(now);
    let since = now - ahead / (speed - 1);
    Ok(Course { speed, since })
}

fn midnight(day: Day) -> Result<Instant> {
    format!("{day}T00:00:00Z")
        .parse()
        .context("a day has a midnight")
}

/// What the report says once nothing is on its way any more.
async fn settled(player: &Player, ends_at: Instant) -> Result<BTreeMap<Line, ReportRow>> {
    player.until(ends_at + TRAIL).await;
    player.roll_up().await.context("rolling the marks up")?;
    player.rows().await.context("reading the report")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_shows_the_moment_it_is_told_to_and_runs_on_from_there() {
        let now: Instant = "2026-03-01T12:34:56Z".parse().unwrap();
        let shown: Instant = "2026-03-05T00:00:00Z".parse().unwrap();
        let course = course(SPEED, now, shown).unwrap();
        let at = |wall: Instant| course.since + wall.since(course.since) * course.speed;
        let off = at(now).as_millis() - shown.as_millis();
        assert!(off.unsigned_abs() <= u64::from(SPEED), "{off} ms");
        let minute = Duration::from_secs(60);
        assert_eq!(at(now + minute).since(at(now)), minute * SPEED);
        assert!(super::course(SPEED, shown, now).is_err());
    }
}
