//! Refused requests, and tasks that are canceled.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::aws::text;
use crate::harness::cluster::Cluster;
use crate::harness::events::Events;
use crate::harness::task::Task;
use crate::harness::{shared, wait_for};

/// A table whose extraction takes long enough for a cancellation.
const LARGE: &str =
    "CREATE TABLE large AS SELECT g AS id, repeat(md5(g::text), 8) AS filler FROM generate_series(1, 200000) g";

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
    task.wait_until_complete();
    // An identifier stays taken for ever. A cluster can be exported again.
    assert_eq!(code(cluster.request("first")), "ExportTaskAlreadyExists");
    let canceled = env.try_aws("rds", "cancel_export_task", json!({"ExportTaskIdentifier": "first"}));
    assert_eq!(canceled.unwrap_err().code, "InvalidExportTaskStateFault");
    let unknown = env.try_aws("rds", "cancel_export_task", json!({"ExportTaskIdentifier": "unknown"}));
    assert_eq!(unknown.unwrap_err().code, "ExportTaskNotFound");
    assert_eq!(task.compare_with(&cluster, &[["shop", "public", "large"]]), 200_000);
}

#[test]
fn a_canceled_export_stops_within_seconds_and_leaves_nothing() {
    let env = shared();
    let cluster = Cluster::create(env, "cancel", LARGE);
    let events = Events::subscribe_to_end(env, "cancel");
    let task = Task::start(&cluster, "cancel", json!({}));
    task.wait_until_extracting(1);
    let canceling = env.aws("rds", "cancel_export_task", json!({"ExportTaskIdentifier": "cancel"}));
    let requested = Instant::now();
    assert_eq!(text(&canceling, "Status"), "CANCELING");
    let watched = task.wait_until_ended();
    assert_eq!(text(&watched.last, "Status"), "CANCELED", "{}", watched.last);
    assert!(watched.last["PercentProgress"].as_i64().unwrap() < 100);
    assert!(watched.last.get("FailureCause").is_none(), "{}", watched.last);
    assert!(requested.elapsed() < Duration::from_secs(10), "{:?}", requested.elapsed());
    assert_eq!(events.only_event_id(), "RDS-EVENT-0235");
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    let info = task.document("export_info_cancel.json");
    assert_eq!(text(&info, "status"), "CANCELED");
    drop(task);

    // The same before there is anything to extract.
    let task = Task::start(&cluster, "cancel-early", json!({}));
    env.aws("rds", "cancel_export_task", json!({"ExportTaskIdentifier": "cancel-early"}));
    assert_eq!(text(&task.wait_until_ended().last, "Status"), "CANCELED");
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    drop(task);

    // The same while the clone is being created.
    let task = Task::start(&cluster, "cancel-clone", json!({}));
    wait_for("a clone under way", Duration::from_secs(30), || task.record().unwrap().get("SnapshotTime").map(drop));
    env.aws("rds", "cancel_export_task", json!({"ExportTaskIdentifier": "cancel-clone"}));
    let requested = Instant::now();
    assert_eq!(text(&task.wait_until_ended().last, "Status"), "CANCELED");
    assert!(requested.elapsed() < Duration::from_secs(10), "{:?}", requested.elapsed());
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    drop(task);

    // The cluster can be exported again.
    let task = Task::start(&cluster, "after-cancel", json!({"ExportOnly": ["shop.public.large"]}));
    task.wait_until_complete();
}
