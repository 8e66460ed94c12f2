//! Events in the shapes RDS gives them: an SNS notification, and an event for a bus (guide, Working with Amazon RDS event
//! notification). RDS-EVENT-0234 to 0236 tell how a cluster export ended; RDS-EVENT-0489 to 0493 tell of its progress, as AWS
//! has them for exports of cluster snapshots.

use serde_json::{Value, json};

use crate::member::ExportTaskMember;
use crate::plan::{PartitionResult, PlanSummary, PlannedTable};
use crate::task::{ExportTask, Status};
use crate::warning::SkippedTable;
use crate::{limits, time};

/// The subject RDS uses for all its notifications.
pub const SUBJECT: &str = "RDS Notification Message";

/// The `source` of our events on a bus. AWS keeps `aws.rds` for itself.
pub const BUS_SOURCE: &str = "aurora-export";

/// The `detail-type` RDS gives events of clusters.
pub const BUS_EVENT: &str = "RDS DB Cluster Event";

/// The `detail-type` of a change of a task's status; its detail is the task as `DescribeExportTasks` shows it.
pub const BUS_STATE_CHANGE: &str = "Export Task State Change";

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `RDS-EVENT-0236` and the like.
    pub id: &'static str,
    /// One sentence or two.
    pub message: String,
    /// What SNS is handed.
    pub document: Value,
    /// Message attributes for filter policies: RDS's own `EventID` and `Resource`, then ours.
    pub attributes: Vec<(&'static str, String)>,
    /// What a bus is handed.
    pub detail: Value,
    /// The resource a bus is told.
    pub resource: String,
}

/// The event of a task that has ended, or `None` while it runs.
pub fn task_ended(task: &ExportTask) -> Option<Event> {
    let (id, message) = match task.status {
        Status::Failed => ("RDS-EVENT-0234", "Export task failed."),
        Status::Canceled => ("RDS-EVENT-0235", "Export task canceled."),
        Status::Complete => ("RDS-EVENT-0236", "Export task completed."),
        Status::Starting | Status::InProgress | Status::Canceling => return None,
    };
    Some(event(task, id, message.into(), task.task_end_time.unwrap_or(task.created_at)))
}

/// A task goes over to another part of its work.
pub fn stage(task: &ExportTask, stage: &str, at: i64) -> Event {
    event(task, "RDS-EVENT-0493", format!("Export task {} is at {stage} stage.", name(task)), at)
}

/// The cluster has as many clones as it may have, so it is copied in full.
pub fn copying(task: &ExportTask, at: i64) -> Event {
    let message = format!(
        "Export task {} is at COPYING stage. The DB cluster {} has reached its limit of clones, so it is copied instead of \
         cloned. Please expect a delay in export completion.",
        name(task),
        task.request.source_arn.cluster
    );
    event(task, "RDS-EVENT-0493", message, at)
}

/// Extraction begins: the stage, and the large tables that only one worker can read.
pub fn planned(task: &ExportTask, plan: &PlanSummary, at: i64) -> Vec<Event> {
    let alone = |t: &&PlannedTable| {
        t.bytes >= limits::SINGLE_THREADED_BYTES && t.batches.iter().map(|(_, count)| count).sum::<u32>() == 1
    };
    let slow = plan.tables.iter().filter(alone).take(limits::TABLE_EVENTS_PER_KIND).map(|t| {
        let message = format!(
            "Export task {}: Table {} will be exported in a slower single-threaded mode. Please expect a delay in export completion.",
            name(task),
            t.table.target()
        );
        event(task, "RDS-EVENT-0491", message, at)
    });
    std::iter::once(stage(task, "EXTRACTING", at)).chain(slow).collect()
}

/// How far extraction is: the whole, and every table that has been under way for more than an hour.
pub fn progress(task: &ExportTask, plan: &PlanSummary, results: &[PartitionResult], at: i64) -> Vec<Event> {
    let (mut under_way, mut finished, mut finished_bytes) = (0_usize, 0_usize, 0_u64);
    let mut long = Vec::new();
    let mut by_table = std::collections::BTreeMap::<u32, (u32, u64, i64)>::new();
    for result in results {
        let (parts, bytes, since) = by_table.entry(result.table).or_insert((0, 0, i64::MAX));
        (*parts, *bytes, *since) = (*parts + 1, *bytes + result.source_bytes, result.started_at.min(*since));
    }
    for planned in &plan.tables {
        let Some(&(parts, bytes, since)) = by_table.get(&planned.table.id) else { continue };
        if parts >= planned.batches.iter().map(|(_, count)| count).sum() {
            (finished, finished_bytes) = (finished + 1, finished_bytes + bytes);
            continue;
        }
        under_way += 1;
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
        "Export task {}: Export progress is at {}% with {under_way} table(s) in-progress and {finished} table(s) finished. The \
         total size of finished tables is {} GB.",
        name(task),
        task.percent_progress(),
        finished_bytes >> 30
    );
    std::iter::once(event(task, "RDS-EVENT-0493", message, at)).chain(long).collect()
}

/// A table is not in the export.
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

/// What a bus is told of a task's status: the task as `DescribeExportTasks` shows it.
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
