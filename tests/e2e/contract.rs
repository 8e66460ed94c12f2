//! The API contract, as boto3 and the AWS CLI see it: error codes, response members, filters and
//! pages.

use std::collections::BTreeSet;

use export_task::request::StartExportTask;
use export_task::task::{ExportTask, Status};
use serde_json::{Map, Value, json};

use crate::harness::aws::{AwsError, list, text};
use crate::harness::cluster::Cluster;
use crate::harness::task::Task;
use crate::harness::wire::control;
use crate::harness::{Env, shared};

/// A request that the API must refuse.
struct Refusal {
    /// The members that replace those of a valid request.
    request: Value,
    code: ErrorCode<'static>,
    /// A part of the error message.
    message: &'static str,
}

/// How an error appears to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ErrorCode<'a> {
    /// The exception that boto3 raises.
    exception: &'a str,
    code: &'a str,
    http_status: i64,
}

impl<'a> ErrorCode<'a> {
    const fn new(exception: &'a str, code: &'a str, http_status: i64) -> Self {
        Self { exception, code, http_status }
    }

    fn from_error(error: &'a AwsError) -> Self {
        Self::new(&error.class, &error.code, error.status)
    }
}

// boto3 raises its general exception for this code.
const INVALID_PARAMETER: ErrorCode<'_> = ErrorCode::new("ClientError", "InvalidParameterValue", 400);
const CLUSTER_NOT_FOUND: ErrorCode<'_> = ErrorCode::new("DBClusterNotFoundFault", "DBClusterNotFoundFault", 404);
const INVALID_BUCKET: ErrorCode<'_> = ErrorCode::new("InvalidS3BucketFault", "InvalidS3BucketFault", 400);
const ROLE_NOT_FOUND: ErrorCode<'_> = ErrorCode::new("IamRoleNotFoundFault", "IamRoleNotFound", 404);
const ROLE_MISSING_PERMISSIONS: ErrorCode<'_> =
    ErrorCode::new("IamRoleMissingPermissionsFault", "IamRoleMissingPermissions", 400);
const KEY_NOT_ACCESSIBLE: ErrorCode<'_> = ErrorCode::new("KMSKeyNotAccessibleFault", "KMSKeyNotAccessibleFault", 400);
const INVALID_EXPORT_ONLY: ErrorCode<'_> = ErrorCode::new("InvalidExportOnlyFault", "InvalidExportOnly", 400);
const INVALID_SOURCE_STATE: ErrorCode<'_> =
    ErrorCode::new("InvalidExportSourceStateFault", "InvalidExportSourceState", 400);
const TASK_ALREADY_EXISTS: ErrorCode<'_> =
    ErrorCode::new("ExportTaskAlreadyExistsFault", "ExportTaskAlreadyExists", 400);
const TASK_NOT_FOUND: ErrorCode<'_> = ErrorCode::new("ExportTaskNotFoundFault", "ExportTaskNotFound", 404);
const INVALID_TASK_STATE: ErrorCode<'_> =
    ErrorCode::new("InvalidExportTaskStateFault", "InvalidExportTaskStateFault", 400);

#[test]
fn an_invalid_request_is_refused_with_its_code_and_a_message() {
    let env = shared();
    let cluster = Cluster::create(env, "contract", "CREATE TABLE t AS SELECT 1 AS a");
    let mut refusals = Vec::new();
    refusals.extend(invalid_identifiers());
    refusals.extend(invalid_source_arns());
    refusals.extend(invalid_buckets(env));
    refusals.extend(invalid_roles());
    refusals.extend(invalid_keys(env));
    refusals.extend(["a.b.c.d", "a..b", "my-db"].map(|entry| Refusal {
        request: json!({"ExportOnly": [entry]}),
        code: INVALID_EXPORT_ONLY,
        message: "ExportOnly",
    }));

    for Refusal { request: change, code, message } in refusals {
        let mut request = cluster.request("contract-refused");
        request.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = env.try_aws("rds", "start_export_task", request).unwrap_err();
        assert_eq!(ErrorCode::from_error(&refused), code, "{change}: {refused}");
        assert!(refused.message.contains(message) && refused.message.len() < 500, "{change}: {refused}");
    }
    let request = json!({"ExportTaskIdentifier": "contract-refused"});
    let unknown = env.try_aws("rds", "describe_export_tasks", request).unwrap_err();
    assert_eq!(ErrorCode::from_error(&unknown), TASK_NOT_FOUND);

    control(env, "clusters/contract", &json!({"Status": "stopped"}));
    let refused = env.try_aws("rds", "start_export_task", cluster.request("contract-refused")).unwrap_err();
    assert_eq!(ErrorCode::from_error(&refused), INVALID_SOURCE_STATE, "{refused}");
    assert_eq!(refused.message, "The DB cluster contract can't be exported because its status is stopped.");
    control(env, "clusters/contract", &json!({"Status": "available"}));
}

fn invalid_identifiers() -> Vec<Refusal> {
    let refusal =
        |id: &str, message| Refusal { request: json!({"ExportTaskIdentifier": id}), code: INVALID_PARAMETER, message };
    let characters = "Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens";
    let invalid = ["1a", "-a", "a_b", "a b", "a-", "a--b", "ä", "a.b"].map(|id| refusal(id, characters));
    invalid.into_iter().chain([refusal(&"a".repeat(61), "can't be longer than 60 characters")]).collect()
}

fn invalid_source_arns() -> Vec<Refusal> {
    let refusal = |arn: String, code, message| Refusal { request: json!({"SourceArn": arn}), code, message };
    let malformed =
        ["x", "arn:aws:rds:us-west-2:111122223333:db:contract", "arn:aws:rds:us-west-2:1:cluster:c", "arn:aws:s3:::b"]
            .map(|arn| refusal(arn.to_owned(), INVALID_PARAMETER, "isn't the ARN"));
    let snapshots = ["snapshot:s", "cluster-snapshot:s"].map(|resource| {
        let arn = format!("arn:aws:rds:us-west-2:111122223333:{resource}");
        refusal(arn, INVALID_PARAMETER, "This service exports DB clusters")
    });
    let missing = [
        "us-west-2:111122223333:cluster:nothing",
        "us-west-2:999999999999:cluster:contract",
        "eu-west-1:111122223333:cluster:contract",
    ]
    .map(|resource| refusal(format!("arn:aws:rds:{resource}"), CLUSTER_NOT_FOUND, "not found"));
    malformed.into_iter().chain(snapshots).chain(missing).collect()
}

fn invalid_buckets(env: &Env) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = ["a b", "ab", "s3://bucket", "arn:aws:s3:::bucket"]
        .map(|name| Refusal {
            request: json!({"S3BucketName": name}),
            code: INVALID_PARAMETER,
            message: "S3BucketName",
        })
        .into();
    let everywhere = env.role("contract-everywhere", &["s3:*"]);
    refusals.push(Refusal {
        request: json!({"S3BucketName": "nowhere-at-all", "IamRoleArn": everywhere}),
        code: INVALID_BUCKET,
        message: "The S3 bucket nowhere-at-all doesn't exist.",
    });
    refusals.push(Refusal { request: json!({"S3Prefix": "a:b"}), code: INVALID_PARAMETER, message: "colon" });
    refusals.push(Refusal { request: json!({"S3Prefix": "p".repeat(513)}), code: INVALID_PARAMETER, message: "512" });
    refusals
}

fn invalid_roles() -> Vec<Refusal> {
    let refusal = |arn: &str, code, message| Refusal { request: json!({"IamRoleArn": arn}), code, message };
    let malformed = ["role", "arn:aws:iam::111122223333:user/u", "arn:aws:iam::1:role/r"]
        .map(|arn| refusal(arn, INVALID_PARAMETER, "isn't the ARN of an IAM role"));
    // The second role exists, but under another path.
    let missing = ["arn:aws:iam::111122223333:role/nobody", "arn:aws:iam::111122223333:role/team/contract-everywhere"]
        .map(|arn| refusal(arn, ROLE_NOT_FOUND, "doesn't exist"));
    let other_account = refusal(
        "arn:aws:iam::999999999999:role/theirs",
        ROLE_MISSING_PERMISSIONS,
        "isn't allowed to assume the IAM role arn:aws:iam::999999999999:role/theirs",
    );
    malformed.into_iter().chain(missing).chain([other_account]).collect()
}

fn invalid_keys(env: &Env) -> Vec<Refusal> {
    let refusal = |key: &str, code, message| Refusal { request: json!({"KmsKeyId": key}), code, message };
    let malformed =
        ["a b", "arn:aws:kms:us-west-2:1:key/k", "alias/"].map(|key| refusal(key, INVALID_PARAMETER, "KmsKeyId"));
    let created = env.aws("kms", "create_key", json!({"Description": "contract"}));
    let disabled = text(&created["KeyMetadata"], "KeyId").to_owned();
    env.aws("kms", "disable_key", json!({"KeyId": disabled}));
    let other_account = "arn:aws:kms:us-west-2:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let message = "does not exist, is not enabled or you do not have permissions";
    let inaccessible = ["1234abcd-12ab-34cd-56ef-1234567890ab", "alias/nothing", other_account, &disabled]
        .map(|key| refusal(key, KEY_NOT_ACCESSIBLE, message));
    malformed.into_iter().chain(inaccessible).collect()
}

/// Covers what public tests of these operations expect for snapshots, with a cluster as the source.
#[test]
fn a_task_is_started_described_and_canceled_as_for_snapshots() {
    let env = shared();
    let cluster = Cluster::create(env, "as-snapshots", "CREATE TABLE t AS SELECT 1 AS a");
    let more = json!({"S3Prefix": "", "ExportOnly": ["shop.public"]});
    let task = Task::from_request(env, &cluster.request("as-snapshots"));
    let mut request = cluster.request("as-snapshots");
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let request_json = request.to_string();
    let started = env.aws("rds", "start_export_task", request.clone());
    for (response_member, request_member) in [
        ("S3Bucket", "S3BucketName"),
        ("IamRoleArn", "IamRoleArn"),
        ("KmsKeyId", "KmsKeyId"),
        ("SourceArn", "SourceArn"),
    ] {
        assert_eq!(started[response_member], request[request_member]);
    }
    assert_eq!((&started["S3Prefix"], &started["ExportOnly"]), (&request["S3Prefix"], &request["ExportOnly"]));
    assert_eq!((text(&started, "SourceType"), text(&started, "Status")), ("CLUSTER", "STARTING"));

    let again = env.try_aws("rds", "start_export_task", request).unwrap_err();
    assert_eq!(ErrorCode::from_error(&again), TASK_ALREADY_EXISTS);
    assert_eq!(again.message, "The export task with the ID as-snapshots already exists.");
    let busy = env.try_aws("rds", "start_export_task", cluster.request("as-snapshots-2")).unwrap_err();
    assert_eq!(ErrorCode::from_error(&busy), INVALID_SOURCE_STATE);

    let by_id = json!({"ExportTaskIdentifier": "as-snapshots"});
    assert_eq!(list(&env.aws("rds", "describe_export_tasks", by_id.clone()), "ExportTasks").len(), 1);
    let canceled = env.aws("rds", "cancel_export_task", by_id.clone());
    assert_eq!((text(&canceled, "ExportTaskIdentifier"), text(&canceled, "Status")), ("as-snapshots", "CANCELING"));
    assert_eq!(text(&task.wait_until_ended().last, "Status"), "CANCELED");
    // The identifier of a finished task stays taken. The user guide quotes the CLI's message.
    let cli_error = env.try_cli(&["rds", "start-export-task", "--cli-input-json", &request_json]).unwrap_err();
    let quoted = "An error occurred (ExportTaskAlreadyExists) when calling the StartExportTask operation: The export task with the ID \
        as-snapshots already exists.";
    assert!(cli_error.contains(quoted), "{cli_error}");
    let ended = env.try_aws("rds", "cancel_export_task", by_id).unwrap_err();
    assert_eq!(ErrorCode::from_error(&ended), INVALID_TASK_STATE);
    let unknown = env.try_aws("rds", "cancel_export_task", json!({"ExportTaskIdentifier": "unknown"})).unwrap_err();
    assert_eq!(ErrorCode::from_error(&unknown), TASK_NOT_FOUND);
}

/// The cluster whose task records the tests of lists write.
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
        let extraction_began = !matches!(task.status, Status::Starting);
        task.task_start_time = extraction_began.then_some(1_667_249_886_998);
        task.snapshot_time = task.task_start_time;
        task.task_end_time = task.status.is_final().then_some(1_667_252_248_312);
        (task.planned_bytes, task.finished_bytes, task.extracted_bytes) =
            (100, if extraction_began { 50 } else { 0 }, 3 << 30);
        // A worker may have noted a cause earlier. The API shows it only for a failed task.
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
    let filtered = |filters: Vec<Value>| describe(json!({"SourceArn": LISTED, "Filters": filters}));

    assert_eq!(describe(json!({"SourceArn": LISTED})).len(), 48);
    assert_eq!(describe(json!({"SourceArn": LISTED, "SourceType": "CLUSTER"})).len(), 48);
    assert_eq!(describe(json!({"SourceType": "SNAPSHOT"})).len(), 0);
    assert_eq!(filtered(vec![filter("s3-bucket", &["even"])]).len(), 24);
    assert_eq!(filtered(vec![filter("status", &["complete", "failed"])]).len(), 16);
    assert_eq!(filtered(vec![filter("status", &["COMPLETE"])]).len(), 0);
    assert_eq!(filtered(vec![filter("status", &["complete"]), filter("s3-bucket", &["odd"])]).len(), 0);
    assert_eq!(filtered(vec![filter("export-task-identifier", &["listed-07", "listed-08", "else"])]).len(), 2);
    assert_eq!(describe(json!({"Filters": [filter("source-arn", &[LISTED])]})).len(), 48);
    assert_eq!(
        describe(json!({"ExportTaskIdentifier": "listed-00", "Filters": [filter("status", &["failed"])]})).len(),
        0
    );

    for (n, (status, absent_members)) in [
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
        let wanted: BTreeSet<&str> = all.into_iter().filter(|name| !absent_members.contains(name)).collect();
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

    // New tasks appear before, at and after the end of each page. The old tasks still appear once
    // and in order.
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

    for (request, message) in [
        (json!({"MaxRecords": 101}), "Must be between 20 and 100"),
        (json!({"Marker": "nonsense"}), "Marker"),
        (json!({"SourceType": "TABLE"}), "SourceType"),
        (json!({"Filters": [{"Name": "Status", "Values": ["failed"]}]}), "Unrecognized filter name"),
    ] {
        let refused = env.try_aws("rds", "describe_export_tasks", request.clone()).unwrap_err();
        assert_eq!(ErrorCode::from_error(&refused), INVALID_PARAMETER, "{request}: {refused}");
        assert!(refused.message.contains(message), "{request}: {refused}");
    }
}
