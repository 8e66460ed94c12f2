//! The task record and its status machine, and the documents about a task that the workflow's
//! states hold.

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::object_key::TaskPath;
use crate::options::Options;
use crate::request::ExportRequest;
use crate::warning::Warnings;

/// A task's status, in the API's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// The task is admitted. Preconditions are checked, the cluster is cloned and the export is
    /// planned.
    Starting,
    /// Rows are being extracted.
    InProgress,
    /// A caller canceled the task, and workers are stopping.
    Canceling,
    /// The task ended because a caller canceled it.
    Canceled,
    /// The task ended with every planned row in the bucket.
    Complete,
    /// The task ended because of an error.
    Failed,
}

impl Status {
    /// Returns the API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::InProgress => "IN_PROGRESS",
            Self::Canceling => "CANCELING",
            Self::Canceled => "CANCELED",
            Self::Complete => "COMPLETE",
            Self::Failed => "FAILED",
        }
    }

    /// Returns whether the task has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Canceled | Self::Complete | Self::Failed)
    }

    /// Returns whether a task may change from this status to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use Status::{Canceled, Canceling, Complete, Failed, InProgress, Starting};
        matches!(
            (self, next),
            (Starting, InProgress | Canceling | Failed)
                | (InProgress, Canceling | Complete | Failed)
                | (Canceling, Canceled | Failed)
        )
    }

    /// Returns the statuses that may change to `next`, for conditional writes.
    pub fn sources_of(next: Self) -> Vec<Self> {
        use Status::{Canceled, Canceling, Complete, Failed, InProgress, Starting};
        [Starting, InProgress, Canceling, Canceled, Complete, Failed]
            .into_iter()
            .filter(|s| s.may_become(next))
            .collect()
    }
}

/// The record of a task: its request, its progress and its end. Times are milliseconds since the
/// epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExportTask {
    /// The request that started the task.
    #[serde(flatten)]
    pub request: ExportRequest,
    /// Its status.
    pub status: Status,
    /// ARN of the execution that does the work. Only this execution can repeat the admission.
    pub execution_arn: String,
    /// When the task was admitted.
    pub created_at: i64,
    /// Identifier of the task's clone, and name of its grant on the key.
    pub clone_identifier: String,
    /// ARN of the key. `check-preconditions` looks it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<String>,
    /// ID of the grant that lets the export role use the key, while the grant exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<String>,
    /// When the clone was requested. All exported rows are of one point in time, at that moment or
    /// shortly after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_time: Option<i64>,
    /// When extraction began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_start_time: Option<i64>,
    /// When the task ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_end_time: Option<i64>,
    /// The planner's estimate of the bytes to read.
    #[serde(default)]
    pub planned_bytes: u64,
    /// The part of `planned_bytes` whose partitions are finished.
    #[serde(default)]
    pub finished_bytes: u64,
    /// Bytes read so far.
    #[serde(default)]
    pub extracted_bytes: u64,
    /// Why the task failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_cause: Option<String>,
    /// Stable name of the failure. The execution ends with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
    /// What the export does not hold. `WarningMessage` is made from it.
    #[serde(default, skip_serializing_if = "Warnings::is_empty")]
    pub warnings: Warnings,
    /// When the task took its directory in the bucket, which was empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_at: Option<i64>,
    /// When the event was published that says that the cluster is cloned or copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced_at: Option<i64>,
    /// When the events about the end were published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<i64>,
    /// When clone, secret and grant no longer existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleaned_up_at: Option<i64>,
}

/// Returns the identifier of a task's clone, which is also the name of its grant on the key. It
/// names the task, and the hash of the execution keeps it distinct from those of
/// other stacks that have a task of the same name.
fn clone_identifier(task: &str, execution_arn: &str) -> String {
    let owner = format!("{task}\0{execution_arn}");
    let hash = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, owner.as_bytes()).simple().to_string();
    let name: String = task.to_ascii_lowercase().chars().take(CLONE_TASK_CHARS).collect();
    format!("{CLONE_PREFIX}{}-{}", name.trim_end_matches('-'), &hash[..CLONE_HASH_CHARS])
}

/// Characters of the task's name in a clone's identifier. With the prefix and the hash, the
/// identifier fits into the 63 characters that RDS allows.
const CLONE_TASK_CHARS: usize = 36;

/// Characters of the hash at the end of a clone's identifier.
const CLONE_HASH_CHARS: usize = 12;

/// Key of the tag on a clone and its instance. Its value is the identifier of the task.
pub const TASK_TAG: &str = "aurora-export:task";

/// The beginning of every clone's identifier. The stack's roles may create and delete clusters with
/// this prefix only.
pub const CLONE_PREFIX: &str = "export-clone-";

impl ExportTask {
    /// Returns the approximate size of the task in a list of tasks, in bytes. It adds the members
    /// that can be long and an upper bound of all other members together.
    pub fn text_bytes(&self) -> usize {
        const OTHER_MEMBERS: usize = 4096;
        let list: usize =
            self.request.export_only.entries().iter().map(|entry| entry.len() + "<member></member>".len()).sum();
        let messages = [self.warnings.to_message(), self.failure_cause.clone()];
        list + messages.iter().flatten().map(String::len).sum::<usize>() + OTHER_MEMBERS
    }

    /// Returns the record of a task at its admission.
    pub fn new(request: ExportRequest, execution_arn: String, now: i64) -> Self {
        Self {
            clone_identifier: clone_identifier(&request.export_task_identifier, &execution_arn),
            request,
            status: Status::Starting,
            execution_arn,
            created_at: now,
            kms_key_arn: None,
            grant_id: None,
            directory_at: None,
            snapshot_time: None,
            task_start_time: None,
            task_end_time: None,
            planned_bytes: 0,
            finished_bytes: 0,
            extracted_bytes: 0,
            failure_cause: None,
            failure_code: None,
            warnings: Warnings::default(),
            announced_at: None,
            published_at: None,
            cleaned_up_at: None,
        }
    }

    /// Returns `PercentProgress`: the finished part of the planned bytes. It is 100 only when the
    /// task is complete.
    pub fn percent_progress(&self) -> u8 {
        if self.status == Status::Complete {
            return 100;
        }
        if self.planned_bytes == 0 {
            return 0;
        }
        let percent = u128::from(self.finished_bytes) * 100 / u128::from(self.planned_bytes);
        // The value is at most 99, so the cast is exact.
        percent.min(99) as u8
    }

    /// Returns `TotalExtractedDataInGB`, in whole GB.
    pub fn total_extracted_gb(&self) -> u64 {
        self.extracted_bytes >> 30
    }

    /// Checks that the task may be canceled.
    ///
    /// # Errors
    /// `InvalidExportTaskStateFault`.
    pub fn check_cancelable(&self) -> Result<(), ApiError> {
        if self.status.may_become(Status::Canceling) {
            return Ok(());
        }
        Err(ApiError::InvalidExportTaskState(format!(
            "The export task {} can't be canceled because its status is {}.",
            self.request.export_task_identifier,
            self.status.as_str()
        )))
    }
}

/// The part of a task that the states of the workflow pass on: what workers need and what never
/// changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskRef {
    /// Unique name of the task.
    pub export_task_identifier: String,
    /// The cluster.
    pub source_arn: crate::arn::ClusterArn,
    /// Name of the bucket.
    pub s3_bucket: String,
    /// Path in the bucket, as in the request. It may be empty.
    pub s3_prefix: String,
    /// ARN of the export role.
    pub iam_role_arn: String,
    /// ARN of the key when it is known, before that the key in the spelling of the request.
    pub kms_key_id: String,
    /// Identifier of the clone.
    pub clone_identifier: String,
    /// How files are written.
    #[serde(default)]
    pub options: Options,
}

impl From<&ExportTask> for TaskRef {
    fn from(task: &ExportTask) -> Self {
        let r = &task.request;
        Self {
            export_task_identifier: r.export_task_identifier.clone(),
            source_arn: r.source_arn.clone(),
            s3_bucket: r.s3_bucket.clone(),
            s3_prefix: r.s3_prefix.clone(),
            iam_role_arn: r.iam_role_arn.clone(),
            kms_key_id: task.kms_key_arn.as_ref().unwrap_or(&r.kms_key_id).clone(),
            clone_identifier: task.clone_identifier.clone(),
            options: r.options,
        }
    }
}

impl TaskRef {
    /// Returns the path of the export in the bucket.
    pub fn path(&self) -> TaskPath {
        TaskPath::new(&self.s3_prefix, &self.export_task_identifier)
    }
}

/// How to connect to a task's clone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CloneEndpoint {
    /// `creating` until all other fields are set, then `available`.
    pub status: String,
    /// Host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Name of the engine in RDS, such as `aurora-postgresql`.
    pub engine: String,
    /// The database that the cluster was created with, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Class of its instance, such as `db.r6g.large`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_class: Option<String>,
    /// ARN of the secret with the clone's master password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_arn: Option<String>,
}

/// Returns how long to wait before the next poll of something that began at `since`: a sixtieth of
/// the elapsed time, at least 5 seconds and at most 15 minutes. This wastes at most 1/60 of the
/// elapsed time, and keeps a 14-day wait under Step Functions' limit of 25,000 events for an
/// execution.
pub fn wait_seconds(since: Option<i64>, now: i64) -> u64 {
    let elapsed = since.map_or(0, |since| now - since);
    // The value is between 5 and 900, so the cast is exact.
    (elapsed / 60_000).clamp(5, 900) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::limits;

    #[test]
    fn waits_grow_with_the_elapsed_time() {
        let minute = 60_000;
        assert_eq!(wait_seconds(None, 10 * minute), 5);
        assert_eq!(wait_seconds(Some(0), minute), 5);
        assert_eq!(wait_seconds(Some(0), 10 * minute), 10);
        assert_eq!(wait_seconds(Some(0), 3_000 * minute), 900);
        assert_eq!(wait_seconds(Some(minute), 0), 5);
        // A poll takes 11 events. A wait of 14 days, the workflow's own limit, must stay under
        // 25,000 events.
        let (mut now, mut polls) = (0, 0);
        while now < 14 * 24 * 60 * minute {
            now += i64::try_from(wait_seconds(Some(0), now)).unwrap() * 1000;
            polls += 1;
        }
        assert!(polls * 11 < 24_000, "{polls}");
    }

    #[test]
    fn final_statuses_are_final() {
        for from in [Status::Canceled, Status::Complete, Status::Failed] {
            assert!(from.is_final());
            for to in Status::sources_of(Status::Failed).into_iter().chain([Status::Complete, Status::Canceled]) {
                assert!(!from.may_become(to));
            }
        }
        assert_eq!(Status::sources_of(Status::Canceling), [Status::Starting, Status::InProgress]);
    }

    proptest! {
        #[test]
        fn clone_identifiers_are_cluster_identifiers(task in "[a-zA-Z](-?[a-zA-Z0-9]){0,29}") {
            let id = clone_identifier(&task, "arn:execution");
            prop_assert_ne!(&id, &clone_identifier(&task, "arn:other"));
            prop_assert!(id.len() <= limits::CLUSTER_IDENTIFIER_CHARS && id.starts_with(CLONE_PREFIX) && !id.contains("--") && !id.ends_with('-'));
            prop_assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        }
    }
}
