//! The domain of an export: requests, the task record and its status machine, names of databases,
//! tables and objects, the plan and its results, and every document that the service returns or
//! writes (API structures, metadata files, warnings, events).
//!
//! All functions are pure: they have no clock, no randomness and no AWS SDK. So each rule of the
//! user guide is in one place and is tested without a service.
//!
//! ```
//! use export_task::metadata;
//! use export_task::object_key::TaskPath;
//! use export_task::request::StartExportTask;
//! use export_task::task::{ExportTask, Status};
//!
//! // The same document starts a task through the AWS CLI or a direct invocation.
//! let request = StartExportTask::from_json(serde_json::json!({
//!     "ExportTaskIdentifier": "nightly",
//!     "SourceArn": "arn:aws:rds:us-west-2:123456789012:cluster:shop",
//!     "S3BucketName": "exports",
//!     "IamRoleArn": "arn:aws:iam::123456789012:role/export",
//!     "KmsKeyId": "alias/export",
//!     "ExportOnly": ["shop.public.orders"],
//! }))?;
//! let request = request.validate()?;
//! assert!(request.export_only.selects_database("shop"));
//!
//! let task = ExportTask::new(request, "arn:execution".into(), 1_667_249_886_998);
//! assert_eq!(task.status, Status::Starting);
//!
//! let path = TaskPath::new(&task.request.s3_prefix, &task.request.export_task_identifier);
//! assert_eq!(path.export_info(), "nightly/export_info_nightly.json");
//! let document: serde_json::Value = serde_json::from_slice(&metadata::export_info(&task)?)?;
//! assert_eq!(document["status"], "STARTING");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layout
//!
//! * [`arn`]: ARNs of DB clusters.
//! * [`engine`]: the two engines of Aurora clusters.
//! * [`error`]: codes, HTTP statuses and messages of the API's errors.
//! * [`event`]: the events of a task, for SNS and for an event bus.
//! * [`export_only`]: the grammar of `ExportOnly`, and what it selects.
//! * [`failure`]: the failure messages of the user guide.
//! * [`filter`]: parameters, filters and pages of `DescribeExportTasks`.
//! * [`limits`]: every limit, with its unit and its source.
//! * [`member`]: a task as the API returns it.
//! * [`metadata`]: the `export_info` and `export_tables_info` documents.
//! * [`object_key`]: keys in the user's bucket.
//! * [`options`]: how files are written and checked.
//! * [`plan`]: partitions, work units and their results.
//! * [`range`]: the rows of a partition.
//! * [`request`]: the requests that start and cancel a task.
//! * [`table`]: tables, columns and Parquet types.
//! * [`tally`]: the comparison of results with the plan.
//! * [`task`]: the task record and its status machine.
//! * [`time`]: AWS's three formats of a time.
//! * [`warning`]: skipped tables and the `WarningMessage` document.

pub mod arn;
pub mod engine;
pub mod error;
pub mod event;
pub mod export_only;
pub mod failure;
pub mod filter;
pub mod limits;
pub mod member;
pub mod metadata;
pub mod object_key;
pub mod options;
pub mod plan;
pub mod range;
pub mod request;
pub mod table;
pub mod tally;
pub mod task;
pub mod time;
pub mod warning;
