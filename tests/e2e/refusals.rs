//! What does not become an export: refused requests, destinations that can't be used, and tasks that are canceled.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::aws::text;
use crate::harness::cluster::Cluster;
use crate::harness::events::Events;
use crate::harness::task::Task;
use crate::harness::{Env, shared};

/// Takes long enough to extract that something can happen meanwhile.
const LARGE: &str =
    "CREATE TABLE large AS SELECT g AS id, repeat(md5(g::text), 8) AS filler FROM generate_series(1, 200000) g";

/// A task with these members fails for this reason, tells so, and leaves nothing.
fn fails(env: &'static Env, cluster: &Cluster, id: &str, request: Value, cause: &str) {
    let events = Events::of(env, id);
    let task = Task::start(cluster, id, request);
    assert_eq!(task.failed(), cause);
    assert_eq!(events.only_id(), "RDS-EVENT-0234");
    assert_eq!(task.leaves_nothing(), "FAILED");
}

#[test]
fn a_destination_that_cannot_be_used_fails_the_task_in_the_guides_words() {
    let env = shared();
    let cluster = Cluster::create(env, "destinations", "CREATE TABLE t AS SELECT 1 AS a");
    let bucket = "The S3 bucket no-such-bucket-anywhere isn't valid. Either it isn't located in the current AWS Region or it doesn't \
        exist. Review your S3 bucket name and retry the export.";
    // With a role for all buckets: the local cloud looks at permissions first, S3 at the bucket.
    let everywhere = env.role("everywhere", &["s3:*"]);
    fails(
        env,
        &cluster,
        "no-bucket",
        json!({"S3BucketName": "no-such-bucket-anywhere", "IamRoleArn": everywhere}),
        bucket,
    );

    let created = env.aws("kms", "create_key", json!({"Description": "disabled"}));
    let key = text(&created["KeyMetadata"], "KeyId").to_owned();
    env.aws("kms", "disable_key", json!({"KeyId": key}));
    let disabled = "KMS key check failed. Check the credentials on your KMS key and try again.";
    fails(env, &cluster, "disabled-key", json!({"KmsKeyId": key}), disabled);

    let role = "arn:aws:iam::111122223333:role/nobody-made-it";
    let assumed = format!(
        "The RDS export failed to write the export task's metadata because it can't assume the IAM role {role}."
    );
    fails(env, &cluster, "no-role", json!({"IamRoleArn": role}), &assumed);

    // What another export wrote is not touched.
    let bucket = env.var("EXPORT_BUCKET");
    let (key, info) = ("taken/other/shop/public.t/1/part.gz.parquet", "taken/other/export_info_other.json");
    for key in [key, info] {
        env.aws("s3", "put_object", json!({"Bucket": bucket, "Key": key, "Body": "mine"}));
    }
    let taken = format!(
        "The S3 bucket {bucket} already holds objects below taken/other/. Use another task identifier or another prefix."
    );
    fails(env, &cluster, "other", json!({"S3Prefix": "taken"}), &taken);
    for key in [key, info] {
        assert_eq!(env.aws("s3", "get_object", json!({"Bucket": bucket, "Key": key}))["Body"], "mine");
    }

    let task = Task::start(&cluster, "names-nothing", json!({"ExportOnly": ["shop.public.t", "shop.public.nowhere"]}));
    let cause = task.failed();
    assert!(cause.contains("shop.public.nowhere") && !cause.contains("shop.public.t,"), "{cause}");
    assert_eq!(task.leaves_nothing(), "FAILED");
}

#[test]
fn requests_are_refused_with_the_services_codes() {
    let env = shared();
    let cluster = Cluster::create(env, "refusals", LARGE);
    let mut other = cluster.request("of-nothing");
    other["SourceArn"] = json!("arn:aws:rds:us-west-2:111122223333:cluster:nothing");
    let code = |request: Value| env.try_aws("rds", "start_export_task", request).unwrap_err().code;
    assert_eq!(code(other), "DBClusterNotFoundFault");

    let task = Task::start(&cluster, "first", json!({}));
    assert_eq!(code(cluster.request("second")), "InvalidExportSourceState");
    assert_eq!(code(cluster.request("first")), "ExportTaskAlreadyExists");
    let mut bad = cluster.request("bad--name");
    assert_eq!(code(bad.take()), "InvalidParameterValue");
    task.complete();
    // An identifier is never free again, a cluster is.
    assert_eq!(code(cluster.request("first")), "ExportTaskAlreadyExists");
    let canceled = env.try_aws("rds", "cancel_export_task", json!({"ExportTaskIdentifier": "first"}));
    assert_eq!(canceled.unwrap_err().code, "InvalidExportTaskStateFault");
    let unknown = env.try_aws("rds", "cancel_export_task", json!({"ExportTaskIdentifier": "unknown"}));
    assert_eq!(unknown.unwrap_err().code, "ExportTaskNotFound");
    assert_eq!(task.equals(&cluster, &[["shop", "public", "large"]]), 200_000);
}

#[test]
fn a_canceled_export_stops_within_seconds_and_leaves_nothing() {
    let env = shared();
    let cluster = Cluster::create(env, "cancel", LARGE);
    let events = Events::of(env, "cancel");
    let task = Task::start(&cluster, "cancel", json!({}));
    task.extracting(1);
    let canceling = env.aws("rds", "cancel_export_task", json!({"ExportTaskIdentifier": "cancel"}));
    let asked = Instant::now();
    assert_eq!(text(&canceling, "Status"), "CANCELING");
    let watched = task.watch();
    assert_eq!(text(&watched.last, "Status"), "CANCELED", "{}", watched.last);
    assert!(watched.last["PercentProgress"].as_i64().unwrap() < 100);
    assert!(watched.last.get("FailureCause").is_none(), "{}", watched.last);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(events.only_id(), "RDS-EVENT-0235");
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    let info = task.document("export_info_cancel.json");
    assert_eq!(text(&info, "status"), "CANCELED");
    drop(task);

    // Before there is anything to extract, too.
    let task = Task::start(&cluster, "cancel-early", json!({}));
    env.aws("rds", "cancel_export_task", json!({"ExportTaskIdentifier": "cancel-early"}));
    assert_eq!(text(&task.watch().last, "Status"), "CANCELED");
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    drop(task);

    // And the cluster can be exported again.
    let task = Task::start(&cluster, "after-cancel", json!({"ExportOnly": ["shop.public.large"]}));
    task.complete();
}
