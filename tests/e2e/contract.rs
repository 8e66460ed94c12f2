//! The API as its clients see it, row by row.

use std::collections::BTreeSet;

use export_task::request::StartExportTask;
use export_task::task::{ExportTask, Status};
use serde_json::{Map, Value, json};

use crate::harness::aws::{list, text};
use crate::harness::cluster::Cluster;
use crate::harness::task::Task;
use crate::harness::wire::control;
use crate::harness::{Env, shared};

/// What is changed in a good request, and the exception, the code, the status and a part of the message that gives.
type Row = (Value, &'static str, &'static str, i64, &'static str);

#[test]
fn what_is_wrong_with_a_request_is_told_at_once() {
    let env = shared();
    let cluster = Cluster::create(env, "contract", "CREATE TABLE t AS SELECT 1 AS a");
    let everywhere = env.role("contract-everywhere", &["s3:*"]);
    let created = env.aws("kms", "create_key", json!({"Description": "contract"}));
    let disabled = text(&created["KeyMetadata"], "KeyId").to_owned();
    env.aws("kms", "disable_key", json!({"KeyId": disabled}));

    let value = |name: &str, value: &str| json!({name: value});
    let (invalid, error) = ("InvalidParameterValue", "ClientError");
    let (rule, arn) =
        ("Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens", "isn't the ARN");
    let long = "a".repeat(61);
    let mut rows: Vec<Row> = ["1a", "-a", "a_b", "a b", "a-", "a--b", "ä", "a.b"]
        .into_iter()
        .map(|id| (value("ExportTaskIdentifier", id), error, invalid, 400, rule))
        .collect();
    rows.push((value("ExportTaskIdentifier", &long), error, invalid, 400, "can't be longer than 60 characters"));
    for bad in
        ["x", "arn:aws:rds:us-west-2:111122223333:db:contract", "arn:aws:rds:us-west-2:1:cluster:c", "arn:aws:s3:::b"]
    {
        rows.push((value("SourceArn", bad), error, invalid, 400, arn));
    }
    for snapshot in ["snapshot:s", "cluster-snapshot:s"] {
        let of = format!("arn:aws:rds:us-west-2:111122223333:{snapshot}");
        rows.push((value("SourceArn", &of), error, invalid, 400, "This service exports DB clusters"));
    }
    for missing in [
        "us-west-2:111122223333:cluster:nothing",
        "us-west-2:999999999999:cluster:contract",
        "eu-west-1:111122223333:cluster:contract",
    ] {
        let of = format!("arn:aws:rds:{missing}");
        rows.push((value("SourceArn", &of), "DBClusterNotFoundFault", "DBClusterNotFoundFault", 404, "not found"));
    }
    for bad in ["a b", "ab", "s3://bucket", "arn:aws:s3:::bucket"] {
        rows.push((value("S3BucketName", bad), error, invalid, 400, "S3BucketName"));
    }
    let nowhere = json!({"S3BucketName": "nowhere-at-all", "IamRoleArn": everywhere});
    rows.push((
        nowhere,
        "InvalidS3BucketFault",
        "InvalidS3BucketFault",
        400,
        "The S3 bucket nowhere-at-all doesn't exist.",
    ));
    rows.push((value("S3Prefix", "a:b"), error, invalid, 400, "colon"));
    rows.push((value("S3Prefix", &"p".repeat(513)), error, invalid, 400, "512"));
    for bad in ["role", "arn:aws:iam::111122223333:user/u", "arn:aws:iam::1:role/r"] {
        rows.push((value("IamRoleArn", bad), error, invalid, 400, "isn't the ARN of an IAM role"));
    }
    let nobody = value("IamRoleArn", "arn:aws:iam::111122223333:role/nobody");
    rows.push((nobody, "IamRoleNotFoundFault", "IamRoleNotFound", 404, "doesn't exist"));
    let other_path = value("IamRoleArn", "arn:aws:iam::111122223333:role/team/contract-everywhere");
    rows.push((other_path, "IamRoleNotFoundFault", "IamRoleNotFound", 404, "doesn't exist"));
    let strangers = value("IamRoleArn", "arn:aws:iam::999999999999:role/theirs");
    let assume = "isn't allowed to assume the IAM role arn:aws:iam::999999999999:role/theirs";
    rows.push((strangers, "IamRoleMissingPermissionsFault", "IamRoleMissingPermissions", 400, assume));
    for bad in ["a b", "arn:aws:kms:us-west-2:1:key/k", "alias/"] {
        rows.push((value("KmsKeyId", bad), error, invalid, 400, "KmsKeyId"));
    }
    let cross = "arn:aws:kms:us-west-2:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    for key in ["1234abcd-12ab-34cd-56ef-1234567890ab", "alias/nothing", cross, &disabled] {
        let fault = "KMSKeyNotAccessibleFault";
        rows.push((
            value("KmsKeyId", key),
            fault,
            fault,
            400,
            "does not exist, is not enabled or you do not have permissions",
        ));
    }
    for bad in ["a.b.c.d", "a..b", "my-db"] {
        rows.push((json!({"ExportOnly": [bad]}), "InvalidExportOnlyFault", "InvalidExportOnly", 400, "ExportOnly"));
    }

    for (change, class, code, status, message) in rows {
        let mut request = cluster.request("contract-refused");
        request.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = env.try_aws("rds", "start_export_task", request).unwrap_err();
        assert_eq!(
            (refused.class.as_str(), refused.code.as_str(), refused.status),
            (class, code, status),
            "{change}: {refused}"
        );
        assert!(refused.message.contains(message) && refused.message.len() < 500, "{change}: {refused}");
    }
    let asked = json!({"ExportTaskIdentifier": "contract-refused"});
    let unknown = env.try_aws("rds", "describe_export_tasks", asked).unwrap_err();
    assert_eq!(
        (unknown.class.as_str(), unknown.code.as_str(), unknown.status),
        ("ExportTaskNotFoundFault", "ExportTaskNotFound", 404)
    );

    control(env, "clusters/contract", &json!({"Status": "stopped"}));
    let refused = env.try_aws("rds", "start_export_task", cluster.request("contract-refused")).unwrap_err();
    assert_eq!(refused.class, "InvalidExportSourceStateFault", "{refused}");
    assert_eq!(refused.message, "The DB cluster contract can't be exported because its status is stopped.");
    control(env, "clusters/contract", &json!({"Status": "available"}));
}

/// What public tests of these operations for snapshots expect, with a cluster.
#[test]
fn a_task_is_started_described_and_canceled_as_for_snapshots() {
    let env = shared();
    let cluster = Cluster::create(env, "as-snapshots", "CREATE TABLE t AS SELECT 1 AS a");
    let more = json!({"S3Prefix": "", "ExportOnly": ["shop.public"]});
    let task = Task::of(env, &cluster.request("as-snapshots"));
    let mut request = cluster.request("as-snapshots");
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let request_json = request.to_string();
    let started = env.aws("rds", "start_export_task", request.clone());
    for (member, asked) in [
        ("S3Bucket", "S3BucketName"),
        ("IamRoleArn", "IamRoleArn"),
        ("KmsKeyId", "KmsKeyId"),
        ("SourceArn", "SourceArn"),
    ] {
        assert_eq!(started[member], request[asked]);
    }
    assert_eq!((&started["S3Prefix"], &started["ExportOnly"]), (&request["S3Prefix"], &request["ExportOnly"]));
    assert_eq!((text(&started, "SourceType"), text(&started, "Status")), ("CLUSTER", "STARTING"));

    let again = env.try_aws("rds", "start_export_task", request).unwrap_err();
    assert_eq!((again.class.as_str(), again.status), ("ExportTaskAlreadyExistsFault", 400));
    assert_eq!(again.message, "The export task with the ID as-snapshots already exists.");
    let busy = env.try_aws("rds", "start_export_task", cluster.request("as-snapshots-2")).unwrap_err();
    assert_eq!((busy.class.as_str(), busy.status), ("InvalidExportSourceStateFault", 400));

    let by_id = json!({"ExportTaskIdentifier": "as-snapshots"});
    assert_eq!(list(&env.aws("rds", "describe_export_tasks", by_id.clone()), "ExportTasks").len(), 1);
    let canceled = env.aws("rds", "cancel_export_task", by_id.clone());
    assert_eq!((text(&canceled, "ExportTaskIdentifier"), text(&canceled, "Status")), ("as-snapshots", "CANCELING"));
    assert_eq!(text(&task.watch().last, "Status"), "CANCELED");
    // An identifier is never free again, as the guide quotes it.
    let said = env.try_cli(&["rds", "start-export-task", "--cli-input-json", &request_json]).unwrap_err();
    let quoted = "An error occurred (ExportTaskAlreadyExists) when calling the StartExportTask operation: The export task with the ID \
        as-snapshots already exists.";
    assert!(said.contains(quoted), "{said}");
    let over = env.try_aws("rds", "cancel_export_task", by_id).unwrap_err();
    assert_eq!(
        (over.class.as_str(), over.code.as_str(), over.status),
        ("InvalidExportTaskStateFault", "InvalidExportTaskStateFault", 400)
    );
    let unknown = env.try_aws("rds", "cancel_export_task", json!({"ExportTaskIdentifier": "unknown"})).unwrap_err();
    assert_eq!((unknown.class.as_str(), unknown.status), ("ExportTaskNotFoundFault", 404));
}

const LISTED: &str = "arn:aws:rds:us-west-2:111122223333:cluster:listed";

/// Puts a task's record into the task store.
fn put_record(env: &Env, task: &ExportTask) {
    let mut item: Map<String, Value> = serde_json::to_value(task).unwrap().as_object().unwrap().clone();
    item.insert("Kind".into(), json!("TASK"));
    item.insert("Id".into(), json!(task.request.export_task_identifier));
    let item: Map<String, Value> = item.into_iter().map(|(name, value)| (name, attribute(value))).collect();
    env.aws("dynamodb", "put_item", json!({"TableName": env.output("TaskTableName"), "Item": item}));
}

fn attribute(value: Value) -> Value {
    match value {
        Value::String(text) => json!({"S": text}),
        Value::Number(number) => json!({"N": number.to_string()}),
        Value::Array(items) => json!({"L": items.into_iter().map(attribute).collect::<Vec<_>>()}),
        Value::Object(members) => {
            json!({"M": members.into_iter().map(|(name, value)| (name, attribute(value))).collect::<Map<_, _>>()})
        }
        other => panic!("{other}"),
    }
}

fn record(id: &str, bucket: &str, status: Status) -> ExportTask {
    let request = StartExportTask::from_json(json!({
        "ExportTaskIdentifier": id, "SourceArn": LISTED, "S3BucketName": bucket,
        "IamRoleArn": "arn:aws:iam::111122223333:role/r", "KmsKeyId": "k", "ExportOnly": ["shop"]
    }));
    let mut task = ExportTask::new(request.unwrap().validate().unwrap(), "arn:execution".into(), 0);
    task.status = status;
    task
}

#[test]
fn tasks_are_selected_by_filters_and_paged() {
    let env = shared();
    let statuses =
        [Status::Starting, Status::InProgress, Status::Canceling, Status::Canceled, Status::Complete, Status::Failed];
    for n in 0..48_usize {
        let mut task = record(&format!("listed-{n:02}"), if n % 2 == 0 { "even" } else { "odd" }, statuses[n % 6]);
        let began = !matches!(task.status, Status::Starting);
        task.task_start_time = began.then_some(1_667_249_886_998);
        task.snapshot_time = task.task_start_time;
        task.task_end_time = task.status.is_final().then_some(1_667_252_248_312);
        (task.planned_bytes, task.finished_bytes, task.extracted_bytes) = (100, if began { 50 } else { 0 }, 3 << 30);
        // Noted by a worker, and the task's only once it has failed.
        task.failure_cause = (task.status != Status::Complete).then(|| "because".into());
        if task.status == Status::Complete {
            task.warnings.unreadable_databases.push("other".into());
        }
        put_record(env, &task);
    }
    let describe = |request: Value| -> Vec<Value> {
        list(&env.aws("rds", "describe_export_tasks", request), "ExportTasks").to_vec()
    };
    let filter = |name: &str, values: &[&str]| json!({"Name": name, "Values": values});
    let of = |filters: Vec<Value>| describe(json!({"SourceArn": LISTED, "Filters": filters}));

    assert_eq!(describe(json!({"SourceArn": LISTED})).len(), 48);
    assert_eq!(describe(json!({"SourceArn": LISTED, "SourceType": "CLUSTER"})).len(), 48);
    assert_eq!(describe(json!({"SourceType": "SNAPSHOT"})).len(), 0);
    assert_eq!(of(vec![filter("s3-bucket", &["even"])]).len(), 24);
    assert_eq!(of(vec![filter("status", &["complete", "failed"])]).len(), 16);
    assert_eq!(of(vec![filter("status", &["COMPLETE"])]).len(), 0);
    assert_eq!(of(vec![filter("status", &["complete"]), filter("s3-bucket", &["odd"])]).len(), 0);
    assert_eq!(of(vec![filter("export-task-identifier", &["listed-07", "listed-08", "else"])]).len(), 2);
    assert_eq!(describe(json!({"Filters": [filter("source-arn", &[LISTED])]})).len(), 48);
    assert_eq!(
        describe(json!({"ExportTaskIdentifier": "listed-00", "Filters": [filter("status", &["failed"])]})).len(),
        0
    );

    for (n, (status, absent)) in [
        ("STARTING", vec!["SnapshotTime", "TaskStartTime", "TaskEndTime", "FailureCause", "WarningMessage"]),
        ("IN_PROGRESS", vec!["TaskEndTime", "FailureCause", "WarningMessage"]),
        ("CANCELING", vec!["TaskEndTime", "FailureCause", "WarningMessage"]),
        ("CANCELED", vec!["FailureCause", "WarningMessage"]),
        ("COMPLETE", vec!["FailureCause"]),
        ("FAILED", vec!["WarningMessage"]),
    ]
    .into_iter()
    .enumerate()
    {
        let task = &describe(json!({"ExportTaskIdentifier": format!("listed-{n:02}")}))[0];
        let all = [
            "ExportTaskIdentifier",
            "SourceArn",
            "SourceType",
            "S3Bucket",
            "S3Prefix",
            "IamRoleArn",
            "KmsKeyId",
            "ExportOnly",
            "Status",
            "PercentProgress",
            "TotalExtractedDataInGB",
            "SnapshotTime",
            "TaskStartTime",
            "TaskEndTime",
            "FailureCause",
            "WarningMessage",
        ];
        let wanted: BTreeSet<&str> = all.into_iter().filter(|name| !absent.contains(name)).collect();
        let found: BTreeSet<&str> = task.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(found, wanted, "{status}");
        let percent = match status {
            "STARTING" => 0,
            "COMPLETE" => 100,
            _ => 50,
        };
        assert_eq!(
            (text(task, "Status"), &task["PercentProgress"], &task["TotalExtractedDataInGB"]),
            (status, &json!(percent), &json!(3))
        );
    }

    // Tasks are added before, at and after the place where a page ends: what was there is seen once, in order.
    let mut seen: Vec<String> = Vec::new();
    let mut marker: Option<String> = None;
    for page in 0.. {
        let mut arguments =
            vec!["rds", "describe-export-tasks", "--no-paginate", "--max-records", "20", "--source-arn", LISTED];
        if let Some(marker) = &marker {
            arguments.extend(["--marker", marker]);
        }
        let answer = env.cli(&arguments);
        let tasks = list(&answer, "ExportTasks");
        assert!(tasks.len() <= 20);
        seen.extend(tasks.iter().map(|task| text(task, "ExportTaskIdentifier").to_owned()));
        marker = answer["Marker"].as_str().map(str::to_owned);
        if marker.is_none() {
            assert_eq!(page, 2);
            break;
        }
        for id in ["listed-00a", "listed-19a", "listed-99"] {
            put_record(env, &record(&format!("{id}{page}"), "late", Status::Complete));
        }
    }
    assert!(seen.is_sorted(), "{seen:?}");
    let first: Vec<&String> = seen.iter().filter(|id| id.len() == "listed-00".len()).collect();
    assert_eq!(first, (0..48).map(|n| format!("listed-{n:02}")).collect::<Vec<_>>().iter().collect::<Vec<_>>());

    for (wrong, message) in [
        (json!({"MaxRecords": 101}), "Must be between 20 and 100"),
        (json!({"Marker": "nonsense"}), "Marker"),
        (json!({"SourceType": "TABLE"}), "SourceType"),
        (json!({"Filters": [{"Name": "Status", "Values": ["failed"]}]}), "Unrecognized filter name"),
    ] {
        let refused = env.try_aws("rds", "describe_export_tasks", wrong.clone()).unwrap_err();
        assert_eq!((refused.code.as_str(), refused.status), ("InvalidParameterValue", 400), "{wrong}: {refused}");
        assert!(refused.message.contains(message), "{wrong}: {refused}");
    }
}
