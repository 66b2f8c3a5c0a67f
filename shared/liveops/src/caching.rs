//! For how long, and by whom, an answer may be kept.
//!
//! The same audience is given the same bytes, so that a CDN can serve them; nobody keeps an answer past
//! the next moment at which a schedule may change it; and nothing of a member goes into a cache.

use std::{
    fmt::Write as _,
    io::{self, Write},
    time::Duration,
};

use domain::Instant;
use http::{HeaderValue, header};
use kit::{Problem, Reply, config::Seconds, reply::Written};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::Visitor;

kit::settings! {
    /// For how long answers may be kept.
    pub struct CachingSettings {
        /// No answer may be kept for longer, in seconds; nor past the next schedule boundary.
        max_age: Seconds = "ANSWER_MAX_AGE_S", default "10";
    }
}

/// Who may keep an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keeping {
    /// Whoever passes it on.
    Shared,
    /// The device that asked.
    Private,
    /// Nobody: it is a member's, an operator's, or not all of the answer.
    Nobody,
}

impl Keeping {
    /// What holds of an answer that goes by nothing but what the visitor says.
    pub fn of(visitor: &Visitor) -> Self {
        match visitor.device_id {
            Some(_) => Self::Private,
            None => Self::Shared,
        }
    }

    /// Nobody, where `holds`.
    #[must_use]
    pub fn nobody_if(self, holds: bool) -> Self {
        if holds { Self::Nobody } else { self }
    }
}

/// Says of answers for how long they may be kept.
#[derive(Debug, Clone, Copy)]
pub struct Caching {
    longest: Duration,
    by_token: bool,
}

impl From<&CachingSettings> for Caching {
    fn from(settings: &CachingSettings) -> Self {
        Self {
            longest: settings.max_age.0,
            by_token: false,
        }
    }
}

impl Caching {
    /// The same for a route whose answers depend on who proves to be a member, too.
    #[must_use]
    pub fn varying_by_token(self) -> Self {
        Self {
            by_token: true,
            ..self
        }
    }

    /// The same where answers depend on who proves to be a member only by what is published now.
    #[must_use]
    pub fn varying_by_token_if(self, by_member: bool) -> Self {
        Self {
            by_token: self.by_token || by_member,
            ..self
        }
    }

    /// 200 with a document that is its own tag: nothing in it differs from one moment to the next without
    /// meaning anything. `boundary` is the next moment at which a schedule may change it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn answer<T>(
        &self,
        document: &impl Serialize,
        visitor: &Visitor,
        keeping: Keeping,
        (now, boundary): (Instant, Option<Instant>),
    ) -> Result<Reply<Written<T>>, Problem> {
        let (etag, document) = (tag(document)?, Written::new(document)?);
        Ok(self.reply(document, &etag, visitor, keeping, (now, boundary)))
    }

    /// 200 with a document of the tag `etag`, with what caches have to know of it. `boundary` is the
    /// next moment at which a schedule may change it; nor is it kept when the app may be closed, or
    /// shared by whoever came in as a tester.
    pub fn reply<T>(
        &self,
        document: Written<T>,
        etag: &str,
        visitor: &Visitor,
        keeping: Keeping,
        (now, boundary): (Instant, Option<Instant>),
    ) -> Reply<Written<T>> {
        let passed = visitor.passed();
        let boundary = boundary.into_iter().chain(passed.next_boundary).min();
        let max_age = max_age_s(self.longest, now, boundary);
        let keeping = match passed.as_tester {
            true => keeping.max(Keeping::Private),
            false => keeping,
        };
        let cache_control = match keeping {
            Keeping::Shared => format!("public, max-age={max_age}"),
            Keeping::Private => format!("private, max-age={max_age}"),
            Keeping::Nobody => "no-store".to_owned(),
        };
        let mut vary = visitor.vary().join(", ");
        if self.by_token {
            vary.push_str(", authorization");
        }
        let reply = Reply::new(http::StatusCode::OK, document)
            .etag(etag)
            .cache_control(&cache_control);
        match HeaderValue::from_str(&vary) {
            Ok(vary) => reply.header(header::VARY, vary),
            Err(_) => reply,
        }
    }
}

/// Never past the next schedule boundary.
fn max_age_s(longest: Duration, now: Instant, boundary: Option<Instant>) -> u64 {
    let left = boundary.map_or(longest, |boundary| boundary.since(now));
    left.min(longest).as_secs()
}

/// The entity tag of a document. What differs from one moment to the next without meaning anything
/// (the time of the answer) is to be left out of it.
///
/// # Errors
/// When it cannot be written.
pub fn tag(document: &impl Serialize) -> Result<String, Problem> {
    let mut digest = Digest(Sha256::new());
    serde_json::to_writer(&mut digest, document).map_err(|error| Problem::internal(&error))?;
    let mut tag = String::with_capacity(32);
    for byte in digest.0.finalize().iter().take(16) {
        let _ = write!(tag, "{byte:02x}");
    }
    Ok(tag)
}

struct Digest(Sha256);

impl Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_may_be_kept_past_the_next_boundary() {
        let longest = Duration::from_secs(10);
        let now = Instant::from_millis(1_000_000);
        for (boundary_ms, seconds) in [
            (None, 10),
            (Some(1_000_001), 0),
            (Some(1_000_999), 0),
            (Some(1_001_000), 1),
            (Some(1_009_999), 9),
            (Some(1_010_000), 10),
            (Some(9_000_000), 10),
            (Some(0), 0),
        ] {
            let boundary = boundary_ms.map(Instant::from_millis);
            assert_eq!(
                max_age_s(longest, now, boundary),
                seconds,
                "{boundary_ms:?}"
            );
        }
    }

    #[test]
    fn a_tag_is_that_of_its_document() {
        let tags = [tag(&"a"), tag(&"a"), tag(&"b")].map(Result::unwrap);
        assert_eq!(tags[0], tags[1]);
        assert_ne!(tags[0], tags[2]);
        assert_eq!(tags[0].len(), 32);
    }
}
