//! What the measured functions talk to: the local stack's database and secrets, on a processor of
//! their own.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, anyhow, ensure};
use aws::{Aws, Pace};
use domain::{
    DeviceId, Id, Instant, RandomId,
    allocation::Profile,
    content::{CompileError, ItemSet as _, Kind, compile, format},
    identity::MemberId,
};
use kit::{Clock, Vars as Settings};
use local::{Options, Stack, template::Template};
use rand::{SeedableRng as _, rngs::StdRng};
use serde::Deserialize;
use serde_json::json;
use store::{
    Blobs, Database, Devices, Drafts, Members, Publications, Publisher, Stamp,
    devices::{DeviceOwner, DeviceWriter, PutMode, PutOutcome},
    drafts::Edit,
    published::{Compiler, FrozenItems, Goal, Origin, Request, State},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{binaries::WORKSPACE, http1::Client, process::Vars};

/// The variable that says where the database is.
pub(crate) const DATABASE: &str = "AWS_ENDPOINT_URL_DYNAMODB";

/// A guest who was signed in.
#[derive(Deserialize)]
pub(crate) struct Guest {
    /// Opens what is theirs.
    pub(crate) access_token: String,
    /// Who they are.
    pub(crate) guest_id: String,
    /// What proves it.
    pub(crate) guest_secret: String,
    member: GuestMember,
}

#[derive(Deserialize)]
struct GuestMember {
    id: MemberId,
}

/// A local stack in a folder that goes away with it.
pub(crate) struct Backend {
    runtime: Runtime,
    stack: Stack,
    template: Template,
    clock: Clock,
    _data: TempDir,
}

impl Backend {
    /// Starts it; its threads stay on the processors of the thread that calls.
    pub(crate) fn start() -> Result<Self> {
        let data = tempfile::tempdir()?;
        let path = Path::new(WORKSPACE).join("template.yaml");
        let template = Template::read(&path, &BTreeMap::new())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let stack = runtime.block_on(Stack::start(Options::new(path, data.path())))?;
        Ok(Self {
            runtime,
            stack,
            template,
            clock: Clock::system(),
            _data: data,
        })
    }

    /// The environment that the template gives a function, with this stack's endpoints.
    pub(crate) fn environment(&self, folder: &str) -> Result<Vars> {
        let stack = self.stack.description();
        let declared = self
            .template
            .functions
            .iter()
            .find(|function| function.folder == folder);
        let declared =
            declared.with_context(|| format!("the template has no function {folder}"))?;
        let endpoints = [
            ("AWS_REGION", local::template::REGION),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            (DATABASE, &stack.dynamodb_endpoint),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &stack.secrets_endpoint),
            ("AWS_ENDPOINT_URL_LAMBDA", &stack.lambda_endpoint),
            (
                "AWS_ENDPOINT_URL_S3",
                &format!("file://{}", stack.blobs.display()),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(declared
            .environment
            .clone()
            .into_iter()
            .chain(endpoints)
            .collect())
    }

    /// Where the database is.
    pub(crate) fn database(&self) -> &str {
        &self.stack.description().dynamodb_endpoint
    }

    /// The time.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// A key that may do everything.
    pub(crate) fn service_key(&self) -> &str {
        &self.stack.description().service_key
    }

    /// Signs in as a new guest on a device, and puts the guest's profile there.
    pub(crate) fn guest(&self, device: &str) -> Result<Guest> {
        let base_url = &self.stack.description().base_url;
        let address = base_url.trim_start_matches("http://").parse()?;
        let body = json!({ "device": { "id": device, "platform": "android" } });
        let answer = Client::new(address).post("/v1/auth/guest", body.to_string().as_bytes())?;
        let guest: Guest = serde_json::from_slice(&answer.body)?;
        self.put_profiles_of(DeviceOwner::Member(guest.member.id), [device.parse()?])?;
        Ok(guest)
    }

    /// Stores the profiles of the devices that requests come from.
    pub(crate) fn put_profiles(&self) -> Result<()> {
        let devices = (0..bench_selection::REQUESTS).map(|request| {
            let device: DeviceId = bench_selection::device(request).parse()?;
            Ok(device)
        });
        self.put_profiles_of(DeviceOwner::App, devices.collect::<Result<Vec<_>>>()?)
    }

    fn put_profiles_of(
        &self,
        owner: DeviceOwner,
        of: impl IntoIterator<Item = DeviceId>,
    ) -> Result<()> {
        let (aws, vars) = self.aws("device-profiles")?;
        let database = Database::connect(&aws, Pace::NORMAL);
        let devices = Devices::new(database.table(named(&vars, "DEVICES_TABLE")?));
        let members = Members::new(database.table(named(&vars, "MEMBERS_TABLE")?));
        let writer = DeviceWriter::new(devices, members);
        let profile: Profile = serde_json::from_value(bench_selection::profile())?;
        self.runtime.block_on(async {
            for device in of {
                let (stamp, now) = (Stamp::random(&mut rand::rng()), self.clock.now());
                let mode = PutMode::Replace;
                let put = writer.put_profile(&device, owner, &profile, mode, stamp, now);
                ensure!(
                    put.await? == PutOutcome::Stored,
                    "the profile was not stored"
                );
            }
            Ok(())
        })
    }

    /// Publishes `count` campaigns through the publisher itself. Drafts would take a minute to
    /// write, so one draft says how many there are to be, and the compiler makes them.
    pub(crate) fn publish(&self, count: usize) -> Result<()> {
        let (aws, vars) = self.aws("publish")?;
        let content = Database::connect(&aws, Pace::NORMAL).table(named(&vars, "CONTENT_TABLE")?);
        let blobs = Blobs::connect(&aws, named(&vars, "BLOBS_BUCKET")?);
        let compiler = Compiler {
            format,
            compile: generate,
            check: |_, _, _| Ok(()),
        };
        let drafts = Drafts::new(content.clone());
        let publications = Publications::new(content.clone());
        let publisher = Publisher::new(content, blobs, compiler);
        let now = self.clock.now();
        let mut rng = StdRng::from_rng(&mut rand::rng());
        let request = Request {
            id: RandomId::new(now, &mut rng),
            kind: Kind::Campaigns,
            goal: Goal::Publish,
            origin: Origin::Drafts,
            note: format!("{count} campaigns"),
            author: "bench".to_owned(),
            at: now,
        };
        let (draft, body): (Id, _) = ("campaigns".parse()?, count.to_string());
        let edit = Edit {
            body: &body,
            author: "bench",
            etag: Stamp::random(&mut rng),
            at: now,
        };
        let ended = self.runtime.block_on(async {
            drafts.overwrite(Kind::Campaigns, &draft, edit).await?;
            let id = request.id;
            publications.request(request).await?;
            publisher.run(Kind::Campaigns, id, now).await
        })?;
        match ended.context("the publication is gone")? {
            live if live.state == State::Live => Ok(()),
            failed => Err(anyhow!("the publication failed: {:?}", failed.faults)),
        }
    }

    /// The way to AWS with the environment of a function.
    fn aws(&self, folder: &str) -> Result<(Aws, BTreeMap<String, String>)> {
        let vars = self.environment(folder)?;
        let settings: Settings = vars.iter().cloned().collect();
        Ok((
            aws::connect(&settings, "bench", self.clock.clone())?,
            vars.into_iter().collect(),
        ))
    }
}

fn named<'a>(vars: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str> {
    vars.get(name)
        .map(String::as_str)
        .with_context(|| format!("the template gives no {name}"))
}

/// The artefact of as many campaigns as the only item says.
fn generate(kind: Kind, items: &FrozenItems) -> Result<Vec<u8>, CompileError> {
    let mut count = 0;
    items.for_each(&mut |_, item| count = item.as_u64().unwrap_or(0))?;
    let campaigns = bench_selection::campaigns(usize::try_from(count).unwrap_or(0));
    compile(kind, &campaigns.unwrap_or_default())
}
