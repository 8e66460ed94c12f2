//! Every environment variable that the Lambdas read, and who sets it.
//!
//! `infra/template.yaml` sets the variables of the stack. The Lambda runtime sets its own
//! (AWS Lambda Developer Guide, Defined runtime environment variables). The AWS SDK reads further
//! variables by itself, among them the Region and the credentials. The template also sets
//! `MALLOC_MMAP_THRESHOLD_`, which glibc reads.

use crate::error::StepError;

// Set by `infra/template.yaml`.

/// Name of the DynamoDB table of tasks.
pub const TASK_TABLE: &str = "TASK_TABLE";
/// Name of the stack's work bucket.
pub const WORK_BUCKET: &str = "WORK_BUCKET";
/// ARN of the state machine that `export-api` starts.
pub const STATE_MACHINE_ARN: &str = "STATE_MACHINE_ARN";
/// ARN of the topic of events.
pub const TOPIC_ARN: &str = "TOPIC_ARN";
/// Name or ARN of the function `check-preconditions`, which `export-api` calls.
pub const CHECK_PRECONDITIONS_FUNCTION: &str = "CHECK_PRECONDITIONS_FUNCTION";
/// Name or ARN of the function `finish-export`, which the janitor calls.
pub const FINISH_EXPORT_FUNCTION: &str = "FINISH_EXPORT_FUNCTION";
/// Name or ARN of the function `delete-clone`, which the janitor calls.
pub const DELETE_CLONE_FUNCTION: &str = "DELETE_CLONE_FUNCTION";
/// Maximum number of tasks that run at once (default 5, as AWS allows).
pub const MAX_CONCURRENT_TASKS: &str = "MAX_CONCURRENT_TASKS";
/// Instance class of clones.
pub const CLONE_INSTANCE_CLASS: &str = "CLONE_INSTANCE_CLASS";
/// Security group that lets the workers reach clones; empty for none.
pub const CLONE_SECURITY_GROUP_ID: &str = "CLONE_SECURITY_GROUP_ID";
/// Minimum size of a work unit, in MB of table data (default 64).
pub const TARGET_PARTITION_MB: &str = "TARGET_PARTITION_MB";
/// Maximum number of workers of one task that run at once, even if the clone could serve more
/// (default 200).
pub const MAX_WORKERS: &str = "MAX_WORKERS";
/// A value of this many bytes or more fails the export (default: AWS's limit of 500 MB).
pub const MAX_VALUE_BYTES: &str = "MAX_VALUE_BYTES";
/// A table with a row of this many bytes or more is skipped (default: AWS's limit of 2 GB).
pub const MAX_ROW_BYTES: &str = "MAX_ROW_BYTES";

// Set by the Lambda runtime.

/// Directory of the function's code.
pub const LAMBDA_TASK_ROOT: &str = "LAMBDA_TASK_ROOT";
/// Memory of the function in MiB.
pub const AWS_LAMBDA_FUNCTION_MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";

// Set by whoever deploys or runs a function outside of AWS.

/// Endpoint of all AWS services. The SDK uses it by itself; S3 clients then also address buckets by
/// path.
pub const AWS_ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
/// Path of the certificate authorities that the certificates of clones are verified against
/// (default: `rds-ca.pem` beside the binary).
pub const DATABASE_CA_FILE: &str = "DATABASE_CA_FILE";

/// Returns a required variable.
///
/// # Errors
/// `InternalFailure` naming the variable.
pub fn required(name: &'static str) -> Result<String, StepError> {
    optional(name).ok_or_else(|| StepError::internal(format!("the environment variable {name} is not set")))
}

/// Returns an optional variable. An empty one counts as absent.
pub fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// Returns a number, or `default` if the variable is not set.
///
/// # Errors
/// `InternalFailure` naming the variable whose value is not a number.
pub fn number<T: std::str::FromStr>(name: &'static str, default: T) -> Result<T, StepError> {
    match optional(name) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .map_err(|_| StepError::internal(format!("the environment variable {name} is not a number: {text}"))),
    }
}
