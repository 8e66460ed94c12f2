//! What can fail, and what a failure means to the workflow.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use parquet::errors::ParquetError;
use tokio::task::JoinError;

/// A part file or a metadata object could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// S3 is overloaded, slow or not reachable, or the request's credentials ran out: worth another try.
    #[error("{0}")]
    DestinationThrottled(#[source] Box<S3Failure>),
    /// The bucket or the key refuses: trying again cannot help until somebody changes a policy.
    #[error("{0}")]
    DestinationDenied(#[source] Box<S3Failure>),
    /// S3 refused the request for another reason.
    #[error("{0}")]
    DestinationRejected(#[source] Box<S3Failure>),
    /// The local directory cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Directory {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The batches do not fit the schema, or the encoder failed.
    #[error("cannot encode Parquet: {source}")]
    Parquet {
        /// Why.
        #[source]
        source: ParquetError,
    },
    /// The part was used again after a failed or interrupted write: rows would be missing from it.
    #[error("the part is incomplete because an earlier write did not finish")]
    Incomplete,
}

impl SinkError {
    pub(crate) fn s3<E>(operation: &'static str, bucket: &str, key: &str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|r| r.status().as_u16());
        // A refusal without a document, as S3 answers to some requests, goes by its status.
        let forbidden = || (status == Some(403)).then(|| "403 Forbidden".to_owned());
        let code = error.code().map(str::to_owned).or_else(forbidden);
        let message = match error.message() {
            Some(message) => message.to_owned(),
            None => DisplayErrorContext(&error).to_string(),
        };
        let class = classify(status, code.as_deref());
        let failure = Box::new(S3Failure {
            operation,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            code,
            message,
            source: Box::new(error),
        });
        match class {
            Class::Throttled => Self::DestinationThrottled(failure),
            Class::Denied => Self::DestinationDenied(failure),
            Class::Rejected => Self::DestinationRejected(failure),
        }
    }

    /// S3's or KMS's error code, such as `AccessDenied`, when the service answered with one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::DestinationThrottled(f) | Self::DestinationDenied(f) | Self::DestinationRejected(f) => {
                f.code.as_deref()
            }
            Self::Directory { .. } | Self::Parquet { .. } | Self::Incomplete => None,
        }
    }
}

impl From<ParquetError> for SinkError {
    fn from(source: ParquetError) -> Self {
        Self::Parquet { source }
    }
}

/// What a task that did not run to its end means.
pub(crate) fn interrupted(error: JoinError) -> SinkError {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The runtime is shutting down.
        Err(_) => SinkError::Incomplete,
    }
}

/// A request S3 did not carry out.
#[derive(Debug)]
pub struct S3Failure {
    /// The S3 operation, such as `UploadPart`.
    pub operation: &'static str,
    /// The bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// The service's error code, if it answered with one.
    pub code: Option<String>,
    /// The service's message, else what went wrong below it.
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

/// Codes worth a retry although their status is a 4xx: throttling (by KMS too), a transfer that was cut or damaged,
/// credentials that ran out while a long file was written, an upload somebody cleaned up under us, and two first objects at once.
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

/// Codes that say no although their status is not 403. The last two mean that the bucket is in another region.
const DENIED: &[&str] =
    &["AccessDenied", "AllAccessDisabled", "NoSuchBucket", "AuthorizationHeaderMalformed", "PermanentRedirect"];

fn classify(status: Option<u16>, code: Option<&str>) -> Class {
    let Some(status) = status else {
        // No answer: a timeout, a broken connection, or credentials that could not be fetched.
        return Class::Throttled;
    };
    match code {
        Some(code) if RETRYABLE.contains(&code) => Class::Throttled,
        Some(code) if DENIED.contains(&code) || code.starts_with("KMS.") => Class::Denied,
        _ => match status {
            403 => Class::Denied,
            408 | 429 | 500.. => Class::Throttled,
            // An answer that says success but cannot be read: the connection broke in the middle of it.
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
