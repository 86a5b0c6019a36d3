//! Sorts the failures of one S3 request by what can be done about them.

use super::super::bucket_error::{Attempt, BucketError};
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use std::error::Error;

/// Tells why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The key is taken: the condition `If-None-Match: *` does not hold.
    Taken,
    /// There is no such object.
    NoObject,
    /// There is no such bucket.
    NoBucket,
    /// The range asked for lies outside the object.
    OutOfRange,
    /// The bucket to be created exists, one's own or another's.
    BucketExists,
    /// Unknown key, wrong signature, expired token, or not permitted.
    Credentials(String),
    /// The clocks differ too much.
    Clock,
    /// The bucket lives in another region or at another endpoint.
    Elsewhere(String),
    /// The server answered that it cannot now.
    Busy(String),
    /// No answer.
    Unreachable(String),
    /// Anything else.
    Refused(String),
}

impl Failure {
    /// Tells whether the same request may succeed a moment later.
    pub(super) fn passes(&self) -> bool {
        match self {
            Failure::Busy(_) | Failure::Unreachable(_) => true,
            Failure::Taken
            | Failure::NoObject
            | Failure::NoBucket
            | Failure::OutOfRange
            | Failure::BucketExists
            | Failure::Credentials(_)
            | Failure::Clock
            | Failure::Elsewhere(_)
            | Failure::Refused(_) => false,
        }
    }

    /// Reports the failure of an attempt.
    pub(super) fn report(self, attempt: Attempt) -> BucketError {
        match self {
            Failure::Taken => BucketError::Conflict { attempt },
            Failure::NoObject => BucketError::NotFound { attempt },
            Failure::NoBucket => BucketError::BucketMissing { attempt },
            Failure::OutOfRange => BucketError::Damaged {
                attempt,
                detail: "it ends before the range that was asked for".to_owned(),
            },
            Failure::BucketExists => {
                BucketError::Refused { attempt, detail: "the bucket exists already".to_owned() }
            }
            Failure::Credentials(detail) => BucketError::Credentials { attempt, detail },
            Failure::Clock => BucketError::Clock { attempt },
            Failure::Elsewhere(detail) => BucketError::WrongPlace { attempt, detail },
            Failure::Busy(detail) => BucketError::Busy { attempt, detail },
            Failure::Unreachable(detail) => BucketError::Unreachable { attempt, detail },
            Failure::Refused(detail) => BucketError::Refused { attempt, detail },
        }
    }
}

impl<E: ProvideErrorMetadata + Error + 'static> From<SdkError<E, HttpResponse>> for Failure {
    fn from(error: SdkError<E, HttpResponse>) -> Failure {
        match &error {
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status().as_u16();
                from_answer(
                    status,
                    answer.err().code().unwrap_or_default(),
                    answer.err().message().unwrap_or_default(),
                )
            }
            SdkError::TimeoutError(_) => Failure::Unreachable("it took too long".to_owned()),
            SdkError::DispatchFailure(failure) if failure.is_user() => Failure::Refused(root_cause(&error)),
            SdkError::DispatchFailure(_) => Failure::Unreachable(root_cause(&error)),
            SdkError::ResponseError(_) => Failure::Busy(format!("unreadable answer: {}", root_cause(&error))),
            _ => Failure::Refused(root_cause(&error)),
        }
    }
}

/// Sorts an error answer. Codes: "Error responses" of the Amazon S3 API reference; where a server sends
/// none (as to HEAD, whose answers have no body) the status decides.
fn from_answer(status: u16, code: &str, message: &str) -> Failure {
    let detail = || match (code, message) {
        ("", _) => format!("HTTP {status}"),
        (code, "") => format!("{code}, HTTP {status}"),
        (code, message) => format!("{code}: {}", message.chars().take(200).collect::<String>()),
    };
    match code {
        "PreconditionFailed" => Failure::Taken,
        "NoSuchBucket" => Failure::NoBucket,
        "NoSuchKey" => Failure::NoObject,
        "InvalidRange" => Failure::OutOfRange,
        "BucketAlreadyOwnedByYou" | "BucketAlreadyExists" => Failure::BucketExists,
        "RequestTimeTooSkewed" => Failure::Clock,
        "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException" => {
            Failure::Elsewhere(detail())
        }
        "AccessDenied"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "InvalidToken"
        | "TokenRefreshRequired"
        | "AccountProblem"
        | "NotSignedUp" => Failure::Credentials(detail()),
        "ConditionalRequestConflict"
        | "OperationAborted"
        | "RequestTimeout"
        | "SlowDown"
        | "InternalError"
        | "ServiceUnavailable" => Failure::Busy(detail()),
        _ => match status {
            412 => Failure::Taken,
            404 => Failure::NoObject,
            416 => Failure::OutOfRange,
            401 | 403 => Failure::Credentials(detail()),
            301 | 307 | 308 => Failure::Elsewhere(detail()),
            408 | 409 | 425 | 429 | 500..=599 => Failure::Busy(detail()),
            _ => Failure::Refused(detail()),
        },
    }
}

/// Returns the innermost error of a chain: the outer ones only say that a request failed.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_key_and_a_conflict_under_way_are_not_the_same() {
        assert_eq!(from_answer(412, "", ""), Failure::Taken);
        assert!(from_answer(409, "ConditionalRequestConflict", "").passes());
        assert_eq!(from_answer(409, "BucketAlreadyOwnedByYou", ""), Failure::BucketExists);
    }

    #[test]
    fn credentials_are_never_retried_and_a_wrong_clock_is_not_blamed_on_them() {
        for code in ["SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken", ""] {
            let failure = from_answer(403, code, "no");
            assert!(matches!(failure, Failure::Credentials(_)) && !failure.passes(), "{code}");
        }
        assert_eq!(from_answer(403, "RequestTimeTooSkewed", ""), Failure::Clock);
    }

    #[test]
    fn what_the_server_cannot_do_now_is_retried() {
        for (status, code) in [(503, "SlowDown"), (500, ""), (502, ""), (429, ""), (400, "RequestTimeout")] {
            assert!(from_answer(status, code, "").passes(), "{status} {code}");
        }
        assert!(!from_answer(400, "InvalidArgument", "").passes());
    }
}
