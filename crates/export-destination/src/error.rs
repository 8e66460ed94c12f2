//! The errors of destinations, and the only classification of S3's errors.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use tokio::task::JoinError;

use crate::s3::S3Destination;

/// An object could not be written, listed or removed.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// S3 is overloaded, slow or not reachable, or the request's credentials expired. A retry may
    /// succeed.
    #[error("{0}")]
    Throttled(#[source] Box<S3Failure>),
    /// The bucket or the KMS key refuses. A retry cannot succeed until somebody changes a policy.
    #[error("{0}")]
    Denied(#[source] Box<S3Failure>),
    /// S3 refused the request for another reason.
    #[error("{0}")]
    Rejected(#[source] Box<S3Failure>),
    /// The local directory cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    Directory {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The runtime shut down while a part was uploaded.
    #[error("the process ended before an upload finished")]
    Interrupted,
}

impl DestinationError {
    /// Returns the error code of S3 or KMS, such as `AccessDenied`, if the service answered with
    /// one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Throttled(f) | Self::Denied(f) | Self::Rejected(f) => f.code.as_deref(),
            Self::Directory { .. } | Self::Interrupted => None,
        }
    }
}

/// A background task ends early for two reasons: a panic, which continues in the caller, or the end
/// of the runtime.
impl From<JoinError> for DestinationError {
    fn from(error: JoinError) -> Self {
        match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Self::Interrupted,
        }
    }
}

impl S3Destination {
    /// Classifies an error of S3.
    pub(crate) fn failed<E>(
        &self,
        operation: &'static str,
        key: &str,
        error: SdkError<E, HttpResponse>,
    ) -> DestinationError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|r| r.status().as_u16());
        // S3 refuses some requests without an error document. Only the HTTP status shows the
        // refusal.
        let forbidden = || (status == Some(403)).then(|| "403 Forbidden".to_owned());
        let code = error.code().map(str::to_owned).or_else(forbidden);
        let message = match error.message() {
            Some(message) => message.to_owned(),
            None => DisplayErrorContext(&error).to_string(),
        };
        let class = classify(status, code.as_deref());
        let failure = Box::new(S3Failure {
            operation,
            bucket: self.bucket.clone(),
            key: key.to_owned(),
            code,
            message,
            source: Box::new(error),
        });
        match class {
            Class::Throttled => DestinationError::Throttled(failure),
            Class::Denied => DestinationError::Denied(failure),
            Class::Rejected => DestinationError::Rejected(failure),
        }
    }
}

/// A request that S3 did not carry out.
#[derive(Debug)]
pub struct S3Failure {
    /// The S3 operation, such as `UploadPart`.
    pub operation: &'static str,
    /// The bucket.
    pub bucket: String,
    /// The object's key, or the prefix of a listing.
    pub key: String,
    /// The service's error code, if it answered with one.
    pub code: Option<String>,
    /// The service's message or, without one, the client's.
    pub message: String,
    source: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for S3Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s3://{}/{}: ", self.operation, self.bucket, self.key)?;
        if let Some(code) = &self.code {
            write!(f, "{code}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl Error for S3Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Class {
    Throttled,
    Denied,
    Rejected,
}

/// Codes of requests that are worth a retry although their status is 4xx: throttling (also by KMS),
/// an interrupted or damaged transfer, credentials that expired while a long file was written, an
/// upload that somebody else aborted, and two conditional writes of one key at once.
const RETRYABLE: &[&str] = &[
    "BadDigest",
    "ConditionalRequestConflict",
    "ExpiredToken",
    "IncompleteBody",
    "KMS.ThrottlingException",
    "NoSuchUpload",
    "OperationAborted",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
];

/// Codes of refusals whose status is not 403. The last two mean that the bucket is in another
/// Region.
const DENIED: &[&str] =
    &["AccessDenied", "AllAccessDisabled", "NoSuchBucket", "AuthorizationHeaderMalformed", "PermanentRedirect"];

fn classify(status: Option<u16>, code: Option<&str>) -> Class {
    let Some(status) = status else {
        // No answer came: a timeout, a broken connection, or credentials that could not be fetched.
        return Class::Throttled;
    };
    match code {
        Some(code) if RETRYABLE.contains(&code) => Class::Throttled,
        Some(code) if DENIED.contains(&code) || code.starts_with("KMS.") => Class::Denied,
        _ => match status {
            403 => Class::Denied,
            408 | 429 | 500.. => Class::Throttled,
            // A successful answer that cannot be read: the connection broke in the middle of it.
            200..300 => Class::Throttled,
            _ => Class::Rejected,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_answer_has_its_class() {
        for (status, code, class) in [
            (None, None, Class::Throttled),
            (Some(503), Some("SlowDown"), Class::Throttled),
            (Some(500), Some("InternalError"), Class::Throttled),
            (Some(502), None, Class::Throttled),
            (Some(400), Some("KMS.ThrottlingException"), Class::Throttled),
            (Some(400), Some("ExpiredToken"), Class::Throttled),
            (Some(403), Some("RequestTimeTooSkewed"), Class::Throttled),
            (Some(404), Some("NoSuchUpload"), Class::Throttled),
            (Some(403), Some("AccessDenied"), Class::Denied),
            (Some(403), None, Class::Denied),
            (Some(404), Some("NoSuchBucket"), Class::Denied),
            (Some(400), Some("KMS.DisabledException"), Class::Denied),
            (Some(301), Some("PermanentRedirect"), Class::Denied),
            (Some(400), Some("InvalidArgument"), Class::Rejected),
        ] {
            assert_eq!(classify(status, code), class, "{status:?} {code:?}");
        }
    }
}
