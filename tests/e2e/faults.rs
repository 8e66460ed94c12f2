//! What dies on the way does not show in what arrives.

use std::time::Duration;

use serde_json::json;

use crate::harness::cluster::Cluster;
use crate::harness::events::Events;
use crate::harness::fault::{Fault, Kind};
use crate::harness::task::Task;
use crate::harness::{faulty, function, shared, wait_for};

/// Bytes that don't compress, so that a table of twenty megabytes is a multipart upload.
const NOISE: &str = "CREATE TABLE noise (id int, bytes bytea);
    INSERT INTO noise SELECT n / 2600, decode(string_agg(md5(n::text), ''), 'hex') FROM generate_series(0, 1299999) n GROUP BY n / 2600";

#[test]
fn a_worker_killed_in_the_middle_of_an_upload_does_not_show() {
    let (env, _exclusive) = faulty();
    let cluster = Cluster::create(env, "killed", NOISE);
    let fault = Fault::inject(env, "extract-tables", Kind::Kill);
    let events = Events::of(env, "killed");
    let task = Task::start(&cluster, "killed", json!({}));
    task.complete();
    assert!(fault.happened());
    assert_eq!(task.equals(&cluster, &[["shop", "public", "noise"]]), 500);
    assert_eq!(task.objects().iter().filter(|object| object.ends_with(".parquet")).count(), 1);
    assert_eq!(events.only_id(), "RDS-EVENT-0236");
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
}

const STEPS: [&str; 8] = [
    "validate-request",
    "check-preconditions",
    "clone-cluster",
    "plan-export",
    "extract-tables",
    "finish-export",
    "publish-event",
    "delete-clone",
];

#[test]
fn every_step_may_throw_once() {
    let (env, _exclusive) = faulty();
    let cluster = Cluster::create(
        env,
        "throws",
        "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS h FROM generate_series(1, 20000) g",
    );
    let faults = STEPS.map(|step| Fault::inject(env, step, Kind::Throw));
    let events = Events::of(env, "throws");
    // By an execution: a call of the API would meet the fault of check-preconditions before the workflow does.
    let task = Task::execute(&cluster, "throws", json!({}));
    task.complete();
    assert_eq!(events.only_id(), "RDS-EVENT-0236");
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    for (step, fault) in STEPS.iter().zip(&faults) {
        assert!(fault.happened(), "{step}");
    }
    assert_eq!(task.equals(&cluster, &[["shop", "public", "t"]]), 20_000);
}

#[test]
fn a_password_that_rds_has_changed_is_read_again() {
    let (env, _exclusive) = faulty();
    let cluster = Cluster::create(env, "rotated", "CREATE TABLE t AS SELECT 1 AS a");
    let faults = ["plan-export", "extract-tables"].map(|step| Fault::inject(env, step, Kind::Refuse));
    let task = Task::start(&cluster, "rotated", json!({}));
    task.complete();
    assert!(faults.iter().all(Fault::happened));
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
}

#[test]
fn every_step_of_the_way_out_may_throw_once() {
    let (env, _exclusive) = faulty();
    let cluster = Cluster::create(env, "throws-out", "CREATE TABLE t AS SELECT 1 AS a");
    let steps = ["finish-export", "publish-event", "delete-clone"];
    let faults = steps.map(|step| Fault::inject(env, step, Kind::Throw));
    let events = Events::of(env, "throws-out");
    let task = Task::start(&cluster, "throws-out", json!({"ExportOnly": ["shop.nothing"]}));
    assert!(task.failed().contains("shop.nothing"));
    assert_eq!(events.only_id(), "RDS-EVENT-0234");
    assert_eq!(task.leaves_nothing(), "FAILED");
    assert!(faults.iter().all(Fault::happened));
}

#[test]
fn the_janitor_ends_and_cleans_up_what_a_stopped_execution_left() {
    let env = shared();
    let cluster = Cluster::create(
        env,
        "stopped",
        "CREATE TABLE large AS SELECT g AS id, repeat(md5(g::text), 8) AS filler FROM generate_series(1, 150000) g",
    );
    let events = Events::of(env, "stopped");
    let task = Task::start(&cluster, "stopped", json!({}));
    task.extracting(1);
    let arn = task.record().unwrap()["ExecutionArn"]["S"].clone();
    env.aws("stepfunctions", "stop_execution", json!({"executionArn": arn}));
    // The template's rule has the janitor end the task.
    wait_for("the rule", Duration::from_secs(40), || task.record().unwrap().get("PublishedAt").map(drop));
    // One step a sweep, as the template's schedule does every quarter of an hour.
    wait_for("the janitor's work", Duration::from_secs(40), || {
        let name = function("janitor");
        let swept = env.aws("lambda", "invoke", json!({"FunctionName": name, "Payload": "{}"}));
        assert!(swept.get("FunctionError").is_none(), "{swept}");
        task.record().unwrap().get("CleanedUpAt").map(drop)
    });
    assert_eq!(task.failed(), "An unknown internal error occurred.");
    assert_eq!(events.only_id(), "RDS-EVENT-0234");
    assert_eq!(task.leaves_nothing(), "ABORTED");
    drop(task);
    let task = Task::start(&cluster, "after-stopped", json!({"ExportOnly": ["shop.public.large"]}));
    task.complete();
}

#[test]
fn an_execution_stopped_early_leaves_nothing_either() {
    let env = shared();
    let cluster = Cluster::create(env, "stopped-early", "CREATE TABLE t AS SELECT 1 AS a");
    // Before anything is made, with a grant, with a clone.
    for (id, phase) in
        [("stopped-at-once", "ExecutionArn"), ("stopped-granted", "KmsKeyArn"), ("stopped-cloning", "SnapshotTime")]
    {
        let task = Task::start(&cluster, id, json!({}));
        wait_for(phase, Duration::from_secs(30), || task.record().unwrap().get(phase).map(drop));
        let arn = task.record().unwrap()["ExecutionArn"]["S"].clone();
        env.aws("stepfunctions", "stop_execution", json!({"executionArn": arn}));
        let sweep = || {
            let swept = env.aws("lambda", "invoke", json!({"FunctionName": function("janitor"), "Payload": "{}"}));
            assert!(swept.get("FunctionError").is_none(), "{swept}");
        };
        wait_for("the janitor's work", Duration::from_secs(60), || {
            sweep();
            task.record().unwrap().get("CleanedUpAt").map(drop)
        });
        assert_eq!(task.failed(), "An unknown internal error occurred.");
        assert_eq!(task.execution_status(), "ABORTED");
        // A step that was under way may have made more after that; the next sweeps find it.
        std::thread::sleep(Duration::from_secs(2));
        sweep();
        task.is_cleaned_up();
    }
}
