//! The error a Lambda answers with. Its `errorType` is a stable name that the state machine's retriers and catchers match,
//! so it is chosen here and never derived from a Rust type.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use export_destination::DestinationError;
use export_task::error::ApiError;
use export_task::failure::Failure;
use lambda_runtime::Diagnostic;

/// The stable names. The state machine's README says which are retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// An error of the API, under the API's code.
    Api(&'static str),
    /// The clone doesn't answer. Retried.
    SourceUnavailable,
    /// The clone refuses more connections. Retried.
    SourceThrottled,
    /// S3 asks for less. Retried.
    DestinationThrottled,
    /// An AWS service throttles, times out or fails. Retried.
    ServiceUnavailable,
    /// A caller canceled the task.
    ExportCanceled,
    /// The clone refuses the login.
    SourceAccessDenied,
    /// S3 or KMS refuses the export role.
    DestinationDenied,
    /// Role, bucket, key or cluster can't be used.
    PreconditionFailed,
    /// The clone can't be made.
    CloneFailed,
    /// A planned partition has no result.
    PlanIncomplete,
    /// The data can't be exported.
    DataUnsupported,
    /// Everything else.
    InternalFailure,
}

impl ErrorKind {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api(code) => code,
            Self::SourceUnavailable => "SourceUnavailable",
            Self::SourceThrottled => "SourceThrottled",
            Self::DestinationThrottled => "DestinationThrottled",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::ExportCanceled => "ExportCanceled",
            Self::SourceAccessDenied => "SourceAccessDenied",
            Self::DestinationDenied => "DestinationDenied",
            Self::PreconditionFailed => "PreconditionFailed",
            Self::CloneFailed => "CloneFailed",
            Self::PlanIncomplete => "PlanIncomplete",
            Self::DataUnsupported => "DataUnsupported",
            Self::InternalFailure => "InternalFailure",
        }
    }

    /// Whether the step may succeed when it is tried again.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::SourceUnavailable | Self::SourceThrottled | Self::DestinationThrottled | Self::ServiceUnavailable
        )
    }
}

/// An error of a step: its stable name, a sentence for a person, and what caused it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// The stable name.
    pub kind: ErrorKind,
    message: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StepError {
    /// An error without an underlying one.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// An error with the one that caused it.
    pub fn caused(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { kind, message: message.into(), source: Some(source.into()) }
    }

    /// `InternalFailure`.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InternalFailure, message)
    }

    /// `PreconditionFailed` with a message of the user guide.
    pub fn precondition(failure: &Failure) -> Self {
        Self::new(ErrorKind::PreconditionFailed, failure.to_string())
    }

    /// `ExportCanceled`.
    pub fn canceled() -> Self {
        Self::new(ErrorKind::ExportCanceled, "The export task was canceled.")
    }

    /// An AWS call that failed, retryable if the service or the network was at fault.
    pub fn aws<E>(what: &str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let kind = if is_transient(&error) { ErrorKind::ServiceUnavailable } else { ErrorKind::InternalFailure };
        let detail = match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            _ => error.to_string(),
        };
        Self::caused(kind, format!("{what}: {detail}"), error)
    }

    /// The same error with what it is about in front of its message.
    #[must_use]
    pub fn about(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Returns every message from this error to its root, for logs.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// Returns every message from an error to its root, for logs.
pub fn chain(error: &dyn Error) -> String {
    let mut last = error.to_string();
    let mut text = last.clone();
    let mut next = error.source();
    while let Some(error) = next {
        let message = error.to_string();
        // An error that wraps another may repeat its message, alone or after a context.
        if !last.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        last = message;
        next = error.source();
    }
    text
}

/// Whether an AWS call failed for a reason that passes: throttling, a server error, a timeout, a lost connection.
pub fn is_transient<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        SdkError::ServiceError(e) => {
            let throttled = e.err().code().is_some_and(|c| {
                c.contains("Throttl") || matches!(c, "TooManyRequestsException" | "SlowDown" | "RequestLimitExceeded")
            });
            throttled || e.raw().status().is_server_error()
        }
        _ => false,
    }
}

impl From<ApiError> for StepError {
    fn from(error: ApiError) -> Self {
        Self::caused(ErrorKind::Api(error.code()), error.to_string(), error)
    }
}

impl From<DestinationError> for StepError {
    fn from(error: DestinationError) -> Self {
        let kind = match error {
            DestinationError::Throttled(_) => ErrorKind::DestinationThrottled,
            DestinationError::Denied(_) => ErrorKind::DestinationDenied,
            DestinationError::Rejected(_) | DestinationError::Directory { .. } | DestinationError::Interrupted => {
                ErrorKind::InternalFailure
            }
        };
        Self::caused(kind, error.to_string(), error)
    }
}

impl From<serde_json::Error> for StepError {
    fn from(error: serde_json::Error) -> Self {
        // serde_json quotes the offending value, which may come from a document with names but never with rows.
        Self::caused(ErrorKind::InternalFailure, "a document between two steps can't be read or written", error)
    }
}

impl From<StepError> for Diagnostic {
    fn from(error: StepError) -> Self {
        Self { error_type: error.kind.name().to_owned(), error_message: error.to_string() }
    }
}
