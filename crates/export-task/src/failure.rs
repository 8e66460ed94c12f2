//! The failure messages of the user guide ("Failure messages for Amazon S3 export tasks"), word for
//! word.

use thiserror::Error;

/// Why a task failed: the text of `FailureCause`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The cluster doesn't exist, or it can't be cloned.
    #[error("Failed to find or access the source DB cluster: {0}")]
    SourceCluster(String),
    /// An error that the guide has no message for.
    #[error("An unknown internal error occurred.")]
    Internal,
    /// The metadata object could not be written, for a reason that the guide has no message for.
    #[error("An unknown internal error occurred writing the export task's metadata to the S3 bucket {0}.")]
    MetadataInternal(String),
    /// The export role can't be assumed.
    #[error("The RDS export failed to write the export task's metadata because it can't assume the IAM role {0}.")]
    AssumeRole(String),
    /// The metadata object could not be written: an AWS service refused it.
    #[error(
        "The RDS export failed to write the export task's metadata to the S3 bucket {bucket} using the IAM role {role} with \
         the KMS key {key}. Error code: {code}"
    )]
    Metadata {
        /// Bucket name.
        bucket: String,
        /// Role ARN.
        role: String,
        /// The key in the spelling of the request.
        key: String,
        /// The error code of the AWS service.
        code: String,
    },
    /// The role lacks an S3 permission.
    #[error(
        "The IAM role {role} isn't authorized to call {action} on the S3 bucket {bucket}. Review your permissions and retry the export."
    )]
    NotAuthorized {
        /// Role ARN.
        role: String,
        /// The permission, such as `s3:PutObject`.
        action: String,
        /// Bucket name.
        bucket: String,
    },
    /// The key can't be used.
    #[error("KMS key check failed. Check the credentials on your KMS key and try again.")]
    KmsKey,
    /// The bucket can't be used.
    #[error("S3 credential check failed. Check the permissions on your S3 bucket and IAM policy.")]
    S3Credentials,
    /// The bucket doesn't exist.
    #[error(
        "The S3 bucket {0} isn't valid. Either it isn't located in the current AWS Region or it doesn't exist. Review your S3 \
         bucket name and retry the export."
    )]
    BucketInvalid(String),
    /// The bucket is in another Region.
    #[error(
        "The S3 bucket {0} isn't located in the current AWS Region. Review your S3 bucket name and retry the export."
    )]
    BucketRegion(String),
}
