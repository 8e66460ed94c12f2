//! The documents that leave the system, byte for byte.

#![allow(clippy::unwrap_used)]

use export_task::event;
use export_task::metadata::{self, TableStatus};
use export_task::plan::{Column, ParquetType, Table};
use export_task::request::StartExportTask;
use export_task::task::{ExportTask, Status};
use export_task::warning::{self, SkipReason, SkippedTable};
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
fn export_tables_info_tells_exported_and_skipped_tables() {
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
        }],
    };
    let skipped = SkippedTable {
        target: "shop.public.bad".into(),
        reason: SkipReason::PermissionsDoNotExist,
        message: "Grant SELECT.".into(),
    };
    let statuses = [
        TableStatus::Exported {
            table: &table,
            partitions: 2,
            bytes: 16384,
            started_at: 1_599_721_990_000,
            ended_at: 1_599_722_000_000,
        },
        TableStatus::Skipped(&skipped),
    ];
    assert_eq!(
        parsed(metadata::export_tables_info(&statuses).unwrap()),
        json!({"perTableStatus": [
            {
                "tableStatistics": {
                    "extractionStartTime": "Sep 10, 2020 7:13:10 AM", "extractionEndTime": "Sep 10, 2020 7:13:20 AM",
                    "partitioningInfo": {"numberOfPartitions": 2, "numberOfCompletedPartitions": 2}
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
    assert_eq!(warning::message(&[], &[]), None);
    let skipped =
        SkippedTable { target: "d.s.t".into(), reason: SkipReason::UnloggedTable, message: "It is unlogged.".into() };
    let message = warning::message(&[skipped], &["other".to_owned()]).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&message).unwrap(),
        json!({
            "skippedTables": [{"target": "d.s.t", "reason": "UNLOGGED_TABLE", "message": "It is unlogged."}],
            "skippedObjectives": [],
            "general": [{"reason": "FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE", "target": "other"}]
        })
    );
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
        assert_eq!((event.id, event.message, event.subject), (id, message, "RDS Notification Message"));
        assert_eq!(event.document["Event Source"], "db-cluster");
        assert_eq!(event.document["Event Time"], "2020-09-10 07:15:14.123");
        assert_eq!(event.document["Source ID"], "ci");
        assert_eq!(event.document["Source ARN"], "arn:aws:rds:us-west-2:111122223333:cluster:ci");
        assert!(event.document["Event ID"].as_str().unwrap().ends_with(&format!("#{id}")));
        assert_eq!(event.document["Event Message"], message);
        assert!(event.attributes.contains(&("EventID", id.to_owned())));
    }
}
