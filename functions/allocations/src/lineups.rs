//! The lineup that requests are served from. Another is made beside them, when there are other
//! campaigns or another delivery or when it is due; until then requests go on with the one before.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{
    Instant,
    allocation::{Lineup, Snapshot},
    delivery::Delivery,
};
use tokio::{
    task::{AbortHandle, JoinHandle, spawn_blocking},
    time::timeout,
};

/// How long the request that has another lineup made waits for it: a small one is there by then.
const PATIENCE: Duration = Duration::from_millis(1);

/// The same after a pause: what is newer has not been asked for, and may be much newer.
const PATIENCE_AFTER_PAUSE: Duration = Duration::from_millis(100);

/// It was a pause if nobody asked for so long.
const PAUSE: Duration = Duration::from_secs(2);

/// The last lineup.
pub(crate) struct Lineups {
    delivery_age_limit: Duration,
    confirm: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    last: Option<Lineup>,
    making: Option<AbortHandle>,
    asked_at: Instant,
    /// When the last lineup was found to be of what is newest.
    good_at: Instant,
}

impl Lineups {
    /// A delivery older than the limit is not gone by. A lineup that was good longer ago than
    /// `confirm`, as of an instance that was idle, serves no request.
    pub(crate) fn new(delivery_age_limit: Duration, confirm: Duration) -> Self {
        Self {
            delivery_age_limit,
            confirm,
            state: Arc::default(),
        }
    }

    /// The lineup at `now` of these campaigns and this delivery, or of those before.
    pub(crate) async fn of(
        &self,
        snapshot: &Arc<Snapshot>,
        delivery: &Arc<Delivery>,
        now: Instant,
    ) -> Lineup {
        let make = || {
            let (snapshot, delivery) = (Arc::clone(snapshot), Arc::clone(delivery));
            let age_limit = self.delivery_age_limit;
            move || Lineup::new(snapshot, delivery, age_limit, now)
        };
        let is_good = |lineup: &Lineup| lineup.is_of(snapshot, delivery) && !lineup.is_due(now);
        if let Some((making, patience)) = self.make_unless(is_good, make, now) {
            // Whether it was made in time shows in what it left behind.
            let _ = timeout(patience, making).await;
        }
        let mut state = lock(&self.state);
        let is_good = state.last.as_ref().is_some_and(is_good);
        if !is_good && now.since(state.good_at) > self.confirm {
            state.last = None;
        }
        // The first of a process, or after a pause, has nothing to be made beside.
        let is_made = is_good || state.last.is_none();
        let lineup = state.last.get_or_insert_with(make()).at(now);
        if is_made {
            state.good_at = now;
        }
        lineup
    }

    /// Begins to make another lineup beside the request, unless the last is good, another is being
    /// made or there is none yet; and says for how long to wait for it.
    fn make_unless<M: FnOnce() -> Lineup + Send + 'static>(
        &self,
        is_good: impl FnOnce(&Lineup) -> bool,
        make: impl FnOnce() -> M,
        now: Instant,
    ) -> Option<(JoinHandle<()>, Duration)> {
        let mut state = lock(&self.state);
        let pause = now.since(state.asked_at);
        state.asked_at = now;
        let under_way = state.making.as_ref().is_some_and(|it| !it.is_finished());
        if under_way || is_good(state.last.as_ref()?) {
            return None;
        }
        let (shared, make) = (Arc::clone(&self.state), make());
        let making = spawn_blocking(move || {
            let lineup = make();
            lock(&shared).last = Some(lineup);
        });
        state.making = Some(making.abort_handle());
        let patience = match pause > PAUSE {
            true => PATIENCE_AFTER_PAUSE,
            false => PATIENCE,
        };
        Some((making, patience))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE_LIMIT: Duration = Duration::from_secs(180);
    const CONFIRM: Duration = Duration::from_secs(30);
    const START: Instant = Instant::from_seconds(1_000_000);

    #[tokio::test]
    async fn another_lineup_is_made_beside_requests_that_go_on_with_the_one_before() {
        let lineups = Lineups::new(AGE_LIMIT, CONFIRM);
        let (old, new) = (Arc::<Snapshot>::default(), Arc::<Snapshot>::default());
        let delivery = Arc::default();
        let first = lineups.of(&old, &delivery, START).await;
        assert!(first.is_of(&old, &delivery));
        // One that takes its time is under way: nobody waits, and nobody begins another.
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (snapshot, known) = (Arc::clone(&new), Arc::clone(&delivery));
        let slow = move || {
            let _ = gone.recv();
            Lineup::new(snapshot, known, AGE_LIMIT, START)
        };
        let (making, _) = lineups.make_unless(|_| false, || slow, START).unwrap();
        for _ in 0..3 {
            let meanwhile = lineups.of(&new, &delivery, START).await;
            assert!(meanwhile.is_of(&old, &delivery));
        }
        go.send(()).unwrap();
        making.await.unwrap();
        let then = lineups.of(&new, &delivery, START).await;
        assert!(then.is_of(&new, &delivery));
    }

    #[tokio::test]
    async fn after_a_pause_the_first_request_is_served_from_what_is_newest() {
        let lineups = Lineups::new(AGE_LIMIT, CONFIRM);
        let delivery = Arc::default();
        lineups.of(&Arc::default(), &delivery, START).await;
        let (new, later) = (Arc::default(), START + Duration::from_secs(60));
        let lineup = lineups.of(&new, &delivery, later).await;
        assert!(lineup.is_of(&new, &delivery) && !lineup.is_due(later));
    }

    #[tokio::test]
    async fn after_a_pause_no_request_is_served_from_the_lineup_of_before_it() {
        let lineups = Lineups::new(AGE_LIMIT, CONFIRM);
        let (old, new) = (Arc::<Snapshot>::default(), Arc::<Snapshot>::default());
        let delivery = Arc::default();
        lineups.of(&old, &delivery, START).await;
        // Another request has begun to make one, which takes its time.
        let later = START + Duration::from_secs(60);
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (snapshot, known) = (Arc::clone(&new), Arc::clone(&delivery));
        let slow = move || {
            let _ = gone.recv();
            Lineup::new(snapshot, known, AGE_LIMIT, later)
        };
        let (making, _) = lineups.make_unless(|_| false, || slow, later).unwrap();
        assert!(
            lineups
                .of(&new, &delivery, later)
                .await
                .is_of(&new, &delivery)
        );
        go.send(()).unwrap();
        making.await.unwrap();
    }

    #[tokio::test]
    async fn one_that_could_not_be_made_is_begun_again() {
        let lineups = Lineups::new(AGE_LIMIT, CONFIRM);
        let delivery = Arc::default();
        lineups.of(&Arc::default(), &delivery, START).await;
        let broken = || || panic!("on purpose");
        let (making, _) = lineups.make_unless(|_| false, broken, START).unwrap();
        assert!(making.await.is_err());
        let (new, later) = (Arc::default(), START + Duration::from_secs(60));
        let lineup = lineups.of(&new, &delivery, later).await;
        assert!(lineup.is_of(&new, &delivery));
    }
}
