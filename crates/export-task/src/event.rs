//! The event published when a task ends, in the shape RDS gives its SNS messages (guide, Working with Amazon RDS event
//! notification; event ids RDS-EVENT-0234 to 0236).

use serde_json::{Value, json};

use crate::task::{ExportTask, Status};
use crate::time;

/// An event: what SNS is handed.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `RDS-EVENT-0236` and the like.
    pub id: &'static str,
    /// One sentence.
    pub message: &'static str,
    /// The subject RDS uses for all its notifications.
    pub subject: &'static str,
    /// The JSON document.
    pub document: Value,
    /// Message attributes for filter policies: RDS's own `EventID` and `Resource`, then ours.
    pub attributes: Vec<(&'static str, String)>,
}

/// The event of a task that has ended, or `None` while it runs.
pub fn task_ended(task: &ExportTask) -> Option<Event> {
    let (id, message) = match task.status {
        Status::Failed => ("RDS-EVENT-0234", "Export task failed."),
        Status::Canceled => ("RDS-EVENT-0235", "Export task canceled."),
        Status::Complete => ("RDS-EVENT-0236", "Export task completed."),
        Status::Starting | Status::InProgress | Status::Canceling => return None,
    };
    let source = &task.request.source_arn;
    let identifier = &task.request.export_task_identifier;
    let document = json!({
        "Event Source": "db-cluster",
        "Event Time": time::event(task.task_end_time.unwrap_or(task.created_at)),
        "Identifier Link": format!(
            "https://console.aws.amazon.com/rds/home?region={}#database:id={};is-cluster=true", source.region, source.cluster
        ),
        "Source ID": source.cluster,
        "Source ARN": source.to_string(),
        "Event ID": format!("http://docs.amazonwebservices.com/AmazonRDS/latest/UserGuide/USER_Events.html#{id}"),
        "Event Message": message,
        "Export Task Identifier": identifier,
        "Status": task.status.as_str(),
    });
    Some(Event {
        id,
        message,
        subject: "RDS Notification Message",
        document,
        attributes: vec![
            ("EventID", id.to_owned()),
            ("Resource", source.to_string()),
            ("ExportTaskIdentifier", identifier.clone()),
            ("Status", task.status.as_str().to_owned()),
        ],
    })
}
