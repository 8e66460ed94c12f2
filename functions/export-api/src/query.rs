//! The RDS Query protocol: form parameters to operations, results to XML.

use export_task::error::{ApiError, truncate_for_message};
use export_task::filter::{DescribeExportTasks, Filter};
use export_task::member::ExportTaskMember;
use export_task::request::{CancelExportTask, StartExportTask};
use rds_query::xml::{self, Element, Fault};
use rds_query::{ParseError, Request};
use serde_json::Value;

use crate::actions::{Operation, Outcome};

/// The parameters of each operation. `#` stands for an index.
const START: &[&str] =
    &["ExportTaskIdentifier", "SourceArn", "S3BucketName", "IamRoleArn", "KmsKeyId", "S3Prefix", "ExportOnly.member.#"];
const DESCRIBE: &[&str] = &[
    "ExportTaskIdentifier",
    "SourceArn",
    "SourceType",
    "MaxRecords",
    "Marker",
    "Filters.Filter.#.Name",
    "Filters.Filter.#.Values.Value.#",
];
const CANCEL: &[&str] = &["ExportTaskIdentifier"];

/// Refuses unknown parameters. If they were ignored, a request with a misspelled `ExportOnly` would
/// export everything.
fn check_names(request: &Request, known: &[&str]) -> Result<(), ApiError> {
    let is = |wanted: &str, part: &str| match wanted {
        "#" => part.parse::<u32>().is_ok_and(|index| index > 0),
        // Clients may use the generic name `member` instead of the name in the model.
        "Filter" | "Value" => part == wanted || part == "member",
        _ => part == wanted,
    };
    let legal = |name: &str| {
        known.iter().any(|pattern| {
            let (mut wanted, mut parts) = (pattern.split('.'), name.split('.'));
            // Clients send an empty list as its name without a value.
            let empty_list = pattern.contains('#') && !name.contains('.') && request.get(name) == Some("");
            match empty_list {
                true => pattern.split('.').next() == Some(name),
                false => wanted.all(|w| parts.next().is_some_and(|part| is(w, part))) && parts.next().is_none(),
            }
        })
    };
    match request.params().keys().find(|name| !legal(name)) {
        Some(name) => {
            Err(ApiError::InvalidParameterValue(format!("Unknown parameter: {}", truncate_for_message(name))))
        }
        None => Ok(()),
    }
}

/// Reads an operation from the body of a request.
///
/// # Errors
/// `InvalidAction`, and those of [`Operation`].
pub fn parse(request: &Request) -> Result<Operation, ApiError> {
    let get = |name: &str| request.get(name).map(str::to_owned);
    match request.action() {
        "StartExportTask" => {
            check_names(request, START)?;
            let only = request.list("ExportOnly", "member");
            Ok(Operation::Start(StartExportTask {
                export_task_identifier: get("ExportTaskIdentifier"),
                source_arn: get("SourceArn"),
                s3_bucket_name: get("S3BucketName"),
                iam_role_arn: get("IamRoleArn"),
                kms_key_id: get("KmsKeyId"),
                s3_prefix: get("S3Prefix"),
                export_only: (!only.is_empty()).then(|| only.into_iter().map(str::to_owned).collect()),
                // AWS's API has no such parameter.
                options: None,
            }))
        }
        "DescribeExportTasks" => {
            check_names(request, DESCRIBE)?;
            let filters = request
                .structs("Filters", "Filter")
                .iter()
                .map(|f| {
                    let name = f.get("Name").ok_or(ApiError::MissingParameter("Filters.Filter.Name"))?.to_owned();
                    Ok(Filter { name, values: f.list("Values", "Value").into_iter().map(str::to_owned).collect() })
                })
                .collect::<Result<_, ApiError>>()?;
            let describe = DescribeExportTasks {
                export_task_identifier: get("ExportTaskIdentifier"),
                source_arn: get("SourceArn"),
                source_type: get("SourceType"),
                filters,
                max_records: get("MaxRecords").map(Value::from),
                marker: get("Marker"),
            };
            describe.validate().map(Operation::Describe)
        }
        "CancelExportTask" => {
            check_names(request, CANCEL)?;
            let cancel = CancelExportTask { export_task_identifier: get("ExportTaskIdentifier") };
            cancel.validate().map(Operation::Cancel)
        }
        other => Err(ApiError::InvalidAction(truncate_for_message(other))),
    }
}

/// Returns the API's error for a body that is not a form.
pub fn parse_error(error: &ParseError) -> ApiError {
    match error {
        ParseError::MissingAction => ApiError::MissingAction,
        ParseError::InvalidAction(action) => ApiError::InvalidAction(truncate_for_message(action)),
        ParseError::TooLarge => ApiError::RequestTooLarge,
        ParseError::Encoding | ParseError::Duplicate(_) => {
            ApiError::MalformedQueryString(truncate_for_message(&error.to_string()))
        }
    }
}

/// Returns the XML of a result.
pub fn render(action: &str, request_id: &str, outcome: &Outcome) -> String {
    xml::response(action, request_id, |result| match outcome {
        Outcome::Task(task) => members(result, task),
        Outcome::Page { export_tasks, marker } => {
            result.child("ExportTasks", |list| {
                for task in export_tasks {
                    list.child("ExportTask", |element| members(element, task));
                }
            });
            result.maybe("Marker", marker.as_ref());
        }
    })
}

/// Returns the XML of an error.
pub fn render_error(code: &str, message: &str, status: u16, request_id: &str) -> String {
    xml::error(if status >= 500 { Fault::Receiver } else { Fault::Sender }, code, message, request_id)
}

fn members(element: &mut Element<'_>, task: &ExportTaskMember) {
    element
        .text("ExportTaskIdentifier", &task.export_task_identifier)
        .text("SourceArn", &task.source_arn)
        .maybe("SnapshotTime", task.snapshot_time.as_ref())
        .maybe("TaskStartTime", task.task_start_time.as_ref())
        .maybe("TaskEndTime", task.task_end_time.as_ref())
        .text("S3Bucket", &task.s3_bucket)
        .text("S3Prefix", &task.s3_prefix)
        .text("IamRoleArn", &task.iam_role_arn)
        .text("KmsKeyId", &task.kms_key_id)
        .text("Status", task.status)
        .text("PercentProgress", task.percent_progress)
        .text("TotalExtractedDataInGB", task.total_extracted_data_in_gb)
        .maybe("FailureCause", task.failure_cause.as_ref())
        .maybe("WarningMessage", task.warning_message.as_ref())
        .text("SourceType", task.source_type);
    if !task.export_only.is_empty() {
        element.child("ExportOnly", |list| {
            for entry in &task.export_only {
                list.text("member", entry);
            }
        });
    }
}
