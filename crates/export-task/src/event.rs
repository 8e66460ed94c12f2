//! Events in the shapes that RDS uses: an SNS notification and an event for an event bus (guide,
//! Working with Amazon RDS event notification). RDS-EVENT-0234 to 0236 report how a cluster export
//! ended. RDS-EVENT-0489 to 0493 report its progress; AWS has them for exports of cluster
//! snapshots.

use serde_json::{Value, json};

use crate::member::ExportTaskMember;
use crate::plan::{PartitionResult, PlanSummary, PlannedTable};
use crate::task::{ExportTask, Status};
use crate::warning::SkippedTable;
use crate::{limits, time};

/// The subject of all RDS notifications.
pub const SUBJECT: &str = "RDS Notification Message";

/// The `source` of this service's events on an event bus. AWS reserves `aws.rds` for itself.
pub const BUS_SOURCE: &str = "aurora-export";

/// The `detail-type` of RDS's events about clusters.
pub const BUS_EVENT: &str = "RDS DB Cluster Event";

/// The `detail-type` of a change of a task's status. The detail is the task as
/// `DescribeExportTasks` returns it.
pub const BUS_STATE_CHANGE: &str = "Export Task State Change";

/// An event about a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The event's ID, such as `RDS-EVENT-0236`.
    pub id: &'static str,
    /// One or two sentences for a person.
    pub message: String,
    /// The message for SNS.
    pub document: Value,
    /// Message attributes for SNS filter policies: RDS's `EventID` and `Resource`, then this
    /// service's own.
    pub attributes: Vec<(&'static str, String)>,
    /// The detail for an event bus.
    pub detail: Value,
    /// The resource for an event bus: the ARN of the cluster.
    pub resource: String,
}

/// Returns the event of a task that has ended, or `None` while the task runs.
pub fn task_ended(task: &ExportTask) -> Option<Event> {
    let (id, message) = match task.status {
        Status::Failed => ("RDS-EVENT-0234", "Export task failed."),
        Status::Canceled => ("RDS-EVENT-0235", "Export task canceled."),
        Status::Complete => ("RDS-EVENT-0236", "Export task completed."),
        Status::Starting | Status::InProgress | Status::Canceling => return None,
    };
    Some(event(task, id, message.into(), task.task_end_time.unwrap_or(task.created_at)))
}

/// Returns the event of a task that enters a stage of its work, such as `CLONING`.
pub fn stage(task: &ExportTask, stage: &str, at: i64) -> Event {
    event(task, "RDS-EVENT-0493", format!("Export task {} is at {stage} stage.", name(task)), at)
}

/// Returns the event of a task whose cluster has reached its limit of clones. The cluster is copied
/// in full instead.
pub fn copying(task: &ExportTask, at: i64) -> Event {
    let message = format!(
        "Export task {} is at COPYING stage. The DB cluster {} has reached its limit of clones, so it is copied instead of \
         cloned. Please expect a delay in export completion.",
        name(task),
        task.request.source_arn.cluster
    );
    event(task, "RDS-EVENT-0493", message, at)
}

/// Returns the events of a task whose extraction begins: the stage, then the large tables that only
/// one worker can read.
pub fn planned(task: &ExportTask, plan: &PlanSummary, at: i64) -> Vec<Event> {
    let single_threaded = |t: &&PlannedTable| t.bytes >= limits::SINGLE_THREADED_BYTES && t.partitions() == 1;
    let slow = plan.tables.iter().filter(single_threaded).take(limits::TABLE_EVENTS_PER_KIND).map(|t| {
        let message = format!(
            "Export task {}: Table {} will be exported in a slower single-threaded mode. Please expect a delay in export completion.",
            name(task),
            t.table.target()
        );
        event(task, "RDS-EVENT-0491", message, at)
    });
    std::iter::once(stage(task, "EXTRACTING", at)).chain(slow).collect()
}

/// Returns the events about the progress of extraction: that of the whole task, then of tables that
/// have been in progress for more than an hour.
pub fn progress(task: &ExportTask, plan: &PlanSummary, results: &[PartitionResult], at: i64) -> Vec<Event> {
    let (mut in_progress, mut finished, mut finished_bytes) = (0_usize, 0_usize, 0_u64);
    let mut long = Vec::new();
    let mut by_table = std::collections::BTreeMap::<u32, (u32, u64, i64)>::new();
    for result in results {
        let (parts, bytes, since) = by_table.entry(result.table).or_insert((0, 0, i64::MAX));
        (*parts, *bytes, *since) = (*parts + 1, *bytes + result.source_bytes, result.started_at.min(*since));
    }
    for planned in &plan.tables {
        let Some(&(parts, bytes, since)) = by_table.get(&planned.table.id) else { continue };
        if parts >= planned.partitions() {
            (finished, finished_bytes) = (finished + 1, finished_bytes + bytes);
            continue;
        }
        in_progress += 1;
        if at - since > limits::LONG_TABLE_MILLIS && long.len() < limits::TABLE_EVENTS_PER_KIND {
            let message = format!(
                "Export task {}: Table {} is in progress, and the exported size is {} GB.",
                name(task),
                planned.table.target(),
                bytes >> 30
            );
            long.push(event(task, "RDS-EVENT-0492", message, at));
        }
    }
    let message = format!(
        "Export task {}: Export progress is at {}% with {in_progress} table(s) in-progress and {finished} table(s) finished. The \
         total size of finished tables is {} GB.",
        name(task),
        task.percent_progress(),
        finished_bytes >> 30
    );
    std::iter::once(event(task, "RDS-EVENT-0493", message, at)).chain(long).collect()
}

/// Returns the event of a table that is not in the export.
pub fn table_failed(task: &ExportTask, table: &SkippedTable, at: i64) -> Event {
    let message = format!(
        "Export task {}: Table extraction failed for table {} due to {}: {}",
        name(task),
        table.table,
        table.reason.as_str(),
        table.message
    );
    event(task, "RDS-EVENT-0489", message, at)
}

/// Returns the detail of a change of a task's status: the task as `DescribeExportTasks` returns it,
/// cut down to the size that an event bus accepts.
pub fn state_change(task: &ExportTask) -> String {
    let mut member = ExportTaskMember::from(task);
    let mut detail = json!(member).to_string();
    if detail.len() > limits::EVENT_DETAIL_BYTES {
        // The caller sent the list, so the caller knows it.
        member.export_only.clear();
        detail = json!(member).to_string();
    }
    if detail.len() > limits::EVENT_DETAIL_BYTES {
        // Quotes in it are escaped twice. `DescribeExportTasks` returns it.
        member.warning_message = None;
        detail = json!(member).to_string();
    }
    detail
}

fn name(task: &ExportTask) -> &str {
    &task.request.export_task_identifier
}

fn event(task: &ExportTask, id: &'static str, message: String, at: i64) -> Event {
    let source = &task.request.source_arn;
    let category = if id == "RDS-EVENT-0489" { "failure" } else { "notification" };
    let document = json!({
        "Event Source": "db-cluster",
        "Event Time": time::event(at),
        "Identifier Link": format!(
            "https://console.aws.amazon.com/rds/home?region={}#database:id={};is-cluster=true", source.region, source.cluster
        ),
        "Source ID": source.cluster,
        "Source ARN": source.to_string(),
        "Event ID": format!("http://docs.amazonwebservices.com/AmazonRDS/latest/UserGuide/USER_Events.html#{id}"),
        "Event Message": message,
        "Export Task Identifier": name(task),
        "Status": task.status.as_str(),
    });
    let detail = json!({
        "EventCategories": [category],
        "SourceType": "CLUSTER",
        "SourceArn": source.to_string(),
        "Date": time::iso8601(at),
        "Message": message,
        "SourceIdentifier": source.cluster,
        "EventID": id,
        "ExportTaskIdentifier": name(task),
        "Status": task.status.as_str(),
    });
    Event {
        id,
        message,
        document,
        attributes: vec![
            ("EventID", id.to_owned()),
            ("Resource", source.to_string()),
            ("EventCategory", category.to_owned()),
            ("ExportTaskIdentifier", name(task).to_owned()),
            ("Status", task.status.as_str().to_owned()),
        ],
        detail,
        resource: source.to_string(),
    }
}
