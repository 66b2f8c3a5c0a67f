//! What can go wrong with a store, sorted by what the caller can do about it.

use std::error::Error as StdError;

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use domain::content::UnreadableItems;
use kit::problem::Chain;

/// A failed operation on a table, a bucket or a worker.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nobody answered, or the service has an error of its own: try again later.
    #[error("{operation} on {place}: not available")]
    Unavailable {
        /// The AWS action, such as `GetItem`.
        operation: &'static str,
        /// The table, bucket or function.
        place: String,
        /// What the SDK says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The service asks for patience: throttled, or a transaction met another one.
    #[error("{operation} on {place}: throttled")]
    Throttled {
        /// The AWS action.
        operation: &'static str,
        /// The table, bucket or function.
        place: String,
        /// What the SDK says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// What is to be stored could not be encrypted.
    #[error("the encryption library refused")]
    Encryption,
    /// No answer within the client's time limit. A write may or may not have happened.
    #[error("{operation} on {place}: timed out")]
    TimedOut {
        /// The AWS action.
        operation: &'static str,
        /// The table, bucket or function.
        place: String,
        /// What the SDK says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The service refuses the call itself: a missing table, a missing permission, a bug of ours.
    #[error("{operation} on {place}: refused: {reason}")]
    Refused {
        /// The AWS action.
        operation: &'static str,
        /// The table, bucket or function.
        place: String,
        /// The service's error code and message.
        reason: String,
    },
    /// The write's condition does not hold: somebody else was there before.
    #[error("{operation} on {place}: the condition does not hold")]
    Conflict {
        /// The AWS action.
        operation: &'static str,
        /// The table.
        place: String,
    },
    /// What is stored cannot be what was written.
    #[error("{place}: corrupt: {what}")]
    Corrupt {
        /// The table or bucket.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// More than may be stored, or than was expected to be.
    #[error("{what} has {size_bytes} bytes of at most {limit_bytes}")]
    TooLarge {
        /// What was measured.
        what: &'static str,
        /// Its size.
        size_bytes: usize,
        /// The most that is accepted.
        limit_bytes: usize,
    },
    /// A cursor that was not handed out for this list.
    #[error("not a cursor of this list")]
    BadCursor,
}

impl StoreError {
    /// Whether the same call may well succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. } | Self::Throttled { .. } | Self::TimedOut { .. }
        )
    }

    /// Whether the same call would end the same, whoever makes it and when.
    pub fn is_lasting(&self) -> bool {
        !self.is_transient() && !self.is_conflict()
    }

    /// Whether a write's condition did not hold.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    pub(crate) fn corrupt(place: &str, what: impl ToString) -> Self {
        Self::Corrupt {
            place: place.to_owned(),
            what: what.to_string(),
        }
    }

    /// Returns [`Corrupt`](Self::Corrupt) for stored items that cannot be read.
    pub fn unreadable(place: &str, error: &UnreadableItems) -> Self {
        Self::corrupt(place, Chain(error))
    }

    /// Sorts an SDK error. A transaction's reasons are sorted by `Transaction`.
    pub(crate) fn from_sdk<E>(
        operation: &'static str,
        place: &str,
        error: SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let place = place.to_owned();
        match &error {
            SdkError::TimeoutError(_) => Self::TimedOut {
                operation,
                place,
                source: Box::new(error),
            },
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::TimedOut {
                operation,
                place,
                source: Box::new(error),
            },
            SdkError::ServiceError(answer) => {
                match kind(answer.err().code(), answer.raw().status().is_server_error()) {
                    Kind::Conflict => Self::Conflict { operation, place },
                    Kind::Throttled => Self::Throttled {
                        operation,
                        place,
                        source: Box::new(error),
                    },
                    Kind::Broken => Self::Unavailable {
                        operation,
                        place,
                        source: Box::new(error),
                    },
                    Kind::Refused => Self::Refused {
                        operation,
                        place,
                        reason: format!(
                            "{}: {}",
                            answer.err().code().unwrap_or("unknown"),
                            answer.err().message().unwrap_or_default()
                        ),
                    },
                }
            }
            _ => Self::Unavailable {
                operation,
                place,
                source: Box::new(error),
            },
        }
    }
}

#[derive(Debug, PartialEq)]
enum Kind {
    Conflict,
    Throttled,
    Broken,
    Refused,
}

/// By the error codes of the DynamoDB, S3 and Lambda API references; by the status where the code is
/// none that we know. An error without a code is none of theirs, so something between us and them
/// is broken.
fn kind(code: Option<&str>, status_is_5xx: bool) -> Kind {
    match code {
        Some("ConditionalCheckFailedException") => Kind::Conflict,
        Some(
            "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "SlowDown"
            | "ThrottlingException"
            | "TooManyRequestsException"
            | "TransactionConflictException"
            | "TransactionInProgressException",
        ) => Kind::Throttled,
        None
        | Some(
            "InternalError" | "InternalServerError" | "ServiceException" | "ServiceUnavailable",
        ) => Kind::Broken,
        Some(_) if status_is_5xx => Kind::Broken,
        Some(_) => Kind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_code_is_sorted_by_its_status() {
        for (code, status_is_5xx, sorted) in [
            (Some("SlowDown"), true, Kind::Throttled),
            (Some("InternalServerError"), true, Kind::Broken),
            (Some("EC2UnexpectedException"), true, Kind::Broken),
            (Some("AccessDeniedException"), false, Kind::Refused),
            (Some("SomethingNew"), false, Kind::Refused),
            (None, false, Kind::Broken),
        ] {
            assert_eq!(kind(code, status_is_5xx), sorted, "{code:?}");
        }
    }
}
