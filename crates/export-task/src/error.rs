//! The errors of the export API: code on the wire, HTTP status and message, as the RDS API has them.

use thiserror::Error;

/// An error answered to a caller of the API. Its [`code`](Self::code) is the `Code` of the XML answer, the `Error` of a
/// failed execution, and the `errorType` of a Lambda error alike.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiError {
    /// A required parameter is absent.
    #[error("The request must contain the parameter {0}.")]
    MissingParameter(&'static str),
    /// A parameter's value isn't allowed.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// The request names no operation.
    #[error("The request must contain the parameter Action.")]
    MissingAction,
    /// The request names an operation this service doesn't have.
    #[error("The action {0} is not valid for this web service.")]
    InvalidAction(String),
    /// The body isn't a form.
    #[error("The query string is malformed: {0}")]
    MalformedQueryString(String),
    /// The identifier was used before. It can't be used again, even after the task has ended.
    #[error("The export task with the ID {0} already exists.")]
    ExportTaskAlreadyExists(String),
    /// No such task.
    #[error("The export task with the ID {0} doesn't exist.")]
    ExportTaskNotFound(String),
    /// The account's slots are taken.
    #[error("You have reached the limit of {0} concurrent export tasks")]
    ExportTaskLimitReached(u32),
    /// The task has ended or is ending.
    #[error("{0}")]
    InvalidExportTaskState(String),
    /// The cluster is exporting already.
    #[error("{0}")]
    InvalidExportSourceState(String),
    /// No such cluster.
    #[error("DBCluster {0} not found.")]
    DbClusterNotFound(String),
    /// The list of what to export is malformed or names what doesn't exist.
    #[error("{0}")]
    InvalidExportOnly(String),
}

impl ApiError {
    /// The error's code (for several not the name of the SDK's exception).
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingParameter(_) => "MissingParameter",
            Self::InvalidParameterValue(_) => "InvalidParameterValue",
            Self::MissingAction => "MissingAction",
            Self::InvalidAction(_) => "InvalidAction",
            Self::MalformedQueryString(_) => "MalformedQueryString",
            Self::ExportTaskAlreadyExists(_) => "ExportTaskAlreadyExists",
            Self::ExportTaskNotFound(_) => "ExportTaskNotFound",
            Self::ExportTaskLimitReached(_) => "ExportTaskLimitReachedFault",
            Self::InvalidExportTaskState(_) => "InvalidExportTaskStateFault",
            Self::InvalidExportSourceState(_) => "InvalidExportSourceState",
            Self::DbClusterNotFound(_) => "DBClusterNotFoundFault",
            Self::InvalidExportOnly(_) => "InvalidExportOnly",
        }
    }

    /// The HTTP status the RDS API answers with.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::ExportTaskNotFound(_) | Self::DbClusterNotFound(_) | Self::MalformedQueryString(_) => 404,
            _ => 400,
        }
    }
}
