//! The task record and its status machine.

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::object_key::TaskPath;
use crate::options::Options;
use crate::request::ExportRequest;

/// A task's status, spelled as the API spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Admitted; preconditions, clone and plan are under way.
    Starting,
    /// Rows are being extracted.
    InProgress,
    /// A caller asked for cancellation; workers are stopping.
    Canceling,
    /// Ended by a caller.
    Canceled,
    /// Ended with every planned row in the bucket.
    Complete,
    /// Ended by an error.
    Failed,
}

impl Status {
    /// The API's spelling.
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

    /// Whether the task has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Canceled | Self::Complete | Self::Failed)
    }

    /// Whether a task may go from this status to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use Status::{Canceled, Canceling, Complete, Failed, InProgress, Starting};
        matches!(
            (self, next),
            (Starting, InProgress | Canceling | Failed)
                | (InProgress, Canceling | Complete | Failed)
                | (Canceling, Canceled | Failed)
        )
    }

    /// The statuses from which a task may become `next`, for conditional writes.
    pub fn sources_of(next: Self) -> Vec<Self> {
        use Status::{Canceled, Canceling, Complete, Failed, InProgress, Starting};
        [Starting, InProgress, Canceling, Canceled, Complete, Failed]
            .into_iter()
            .filter(|s| s.may_become(next))
            .collect()
    }
}

/// A task: what was asked, how far it is, how it ended. Times are milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExportTask {
    /// What was asked.
    #[serde(flatten)]
    pub request: ExportRequest,
    /// Where it stands.
    pub status: Status,
    /// The execution that does the work. An admission is repeatable for this execution and no other.
    pub execution_arn: String,
    /// When the task was admitted.
    pub created_at: i64,
    /// Name the clone goes by.
    pub clone_identifier: String,
    /// ARN of the key, once preconditions have looked it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<String>,
    /// The grant that lets the export role use the key, while it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<String>,
    /// The point in time all exported rows are from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_time: Option<i64>,
    /// When extraction began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_start_time: Option<i64>,
    /// When the task ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_end_time: Option<i64>,
    /// Bytes to read, as the planner estimated them.
    #[serde(default)]
    pub planned_bytes: u64,
    /// Bytes of `planned_bytes` whose partitions are finished.
    #[serde(default)]
    pub finished_bytes: u64,
    /// Bytes read so far.
    #[serde(default)]
    pub extracted_bytes: u64,
    /// Why the task failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_cause: Option<String>,
    /// Stable name of the failure, which ends the execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
    /// What was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning_message: Option<String>,
    /// When the task's directory in the bucket became its own: nothing else was in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_at: Option<i64>,
    /// When subscribers were told that the cluster is being cloned, or copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced_at: Option<i64>,
    /// When the end was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<i64>,
    /// When clone, secret and grant were found gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleaned_up_at: Option<i64>,
}

/// Identifier of a task's clone, and name of its grant on the key: within the 63 characters a cluster identifier may have, telling what it is for, and no
/// other execution's, be it of another stack with a task of the same name.
fn clone_identifier(task: &str, execution_arn: &str) -> String {
    let whose = format!("{task}\0{execution_arn}");
    let hash = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, whose.as_bytes()).simple().to_string();
    let name: String = task.to_ascii_lowercase().chars().take(36).collect();
    format!("{CLONE_PREFIX}{}-{}", name.trim_end_matches('-'), &hash[..12])
}

/// Key of the tag by which a clone and its instance name their task.
pub const TASK_TAG: &str = "aurora-export:task";

/// What every clone's identifier begins with; the stack's roles may create and delete nothing else.
pub const CLONE_PREFIX: &str = "export-clone-";

impl ExportTask {
    /// About how long the task is where it is listed: what has no small limit, and the rest.
    pub fn text_bytes(&self) -> usize {
        const REST: usize = 4096;
        let list: usize =
            self.request.export_only.entries().iter().map(|entry| entry.len() + "<member></member>".len()).sum();
        let told = [&self.warning_message, &self.failure_cause];
        list + told.into_iter().flatten().map(String::len).sum::<usize>() + REST
    }

    /// A task as it is admitted.
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
            warning_message: None,
            announced_at: None,
            published_at: None,
            cleaned_up_at: None,
        }
    }

    /// `PercentProgress`: by bytes, 100 only once the task is complete.
    pub fn percent_progress(&self) -> u8 {
        if self.status == Status::Complete {
            return 100;
        }
        if self.planned_bytes == 0 {
            return 0;
        }
        let percent = u128::from(self.finished_bytes) * 100 / u128::from(self.planned_bytes);
        // At most 99, so the cast can't lose anything.
        percent.min(99) as u8
    }

    /// `TotalExtractedDataInGB`, whole GB.
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

/// What travels between the states of the workflow: the parts of a task that workers need and that never change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskRef {
    /// Unique name of the task.
    pub export_task_identifier: String,
    /// The cluster.
    pub source_arn: crate::arn::ClusterArn,
    /// Bucket.
    pub s3_bucket: String,
    /// Path in the bucket.
    pub s3_prefix: String,
    /// Role ARN.
    pub iam_role_arn: String,
    /// ARN of the key once it is known, before that the key as given.
    pub kms_key_id: String,
    /// Name the clone goes by.
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

/// Where and how a task's clone is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CloneEndpoint {
    /// `creating` until everything else is set, then `available`.
    pub status: String,
    /// Host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `aurora-postgresql`.
    pub engine: String,
    /// The database that the cluster was created with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Class of its instance, `db.r6g.large`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_class: Option<String>,
    /// ARN of the secret with the clone's master password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_arn: Option<String>,
}

/// How long to wait before looking again at what has been going on since `since`: a sixtieth of that time, so that little is
/// lost and the 25,000 events an execution may have last for its 14 days. At least 5 seconds and at most 15 minutes.
pub fn wait_seconds(since: Option<i64>, now: i64) -> u64 {
    let elapsed = since.map_or(0, |since| now - since);
    // Between 5 and 900, so the cast can't lose anything.
    (elapsed / 60_000).clamp(5, 900) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_grow_with_what_is_waited_for() {
        let minute = 60_000;
        assert_eq!(wait_seconds(None, 10 * minute), 5);
        assert_eq!(wait_seconds(Some(0), minute), 5);
        assert_eq!(wait_seconds(Some(0), 10 * minute), 10);
        assert_eq!(wait_seconds(Some(0), 3_000 * minute), 900);
        assert_eq!(wait_seconds(Some(minute), 0), 5);
        // 11 events a look: 14 days, the workflow's own limit, need fewer than the 25,000 it may have.
        let (mut now, mut looks) = (0, 0);
        while now < 14 * 24 * 60 * minute {
            now += i64::try_from(wait_seconds(Some(0), now)).unwrap() * 1000;
            looks += 1;
        }
        assert!(looks * 11 < 24_000, "{looks}");
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
            prop_assert!(id.len() <= 63 && id.starts_with(CLONE_PREFIX) && !id.contains("--") && !id.ends_with('-'));
            prop_assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        }
    }
}
