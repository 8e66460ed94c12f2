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
    #[error("Could not find operation {0} for version 2014-10-31")]
    InvalidAction(String),
    /// The body isn't a form.
    #[error("The query string is malformed: {0}")]
    MalformedQueryString(String),
    /// The body is larger than any request.
    #[error("The request body is too large.")]
    RequestTooLarge,
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
    /// No such role.
    #[error("{0}")]
    IamRoleNotFound(String),
    /// The role can't be assumed.
    #[error("{0}")]
    IamRoleMissingPermissions(String),
    /// No such bucket.
    #[error("{0}")]
    InvalidS3Bucket(String),
    /// The key can't be used.
    #[error("{0}")]
    KmsKeyNotAccessible(String),
}

impl ApiError {
    /// An error about role, bucket or key, by its code, as one function tells it to another.
    pub fn of_destination(code: &str, message: String) -> Option<Self> {
        match code {
            "IamRoleNotFound" => Some(Self::IamRoleNotFound(message)),
            "IamRoleMissingPermissions" => Some(Self::IamRoleMissingPermissions(message)),
            "InvalidS3BucketFault" => Some(Self::InvalidS3Bucket(message)),
            "KMSKeyNotAccessibleFault" => Some(Self::KmsKeyNotAccessible(message)),
            _ => None,
        }
    }

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
            Self::RequestTooLarge => "RequestEntityTooLarge",
            Self::IamRoleNotFound(_) => "IamRoleNotFound",
            Self::IamRoleMissingPermissions(_) => "IamRoleMissingPermissions",
            Self::InvalidS3Bucket(_) => "InvalidS3BucketFault",
            Self::KmsKeyNotAccessible(_) => "KMSKeyNotAccessibleFault",
        }
    }

    /// The HTTP status the RDS API answers with.
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

/// A caller's value as a message quotes it: a message stays short, whatever the value is.
pub fn shown(value: &str) -> String {
    match value.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_short() {
        assert_eq!(shown(&"ä".repeat(100)), "ä".repeat(100));
        assert_eq!(shown(&"ä".repeat(101)), format!("{}…", "ä".repeat(100)));
    }

    #[test]
    fn destination_errors_keep_their_code_and_message() {
        for code in ["IamRoleNotFound", "IamRoleMissingPermissions", "InvalidS3BucketFault", "KMSKeyNotAccessibleFault"]
        {
            let error = ApiError::of_destination(code, "why".into()).unwrap();
            assert_eq!((error.code(), error.to_string().as_str()), (code, "why"));
        }
        assert_eq!(ApiError::of_destination("InternalFailure", String::new()), None);
    }
}
