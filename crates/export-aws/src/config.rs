//! Every environment variable the Lambdas read. `infra/template.yaml` sets them.

use crate::error::StepError;

/// Name of the DynamoDB table of tasks.
pub const TASK_TABLE: &str = "TASK_TABLE";
/// Name of the stack's work bucket.
pub const WORK_BUCKET: &str = "WORK_BUCKET";
/// ARN of the state machine that `export-api` starts.
pub const STATE_MACHINE_ARN: &str = "STATE_MACHINE_ARN";
/// ARN of the topic that events go to.
pub const TOPIC_ARN: &str = "TOPIC_ARN";
/// Name or ARN of the `finish-export` function, for the janitor.
pub const FINISH_EXPORT_FUNCTION: &str = "FINISH_EXPORT_FUNCTION";
/// Name or ARN of the `check-preconditions` function, for `StartExportTask`.
pub const CHECK_PRECONDITIONS_FUNCTION: &str = "CHECK_PRECONDITIONS_FUNCTION";
/// Tasks that may run at once (default 5, as AWS allows).
pub const MAX_CONCURRENT_TASKS: &str = "MAX_CONCURRENT_TASKS";
/// Instance class of clones.
pub const CLONE_INSTANCE_CLASS: &str = "CLONE_INSTANCE_CLASS";
/// Security group that lets the workers reach clones; empty for none.
pub const CLONE_SECURITY_GROUP_ID: &str = "CLONE_SECURITY_GROUP_ID";
/// Smallest work unit the planner makes, in MB of table (default 64).
pub const TARGET_PARTITION_MB: &str = "TARGET_PARTITION_MB";
/// Workers of one task that may run at once, whatever its clone could bear (default 200).
pub const MAX_WORKERS: &str = "MAX_WORKERS";
/// A value of this many bytes or more fails the export (default: AWS's limit of 500 MB).
pub const MAX_VALUE_BYTES: &str = "MAX_VALUE_BYTES";
/// A row of this many bytes or more makes its table a skipped one (default: AWS's limit of 2 GB).
pub const MAX_ROW_BYTES: &str = "MAX_ROW_BYTES";
/// Path of the certificate authority bundle clones are verified against; by default `rds-ca.pem` beside the binary.
pub const DATABASE_CA_FILE: &str = "DATABASE_CA_FILE";

/// A required variable.
///
/// # Errors
/// `InternalFailure` naming the variable.
pub fn required(name: &'static str) -> Result<String, StepError> {
    optional(name).ok_or_else(|| StepError::internal(format!("the environment variable {name} is not set")))
}

/// An optional variable; empty counts as absent.
pub fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// A number with a default.
///
/// # Errors
/// `InternalFailure` naming the variable whose value is no number.
pub fn number<T: std::str::FromStr>(name: &'static str, default: T) -> Result<T, StepError> {
    match optional(name) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .map_err(|_| StepError::internal(format!("the environment variable {name} is no number: {text}"))),
    }
}
