//! Errors as RDS answers them: a code, an HTTP status, a message.

use rds_query::ParseError;

/// The refusal of one call.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl ApiError {
    /// An error with HTTP status 400.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.to_owned(), message: message.into() }
    }

    /// `InvalidParameterValue`.
    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    /// `InvalidParameterCombination`.
    pub(crate) fn combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }

    /// `InvalidDBClusterStateFault`.
    pub(crate) fn cluster_state(message: impl Into<String>) -> Self {
        Self::new("InvalidDBClusterStateFault", message)
    }

    /// `DBClusterNotFoundFault`.
    pub(crate) fn no_cluster(name: &str) -> Self {
        Self { status: 404, ..Self::new("DBClusterNotFoundFault", format!("DBCluster {name} not found.")) }
    }

    /// `DBInstanceNotFound`.
    pub(crate) fn no_instance(name: &str) -> Self {
        Self { status: 404, ..Self::new("DBInstanceNotFound", format!("DBInstance {name} not found.")) }
    }

    /// `InternalFailure`, for what goes wrong on this machine.
    pub(crate) fn internal(cause: impl std::error::Error + 'static) -> Self {
        tracing::error!(error = &cause as &dyn std::error::Error, "RDS action failed");
        Self { status: 500, ..Self::new("InternalFailure", describe(&cause)) }
    }
}

impl From<ParseError> for ApiError {
    fn from(error: ParseError) -> Self {
        Self { status: error.status(), ..Self::new(error.code(), error.to_string()) }
    }
}

/// An error and its causes in one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
