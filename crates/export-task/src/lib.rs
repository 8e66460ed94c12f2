//! The export task, without any input or output: what a request may say, what a task is and how its status moves, how
//! databases, tables and part files are named, what the plan and its results look like, and every document that leaves
//! the system (AWS API structures, metadata files, warnings, events). Pure functions over plain data: no clock, no
//! randomness, no SDK, so each rule of the user guide stands in one place and is tested in isolation.
//!
//! # Layout
//!
//! * [`arn`]: the cluster ARN a task exports from.
//! * [`engine`]: the two kinds of clusters.
//! * [`error`]: the API's error codes, HTTP statuses and messages.
//! * [`event`]: the events of a task, as SNS and a bus are handed them.
//! * [`export_only`]: the `ExportOnly` grammar and what it selects.
//! * [`failure`]: the failure messages of the user guide.
//! * [`filter`]: `DescribeExportTasks` parameters, filters and paging.
//! * [`limits`]: every limit, with its source.
//! * [`member`]: a task as the API shows it.
//! * [`metadata`]: `export_info` and `export_tables_info` documents.
//! * [`object_key`]: the one place that builds keys in the user's bucket.
//! * [`options`]: how files are written.
//! * [`plan`]: partitions, work units and their results.
//! * [`range`]: which rows a partition has.
//! * [`request`]: raw requests and validated ones.
//! * [`table`]: tables, columns and Parquet's types.
//! * [`tally`]: results against the plan: what is missing, what is double, what each table came to.
//! * [`task`]: the task record and its status machine.
//! * [`time`]: the three ways a time is written.
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
