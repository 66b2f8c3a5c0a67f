//! An HTTP function: its routes, their handlers, and the stack they run behind.

use std::{collections::HashMap, convert::Infallible, future::Future, sync::Arc};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use lambda_http::RequestExt as _;
use schemars::{Schema, SchemaGenerator};
use tower::{ServiceBuilder, service_fn, util::BoxCloneSyncService};

use crate::{
    Request, Response,
    call::{Call, Facts, Principal},
    endpoint::{Endpoint, Idempotency, Method},
    extract::{Incoming, Params, QueryPolicy, query_pairs},
    function::{BoxFuture, Function},
    gateway::Http,
    middleware::{
        AccessLog, AddressLimit, Around, Authentication, Authority, BodyLimits, CallerLimit,
        Counter, Gate, HeadResponses, IdempotencyKeys, IdempotencyStore, MaintenanceGate,
        PanicGuard, Tracing, facts, refuse,
    },
    precondition::is_held,
    problem::{Code, Problem},
    reply::{Content, Reply},
    runtime::Runtime,
};

/// The routes of one function by route key.
pub(crate) type Routes = HashMap<String, Arc<Route>>;

/// The stack of one function, ready to be called.
pub(crate) type Stack = BoxCloneSyncService<Request, Response, Infallible>;

/// What is done when the process is about to end.
pub(crate) type AtShutdown = Arc<dyn Fn() -> BoxFuture<()> + Send + Sync>;

type Handler = Arc<dyn Fn(Request) -> BoxFuture<Result<Response, Problem>> + Send + Sync>;

/// One route with its handler behind it.
pub(crate) struct Route {
    pub(crate) endpoint: Endpoint,
    pub(crate) media_types: Option<&'static [&'static str]>,
    pub(crate) inflates: bool,
    handler: Handler,
    describe: fn(Endpoint, &mut SchemaGenerator) -> Operation,
}

/// What the OpenAPI document says of one route.
#[derive(Debug)]
pub struct Operation {
    /// The declaration.
    pub endpoint: Endpoint,
    /// The path's parameters, an object.
    pub path: Option<Schema>,
    /// The query's parameters, an object.
    pub query: Option<Schema>,
    /// The body.
    pub body: Option<Body>,
    /// The media types of the answer, and their schemas.
    pub answer: Vec<(&'static str, Option<Schema>)>,
}

/// What the OpenAPI document says of a body.
#[derive(Debug)]
pub struct Body {
    /// The media types that are listed.
    pub media_types: &'static [&'static str],
    /// What there is to add about its forms.
    pub note: Option<&'static str>,
    /// Whether it must be there.
    pub required: bool,
    /// What it is, where it has a schema.
    pub schema: Option<Schema>,
}

/// Puts an HTTP function together.
pub struct Api {
    service: &'static str,
    runtime: Runtime,
    routes: Routes,
    authority: Option<Arc<dyn Authority>>,
    counter: Option<Arc<dyn Counter>>,
    idempotency: Option<Arc<dyn IdempotencyStore>>,
    gate: Option<Arc<dyn Gate>>,
    at_shutdown: Option<AtShutdown>,
}

impl Api {
    /// A function named `service`, without routes yet.
    pub fn new(service: &'static str, runtime: Runtime) -> Self {
        Self {
            service,
            runtime,
            routes: Routes::new(),
            authority: None,
            counter: None,
            idempotency: None,
            gate: None,
            at_shutdown: None,
        }
    }

    /// Who knows the callers.
    #[must_use]
    pub fn authority(mut self, authority: Arc<dyn Authority>) -> Self {
        self.authority = Some(authority);
        self
    }

    /// Who counts calls.
    #[must_use]
    pub fn counter(mut self, counter: Arc<dyn Counter>) -> Self {
        self.counter = Some(counter);
        self
    }

    /// Who remembers idempotency keys.
    #[must_use]
    pub fn idempotency(mut self, store: Arc<dyn IdempotencyStore>) -> Self {
        self.idempotency = Some(store);
        self
    }

    /// Who closes the routes that close for maintenance: a function with such a route needs one, to
    /// which the contract tests hold it.
    #[must_use]
    pub fn gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.gate = Some(gate);
        self
    }

    /// What to do when the process is about to end, where the platform says so: some hundred
    /// milliseconds for what would be lost with it. Nothing may depend on it.
    #[must_use]
    pub fn at_shutdown<F>(mut self, tell: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.at_shutdown = Some(Arc::new(move || Box::pin(tell())));
        self
    }

    /// Answers `endpoint` with `handler`.
    #[must_use]
    pub fn route<S, P, Q, B, R, F, Fut>(
        mut self,
        endpoint: Endpoint,
        state: &Arc<S>,
        handler: F,
    ) -> Self
    where
        S: Send + Sync + 'static,
        P: Params,
        Q: Params,
        B: Incoming,
        R: Content,
        F: Fn(Arc<S>, Call<P, Q, B>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Reply<R>, Problem>> + Send + 'static,
    {
        let state = Arc::clone(state);
        let random = self.runtime.random.clone();
        let parser = Arc::new(Parser {
            path: P::coercions(),
            query: Q::coercions(),
            random,
        });
        let handler = Arc::new(handler);
        let erased: Handler = Arc::new(move |request| {
            let (state, handler) = (Arc::clone(&state), Arc::clone(&handler));
            let parser = Arc::clone(&parser);
            Box::pin(async move {
                let held = request.headers().get(header::IF_NONE_MATCH).cloned();
                let call = parser.parse::<P, Q, B>(request)?;
                let response = handler(state, call).await?.into_response()?;
                Ok(match endpoint.method {
                    Method::Get => unless_held(response, held.as_ref()),
                    _ => response,
                })
            })
        });
        let route = Arc::new(Route {
            endpoint,
            media_types: media_types::<B>(endpoint),
            inflates: B::INFLATES,
            handler: erased,
            describe: |endpoint, generator| Operation {
                endpoint,
                path: P::describe(generator),
                query: Q::describe(generator),
                body: documented::<B>(endpoint).map(|media_types| Body {
                    media_types,
                    note: B::NOTE,
                    required: B::REQUIRED,
                    schema: B::describe(generator),
                }),
                answer: R::describe(generator),
            },
        });
        for key in endpoint.route_keys() {
            self.routes.insert(key, Arc::clone(&route));
        }
        self
    }

    /// The function behind its whole stack.
    pub fn build(self) -> Function {
        let routes = Arc::new(self.routes);
        let limit = self.runtime.settings.rate_limit_address_per_min;
        let access = Arc::new(AccessLog::new(self.runtime.clone()));
        let has_gate = self.gate.is_some();
        let stack = ServiceBuilder::new()
            .layer(Around::new(Tracing {
                service: self.service,
                routes: Arc::clone(&routes),
                runtime: self.runtime.clone(),
            }))
            .layer(Around(Arc::clone(&access)))
            .layer(Around::new(HeadResponses))
            .layer(Around::new(PanicGuard))
            .layer(Around::new(AddressLimit::new(limit)))
            .layer(Around::new(MaintenanceGate(self.gate)))
            .layer(Around::new(Authentication(self.authority)))
            .layer(Around::new(CallerLimit(self.counter)))
            .layer(Around::new(BodyLimits))
            .layer(Around::new(IdempotencyKeys(self.idempotency)))
            .service(service_fn(dispatch));
        Arc::new(Http {
            service: self.service,
            routes,
            stack: Stack::new(stack),
            access,
            runtime: self.runtime,
            has_gate,
            at_shutdown: self.at_shutdown,
        })
    }
}

/// The media types that the endpoint takes as a `B`. A `PATCH` may name its JSON a merge patch.
const fn media_types<B: Incoming>(endpoint: Endpoint) -> Option<&'static [&'static str]> {
    match endpoint.method {
        Method::Patch => B::PATCH_MEDIA_TYPES,
        _ => B::MEDIA_TYPES,
    }
}

/// Those of them that the OpenAPI document lists.
const fn documented<B: Incoming>(endpoint: Endpoint) -> Option<&'static [&'static str]> {
    match endpoint.method {
        Method::Patch => B::PATCH_MEDIA_TYPES,
        _ => B::DOCUMENTED_MEDIA_TYPES,
    }
}

/// 304 where the reader holds this very representation already.
fn unless_held(mut response: Response, held: Option<&HeaderValue>) -> Response {
    let etag = response.headers().get(header::ETAG);
    if response.status() == StatusCode::OK && is_held(held, etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = lambda_http::Body::Empty;
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    response
}

/// Calls the handler of the route that the gateway chose.
async fn dispatch(request: Request) -> Result<Response, Infallible> {
    let facts = facts(&request);
    let answered = match request.extensions().get::<Arc<Route>>().cloned() {
        Some(route) => (route.handler)(request).await,
        None => Err(Problem::new(Code::Internal)),
    };
    Ok(answered.unwrap_or_else(|problem| refuse(facts.as_deref(), problem)))
}

/// Turns a request into a [`Call`].
struct Parser {
    path: crate::extract::Coercions,
    query: crate::extract::Coercions,
    random: crate::random::Random,
}

impl Parser {
    fn parse<P: Params, Q: Params, B: Incoming>(
        &self,
        request: Request,
    ) -> Result<Call<P, Q, B>, Problem> {
        let facts = facts(&request).ok_or_else(|| Problem::new(Code::Internal))?;
        let parameters = request
            .path_parameters_ref()
            .map(|parameters| {
                let pairs = parameters.iter();
                pairs
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect()
            })
            .unwrap_or_default();
        let path = P::read(parameters, &self.path)
            .map_err(|faults| Problem::new(Code::InvalidPath).errors(faults))?;
        let pairs = self.query_pairs(&facts)?;
        let query = Q::read(pairs, &self.query)
            .map_err(|faults| Problem::new(Code::InvalidQuery).errors(faults))?;
        let body = B::read(request.body().as_ref())?;
        let in_handler = facts.endpoint.idempotency == Idempotency::KeyInHandler;
        let sent_body = in_handler.then(|| request.body().as_ref().to_vec());
        let (mut parts, _) = request.into_parts();
        let principal = parts.extensions.remove().unwrap_or(Principal::Anonymous);
        let passed = parts.extensions.remove().unwrap_or_default();
        let headers: HeaderMap = parts.headers;
        Ok(Call {
            path,
            query,
            body,
            headers,
            principal,
            passed,
            facts,
            random: self.random.clone(),
            sent_body,
        })
    }

    /// The query's parameters. A public route ignores those that it does not know: links get
    /// decorated on their way, and an app may be newer than the stage that it calls.
    fn query_pairs(&self, facts: &Facts) -> Result<Vec<(String, String)>, Problem> {
        let policy = match facts.endpoint.is_admin() {
            true => QueryPolicy::Strict,
            false => QueryPolicy::Public(&self.query),
        };
        query_pairs(&facts.query, policy)
    }
}

/// What a function's routes say of themselves.
pub(crate) fn operations(routes: &Routes, generator: &mut SchemaGenerator) -> Vec<Operation> {
    // A GET is there a second time, under its HEAD.
    let own = |(key, route): (&String, &Arc<Route>)| {
        (*key == route.endpoint.route_key()).then(|| Arc::clone(route))
    };
    let mut routes: Vec<_> = routes.iter().filter_map(own).collect();
    routes.sort_by_key(|route| (route.endpoint.path, route.endpoint.method));
    routes
        .into_iter()
        .map(|route| (route.describe)(route.endpoint, generator))
        .collect()
}
