//! The days before: campaigns are published, and the stack learns what its days look like, which it
//! paces by. Nothing is shown yet, as no campaign has begun.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use domain::Day;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kit::Clock;
use serde_json::json;
use tokio::time::sleep;

use super::{
    course, midnight,
    shape::share_of_hour,
    start,
    store::{Budgets, Line, PLACEMENTS, SLOTS},
};
use crate::client::Client;

/// Four hours a second.
const SPEED: u32 = 14_400;

/// How many days before the day are taught: the one between is left to the clock, which goes on
/// while the stack stops.
const DAYS_BEFORE: i64 = 2;

/// Requests in an hour, each for as many slots as make the hour's traffic.
const REQUESTS_AN_HOUR: u32 = 48;

/// The most slots that a placement has in a request.
const MOST_SLOTS: u32 = 20;

/// How many requests are under way at once.
const AT_ONCE: usize = 4;

/// Publishes the campaigns of `day`, and asks for slots as that day will.
pub(crate) async fn teach(
    folder: &Path,
    seed: u64,
    visits: usize,
    budgets: Budgets,
    day: Day,
) -> Result<()> {
    let taught = midnight(day.plus_days(-DAYS_BEFORE))?;
    let publishing = Clock::system().now();
    let course = course(SPEED, publishing, taught - Duration::from_secs(24 * 3600))?;
    let stack = start(folder, seed, course).await?;
    let clock = Clock::fast(course);
    let client = Client::new(stack.description())?;
    publish(&client, budgets, day).await?;
    stream::iter(0..24 * REQUESTS_AN_HOUR)
        .map(|number| {
            let (client, clock) = (&client, &clock);
            async move {
                let at = taught + Duration::from_secs(3600) * number / REQUESTS_AN_HOUR;
                sleep(at.since(clock.now()) / SPEED).await;
                client.allocate(&request(slots(number, visits))).await
            }
        })
        .buffered(AT_ONCE)
        .try_for_each(|_| async { Ok(()) })
        .await
        .context("asking for slots on the day before")?;
    client.roll_up().await?;
    stack.stop().await;
    Ok(())
}

async fn publish(client: &Client, budgets: Budgets, day: Day) -> Result<()> {
    let (starts_at, ends_at) = (midnight(day)?, midnight(day.plus_days(1))?);
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

/// How many slots a request asks for, so that each hour asks for what that of the day will.
fn slots(request: u32, visits: usize) -> u32 {
    let hour = usize::try_from(request / REQUESTS_AN_HOUR).unwrap_or(0);
    let visits = u32::try_from(visits).unwrap_or(u32::MAX);
    let slots = f64::from(visits) * f64::from(SLOTS) * share_of_hour(hour);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates, and it is not negative"
    )]
    let slots = (slots / f64::from(REQUESTS_AN_HOUR)).round() as u32;
    slots.max(1)
}

/// A request for so many slots, or for as many as there can be.
fn request(slots: u32) -> serde_json::Value {
    let mut left = slots;
    let placements: Vec<_> = PLACEMENTS
        .iter()
        .map_while(|(id, _)| {
            let count = left.min(MOST_SLOTS);
            left -= count;
            (count > 0).then(|| json!({ "id": id, "count": count }))
        })
        .collect();
    json!({ "placements": placements, "device": { "platform": "android" } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_taught_day_asks_for_about_as_many_slots_as_the_day_itself() {
        let all: u32 = (0..24 * REQUESTS_AN_HOUR)
            .map(|number| slots(number, 10_000))
            .sum();
        assert!((38_000..42_000).contains(&all), "{all}");
    }

    #[test]
    fn a_request_spreads_its_slots_over_the_placements() {
        let counts = |slots| -> Vec<u64> {
            let request = request(slots);
            let placements = request["placements"].as_array().unwrap();
            placements
                .iter()
                .map(|it| it["count"].as_u64().unwrap())
                .collect()
        };
        assert_eq!(counts(1), [1]);
        assert_eq!(counts(45), [20, 20, 5]);
        assert_eq!(counts(99), [20, 20, 20]);
    }
}
