//! The purge worker: deletes members whose grace is over, and calls the providers whose connection with
//! a user is to end.
//!
//! Whatever it is doing when it is killed, the next run finds the member due still and does it all
//! again with the same end. Before an identity is deleted an entry is stored in the unlink outbox, so that
//! no provider stands in the way of a purge. Entries are called after the members, in a part of the run that
//! members leave free ([`Schedule`]); one whose call fails is put off with growing pauses, for
//! [`UNLINK_PATIENCE`](store::members::UNLINK_PATIENCE) and no longer.
#![forbid(unsafe_code)]

mod outbox;
mod schedule;

use aws::Pace;
use domain::{
    DeviceKey, Instant, RandomId,
    identity::{IdentityHash, MemberId, SessionsEnded},
};
use kit::{
    Clock, Faults, Function, Job, Vars,
    config::{ResourceName, Variable},
    problem::Chain,
};
use serde::{Serialize, de::IgnoredAny};
use sessions::{AuthKeys, SessionSettings};
use store::{
    Database, Stamp, StoreError,
    devices::Devices,
    edge::TokenSettings,
    members::{Due, Members, PurgeStep},
    revocations::{Change, Revocations},
};
use upstream::{
    SecretSettings,
    providers::{ProviderError, ProviderSettings, Providers},
};

use self::schedule::Schedule;

const NAME: &str = "withdrawal-purge";

/// The most members, or entries of the outbox, that are looked for at once.
const AT_ONCE: usize = 100;

kit::settings! {
    /// What the worker needs beside.
    pub struct Settings {
        /// Where devices are kept.
        devices_table: ResourceName = "DEVICES_TABLE", example "madang-dev-devices";
    }
}

/// Every variable that the worker reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SecretSettings::VARIABLES,
    SessionSettings::VARIABLES,
    TokenSettings::VARIABLES,
    ProviderSettings::VARIABLES,
    Settings::VARIABLES,
];

struct Worker {
    members: Members,
    devices: Devices,
    revocations: Revocations,
    providers: Providers,
    keys: AuthKeys,
    clock: Clock,
}

/// The worker.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, ((secrets, session), (token, (provider, settings))), aws) =
        aws::start(vars, NAME, |vars| {
            let sessions = Faults::both(SecretSettings::read(vars), SessionSettings::read(vars));
            let own = Faults::both(ProviderSettings::read(vars), Settings::read(vars));
            Faults::both(sessions, Faults::both(TokenSettings::read(vars), own))
        })?;
    let providers = provider.providers(runtime.settings.stage, &secrets, &aws)?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let members = database.table(&token.members_table.0);
    let worker = Worker {
        revocations: Revocations::new(members.clone()),
        members: Members::new(members),
        devices: Devices::new(database.table(&settings.devices_table.0)),
        providers,
        keys: session.keys(&secrets, &aws),
        clock: runtime.clock.clone(),
    };
    Ok(kit::worker(
        NAME,
        runtime,
        worker,
        |worker, job| async move { worker.run(job).await },
    ))
}

/// What came of a run.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// Members who were forgotten.
    forgotten: u32,
    /// Members who came back in time.
    stayed: u32,
    /// Members who are to be forgotten by a later run.
    left: u32,
    /// Connections that were ended at their providers, or need not be.
    unlinked: u32,
    /// Connections that only the user can end, because the provider takes no call or we lack what it asks
    /// for.
    unlinks_not_possible: u32,
    /// Connections whose provider could not be called; a later run tries again.
    unlinks_put_off: u32,
    /// Connections that were given up after [`UNLINK_PATIENCE`](store::members::UNLINK_PATIENCE).
    unlinks_given_up: u32,
    /// Entries of the outbox that could not be processed for a reason of ours; a later run tries again.
    unlinks_failed: u32,
}

/// Why a member is not forgotten yet.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A table.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A provider cannot be told.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The keys that unseal what providers gave us cannot be read.
    #[error(transparent)]
    Keys(#[from] upstream::SecretError),
    /// Some members were left for a later run.
    #[error("{0} members could not be forgotten")]
    Left(u32),
    /// Some entries of the outbox were left for a later run.
    #[error("{0} entries of the unlink outbox could not be processed")]
    Outbox(u32),
}

impl Worker {
    async fn run(&self, job: Job<IgnoredAny>) -> Result<Summary, Failure> {
        let schedule = Schedule::of(job.now, job.deadline);
        let mut summary = Summary::default();
        let purged = self.purge_members(&job, &schedule, &mut summary).await;
        // A failure of one part does not stand in the way of the other.
        let drained = self.drain_outbox(job.now, &schedule, &mut summary).await;
        purged?;
        drained?;
        match (summary.left, summary.unlinks_failed) {
            (0, 0) => Ok(summary),
            (0, failed) => Err(Failure::Outbox(failed)),
            (left, _) => Err(Failure::Left(left)),
        }
    }

    async fn purge_members(
        &self,
        job: &Job<IgnoredAny>,
        schedule: &Schedule,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        let mut rng = job.random.rng();
        let mut last: Option<Due> = None;
        // One who cannot be forgotten now must not stand before those who can.
        loop {
            let page = self.members.due(job.now, last.as_ref(), AT_ONCE).await?;
            let is_last = page.len() < AT_ONCE;
            for due in page {
                if self.clock.now() > schedule.members_until {
                    tracing::info!("the rest is for the next run");
                    return Ok(());
                }
                let pseudonym = RandomId::new(job.now, &mut rng);
                let stamp = Stamp::random(&mut rng);
                match self.forget(&due, pseudonym, stamp).await {
                    Ok(true) => summary.forgotten += 1,
                    Ok(false) => summary.stayed += 1,
                    Err(error) => {
                        let member = due.member;
                        tracing::error!(%member, error = %Chain(&error), "not forgotten yet");
                        summary.left += 1;
                    }
                }
                last = Some(due);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// `false`: they came back.
    async fn forget(&self, due: &Due, pseudonym: RandomId, stamp: Stamp) -> Result<bool, Failure> {
        let now = self.clock.now();
        let begun = self.members.begin_purge(due, pseudonym, stamp, now).await?;
        let Some(purge) = begun else {
            return Ok(false);
        };
        // A run lasts for longer than verifiers of tokens look back in the log, so that an entry must have
        // the time of its own write.
        let now = self.clock.now();
        let ended = SessionsEnded {
            at: now,
            except: None,
        };
        let change = Change::EndAll(due.member, ended);
        self.revocations.change(&change, now).await?;
        let remains = self.members.remains(&purge).await?;
        if remains.ban.as_ref().is_some_and(|ban| ban.holds(now)) {
            let keys = self.keys.current(now).await?;
            let hashes = remains.identities.iter().map(|identity| {
                let secret = identity.secret_sha256.as_deref();
                IdentityHash::current(&keys, identity.provider, &identity.subject, secret)
            });
            let hashes: Vec<_> = hashes.collect();
            self.members.retain_ban(&purge, &hashes, now).await?;
        }
        for identity in &remains.identities {
            let owner = self.members.owner(identity.provider, &identity.subject);
            // It may be a new member's by now, whose connection must stay.
            if owner.await? == Some(due.member) {
                self.members.enqueue_unlink(&purge, identity, now).await?;
            }
        }
        for device in remains.devices {
            self.forget_device(device, due.member, now).await?;
            self.members.purge_device(&purge, device).await?;
        }
        for step in PurgeStep::ALL {
            self.members.purge_step(&purge, *step).await?;
        }
        Ok(true)
    }

    /// Erases what a member put on a device, and what belongs to the device while it is theirs.
    async fn forget_device(
        &self,
        device: DeviceKey,
        member: MemberId,
        now: Instant,
    ) -> Result<(), StoreError> {
        let sharing = self.members.device_sharing(device, member, now).await?;
        self.devices.forget(device, member, sharing.later).await
    }
}
