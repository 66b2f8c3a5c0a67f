//! What an endpoint declares of itself, as data: the OpenAPI document, the middleware and the
//! contract tests all read it here. Routing is the template's alone.

use std::fmt;

use crate::problem::Code;

/// The HTTP methods that routes use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates, or does something.
    Post,
    /// Writes the whole of a resource.
    Put,
    /// Changes some of a resource.
    Patch,
    /// Takes a resource away.
    Delete,
    /// Whatever no route took (`$default`).
    Any,
}

impl Method {
    /// As it stands in a route key.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Any => "ANY",
        }
    }
}

/// Who may call, by the names of the platform's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Anyone.
    Public,
    /// Anyone; whoever proves to be an operator, or sends a service key with this scope, may ask for
    /// more.
    PublicOrOperator(&'static str),
    /// Anyone; an access token, where one is sent, proves a member, and a bad one is refused. Whoever
    /// sends a service key with this scope may ask for more.
    PublicOrMember(&'static str),
    /// A member: an access token.
    Member,
    /// An access token of a session bound to the device in the path, or a service key with this
    /// scope. A route without a device in its path asks [`Principal::acts_for`] itself.
    ///
    /// [`Principal::acts_for`]: crate::Principal::acts_for
    Device(&'static str),
    /// An operator's session, or a service key with this scope.
    Operator(&'static str),
    /// The app's own systems: a service key with this scope. A member's token is refused with 403.
    Service(&'static str),
    /// Another system, by a proof of its own in the body or a header, which the handler verifies.
    Hook,
}

/// How often one caller may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As often as they like: health checks.
    Unlimited,
    /// The address's share, counted in this process: no database write.
    Address,
    /// The address's share, and so many calls a minute for the member who calls, or for the service key
    /// and the device that it names, counted in the database. An anonymous caller has the address's share
    /// alone.
    Caller {
        /// Calls a minute.
        per_minute: u32,
    },
}

/// Whether a repeated call is answered as the first one was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idempotency {
    /// The method's own meaning makes it safe, or repeats are wanted.
    Natural,
    /// `Idempotency-Key` is honoured where a caller sends one: the middleware stores the response.
    Key,
    /// `Idempotency-Key` is honoured by the handler, because the response has secrets in it that must
    /// not be stored ([`Call::idempotency_key`](crate::Call::idempotency_key)).
    KeyInHandler,
}

impl Idempotency {
    /// Returns whether the route takes the header.
    pub fn takes_key(self) -> bool {
        self != Self::Natural
    }
}

/// One route's declaration.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// The method.
    pub method: Method,
    /// The path as the template has it, `{parameters}` included.
    pub path: &'static str,
    /// The OpenAPI operation id.
    pub operation: &'static str,
    /// One line for the OpenAPI document.
    pub summary: &'static str,
    /// Who may call.
    pub caller: Caller,
    /// How often.
    pub rate: Rate,
    /// What a repeat does.
    pub idempotency: Idempotency,
    /// The statuses of its good answers.
    pub answers: &'static [u16],
    /// The refusals that are its own, beyond those that follow from the rest of this declaration.
    pub problems: &'static [Code],
    /// Request headers that it reads, beside the shared ones.
    pub headers: &'static [&'static str],
    /// Whether its access lines are sampled (`ACCESS_LOG_SAMPLE`).
    pub sampled: bool,
    /// Whether it answers while a maintenance window closes the app to its caller, although anybody
    /// or a member may call it.
    pub during_maintenance: bool,
    /// Whether the handler verifies an access token itself, where one is sent.
    pub takes_token: bool,
    /// Whether banned members may call it: for their own data.
    pub open_to_banned: bool,
}

impl Endpoint {
    /// A public endpoint that answers 200, limits by address and is closed during maintenance; the
    /// rest is added.
    pub const fn new(
        method: Method,
        path: &'static str,
        operation: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            method,
            path,
            operation,
            summary,
            caller: Caller::Public,
            rate: Rate::Address,
            idempotency: Idempotency::Natural,
            answers: &[200],
            problems: &[],
            headers: &[],
            sampled: false,
            during_maintenance: false,
            takes_token: false,
            open_to_banned: false,
        }
    }

    /// Who may call.
    #[must_use]
    pub const fn caller(mut self, caller: Caller) -> Self {
        self.caller = caller;
        self
    }

    /// How often.
    #[must_use]
    pub const fn rate(mut self, rate: Rate) -> Self {
        self.rate = rate;
        self
    }

    /// Honours `Idempotency-Key`.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotency = Idempotency::Key;
        self
    }

    /// Declares that the handler honours `Idempotency-Key` itself.
    #[must_use]
    pub const fn idempotent_in_handler(mut self) -> Self {
        self.idempotency = Idempotency::KeyInHandler;
        self
    }

    /// The statuses of its good answers.
    #[must_use]
    pub const fn answers(mut self, answers: &'static [u16]) -> Self {
        self.answers = answers;
        self
    }

    /// Its own refusals.
    #[must_use]
    pub const fn problems(mut self, problems: &'static [Code]) -> Self {
        self.problems = problems;
        self
    }

    /// Request headers it reads.
    #[must_use]
    pub const fn headers(mut self, headers: &'static [&'static str]) -> Self {
        self.headers = headers;
        self
    }

    /// Samples its access lines.
    #[must_use]
    pub const fn sampled(mut self) -> Self {
        self.sampled = true;
        self
    }

    /// Opens it to banned members.
    #[must_use]
    pub const fn open_to_banned(mut self) -> Self {
        self.open_to_banned = true;
        self
    }

    /// Answers during maintenance too: what explains it, and what must not be lost in it.
    #[must_use]
    pub const fn during_maintenance(mut self) -> Self {
        self.during_maintenance = true;
        self
    }

    /// Takes an access token where one is sent, which the handler verifies itself: a bad one is then no
    /// reason to refuse the request.
    #[must_use]
    pub const fn takes_token(mut self) -> Self {
        self.takes_token = true;
        self
    }

    /// Whether a maintenance window closes it. Operators, who end the maintenance, the app's own systems,
    /// and systems that call once always have their answer.
    pub const fn closes_for_maintenance(&self) -> bool {
        !self.during_maintenance
            && !matches!(
                self.caller,
                Caller::Operator(_) | Caller::Service(_) | Caller::Hook
            )
    }

    /// The route keys that this endpoint answers: its own, and `HEAD` of the same path for a `GET`.
    pub fn route_keys(&self) -> Vec<String> {
        let head = (self.method == Method::Get).then(|| format!("HEAD {}", self.path));
        std::iter::once(self.route_key()).chain(head).collect()
    }

    /// Whether operators call it: such a route refuses query parameters that it does not know.
    pub fn is_admin(&self) -> bool {
        self.path.starts_with("/admin/")
    }

    /// `GET /health`; `$default` for what no route took.
    pub fn route_key(&self) -> String {
        match self.method {
            Method::Any => self.path.to_owned(),
            method => format!("{} {}", method.as_str(), self.path),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_str(), self.path)
    }
}
