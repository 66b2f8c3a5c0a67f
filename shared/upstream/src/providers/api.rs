//! A provider's API: asked behind its breaker, and judged by whose fault a refusal is.

use domain::{Instant, identity::Provider};
use http::StatusCode;
use serde::de::DeserializeOwned;
use tokio::time::Instant as Stopwatch;

use super::{ProviderError, ProviderUrl};
use crate::{
    breaker::{Breaker, Open},
    https::{Answer, Failure, Https, Question},
};

/// Answers about one user have a few kilobytes.
const LIMIT_BYTES: usize = 64 * 1024;

/// One provider's API.
pub(super) struct Api {
    provider: Provider,
    base: ProviderUrl,
    https: Https,
    breaker: Breaker,
    /// Whether a refusal says that the provider itself is in trouble.
    is_outage: fn(&Refusal) -> bool,
}

/// What an API said.
pub(super) enum Told<T> {
    /// What was asked for.
    Yes(T),
    /// That it will not: a matter of what was asked.
    No(Refusal),
}

/// A refusal (4xx) with its reasons.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    answer: Answer,
}

impl Api {
    pub(super) fn new(
        provider: Provider,
        base: &ProviderUrl,
        https: Https,
        is_outage: fn(&Refusal) -> bool,
    ) -> Self {
        Self {
            provider,
            base: base.clone(),
            https,
            breaker: Breaker::default(),
            is_outage,
        }
    }

    /// The URL of `path`, which begins with a slash.
    pub(super) fn at(&self, path: &str) -> String {
        self.base.at(path)
    }

    /// Asks for JSON of that shape.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        question: &Question,
        now: Instant,
    ) -> Result<Told<T>, ProviderError> {
        self.ask_for(question, now, |body| serde_json::from_slice(body).ok())
            .await
    }

    /// Asks for something to be done, of which only the success matters.
    pub(super) async fn order(
        &self,
        question: &Question,
        now: Instant,
    ) -> Result<Told<()>, ProviderError> {
        self.ask_for(question, now, |_| Some(())).await
    }

    async fn ask_for<T>(
        &self,
        question: &Question,
        now: Instant,
        read: fn(&[u8]) -> Option<T>,
    ) -> Result<Told<T>, ProviderError> {
        self.breaker
            .admit(now)
            .map_err(|Open { retry_after }| ProviderError::NotCalled { retry_after })?;
        let began = Stopwatch::now();
        let told = match self.https.ask(question, LIMIT_BYTES, now).await {
            Ok(answer) => self.told(answer, read),
            Err(failure) => Err(failure),
        };
        match told {
            Ok(told) => {
                self.breaker.answered();
                Ok(told)
            }
            Err(failure) => {
                self.breaker.failed(now + began.elapsed());
                tracing::warn!(provider = %self.provider, %failure, "a provider failed");
                Err(ProviderError::UNAVAILABLE)
            }
        }
    }

    fn told<T>(&self, answer: Answer, read: fn(&[u8]) -> Option<T>) -> Result<Told<T>, Failure> {
        if answer.status.is_success() {
            return read(&answer.body).map(Told::Yes).ok_or(Failure::Garbage);
        }
        let status = answer.status;
        let refusal = Refusal { status, answer };
        match (self.is_outage)(&refusal) {
            true => Err(Failure::Status(status.as_u16())),
            false => Ok(Told::No(refusal)),
        }
    }
}

impl Refusal {
    /// The reasons as JSON of that shape.
    pub(super) fn reasons<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.answer.body).ok()
    }

    /// What a refusal means where nothing of a caller's was asked about: that our own id or key is
    /// not what the provider knows.
    pub(super) fn of_ours(&self, provider: Provider) -> ProviderError {
        let status = self.status.as_u16();
        tracing::error!(%provider, status, "a provider does not take our questions");
        ProviderError::NOT_CALLED
    }

    /// What a refusal of a caller's token means to the caller. Only 400, 401 and 403 are about the
    /// token; anything else (a wrong path, say) is a matter between the provider and us.
    pub(super) fn of_a_token(&self, provider: Provider) -> ProviderError {
        match self.status.as_u16() {
            400 | 401 | 403 => ProviderError::INVALID,
            _ => self.of_ours(provider),
        }
    }
}

impl<T> Told<T> {
    /// What was asked for, where a refusal can only be about the caller's token.
    pub(super) fn about_a_token(self, provider: Provider) -> Result<T, ProviderError> {
        match self {
            Self::Yes(told) => Ok(told),
            Self::No(refusal) => Err(refusal.of_a_token(provider)),
        }
    }
}
