//! The documents that callers and subscribers read.

#![allow(clippy::unwrap_used)]

use export_task::event;
use export_task::limits;
use export_task::metadata::{self, TableStatus, Written};
use export_task::object_key::TaskPath;
use export_task::plan::{PartitionResult, PlanSummary, PlannedTable};
use export_task::request::StartExportTask;
use export_task::table::{Column, ParquetType, Table, TableName};
use export_task::task::{ExportTask, Status};
use export_task::warning::{SkipReason, SkippedTable, Warnings};
use serde_json::{Value, json};

fn task(status: Status) -> ExportTask {
    let request = StartExportTask::from_json(json!({
        "ExportTaskIdentifier": "ci", "SourceArn": "arn:aws:rds:us-west-2:111122223333:cluster:ci", "S3BucketName": "bucket",
        "IamRoleArn": "arn:aws:iam::111122223333:role/service-role/export-to-s3",
        "KmsKeyId": "arn:aws:kms:us-west-2:111122223333:key/k", "S3Prefix": "nightly"
    }));
    let mut task = ExportTask::new(request.unwrap().validate().unwrap(), "arn:execution".into(), 1_599_720_605_000);
    task.status = status;
    task.task_start_time = Some(1_599_721_941_000);
    task.task_end_time = Some(1_599_722_114_123);
    task.extracted_bytes = 3 << 29;
    task
}

fn table_name(database: &str, schema: &str, name: &str) -> TableName {
    TableName { database: database.into(), schema: schema.into(), name: name.into() }
}

fn unlogged(name: &str) -> SkippedTable {
    let reason = SkipReason::UnloggedTable;
    SkippedTable { table: table_name("d", "s", name), reason, message: "It is unlogged.".into() }
}

fn parsed(document: Vec<u8>) -> Value {
    serde_json::from_slice(&document).unwrap()
}

#[test]
fn export_info_has_the_fields_consumers_read() {
    assert_eq!(
        parsed(metadata::export_info(&task(Status::Complete)).unwrap()),
        json!({
            "exportTaskIdentifier": "ci", "sourceArn": "arn:aws:rds:us-west-2:111122223333:cluster:ci", "exportOnly": [],
            "taskStartTime": "Sep 10, 2020 7:12:21 AM", "taskEndTime": "Sep 10, 2020 7:15:14 AM",
            "s3Bucket": "bucket", "s3Prefix": "nightly", "exportedFilesPath": "nightly/ci",
            "iamRoleArn": "arn:aws:iam::111122223333:role/service-role/export-to-s3",
            "kmsKeyId": "arn:aws:kms:us-west-2:111122223333:key/k",
            "status": "COMPLETE", "percentProgress": 100, "totalExportedDataInGB": 1.5
        })
    );
}

#[test]
fn export_tables_info_lists_exported_and_skipped_tables() {
    let table = Table {
        id: 0,
        database: "shop".into(),
        schema: "public".into(),
        name: "orders".into(),
        directory_suffix: None,
        columns: vec![Column {
            name: "note".into(),
            original_type: "character varying".into(),
            char_max_length: 40,
            num_precision: 0,
            datetime_precision: 0,
            decode: "text".into(),
            parquet: ParquetType::String,
            list: false,
        }],
    };
    let reason = SkipReason::PermissionsDoNotExist;
    let skipped = SkippedTable { table: table_name("shop", "public", "bad"), reason, message: "Grant SELECT.".into() };
    let statuses = [
        TableStatus::Exported {
            table: &table,
            partitions: 2,
            bytes: 16384,
            written: Written { files: 3, rows: 77, bytes: 4096 },
            started_at: 1_599_721_990_000,
            ended_at: 1_599_722_000_000,
        },
        TableStatus::Skipped(&skipped),
    ];
    assert_eq!(
        parsed(metadata::export_tables_info(&TaskPath::new("nightly", "ci"), &statuses).unwrap()),
        json!({"perTableStatus": [
            {
                "tableStatistics": {
                    "extractionStartTime": "Sep 10, 2020 7:13:10 AM", "extractionEndTime": "Sep 10, 2020 7:13:20 AM",
                    "partitioningInfo": {"numberOfPartitions": 2, "numberOfCompletedPartitions": 2},
                    "exportedRows": 77, "exportedFiles": 3, "exportedBytes": 4096, "exportedPath": "shop/public.orders"
                },
                "schemaMetadata": {"originalTypeMappings": [{
                    "columnName": "note", "originalType": "character varying", "expectedExportedType": "binary (UTF8)",
                    "originalCharMaxLength": 40, "originalNumPrecision": 0, "originalDateTimePrecision": 0
                }]},
                "status": "COMPLETE", "sizeGB": 1.52587890625E-5, "target": "shop.public.orders"
            },
            {"target": "shop.public.bad", "warningMessage": "PERMISSIONS_DO_NOT_EXIST: Grant SELECT."}
        ]})
    );
}

#[test]
fn warnings_have_awss_three_lists() {
    assert_eq!(Warnings::new(&[], &[], &[]).to_message(), None);
    let warnings = Warnings::new(&[unlogged("t")], &["other".to_owned()], &[table_name("d", "s", "u")]);
    let message = warnings.to_message().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&message).unwrap(),
        json!({
            "skippedTables": [{"target": "d.s.t", "reason": "UNLOGGED_TABLE", "message": "It is unlogged."}],
            "skippedObjectives": [],
            "general": [
                {"reason": "FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE", "target": "other"},
                {"reason": "ROWS_NOT_COUNTED", "target": "d.s.u"}
            ]
        })
    );
}

#[test]
fn a_record_names_as_many_skipped_tables_as_fit() {
    let skipped: Vec<_> = (0..50_000).map(|n| unlogged(&format!("dotted.name{n}"))).collect();
    let warnings = Warnings::new(&skipped, &["other".to_owned()], &[]);
    assert!(warnings.skipped_tables.len() > limits::TABLE_EVENTS_PER_KIND && warnings.skipped_tables.len() < 1000);
    assert!(skipped.starts_with(&warnings.skipped_tables));
    assert_eq!(warnings.unreadable_databases.len(), 0);
    let record = serde_json::to_vec(&warnings).unwrap();
    assert!(record.len() < 2 * limits::WARNINGS_BYTES, "{}", record.len());
    assert_eq!(serde_json::from_slice::<Warnings>(&record).unwrap(), warnings);
}

#[test]
fn events_have_the_shape_of_rds() {
    assert_eq!(event::task_ended(&task(Status::InProgress)), None);
    for (status, id, message) in [
        (Status::Failed, "RDS-EVENT-0234", "Export task failed."),
        (Status::Canceled, "RDS-EVENT-0235", "Export task canceled."),
        (Status::Complete, "RDS-EVENT-0236", "Export task completed."),
    ] {
        let event = event::task_ended(&task(status)).unwrap();
        assert_eq!((event.id, event.message.as_str()), (id, message));
        assert_eq!(event.document["Event Source"], "db-cluster");
        assert_eq!(event.document["Event Time"], "2020-09-10 07:15:14.123");
        assert_eq!(event.document["Source ID"], "ci");
        assert_eq!(event.document["Source ARN"], "arn:aws:rds:us-west-2:111122223333:cluster:ci");
        assert!(event.document["Event ID"].as_str().unwrap().ends_with(&format!("#{id}")));
        assert_eq!(event.document["Event Message"], message);
        assert!(event.attributes.contains(&("EventID", id.to_owned())));
        assert_eq!(
            event.detail,
            json!({"EventCategories": ["notification"], "SourceType": "CLUSTER",
                "SourceArn": "arn:aws:rds:us-west-2:111122223333:cluster:ci", "Date": "2020-09-10T07:15:14.123Z",
                "Message": message, "SourceIdentifier": "ci", "EventID": id, "ExportTaskIdentifier": "ci",
                "Status": task(status).status.as_str()})
        );
    }
}

fn planned(id: u32, name: &str, partitions: u32, bytes: u64) -> PlannedTable {
    let table = Table {
        id,
        database: "shop".into(),
        schema: "public".into(),
        name: name.into(),
        directory_suffix: None,
        columns: vec![],
    };
    PlannedTable { table, batches: vec![(1, partitions)], counted: vec![], bytes }
}

fn result(table: u32, index: u32, gigabytes: u64, started_at: i64) -> PartitionResult {
    let (files, skip) = (vec![], None);
    PartitionResult {
        table,
        batch_index: 1,
        partition_index: index,
        files,
        skip,
        rows: 1,
        source_bytes: gigabytes << 30,
        started_at,
        ended_at: started_at,
    }
}

#[test]
fn progress_events_have_the_text_of_rds() {
    let plan = PlanSummary {
        tables: vec![planned(0, "done", 2, 4 << 30), planned(1, "slow", 1, 5 << 30), planned(2, "long", 9, 9 << 30)],
        ..PlanSummary::default()
    };
    let mut task = task(Status::InProgress);
    (task.planned_bytes, task.finished_bytes) = (18 << 30, 7 << 30);
    let messages =
        |events: Vec<event::Event>| -> Vec<(&str, String)> { events.into_iter().map(|e| (e.id, e.message)).collect() };
    assert_eq!(
        messages(event::planned(&task, &plan, 0)),
        [
            ("RDS-EVENT-0493", "Export task ci is at EXTRACTING stage.".to_owned()),
            (
                "RDS-EVENT-0491",
                "Export task ci: Table shop.public.slow will be exported in a slower single-threaded mode. Please expect a \
                 delay in export completion."
                    .to_owned()
            ),
        ]
    );
    let results = [result(0, 0, 2, 0), result(0, 1, 2, 0), result(2, 0, 3, 500)];
    let whole = "Export task ci: Export progress is at 38% with 1 table(s) in-progress and 1 table(s) finished. The total size \
        of finished tables is 4 GB.";
    let hour = 3_600_000;
    assert_eq!(messages(event::progress(&task, &plan, &results, hour)), [("RDS-EVENT-0493", whole.to_owned())]);
    let long = "Export task ci: Table shop.public.long is in progress, and the exported size is 3 GB.";
    assert_eq!(
        messages(event::progress(&task, &plan, &results, hour + 501)),
        [("RDS-EVENT-0493", whole.to_owned()), ("RDS-EVENT-0492", long.to_owned())]
    );
}

#[test]
fn a_skipped_table_is_a_failure_event() {
    let event = event::table_failed(&task(Status::Complete), &unlogged("t"), 0);
    assert_eq!(event.id, "RDS-EVENT-0489");
    assert_eq!(
        event.message,
        "Export task ci: Table extraction failed for table d.s.t due to UNLOGGED_TABLE: It is unlogged."
    );
    assert_eq!(event.detail["EventCategories"], json!(["failure"]));
}

#[test]
fn a_state_change_always_fits_a_bus() {
    let mut task = task(Status::Complete);
    let whole: Value = serde_json::from_str(&event::state_change(&task)).unwrap();
    assert_eq!(whole["ExportTaskIdentifier"], "ci");
    task.request.export_only = (0..40_000).map(|n| format!("d{n}")).collect::<Vec<_>>().into();
    // Each quote is escaped twice, so a full record of them is too long with nothing else around
    // it.
    for (bytes, fits) in [(limits::WARNINGS_BYTES / 2, true), (limits::WARNINGS_BYTES - 100, false)] {
        let skipped = SkippedTable { message: "\"".repeat(bytes), ..unlogged("t") };
        task.warnings = Warnings::new(&[skipped], &[], &[]);
        let detail = event::state_change(&task);
        assert!(detail.len() < 256 * 1024, "{}", detail.len());
        assert!(!detail.contains("ExportOnly"));
        assert_eq!(detail.contains("WarningMessage"), fits);
    }
}
