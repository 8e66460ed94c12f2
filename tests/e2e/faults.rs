//! Failures during an export do not change its result.

use std::time::Duration;

use local_stack::deploy::FUNCTIONS;
use serde_json::json;

use crate::harness::cluster::Cluster;
use crate::harness::events::Events;
use crate::harness::fault::{Fault, Kind};
use crate::harness::task::Task;
use crate::harness::{faulty, function, shared, wait_for};

/// Bytes that do not compress, so that the file of a table of twenty megabytes is a multipart
/// upload.
const NOISE: &str = "CREATE TABLE noise (id int, bytes bytea);
    INSERT INTO noise SELECT n / 2600, decode(string_agg(md5(n::text), ''), 'hex') FROM generate_series(0, 1299999) n GROUP BY n / 2600";

#[test]
fn a_worker_killed_during_an_upload_does_not_change_the_export() {
    let (env, _exclusive) = faulty();
    let cluster = Cluster::create(env, "killed", NOISE);
    let fault = Fault::inject(env, "extract-tables", Kind::Kill);
    let events = Events::subscribe_to_end(env, "killed");
    let task = Task::start(&cluster, "killed", json!({}));
    task.wait_until_complete();
    assert!(fault.happened());
    assert_eq!(task.compare_with(&cluster, &[["shop", "public", "noise"]]), 500);
    assert_eq!(task.objects().iter().filter(|object| object.ends_with(".parquet")).count(), 1);
    assert_eq!(events.only_event_id(), "RDS-EVENT-0236");
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
}

/// The functions that the workflow does not call.
const OUTSIDE_THE_WORKFLOW: [&str; 2] = ["export-api", "janitor"];

#[test]
fn every_function_may_fail_once() {
    let (env, _exclusive) = faulty();
    let cluster = Cluster::create(
        env,
        "throws",
        "CREATE TABLE t AS SELECT g AS id, md5(g::text) AS h FROM generate_series(1, 20000) g",
    );
    let workflow = FUNCTIONS.into_iter().filter(|function| !OUTSIDE_THE_WORKFLOW.contains(function));
    let faults: Vec<_> = workflow.map(|function| (function, Fault::inject(env, function, Kind::Throw))).collect();
    let events = Events::subscribe_to_end(env, "throws");
    // The test starts an execution, because a call of the API invokes check-preconditions and would
    // use up its fault.
    let task = Task::execute(&cluster, "throws", json!({}));
    task.wait_until_complete();
    assert_eq!(events.only_event_id(), "RDS-EVENT-0236");
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
    for (function, fault) in &faults {
        assert!(fault.happened(), "{function}");
    }
    assert_eq!(task.compare_with(&cluster, &[["shop", "public", "t"]]), 20_000);
}

#[test]
fn a_password_that_rds_has_rotated_is_read_again() {
    let (env, _exclusive) = faulty();
    let cluster = Cluster::create(env, "rotated", "CREATE TABLE t AS SELECT 1 AS a");
    let faults = ["plan-export", "extract-tables"].map(|function| Fault::inject(env, function, Kind::Refuse));
    let task = Task::start(&cluster, "rotated", json!({}));
    task.wait_until_complete();
    assert!(faults.iter().all(Fault::happened));
    assert_eq!(task.leaves_nothing(), "SUCCEEDED");
}

#[test]
fn every_function_may_fail_once_after_a_task_has_failed() {
    let (env, _exclusive) = faulty();
    let cluster = Cluster::create(env, "throws-out", "CREATE TABLE t AS SELECT 1 AS a");
    let functions = ["finish-export", "publish-event", "delete-clone"];
    let faults = functions.map(|function| Fault::inject(env, function, Kind::Throw));
    let events = Events::subscribe_to_end(env, "throws-out");
    let task = Task::start(&cluster, "throws-out", json!({"ExportOnly": ["shop.nothing"]}));
    assert!(task.wait_until_failed().contains("shop.nothing"));
    assert_eq!(events.only_event_id(), "RDS-EVENT-0234");
    assert_eq!(task.leaves_nothing(), "FAILED");
    assert!(faults.iter().all(Fault::happened));
}

#[test]
fn the_janitor_ends_and_cleans_up_the_task_of_a_stopped_execution() {
    let env = shared();
    let cluster = Cluster::create(
        env,
        "stopped",
        "CREATE TABLE large AS SELECT g AS id, repeat(md5(g::text), 8) AS filler FROM generate_series(1, 150000) g",
    );
    let events = Events::subscribe_to_end(env, "stopped");
    let task = Task::start(&cluster, "stopped", json!({}));
    task.wait_until_extracting(1);
    let arn = task.record().unwrap()["ExecutionArn"]["S"].clone();
    env.aws("stepfunctions", "stop_execution", json!({"executionArn": arn}));
    // The template's rule invokes the janitor, which ends the task.
    wait_for("the janitor to publish the end", Duration::from_secs(40), || {
        task.record().unwrap().get("PublishedAt").map(drop)
    });
    // The template's schedule invokes the janitor every 15 minutes. One invocation cleans up for
    // at most about 60 seconds, so several may be needed.
    wait_for("the janitor to clean up", Duration::from_secs(40), || {
        let name = function("janitor");
        let swept = env.aws("lambda", "invoke", json!({"FunctionName": name, "Payload": "{}"}));
        assert!(swept.get("FunctionError").is_none(), "{swept}");
        task.record().unwrap().get("CleanedUpAt").map(drop)
    });
    assert_eq!(task.wait_until_failed(), "An unknown internal error occurred.");
    assert_eq!(events.only_event_id(), "RDS-EVENT-0234");
    assert_eq!(task.leaves_nothing(), "ABORTED");
    drop(task);
    let task = Task::start(&cluster, "after-stopped", json!({"ExportOnly": ["shop.public.large"]}));
    task.wait_until_complete();
}

#[test]
fn an_execution_that_is_stopped_early_leaves_nothing() {
    let env = shared();
    let cluster = Cluster::create(env, "stopped-early", "CREATE TABLE t AS SELECT 1 AS a");
    // The execution is stopped before it has created anything, with a grant, and with a clone.
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
        wait_for("the janitor to clean up", Duration::from_secs(60), || {
            sweep();
            task.record().unwrap().get("CleanedUpAt").map(drop)
        });
        assert_eq!(task.wait_until_failed(), "An unknown internal error occurred.");
        assert_eq!(task.execution_status(), "ABORTED");
        // A function that was still running may have created something after that. The next sweep
        // finds it.
        std::thread::sleep(Duration::from_secs(2));
        sweep();
        task.assert_cleaned_up();
    }
}
