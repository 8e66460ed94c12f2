//! A task as the API shows it: the `ExportTask` structure of `DescribeExportTasks` and its siblings.

use serde::Serialize;

use crate::task::ExportTask;
use crate::time;

/// The API's `ExportTask` structure. Absent members are left out, as the RDS API does.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExportTaskMember {
    /// Unique name of the task.
    pub export_task_identifier: String,
    /// ARN of the cluster.
    pub source_arn: String,
    /// What was asked for, when it was not everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub export_only: Vec<String>,
    /// When the clone was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_time: Option<String>,
    /// When extraction began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_start_time: Option<String>,
    /// When the task ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_end_time: Option<String>,
    /// Bucket.
    pub s3_bucket: String,
    /// Path in the bucket, perhaps empty.
    pub s3_prefix: String,
    /// Role ARN.
    pub iam_role_arn: String,
    /// Key as the request named it.
    pub kms_key_id: String,
    /// Status.
    pub status: &'static str,
    /// 0 to 100.
    pub percent_progress: u8,
    /// Whole GB.
    #[serde(rename = "TotalExtractedDataInGB")]
    pub total_extracted_data_in_gb: u64,
    /// Why a failed task failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_cause: Option<String>,
    /// What was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning_message: Option<String>,
    /// `CLUSTER`.
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
            // A failure noted by a worker is not the task's until the task has failed.
            failure_cause: task.failure_cause.clone().filter(|_| failed),
            warning_message: task.warnings.to_message(),
            source_type: "CLUSTER",
        }
    }
}
