//! Error responses of RDS: a code, an HTTP status and a message.

use rds_query::ParseError;

/// An error response.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl ApiError {
    /// Returns an error with HTTP status 400.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.to_owned(), message: message.into() }
    }

    /// Returns `InvalidParameterValue`.
    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    /// Returns `InvalidParameterCombination`.
    pub(crate) fn combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }

    /// Returns `InvalidDBClusterStateFault`.
    pub(crate) fn cluster_state(message: impl Into<String>) -> Self {
        Self::new("InvalidDBClusterStateFault", message)
    }

    /// Returns `DBClusterNotFoundFault`.
    pub(crate) fn no_cluster(name: &str) -> Self {
        Self { status: 404, ..Self::new("DBClusterNotFoundFault", format!("DBCluster {name} not found.")) }
    }

    /// Returns `DBInstanceNotFound`.
    pub(crate) fn no_instance(name: &str) -> Self {
        Self { status: 404, ..Self::new("DBInstanceNotFound", format!("DBInstance {name} not found.")) }
    }

    /// Returns `InternalFailure`, for problems of this machine, and logs the cause.
    pub(crate) fn internal(cause: impl std::error::Error + 'static) -> Self {
        tracing::error!(error = &cause as &dyn std::error::Error, "the RDS action failed");
        Self { status: 500, ..Self::new("InternalFailure", describe(&cause)) }
    }
}

impl From<ParseError> for ApiError {
    fn from(error: ParseError) -> Self {
        Self { status: error.status(), ..Self::new(error.code(), error.to_string()) }
    }
}

/// Returns the messages of an error and its causes in one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
