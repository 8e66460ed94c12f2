//! Why a command failed, for a person.

use std::convert::Infallible;
use std::error::Error;

use cluster_source::SourceError;
use export_aws::StepError;
use export_destination::DestinationError;
use export_destination::closing::CloseError;
use export_task::error::ApiError;
use partition_extractor::ExtractError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The database failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A table could not be extracted.
    #[error(transparent)]
    Extract(#[from] ExtractError<Infallible>),
    /// The destination failed.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// The export could not be closed.
    #[error(transparent)]
    Close(#[from] CloseError),
    /// A metadata document could not be made.
    #[error("a metadata document could not be made")]
    Document(#[from] serde_json::Error),
    /// An argument is not one that the API would accept.
    #[error(transparent)]
    Argument(#[from] ApiError),
    /// An AWS service refused or failed.
    #[error(transparent)]
    Aws(#[from] StepError),
    /// A failure that its message explains.
    #[error("{0}")]
    Message(String),
    /// A failure with its cause.
    #[error("{message}")]
    Caused {
        /// What could not be done.
        message: String,
        /// The cause.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl CommandError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }

    pub(crate) fn caused(message: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Caused { message: message.into(), source: source.into() }
    }
}
