//! The stack: everything that the template says, started, described and stopped.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use kit::{Clock, Vars, clock::Course, function::BoxFuture};
mod description;
mod environment;
mod error;

pub use description::Description;
pub use error::StartError;

use crate::{
    data::{DataFolder, write_private},
    database::Database,
    external_database::ExternalDatabase,
    functions::Registry,
    gateway::{Front, Gateway, Origin, Target},
    home,
    http1::{Limits, Server},
    lambda_api::{self, LambdaApi},
    providers::{self, Providers},
    sandbox::Sandbox,
    schedule::{Expression, Runs, Schedules, Time},
    secrets::{Rotations, SecretsManager, Vault},
    seed::{self, SeedError},
    stop::{Stop, Stopped},
    template::{Function, Route, Secret, Table, Template},
};

/// How long requests and runs that have begun may take when the stack is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// What Secrets Manager accepts: a value is at most 64 KB.
const SECRETS_LIMITS: Limits = Limits {
    head_bytes: 64 * 1024,
    body_bytes: 1024 * 1024,
};

/// Writes the records that development starts with, such as the service key's. It is called at
/// every start, once the database answers and before the first request.
pub type Seed = Arc<dyn Fn(Description) -> BoxFuture<Result<(), SeedError>> + Send + Sync>;

/// The page at `/`.
#[derive(Debug, Clone, Copy)]
pub struct Home {
    /// Whether the small app's content is written too.
    pub seeded: bool,
}

/// What to start, and where.
#[derive(Clone)]
pub struct Options {
    /// `template.yaml`.
    pub template: PathBuf,
    /// The data folder; made if it is missing.
    pub data: PathBuf,
    /// Empty the data folder first.
    pub fresh: bool,
    /// The port of the HTTP API on loopback; 0 takes any free one.
    pub port: u16,
    /// The port of DynamoDB on loopback; 0 takes any free one.
    pub dynamodb_port: u16,
    /// Another DynamoDB, `http://host:port`, in place of the embedded one.
    pub dynamodb_endpoint: Option<String>,
    /// Serves a page at `/` that links everything, unless a legacy origin has that path.
    pub home: Option<Home>,
    /// Where requests go that no route takes, as `LegacyOrigin` says when deployed.
    pub legacy_origin: Option<String>,
    /// The functions that the template may name.
    pub functions: Registry,
    /// Values for parameters of the template, before those of its stage.
    pub parameters: BTreeMap<String, String>,
    /// Environment variables that replace those of every function.
    pub environment: BTreeMap<String, String>,
    /// Writes the records that development starts with.
    pub seed: Seed,
    /// How much faster than on the wall the time goes for functions and schedules, and since when;
    /// for demonstrations.
    pub course: Option<Course>,
    /// Pauses before a failed asynchronous invocation is tried again.
    pub retries: [Duration; 2],
}

impl Options {
    /// The functions of the workspace on any free ports.
    pub fn new(template: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Self {
            template: template.into(),
            data: data.into(),
            fresh: false,
            port: 0,
            dynamodb_port: 0,
            dynamodb_endpoint: None,
            home: None,
            legacy_origin: None,
            functions: Registry::workspace(),
            parameters: BTreeMap::new(),
            environment: BTreeMap::new(),
            seed: seed::development(),
            course: None,
            retries: lambda_api::RETRIES,
        }
    }

    /// The same, with a gateway that lets everything through: for clients that send as much as they
    /// can.
    #[must_use]
    pub fn unthrottled(mut self) -> Self {
        let limits =
            ["RateLimit", "BurstLimit"].map(|name| (name.to_owned(), "1000000".to_owned()));
        self.parameters.extend(limits);
        self
    }
}

/// A running stack.
pub struct Stack {
    description: Description,
    data: DataFolder,
    database: StackDatabase,
    api: Front,
    secrets: Server,
    lambda: Server,
    providers: Server,
    invocations: Arc<LambdaApi>,
    schedules: Schedules,
    stopping: Stop,
}

/// Where the stack's items lie.
enum StackDatabase {
    Embedded(Database),
    External(ExternalDatabase),
}

impl StackDatabase {
    async fn start(
        options: &Options,
        data: &DataFolder,
        tables: &[Table],
    ) -> Result<Self, StartError> {
        if let Some(endpoint) = &options.dynamodb_endpoint {
            let prepared = ExternalDatabase::prepare(endpoint, tables).await?;
            return Ok(Self::External(prepared));
        }
        let listener = listen("DYNAMODB_PORT", options.dynamodb_port)?;
        let started = Database::start(&data.database(), listener, tables)?;
        Ok(Self::Embedded(started))
    }

    fn endpoint(&self) -> &str {
        match self {
            Self::Embedded(database) => database.endpoint(),
            Self::External(database) => database.endpoint(),
        }
    }

    fn created(&self) -> &[String] {
        match self {
            Self::Embedded(database) => database.created(),
            Self::External(database) => database.created(),
        }
    }

    async fn stop(self) {
        if let Self::Embedded(database) = self {
            database.stop().await;
        }
    }
}

impl Stack {
    /// Starts everything; when it returns, `stack.json` is written and requests are answered.
    ///
    /// # Errors
    /// A port or the data folder is taken, the template cannot be resolved, the legacy origin is
    /// none, a function refuses its environment, the database refuses its file, or another DynamoDB
    /// does not answer.
    pub async fn start(mut options: Options) -> Result<Self, StartError> {
        if let Some(course) = options.course {
            let fast = ("CLOCK_COURSE".to_owned(), course.to_string());
            options.environment.extend([fast]);
        }
        let data = DataFolder::open(&options.data, options.fresh)?;
        let api_listener = listen("PORT", options.port)?;
        let secrets_listener = listen("PORT", 0)?;
        let lambda_listener = listen("PORT", 0)?;
        let providers_listener = listen("PORT", 0)?;
        let base_url = url(&api_listener)?;
        let providers_url = url(&providers_listener)?;
        let template = read_template(&options, &base_url, &providers_url)?;
        let origins = origins(&template, &options, api_listener.local_addr()?)?;
        let database = StackDatabase::start(&options, &data, &template.tables).await?;
        let mut vault = Vault::open(data.secrets(), &template.secrets)?;
        let description = Description {
            base_url,
            dynamodb_endpoint: database.endpoint().to_owned(),
            secrets_endpoint: url(&secrets_listener)?,
            lambda_endpoint: url(&lambda_listener)?,
            providers_url,
            legacy_origin: options.legacy_origin.clone(),
            blobs: data.blobs(),
            service_key: seed::service_key(&mut vault)?,
            pid: std::process::id(),
            tables: template
                .tables
                .iter()
                .map(|table| (table.logical_id.clone(), table.name.clone()))
                .collect(),
            functions: template
                .functions
                .iter()
                .map(|function| (function.folder.clone(), function.name.clone()))
                .collect(),
        };
        let time = time(options.course);
        let hosted = host(&template.functions, &options, &description, &time.clock)?;
        (options.seed)(description.clone()).await?;

        let (stopping, stopped) = Stop::new();
        let rotations = rotations(&template.secrets, &hosted);
        let vault = Arc::new(Mutex::new(vault));
        let manager = SecretsManager::new(Arc::clone(&vault), rotations);
        let secrets = serve(secrets_listener, SECRETS_LIMITS, Arc::new(manager))?;
        let invocations = Arc::new(LambdaApi::new(
            hosted.iter().map(|(_, sandbox)| Arc::clone(sandbox)),
            options.retries,
            stopped.clone(),
        ));
        let lambda = serve(
            lambda_listener,
            lambda_api::LIMITS,
            Arc::clone(&invocations),
        )?;
        let sandboxes = Arc::new(Providers::new(time.clock.clone(), vault));
        let providers = serve(providers_listener, providers::LIMITS, sandboxes)?;
        let schedules = schedules(&hosted, &time, &stopped)?;
        let routes = hosted.iter().flat_map(|(function, sandbox)| {
            let routes = function.routes.iter().cloned();
            routes.map(|route| (route, Target::Function(Arc::clone(sandbox))))
        });
        let home = home_route(&options, &description);
        let routes = origins.into_iter().chain(routes).chain(home);
        let gateway = Gateway::new(routes, template.cors, template.throttling);
        // Written before the first answer: whoever sees the stack alive finds its description.
        let text = serde_json::to_vec_pretty(&description).map_err(std::io::Error::from)?;
        write_private(&data.description(), &text)?;
        let api = Front::start(api_listener, gateway)?;
        Ok(Self {
            description,
            data,
            database,
            api,
            secrets,
            lambda,
            providers,
            invocations,
            schedules,
            stopping,
        })
    }

    /// Where everything is.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Where the HTTP API is served.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.description.base_url
    }

    /// The names of tables that did not exist before this start.
    #[must_use]
    pub fn created_tables(&self) -> &[String] {
        self.database.created()
    }

    /// How often the scheduled workers ran, by the names of their schedules.
    #[must_use]
    pub fn runs(&self) -> BTreeMap<String, Runs> {
        self.schedules.runs()
    }

    /// Stops: no new requests, what has begun may finish within five seconds, the database closes
    /// last.
    pub async fn stop(self) {
        let deadline = Instant::now() + GRACE;
        let left = || deadline.saturating_duration_since(Instant::now());
        self.stopping.give();
        self.api.stop(left()).await;
        self.schedules.drain(left()).await;
        self.invocations.drain(left()).await;
        self.lambda.stop(left()).await;
        self.secrets.stop(left()).await;
        self.providers.stop(left()).await;
        self.database.stop().await;
        self.data.remove_description();
    }
}

/// The route of the page at `/`; a legacy origin has its own.
fn home_route(options: &Options, description: &Description) -> Option<(Route, Target)> {
    let home = options.home.filter(|_| options.legacy_origin.is_none())?;
    let route = Route {
        method: "GET".to_owned(),
        path: "/".to_owned(),
    };
    let page = home::page(description, home.seeded);
    Some((route, Target::Page(page.into())))
}

/// The time of functions and schedules.
fn time(course: Option<Course>) -> Time {
    Time {
        clock: course.map_or_else(Clock::system, Clock::fast),
        speed: course.map_or(1, |course| course.speed),
    }
}

fn read_template(
    options: &Options,
    base_url: &str,
    providers_url: &str,
) -> Result<Template, StartError> {
    let origins = providers::ORIGINS
        .iter()
        .map(|(name, path)| ((*name).to_owned(), format!("{providers_url}{path}")));
    let apps = providers::APPS
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let own = [
        ("Stage", "dev"),
        ("PublicBaseUrl", base_url),
        // Never the one of the stage's own deployment.
        (
            "LegacyOrigin",
            options.legacy_origin.as_deref().unwrap_or_default(),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut values = options.parameters.clone();
    values.extend(own.into_iter().chain(origins).chain(apps));
    Template::read(&options.template, &values).map_err(|source| StartError::Template {
        path: options.template.clone(),
        source,
    })
}

/// The routes that other servers answer.
fn origins(
    template: &Template,
    options: &Options,
    own: SocketAddr,
) -> Result<Vec<(Route, Target)>, StartError> {
    if options.legacy_origin.is_some() && template.proxies.is_empty() {
        return Err(StartError::NoRouteToOrigin);
    }
    template
        .proxies
        .iter()
        .map(|proxy| {
            Ok((
                proxy.route.clone(),
                Target::Origin(Box::new(Origin::new(proxy, own)?)),
            ))
        })
        .collect()
}

/// Every function of the template in its sandbox; all refusals at once.
fn host<'a>(
    declared: &'a [Function],
    options: &Options,
    description: &Description,
    clock: &Clock,
) -> Result<Vec<(&'a Function, Arc<Sandbox>)>, StartError> {
    let mut hosted = Vec::new();
    let mut faults = Vec::new();
    for function in declared {
        let name = &function.folder;
        let vars: Vars = environment::of(function, description, &options.environment);
        match options.functions.get(name).map(|build| build(&vars)) {
            Some(Ok(built)) => {
                let sandbox = Sandbox::new(function, built, clock.clone());
                hosted.push((function, Arc::new(sandbox)));
            }
            Some(Err(refused)) => faults.push(format!("function {name}: {refused}")),
            None => faults.push(format!(
                "function {name}: the template names it, but the workspace has no such function"
            )),
        }
    }
    match faults.is_empty() {
        true => Ok(hosted),
        false => Err(StartError::Functions(faults.join("\n"))),
    }
}

/// The functions that rotate secrets.
fn rotations(declared: &[Secret], hosted: &[(&Function, Arc<Sandbox>)]) -> Rotations {
    let by = |arn: &str| hosted.iter().find(|(function, _)| function.arn == arn);
    declared
        .iter()
        .filter_map(|secret| {
            let (_, sandbox) = by(secret.rotated_by.as_deref()?)?;
            Some((secret.arn.clone(), Arc::clone(sandbox)))
        })
        .collect()
}

fn schedules(
    hosted: &[(&Function, Arc<Sandbox>)],
    time: &Time,
    stopped: &Stopped,
) -> Result<Schedules, StartError> {
    let mut schedules = Schedules::default();
    for (function, worker) in hosted {
        for schedule in function
            .schedules
            .iter()
            .filter(|schedule| schedule.enabled)
        {
            let expression: Expression = schedule.expression.parse()?;
            schedules.start(
                schedule,
                expression,
                Arc::clone(worker),
                time.clone(),
                stopped.clone(),
            );
        }
    }
    Ok(schedules)
}

/// Listens on loopback; port 0 takes any free one. `variable` is what an error names.
fn listen(variable: &'static str, port: u16) -> Result<TcpListener, StartError> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|source| StartError::Port {
            variable,
            port,
            source,
        })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn url(listener: &TcpListener) -> Result<String, StartError> {
    Ok(format!("http://{}", listener.local_addr()?))
}

fn serve<H: crate::http1::Handler>(
    listener: TcpListener,
    limits: Limits,
    handler: Arc<H>,
) -> Result<Server, StartError> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    Ok(Server::start(listener, limits, handler)?)
}
