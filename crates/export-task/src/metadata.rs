//! The metadata documents beside the data. Their fields are those of AWS's exporter, and a few more
//! about each table's files.

use std::borrow::Cow;

use serde::Serialize;

use crate::object_key::TaskPath;
use crate::table::Table;
use crate::task::ExportTask;
use crate::time;
use crate::warning::SkippedTable;

const GIB: f64 = (1_u64 << 30) as f64;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportInfo<'a> {
    export_task_identifier: &'a str,
    source_arn: String,
    export_only: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_end_time: Option<String>,
    s3_bucket: &'a str,
    s3_prefix: &'a str,
    exported_files_path: &'a str,
    iam_role_arn: &'a str,
    kms_key_id: &'a str,
    status: &'a str,
    percent_progress: u8,
    #[serde(rename = "totalExportedDataInGB")]
    total_exported_data_in_gb: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning_message: Option<String>,
}

/// Returns the document `export_info_<task>.json`. It is written twice: with status `STARTING`,
/// which proves that role, bucket and key work, and when the task ends.
///
/// # Errors
/// Serialization can't fail for this type.
pub fn export_info(task: &ExportTask) -> serde_json::Result<Vec<u8>> {
    let r = &task.request;
    serde_json::to_vec(&ExportInfo {
        export_task_identifier: &r.export_task_identifier,
        source_arn: r.source_arn.to_string(),
        export_only: r.export_only.entries(),
        snapshot_time: task.snapshot_time.map(time::metadata),
        task_start_time: task.task_start_time.map(time::metadata),
        task_end_time: task.task_end_time.map(time::metadata),
        s3_bucket: &r.s3_bucket,
        s3_prefix: &r.s3_prefix,
        exported_files_path: TaskPath::new(&r.s3_prefix, &r.export_task_identifier).base(),
        iam_role_arn: &r.iam_role_arn,
        kms_key_id: &r.kms_key_id,
        status: task.status.as_str(),
        percent_progress: task.percent_progress(),
        total_exported_data_in_gb: task.extracted_bytes as f64 / GIB,
        failure_cause: task.failure_cause.as_deref(),
        warning_message: task.warnings.to_message(),
    })
}

/// Totals of a table's part files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Number of files.
    pub files: u64,
    /// Number of rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// A table's entry in `export_tables_info`.
#[derive(Clone, Debug)]
pub enum TableStatus<'a> {
    /// The table is in the export.
    Exported {
        /// The table.
        table: &'a Table,
        /// Number of planned partitions. All of them are complete.
        partitions: usize,
        /// Bytes read from the database.
        bytes: u64,
        /// Totals of its part files.
        written: Written,
        /// When its first partition began. Milliseconds since the epoch.
        started_at: i64,
        /// When its last partition ended. Milliseconds since the epoch.
        ended_at: i64,
    },
    /// The table is not in the export.
    Skipped(&'a SkippedTable),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TablesInfo<'a> {
    per_table_status: Vec<TableInfo<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TableInfo<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    table_statistics: Option<TableStatistics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_metadata: Option<SchemaMetadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(rename = "sizeGB", skip_serializing_if = "Option::is_none")]
    size_gb: Option<f64>,
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning_message: Option<String>,
}

/// AWS has no counterpart to the last four: the totals of the part files, and the table's directory
/// below `exportedFilesPath`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TableStatistics {
    extraction_start_time: String,
    extraction_end_time: String,
    partitioning_info: PartitioningInfo,
    exported_rows: u64,
    exported_files: u64,
    exported_bytes: u64,
    exported_path: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PartitioningInfo {
    number_of_partitions: usize,
    number_of_completed_partitions: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SchemaMetadata<'a> {
    original_type_mappings: Vec<TypeMapping<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TypeMapping<'a> {
    column_name: &'a str,
    original_type: &'a str,
    expected_exported_type: Cow<'static, str>,
    original_char_max_length: i32,
    original_num_precision: i32,
    original_date_time_precision: i32,
}

/// Returns one `export_tables_info` document for a chunk of at most
/// [`TABLES_PER_DOCUMENT`](crate::limits::TABLES_PER_DOCUMENT) tables.
///
/// # Errors
/// Serialization can't fail for this type.
pub fn export_tables_info(path: &TaskPath, chunk: &[TableStatus<'_>]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&TablesInfo { per_table_status: chunk.iter().map(|status| table_info(path, status)).collect() })
}

fn table_info<'a>(path: &TaskPath, status: &TableStatus<'a>) -> TableInfo<'a> {
    match *status {
        TableStatus::Skipped(skipped) => TableInfo {
            table_statistics: None,
            schema_metadata: None,
            status: None,
            size_gb: None,
            target: skipped.table.to_string(),
            warning_message: Some(format!("{}: {}", skipped.reason.as_str(), skipped.message)),
        },
        TableStatus::Exported { table, partitions, bytes, written, started_at, ended_at } => TableInfo {
            table_statistics: Some(TableStatistics {
                extraction_start_time: time::metadata(started_at),
                extraction_end_time: time::metadata(ended_at),
                partitioning_info: PartitioningInfo {
                    number_of_partitions: partitions,
                    number_of_completed_partitions: partitions,
                },
                exported_rows: written.rows,
                exported_files: written.files,
                exported_bytes: written.bytes,
                exported_path: path.table(table),
            }),
            schema_metadata: Some(SchemaMetadata {
                original_type_mappings: table
                    .columns
                    .iter()
                    .map(|c| TypeMapping {
                        column_name: &c.name,
                        original_type: &c.original_type,
                        expected_exported_type: c.exported_name(),
                        original_char_max_length: c.char_max_length,
                        original_num_precision: c.num_precision,
                        original_date_time_precision: c.datetime_precision,
                    })
                    .collect(),
            }),
            status: Some("COMPLETE"),
            size_gb: Some(bytes as f64 / GIB),
            target: table.target(),
            warning_message: None,
        },
    }
}
