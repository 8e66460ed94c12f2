//! The errors of the export API. Codes, HTTP statuses and messages are those of the RDS API.

use thiserror::Error;

use crate::limits;

/// An error that the API returns to its caller. Its [`code`](Self::code) is the `Code` in an XML
/// response, the `Error` of a failed execution, and the `errorType` of a Lambda error.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiError {
    /// A required parameter is absent.
    #[error("The request must contain the parameter {0}.")]
    MissingParameter(&'static str),
    /// The value of a parameter isn't allowed.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// The request names no operation.
    #[error("The request must contain the parameter Action.")]
    MissingAction,
    /// The request names an operation that this service doesn't have.
    #[error("Could not find operation {0} for version 2014-10-31")]
    InvalidAction(String),
    /// The body isn't a form-encoded string.
    #[error("The query string is malformed: {0}")]
    MalformedQueryString(String),
    /// The body is larger than any valid request.
    #[error("The request body is too large.")]
    RequestTooLarge,
    /// The identifier was used before. An identifier can't be reused, even after its task has
    /// ended.
    #[error("The export task with the ID {0} already exists.")]
    ExportTaskAlreadyExists(String),
    /// The task doesn't exist.
    #[error("The export task with the ID {0} doesn't exist.")]
    ExportTaskNotFound(String),
    /// As many tasks run in the account as its limit allows.
    #[error("You have reached the limit of {0} concurrent export tasks")]
    ExportTaskLimitReached(u32),
    /// The task has ended, or it is being canceled.
    #[error("{0}")]
    InvalidExportTaskState(String),
    /// The cluster is already being exported, or its status doesn't allow an export.
    #[error("{0}")]
    InvalidExportSourceState(String),
    /// The cluster doesn't exist.
    #[error("DBCluster {0} not found.")]
    DbClusterNotFound(String),
    /// The `ExportOnly` list is malformed, or it names something that doesn't exist.
    #[error("{0}")]
    InvalidExportOnly(String),
    /// The role doesn't exist.
    #[error("{0}")]
    IamRoleNotFound(String),
    /// The role can't be assumed.
    #[error("{0}")]
    IamRoleMissingPermissions(String),
    /// The bucket doesn't exist.
    #[error("{0}")]
    InvalidS3Bucket(String),
    /// The key can't be used.
    #[error("{0}")]
    KmsKeyNotAccessible(String),
}

impl ApiError {
    /// Returns the error about role, bucket or key that has this code, or `None` if the code is
    /// that of another error. A function reports such an error to the function that called it by
    /// code and message.
    pub fn from_destination(code: &str, message: String) -> Option<Self> {
        match code {
            "IamRoleNotFound" => Some(Self::IamRoleNotFound(message)),
            "IamRoleMissingPermissions" => Some(Self::IamRoleMissingPermissions(message)),
            "InvalidS3BucketFault" => Some(Self::InvalidS3Bucket(message)),
            "KMSKeyNotAccessibleFault" => Some(Self::KmsKeyNotAccessible(message)),
            _ => None,
        }
    }

    /// Returns the error's code. Some codes differ from the name of the SDK's exception.
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
            Self::RequestTooLarge => "RequestEntityTooLarge",
            Self::IamRoleNotFound(_) => "IamRoleNotFound",
            Self::IamRoleMissingPermissions(_) => "IamRoleMissingPermissions",
            Self::InvalidS3Bucket(_) => "InvalidS3BucketFault",
            Self::KmsKeyNotAccessible(_) => "KMSKeyNotAccessibleFault",
        }
    }

    /// Returns the HTTP status of the RDS API's response.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::ExportTaskNotFound(_)
            | Self::DbClusterNotFound(_)
            | Self::IamRoleNotFound(_)
            | Self::MalformedQueryString(_) => 404,
            Self::RequestTooLarge => 413,
            _ => 400,
        }
    }
}

/// Returns a caller's value as a message quotes it. The value is cut off at
/// [`limits::QUOTED_CHARS`], so that no caller can make a message long.
pub fn truncate_for_message(value: &str) -> String {
    match value.char_indices().nth(limits::QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_short() {
        assert_eq!(truncate_for_message(&"ä".repeat(100)), "ä".repeat(100));
        assert_eq!(truncate_for_message(&"ä".repeat(101)), format!("{}…", "ä".repeat(100)));
    }

    #[test]
    fn destination_errors_keep_their_code_and_message() {
        for code in ["IamRoleNotFound", "IamRoleMissingPermissions", "InvalidS3BucketFault", "KMSKeyNotAccessibleFault"]
        {
            let error = ApiError::from_destination(code, "why".into()).unwrap();
            assert_eq!((error.code(), error.to_string().as_str()), (code, "why"));
        }
        assert_eq!(ApiError::from_destination("InternalFailure", String::new()), None);
    }
}
