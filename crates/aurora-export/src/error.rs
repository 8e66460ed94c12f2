//! The errors of the commands, which are printed for a person.

use std::convert::Infallible;
use std::error::Error;

use cluster_source::SourceError;
use export_aws::StepError;
use export_destination::DestinationError;
use export_destination::closing::CloseError;
use export_task::error::ApiError;
use partition_extractor::ExtractError;

/// A command failed.
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
    /// A metadata document could not be serialised.
    #[error("a metadata document could not be serialised")]
    Document(#[from] serde_json::Error),
    /// The API would refuse an argument.
    #[error(transparent)]
    Argument(#[from] ApiError),
    /// An AWS service refused or failed.
    #[error(transparent)]
    Aws(#[from] StepError),
    /// A failure without a cause. Holds the message.
    #[error("{0}")]
    Message(String),
    /// A failure with its cause.
    #[error("{message}")]
    Caused {
        /// Says what the command could not do.
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

#[cfg(test)]
mod tests {
    use std::io;

    use export_aws::error::chain;

    use super::*;

    #[test]
    fn a_printed_error_repeats_nothing() {
        let denied = || io::Error::other("permission denied");
        let directory = DestinationError::Directory { path: "/out".into(), source: denied() };
        assert_eq!(chain(&CommandError::from(directory)), "cannot use /out: permission denied");
        assert_eq!(chain(&CommandError::caused("a can't be read", denied())), "a can't be read: permission denied");
    }
}
