//! The error that a Lambda answers with. The retriers and catchers of the state machine match its
//! `errorType`. So the name is chosen here and never derived from a Rust type.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use export_destination::DestinationError;
use export_task::error::ApiError;
use export_task::failure::Failure;
use lambda_runtime::Diagnostic;

/// The stable names. `statemachine/README.md` says which of them are retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// An error of the API. Its name is the API's code.
    Api(&'static str),
    /// The clone does not answer. Retried.
    SourceUnavailable,
    /// The clone refuses more connections. Retried.
    SourceThrottled,
    /// S3 throttles the requests. Retried.
    DestinationThrottled,
    /// An AWS service throttles, times out or fails. Retried.
    ServiceUnavailable,
    /// The task was canceled.
    ExportCanceled,
    /// The clone refuses the login.
    SourceAccessDenied,
    /// S3 or KMS refuses the export role.
    DestinationDenied,
    /// The role, the bucket, the key or the cluster can't be used.
    PreconditionFailed,
    /// The clone can't be made.
    CloneFailed,
    /// A planned partition has no result.
    PlanIncomplete,
    /// The data can't be exported.
    DataUnsupported,
    /// Any other error.
    InternalFailure,
}

impl ErrorKind {
    /// Returns the name on the wire.
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

    /// Returns whether a retry of the step may succeed.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::SourceUnavailable | Self::SourceThrottled | Self::DestinationThrottled | Self::ServiceUnavailable
        )
    }
}

/// The error of a step: a stable name, a message for people and the cause.
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
    /// Returns an error without a cause.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Returns an error with its cause.
    pub fn caused(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { kind, message: message.into(), source: Some(source.into()) }
    }

    /// Returns an `InternalFailure`.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InternalFailure, message)
    }

    /// Returns a `PreconditionFailed` with a message of the user guide.
    pub fn precondition(failure: &Failure) -> Self {
        Self::new(ErrorKind::PreconditionFailed, failure.to_string())
    }

    /// Returns an `ExportCanceled`.
    pub fn canceled() -> Self {
        Self::new(ErrorKind::ExportCanceled, "The export task was canceled.")
    }

    /// Returns the error of a failed AWS call. It is `ServiceUnavailable` if the service or the
    /// network was at fault, else `InternalFailure`.
    pub fn aws<E>(context: &str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let kind = if is_transient(&error) { ErrorKind::ServiceUnavailable } else { ErrorKind::InternalFailure };
        let detail = match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            _ => error.to_string(),
        };
        Self::caused(kind, format!("{context}: {detail}"), error)
    }

    /// Returns the same error with `context` in front of its message.
    #[must_use]
    pub fn context(mut self, context: &str) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// Returns the messages of this error and of all its causes, for logs.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// Returns the messages of an error and of all its causes, for logs.
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

/// Returns whether the reason of a failed AWS call is temporary: throttling, a server error, a
/// timeout or a lost connection.
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

/// Returns the answer of an AWS call, or `None` if what the call names does not exist.
///
/// # Errors
/// Those of [`StepError::aws`] for any other error of the call.
pub fn found<T, E>(
    answer: Result<T, SdkError<E, HttpResponse>>,
    is_missing: impl FnOnce(&E) -> bool,
    context: &str,
) -> Result<Option<T>, StepError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(e) if e.as_service_error().is_some_and(is_missing) => Ok(None),
        Err(e) => Err(StepError::aws(context, e)),
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
        // serde_json quotes the invalid value. These documents hold names, never rows.
        Self::caused(ErrorKind::InternalFailure, "a document that travels between two steps is invalid", error)
    }
}

impl From<StepError> for Diagnostic {
    fn from(error: StepError) -> Self {
        Self { error_type: error.kind.name().to_owned(), error_message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::Value;

    use super::*;

    const WORKFLOW: &str = include_str!("../../../statemachine/export-cluster.asl.json");
    const RETRYABLE: [ErrorKind; 4] = [
        ErrorKind::SourceUnavailable,
        ErrorKind::SourceThrottled,
        ErrorKind::DestinationThrottled,
        ErrorKind::ServiceUnavailable,
    ];

    /// Adds the task states of a workflow, also those inside maps.
    fn add_tasks<'a>(states: &'a Value, tasks: &mut Vec<(&'a String, &'a Value)>) {
        for (name, state) in states.as_object().unwrap() {
            if let Some(children) = state.pointer("/ItemProcessor/States") {
                add_tasks(children, tasks);
            } else if state["Type"] == "Task" {
                tasks.push((name, state));
            }
        }
    }

    #[test]
    fn every_task_state_retries_the_retryable_errors() {
        let workflow: Value = serde_json::from_str(WORKFLOW).unwrap();
        let mut tasks = Vec::new();
        add_tasks(&workflow["States"], &mut tasks);
        assert!(tasks.len() > 8);
        for kind in RETRYABLE {
            assert!(kind.is_retryable(), "{kind:?}");
            for (name, state) in &tasks {
                let retriers = state["Retry"].as_array().unwrap().iter();
                let mut matching =
                    retriers.filter(|retrier| retrier["ErrorEquals"].as_array().unwrap().contains(&kind.name().into()));
                assert!(matching.next().is_some_and(|retrier| retrier["MaxAttempts"] != 0), "{name}: {kind:?}");
            }
        }
    }
}
