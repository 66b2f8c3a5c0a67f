//! The purge worker: forgets members whose grace is over.
//!
//! Whatever it is doing when it is killed, the next run finds the member due still and does it all
//! again with the same end. Providers are told before what we know of them is gone; one that cannot
//! be told keeps its member due, for [`PATIENCE`] and no longer.
#![forbid(unsafe_code)]

use std::time::Duration;

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
use sessions::{AuthKeys, SessionSettings, let_go};
use store::{
    Database, Stamp, StoreError,
    devices::Devices,
    edge::TokenSettings,
    members::{Due, LinkedIdentity, Members, PurgeStep},
    revocations::{Change, Revocations},
};
use upstream::{
    SecretSettings,
    providers::{ProviderError, ProviderSettings, Providers},
};

const NAME: &str = "withdrawal-purge";

/// For so long after the grace a member stays due because a provider cannot be told.
const PATIENCE: Duration = Duration::from_secs(3 * 86_400);

/// The most members that are looked for at once.
const AT_ONCE: usize = 100;

/// A run stops to take on members this long before it would be ended.
const RESERVE: Duration = Duration::from_secs(15);

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
}

impl Worker {
    async fn run(&self, job: Job<IgnoredAny>) -> Result<Summary, Failure> {
        let mut rng = job.random.rng();
        let mut summary = Summary::default();
        let mut last: Option<Due> = None;
        // One who cannot be forgotten now must not stand before those who can.
        'pages: loop {
            let page = self.members.due(job.now, last.as_ref(), AT_ONCE).await?;
            let is_last = page.len() < AT_ONCE;
            for due in page {
                if job.deadline.since(self.clock.now()) < RESERVE {
                    tracing::info!("the rest is for the next run");
                    break 'pages;
                }
                let pseudonym = RandomId::new(job.now, &mut rng);
                let stamp = Stamp::random(&mut rng);
                match self.forget(&due, pseudonym, stamp, job.now).await {
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
                break;
            }
        }
        match summary.left {
            0 => Ok(summary),
            left => Err(Failure::Left(left)),
        }
    }

    /// `false`: they came back.
    async fn forget(
        &self,
        due: &Due,
        pseudonym: RandomId,
        stamp: Stamp,
        now: Instant,
    ) -> Result<bool, Failure> {
        let begun = self.members.begin_purge(due, pseudonym, stamp, now).await?;
        let Some(purge) = begun else {
            return Ok(false);
        };
        let ended = SessionsEnded {
            at: now,
            except: None,
        };
        let change = Change::EndAll(due.member, ended);
        self.revocations.change(&change, now).await?;
        let remains = self.members.remains(&purge).await?;
        if let Some(ban) = remains.ban.as_ref().filter(|ban| ban.holds(now)) {
            let keys = self.keys.current(now).await?;
            let hashes = remains.identities.iter().map(|identity| {
                let secret = identity.secret_sha256.as_deref();
                IdentityHash::current(&keys, identity.provider, &identity.subject, secret)
            });
            let hashes: Vec<_> = hashes.collect();
            self.members.retain_ban(&purge, ban, &hashes).await?;
        }
        for identity in &remains.identities {
            let owner = self.members.owner(identity.provider, &identity.subject);
            // Told before, and perhaps a new member's since.
            if owner.await? != Some(due.member) {
                continue;
            }
            match self.tell(identity, now).await {
                Err(error) if now >= due.purge_at + PATIENCE => {
                    let (provider, error) = (identity.provider, Chain(&error));
                    tracing::error!(%provider, %error, "a provider was never told");
                }
                told => told?,
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

    async fn tell(&self, identity: &LinkedIdentity, now: Instant) -> Result<(), Failure> {
        let keys = self.keys.current(now).await?;
        Ok(let_go(&self.providers, identity, &keys, now).await?)
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
