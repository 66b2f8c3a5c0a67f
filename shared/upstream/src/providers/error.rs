//! Why somebody is not vouched for, and how that is told.

use std::time::Duration;

use domain::{Fault, FaultCode, identity::Provider};
use jose::{ClaimFault, Refused};
use kit::{Code, Problem};

use crate::{key_sets::NoKeys, secrets::SecretError};

/// When asking again may help, where nothing says otherwise.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The provider is not configured here.
    #[error("{0} is switched off")]
    Disabled(Provider),
    /// The provider takes another kind of proof.
    #[error("the proof must be an {0}")]
    ProofMissing(&'static str),
    /// The token is not to be believed.
    #[error("{0}")]
    Token(#[from] TokenFault),
    /// The provider cannot be asked now.
    #[error("the provider does not answer")]
    Unavailable {
        /// When asking again may help.
        retry_after: Duration,
    },
    /// The provider was not called, for a reason of ours: its secret cannot be read or is unusable, it
    /// does not accept our credentials, or calls pause after failures.
    #[error("the provider cannot be called now")]
    NotCalled {
        /// When asking again may help.
        retry_after: Duration,
    },
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Forged, altered, malformed, revoked, not valid yet.
    #[error("the provider's token is not valid")]
    Invalid,
    /// Over, or issued too long ago.
    #[error("the provider's token has expired or is too old")]
    Expired,
    /// Made for another app.
    #[error("the provider's token was made for another app")]
    Audience,
    /// Made by somebody else.
    #[error("the provider's token names another issuer")]
    Issuer,
    /// Made for another challenge.
    #[error("the provider's token was made for another nonce")]
    Nonce,
}

impl ProviderError {
    /// The provider failed just now.
    pub(super) const UNAVAILABLE: Self = Self::Unavailable {
        retry_after: RETRY_AFTER,
    };

    /// The provider cannot be called with what we have.
    pub(super) const NOT_CALLED: Self = Self::NotCalled {
        retry_after: RETRY_AFTER,
    };

    /// The token is forged, malformed, or refused by its provider.
    pub(super) const INVALID: Self = Self::Token(TokenFault::Invalid);
}

impl From<Refused> for ProviderError {
    fn from(_: Refused) -> Self {
        Self::INVALID
    }
}

impl From<ClaimFault> for ProviderError {
    fn from(fault: ClaimFault) -> Self {
        Self::Token(match fault {
            ClaimFault::Issuer => TokenFault::Issuer,
            ClaimFault::Audience => TokenFault::Audience,
            ClaimFault::Expired | ClaimFault::TooOld => TokenFault::Expired,
            ClaimFault::Malformed(_) | ClaimFault::NotYetValid => TokenFault::Invalid,
        })
    }
}

impl From<NoKeys> for ProviderError {
    fn from(NoKeys { retry_after }: NoKeys) -> Self {
        Self::Unavailable { retry_after }
    }
}

impl From<SecretError> for ProviderError {
    fn from(error: SecretError) -> Self {
        let error = kit::problem::Chain(&error);
        tracing::error!(%error, "a provider cannot be asked without its secret");
        Self::NOT_CALLED
    }
}

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        let told = error.to_string();
        match error {
            ProviderError::Disabled(_) => Self::new(Code::ProviderDisabled).detail(told),
            ProviderError::ProofMissing(field) => {
                let message = "this provider vouches by it";
                let fault = Fault::new(format_args!("/{field}"), FaultCode::Required, message);
                Self::new(Code::ValidationFailed).errors(vec![fault])
            }
            ProviderError::Token(fault) => Self::new(fault.code()).detail(told),
            ProviderError::Unavailable { retry_after }
            | ProviderError::NotCalled { retry_after } => {
                let seconds = retry_after.as_millis().div_ceil(1_000);
                Self::new(Code::Unavailable)
                    .detail(told)
                    .retry_after(u64::try_from(seconds).unwrap_or(u64::MAX))
            }
        }
    }
}

impl TokenFault {
    fn code(self) -> Code {
        match self {
            Self::Invalid => Code::TokenInvalid,
            Self::Expired => Code::TokenExpired,
            Self::Audience => Code::TokenAudience,
            Self::Issuer => Code::TokenIssuer,
            Self::Nonce => Code::TokenNonce,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_code() {
        for (error, code) in [
            (
                ProviderError::Disabled(Provider::Line),
                Code::ProviderDisabled,
            ),
            (
                ProviderError::ProofMissing("id_token"),
                Code::ValidationFailed,
            ),
            (TokenFault::Invalid.into(), Code::TokenInvalid),
            (TokenFault::Expired.into(), Code::TokenExpired),
            (TokenFault::Audience.into(), Code::TokenAudience),
            (TokenFault::Issuer.into(), Code::TokenIssuer),
            (TokenFault::Nonce.into(), Code::TokenNonce),
            (ProviderError::UNAVAILABLE, Code::Unavailable),
            (ProviderError::NOT_CALLED, Code::Unavailable),
        ] {
            assert_eq!(Problem::from(error).code, code, "{error}");
        }
    }

    #[test]
    fn whoever_must_wait_is_told_whole_seconds() {
        let retry_after = Duration::from_millis(1_001);
        let problem = Problem::from(ProviderError::Unavailable { retry_after });
        assert_eq!(problem.headers[0].1, "2");
    }
}
