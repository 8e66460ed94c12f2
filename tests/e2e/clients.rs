//! Exports by unmodified AWS clients, and the documents that they find beside the data.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::aws::{list, text};
use crate::harness::cluster::Cluster;
use crate::harness::events::Events;
use crate::harness::task::{Task, Watched, compare};
use crate::harness::{function, shared};

/// A table that is divided into a dozen partitions, and small tables.
const SHOP: &str = "
    CREATE TABLE items AS SELECT g::bigint AS id, md5(g::text) || md5((-g)::text) AS code, g::numeric / 7 AS price FROM generate_series(1, 120000) g;
    ALTER TABLE items ADD PRIMARY KEY (id);
    CREATE SCHEMA stock;
    CREATE TABLE stock.places AS SELECT g AS id, 'place ' || g AS name FROM generate_series(1, 100) g;
    CREATE TABLE stock.counts (place int, item bigint, n smallint);
    CREATE TABLE unwanted AS SELECT 1 AS one";

const ITEMS: [&str; 3] = ["shop", "public", "items"];
const PLACES: [&str; 3] = ["shop", "stock", "places"];
const COUNTS: [&str; 3] = ["shop", "stock", "counts"];
const UNWANTED: [&str; 3] = ["shop", "public", "unwanted"];

#[test]
fn the_cli_creates_a_cluster_exports_it_and_syncs_the_bucket() {
    let env = shared();
    env.cli(&Cluster::cli_arguments("cli"));
    let cluster = Cluster::available(env, "cli");
    cluster.sql("shop", SHOP);

    let request = cluster.request("cli-whole");
    let events = Events::subscribe_to_end(env, "cli-whole");
    let task = Task::from_request(env, &request);
    let required = [
        "rds",
        "start-export-task",
        "--export-task-identifier",
        "cli-whole",
        "--source-arn",
        &cluster.arn,
        "--s3-bucket-name",
        text(&request, "S3BucketName"),
        "--iam-role-arn",
        text(&request, "IamRoleArn"),
        "--kms-key-id",
        text(&request, "KmsKeyId"),
    ];
    let started = env.cli(&required);
    assert_eq!(text(&started, "Status"), "STARTING");
    assert_eq!(text(&started, "SourceType"), "CLUSTER");
    assert_status_history(&task.wait_until_complete());
    let described = env.cli(&["rds", "describe-export-tasks", "--export-task-identifier", "cli-whole"]);
    let described = &list(&described, "ExportTasks")[0];
    assert_eq!(text(described, "Status"), "COMPLETE");
    assert_eq!(described["PercentProgress"], 100);
    assert!(described.get("WarningMessage").is_none(), "{described}");

    let directory = env.scratch("synced");
    let (from, to) = (format!("s3://{}/cli-whole/", task.bucket), directory.to_str().unwrap());
    env.cli(&["s3", "sync", "--only-show-errors", &from, to]);
    assert_eq!(compare(&cluster, &directory, &[ITEMS, PLACES, COUNTS, UNWANTED]), 120_101);
    assert_export_info(&task, &request, described);
    assert_tables_info(&task, &[ITEMS, PLACES, COUNTS, UNWANTED]);
    assert_notification(&events.only_notification(), &task, "RDS-EVENT-0236", "Export task completed.");
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    drop(task);

    let mut part = cluster.request("cli-part");
    part["S3Prefix"] = json!("daily/2026");
    part["ExportOnly"] = json!(["shop.stock", "shop.public.items"]);
    let task = Task::from_request(env, &part);
    let mut arguments = required.to_vec();
    arguments[3] = "cli-part";
    arguments.extend(["--s3-prefix", "daily/2026", "--export-only", "shop.stock", "shop.public.items"]);
    env.cli(&arguments);
    let last = task.wait_until_complete().last;
    assert_eq!(last["ExportOnly"], part["ExportOnly"]);
    assert_eq!(text(&last, "S3Prefix"), "daily/2026");
    assert_eq!(task.compare_with(&cluster, &[ITEMS, PLACES, COUNTS]), 120_100);
    assert_export_info(&task, &part, &last);
}

#[test]
fn boto3_an_execution_and_an_invocation_accept_the_same_document() {
    let env = shared();
    let cluster = Cluster::create(
        env,
        "documents",
        "CREATE TABLE t AS SELECT g AS id, now() AS at FROM generate_series(1, 1000) g",
    );
    let t = ["shop", "public", "t"];

    let task = Task::start(&cluster, "by-boto3", json!({}));
    task.wait_until_complete();
    assert_eq!(task.compare_with(&cluster, &[t]), 1000);
    drop(task);

    let request = cluster.request("by-execution");
    let task = Task::from_request(env, &request);
    let input = request.to_string();
    let machine = env.var("STATE_MACHINE_ARN");
    env.cli(&[
        "stepfunctions",
        "start-execution",
        "--state-machine-arn",
        machine,
        "--name",
        "by-execution",
        "--input",
        &input,
    ]);
    crate::harness::wait_for("admission", std::time::Duration::from_secs(10), || task.record());
    task.wait_until_complete();
    assert_eq!(task.compare_with(&cluster, &[t]), 1000);
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    drop(task);

    let request = cluster.request("by-invocation");
    let task = Task::from_request(env, &request);
    let response_file = env.scratch("by-invocation.json");
    let (payload, name) = (request.to_string(), function("export-api"));
    env.cli(&["lambda", "invoke", "--function-name", &name, "--payload", &payload, response_file.to_str().unwrap()]);
    let response: Value = serde_json::from_slice(&std::fs::read(response_file).unwrap()).unwrap();
    assert_eq!(text(&response, "Status"), "STARTING");
    task.wait_until_complete();
    assert_eq!(task.compare_with(&cluster, &[t]), 1000);
}

/// The status goes from STARTING to IN_PROGRESS to COMPLETE. The percentage only grows, and has
/// intermediate values.
fn assert_status_history(watched: &Watched) {
    let mut statuses: Vec<&str> = watched.seen.iter().map(|(status, _)| status.as_str()).collect();
    statuses.dedup();
    assert_eq!(statuses, ["STARTING", "IN_PROGRESS", "COMPLETE"]);
    let percents: Vec<i64> = watched.seen.iter().map(|(_, percent)| *percent).collect();
    assert!(percents.is_sorted(), "{percents:?}");
    assert!(percents.iter().any(|percent| (1..100).contains(percent)), "{percents:?}");
    assert_eq!(percents.last(), Some(&100));
}

/// `export_info_<task>.json` has the fields that AWS writes, with the values of the task.
fn assert_export_info(task: &Task, request: &Value, described: &Value) {
    let info = task.document(&format!("export_info_{}.json", task.id));
    let fields: BTreeSet<&str> = info.as_object().unwrap().keys().map(String::as_str).collect();
    let wanted = [
        "exportTaskIdentifier",
        "sourceArn",
        "exportOnly",
        "snapshotTime",
        "taskStartTime",
        "taskEndTime",
        "s3Bucket",
        "s3Prefix",
        "exportedFilesPath",
        "iamRoleArn",
        "kmsKeyId",
        "status",
        "percentProgress",
        "totalExportedDataInGB",
    ];
    assert_eq!(fields, wanted.into());
    for (name, member) in [
        ("exportTaskIdentifier", "ExportTaskIdentifier"),
        ("sourceArn", "SourceArn"),
        ("s3Bucket", "S3Bucket"),
        ("iamRoleArn", "IamRoleArn"),
        ("status", "Status"),
        ("percentProgress", "PercentProgress"),
    ] {
        assert_eq!(info[name], described[member], "{name}");
    }
    assert_eq!(info["exportOnly"], request.get("ExportOnly").cloned().unwrap_or(json!([])));
    assert_eq!(info["s3Prefix"], request.get("S3Prefix").cloned().unwrap_or(json!("")));
    assert_eq!(info["exportedFilesPath"], task.path.trim_end_matches('/'));
    assert!(text(&info, "kmsKeyId").starts_with("arn:aws:kms:us-west-2:111122223333:key/"), "{info}");
    assert!(info["totalExportedDataInGB"].as_f64().unwrap() > 0.0, "{info}");
    for name in ["snapshotTime", "taskStartTime", "taskEndTime"] {
        assert_is_time(text(&info, name));
    }
}

/// `export_tables_info_<task>_from_1_to_<n>.json` lists every table with its columns.
fn assert_tables_info(task: &Task, tables: &[[&str; 3]]) {
    let info = task.document(&format!("export_tables_info_{}_from_1_to_{}.json", task.id, tables.len()));
    let statuses = list(&info, "perTableStatus");
    let found: BTreeSet<&str> = statuses.iter().map(|status| text(status, "target")).collect();
    let wanted: Vec<String> = tables.iter().map(|names| names.join(".")).collect();
    assert_eq!(found, wanted.iter().map(String::as_str).collect());
    for status in statuses {
        assert_eq!(text(status, "status"), "COMPLETE");
        let statistics = &status["tableStatistics"];
        assert_is_time(text(statistics, "extractionStartTime"));
        assert_is_time(text(statistics, "extractionEndTime"));
        let partitions = &statistics["partitioningInfo"];
        assert_eq!(partitions["numberOfPartitions"], partitions["numberOfCompletedPartitions"]);
    }
    let items = statuses.iter().find(|status| status["target"] == "shop.public.items").unwrap();
    assert!(items["tableStatistics"]["partitioningInfo"]["numberOfPartitions"].as_u64().unwrap() > 5, "{items}");
    assert!(items["sizeGB"].as_f64().unwrap() > 0.0);
    let columns: Vec<_> = list(&items["schemaMetadata"], "originalTypeMappings")
        .iter()
        .map(|column| (text(column, "columnName"), text(column, "originalType"), text(column, "expectedExportedType")))
        .collect();
    let wanted = [("id", "bigint", "int64"), ("code", "text", "binary (UTF8)"), ("price", "numeric", "binary (UTF8)")];
    assert_eq!(columns, wanted);
}

/// The text is a time such as `Sep 10, 2020 6:50:05 AM`.
fn assert_is_time(text: &str) {
    let shape: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_digit() {
                '9'
            } else if c.is_ascii_alphabetic() {
                'a'
            } else {
                c
            }
        })
        .collect();
    let shapes =
        ["aaa 9, 9999 9:99:99 aa", "aaa 99, 9999 9:99:99 aa", "aaa 9, 9999 99:99:99 aa", "aaa 99, 9999 99:99:99 aa"];
    assert!(shapes.contains(&shape.as_str()), "{text}");
}

/// The notification has the same shape as those of RDS.
fn assert_notification(envelope: &Value, task: &Task, id: &str, message: &str) {
    assert_eq!(text(envelope, "Subject"), "RDS Notification Message");
    let attributes = &envelope["MessageAttributes"];
    assert_eq!(attributes["EventID"], json!({"Type": "String", "Value": id}));
    assert_eq!(attributes["Resource"], json!({"Type": "String", "Value": task.cluster_arn}));
    let event: Value = serde_json::from_str(text(envelope, "Message")).unwrap();
    assert_eq!(text(&event, "Event Source"), "db-cluster");
    assert_eq!(text(&event, "Source ARN"), task.cluster_arn);
    assert_eq!(text(&event, "Source ID"), task.cluster_arn.rsplit(':').next().unwrap());
    assert_eq!(text(&event, "Event Message"), message);
    assert!(text(&event, "Event ID").ends_with(&format!("#{id}")), "{event}");
    assert!(text(&event, "Identifier Link").starts_with("https://"), "{event}");
    let time: String = text(&event, "Event Time").chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(time, "9999-99-99 99:99:99.999");
}
