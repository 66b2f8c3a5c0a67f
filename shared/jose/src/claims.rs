//! What a verified token says (RFC 7519, section 4), and whether that is for us and for now.

use std::time::Duration;

use domain::Instant;
use serde_json::{Map, Value};

use crate::{Refused, json};

/// The latest NumericDate that is read, in seconds: the year 5138.
const MAX_NUMERIC_DATE: f64 = 1e11;

/// A token's claims, each registered one of its right type.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    audiences: Vec<String>,
    expires_at: Option<Instant>,
    not_before: Option<Instant>,
    issued_at: Option<Instant>,
    all: Map<String, Value>,
}

/// What a token must say to be accepted.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a, S = &'a str> {
    /// Who may have issued it.
    pub issuers: &'a [S],
    /// Who we are. Every audience of the token must be among them: one that is also for others could
    /// be presented here by them (OpenID Connect Core, section 3.1.3.7).
    pub audiences: &'a [S],
    /// How far clocks may be apart.
    pub skew: Duration,
    /// How long after `iat` it is accepted, whatever its `exp`; both are required then. Without it
    /// neither is, and what is there is still checked.
    pub max_age: Option<Duration>,
}

/// Why claims are not accepted. The first of them in this order is told: issuer, audience, times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimFault {
    /// A required claim is missing or of the wrong type.
    #[error("the claim {0} is missing or malformed")]
    Malformed(&'static str),
    /// Issued by somebody else.
    #[error("the token is of another issuer")]
    Issuer,
    /// Issued for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Its `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// Its `nbf` or its `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Issued too long ago.
    #[error("the token is too old")]
    TooOld,
}

impl Claims {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`Refused::Malformed`] when it is not a JSON object, repeats a member at any depth, or gives a
    /// registered claim the wrong type.
    pub fn parse(payload: &[u8]) -> Result<Self, Refused> {
        let all = json::object(payload).ok_or(Refused::Malformed(
            "the claims are not a JSON object, or repeat a member",
        ))?;
        for (name, why) in [
            ("iss", "the claim iss is not text"),
            ("sub", "the claim sub is not text"),
            ("jti", "the claim jti is not text"),
        ] {
            json::text(&all, name).map_err(|_| Refused::Malformed(why))?;
        }
        Ok(Self {
            audiences: audiences(all.get("aud"))?,
            expires_at: instant(&all, "exp", "the claim exp is not a NumericDate")?,
            not_before: instant(&all, "nbf", "the claim nbf is not a NumericDate")?,
            issued_at: instant(&all, "iat", "the claim iat is not a NumericDate")?,
            all,
        })
    }

    /// Checks issuer, audience and times, in this order.
    ///
    /// # Errors
    /// The first fault.
    pub fn check<S: AsRef<str>>(
        &self,
        expected: &Expected<'_, S>,
        now: Instant,
    ) -> Result<(), ClaimFault> {
        let is_one_of = |list: &[S], name: &str| list.iter().any(|one| one.as_ref() == name);
        let issuer = self.text("iss").ok_or(ClaimFault::Issuer)?;
        if !is_one_of(expected.issuers, issuer) {
            return Err(ClaimFault::Issuer);
        }
        let is_ours = |audience: &String| is_one_of(expected.audiences, audience);
        if self.audiences.is_empty() || !self.audiences.iter().all(is_ours) {
            return Err(ClaimFault::Audience);
        }
        self.check_times(expected.skew, expected.max_age, now)
    }

    fn check_times(
        &self,
        skew: Duration,
        max_age: Option<Duration>,
        now: Instant,
    ) -> Result<(), ClaimFault> {
        if max_age.is_some() {
            self.expires_at.ok_or(ClaimFault::Malformed("exp"))?;
            self.issued_at.ok_or(ClaimFault::Malformed("iat"))?;
        }
        // RFC 7519, section 4.1.4: at its `exp` a token is over.
        if self.expires_at.is_some_and(|end| now >= end + skew) {
            return Err(ClaimFault::Expired);
        }
        let starts = [self.not_before, self.issued_at];
        if starts.into_iter().flatten().any(|start| start > now + skew) {
            return Err(ClaimFault::NotYetValid);
        }
        let is_too_old = |age| self.issued_at.is_some_and(|start| now > start + age + skew);
        match max_age.is_some_and(is_too_old) {
            true => Err(ClaimFault::TooOld),
            false => Ok(()),
        }
    }

    /// Whom the token is about.
    ///
    /// # Errors
    /// When it does not say.
    pub fn subject(&self) -> Result<&str, ClaimFault> {
        self.text("sub")
            .filter(|subject| !subject.is_empty())
            .ok_or(ClaimFault::Malformed("sub"))
    }

    /// Since when it is, if it says.
    pub fn issued_at(&self) -> Option<Instant> {
        self.issued_at
    }

    /// Until when it is, if it says.
    pub fn expires_at(&self) -> Option<Instant> {
        self.expires_at
    }

    /// A claim that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.as_str()
    }

    /// A claim that is true or false, which Apple writes as text as well.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A claim that is a NumericDate (RFC 7519, section 2), if it is one.
    pub fn numeric_date(&self, name: &str) -> Option<Instant> {
        self.value(name).and_then(read_numeric_date)
    }

    /// Any claim as it stands.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.all.get(name)
    }
}

/// RFC 7519, section 4.1.3: one, or a list of them.
fn audiences(claim: Option<&Value>) -> Result<Vec<String>, Refused> {
    let list = match claim {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    list.iter()
        .map(|audience| audience.as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .ok_or(Refused::Malformed(
            "the claim aud is neither text nor a list of texts",
        ))
}

fn instant(
    claims: &Map<String, Value>,
    name: &str,
    why: &'static str,
) -> Result<Option<Instant>, Refused> {
    let Some(claim) = claims.get(name) else {
        return Ok(None);
    };
    let read = read_numeric_date(claim).ok_or(Refused::Malformed(why))?;
    Ok(Some(read))
}

/// Reads seconds since the epoch, with or without a fraction.
fn read_numeric_date(claim: &Value) -> Option<Instant> {
    let seconds = claim
        .as_f64()
        .filter(|seconds| (0.0..=MAX_NUMERIC_DATE).contains(seconds))?;
    Some(Instant::from_millis((seconds * 1000.0).floor() as i64))
}
