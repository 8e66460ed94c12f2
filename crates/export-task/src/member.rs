//! A task as the API returns it: the `ExportTask` structure in the results of all three operations.

use serde::Serialize;

use crate::task::ExportTask;
use crate::time;

/// The API's `ExportTask` structure. Members without a value are absent, as in the RDS API.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExportTaskMember {
    /// Unique name of the task.
    pub export_task_identifier: String,
    /// ARN of the cluster.
    pub source_arn: String,
    /// The parts of the cluster to export. Empty for the whole cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub export_only: Vec<String>,
    /// When the clone was requested. All exported rows are of that time or shortly after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_time: Option<String>,
    /// When extraction began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_start_time: Option<String>,
    /// When the task ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_end_time: Option<String>,
    /// Name of the bucket.
    pub s3_bucket: String,
    /// Path in the bucket. It may be empty.
    pub s3_prefix: String,
    /// ARN of the export role.
    pub iam_role_arn: String,
    /// The key in the spelling of the request.
    pub kms_key_id: String,
    /// Status, such as `COMPLETE`.
    pub status: &'static str,
    /// Finished part of the planned bytes: 0 to 100.
    pub percent_progress: u8,
    /// Data read from the database, in whole GB.
    #[serde(rename = "TotalExtractedDataInGB")]
    pub total_extracted_data_in_gb: u64,
    /// Why the task failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_cause: Option<String>,
    /// What the export does not hold: the JSON document of [`Warnings`](crate::warning::Warnings).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning_message: Option<String>,
    /// Always `CLUSTER`.
    pub source_type: &'static str,
}

impl From<&ExportTask> for ExportTaskMember {
    fn from(task: &ExportTask) -> Self {
        let r = &task.request;
        let failed = task.status == crate::task::Status::Failed;
        Self {
            export_task_identifier: r.export_task_identifier.clone(),
            source_arn: r.source_arn.to_string(),
            export_only: r.export_only.entries().to_vec(),
            snapshot_time: task.snapshot_time.map(time::iso8601),
            task_start_time: task.task_start_time.map(time::iso8601),
            task_end_time: task.task_end_time.map(time::iso8601),
            s3_bucket: r.s3_bucket.clone(),
            s3_prefix: r.s3_prefix.clone(),
            iam_role_arn: r.iam_role_arn.clone(),
            kms_key_id: r.kms_key_id.clone(),
            status: task.status.as_str(),
            percent_progress: task.percent_progress(),
            total_extracted_data_in_gb: task.total_extracted_gb(),
            // Workers note their failures in the record. A note is not the cause of the task's end
            // until the task has failed.
            failure_cause: task.failure_cause.clone().filter(|_| failed),
            warning_message: task.warnings.to_message(),
            source_type: "CLUSTER",
        }
    }
}
